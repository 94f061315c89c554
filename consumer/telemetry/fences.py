"""Fences: a bug, an exception or a cancellation that is not ours, fails what it was met for, and nothing else."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, Literal, NoReturn

import anyio

from ..core.errors import ConsumerError, Retryable, Torn, weightiest
from .logs import log

_log = log(__name__)
BUG: Final = "bug"
"""The code of an unexpected error."""
_TEAR_DOWN_S: Final = 1.0

# ---- Exceptions ----


class fenced:  # noqa: N801 - it is used as a statement; as a class it costs half of what a generator does, a dozen times a run
    """
    Turn an unexpected error into a failed try, and log its place.

    A fence belongs around what reads foreign data or works for one user, never around a change of state of ours: see `unfenced`.

    Raises:
        Retryable: `bug`, in place of any exception but ours.
        ConsumerError: ours as it is; out of a group, the one that matters most.
        Torn: as it is.
    """

    __slots__ = ("_step",)

    def __init__(self, step: str) -> None:
        """Take the step's name: a constant of ours, for the log."""
        self._step = step

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> Literal[False]:
        """End: what was raised passes, or another is raised in its place."""
        if isinstance(error, Exception) and not isinstance(error, ConsumerError):
            met = list(_leaves(error))
            if any(isinstance(one, Torn) for one in met):
                return False
            ours = [one for one in met if isinstance(one, ConsumerError)]
            foreign = [one for one in met if not isinstance(one, ConsumerError)]
            for one in foreign:
                _log.error("unexpected exception: this is our bug", step=self._step, exc_info=one)
                ours.insert(0, Retryable(f"{self._step}: unexpected {type(one).__name__}", code=BUG))
            # Not chained: its text may quote what must not be seen.
            raise weightiest(ours) from None
        return False


@contextmanager
def unfenced() -> Iterator[None]:
    """
    Change state of ours in a place that stands inside a fence.

    Raises:
        Torn: in place of any exception.
    """
    try:
        yield
    except Exception as error:
        raise Torn("a change of state failed half-way") from error


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if not isinstance(error, BaseExceptionGroup):
        yield error
        return
    for one in error.exceptions:
        yield from _leaves(one)


# ---- Cancellations, and clients that end ----


class only_ours:  # noqa: N801 - as `fenced`
    """
    Let a cancellation pass only where this task was cancelled from outside.

    Raises:
        Exception: `error()`, for any other: one that came out of what was awaited.
    """

    __slots__ = ("_before", "_error", "_task")

    def __init__(self, error: Callable[[], Exception]) -> None:
        """Take what makes the error."""
        self._error = error

    def __enter__(self) -> None:
        """Begin."""
        task = asyncio.current_task()
        assert task is not None
        self._task, self._before = task, task.cancelling()

    def __exit__(self, _type: object, met: BaseException | None, _traceback: object) -> Literal[False]:
        """End: what was raised passes, or `error()` is raised in its place."""
        # Each cancellation of a task, by anyio's scopes too, counts there.
        if isinstance(met, asyncio.CancelledError) and self._task.cancelling() <= self._before:
            raise self._error() from met
        return False


class PartEnded(RuntimeError):
    """What ends only by being stopped has ended by itself: our bug."""


async def for_ever(name: str, part: Callable[[], Awaitable[object]]) -> NoReturn:
    """
    Run what ends only by being cancelled, by us.

    Raises:
        PartEnded: it returned, or was cancelled, and not by us.
    """
    with only_ours(lambda: PartEnded(name)):
        await part()
    raise PartEnded(name)


async def put_down(stop: Callable[[], Coroutine[Any, Any, object]], parts: Callable[[], "ClientParts"], *, limit_s: float) -> None:
    """
    Stop a client within `limit_s`, whatever its `stop` raises; where it does not end well, take it apart.

    A client that is half stopped would go on for ever: it fetches, and keeps its place in the group. We are not
    cancelled meanwhile.

    Args:
        parts: what a client consists of, asked only where its `stop` failed.
    """
    with anyio.CancelScope(shield=True):
        if await _ends_well(stop(), limit_s=limit_s):
            return
        tasks, close = parts()
        for task in tasks:
            task.cancel()
        if tasks:
            ended, _ = await asyncio.wait(tasks, timeout=_TEAR_DOWN_S)
            for task in ended:
                _ = task.cancelled() or task.exception()  # Looked at: else asyncio complains.
        await _ends_well(close(), limit_s=_TEAR_DOWN_S)


ClientParts = tuple[set["asyncio.Task[Any]"], Callable[[], Coroutine[Any, Any, object]]]
"""A client's own tasks, and what closes its connections."""


async def _ends_well(work: Coroutine[Any, Any, object], *, limit_s: float) -> bool:
    # A task of its own, and awaited as a set: so neither its cancellation nor its error reaches us.
    task = asyncio.ensure_future(work)
    await asyncio.wait({task}, timeout=limit_s)
    if not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=_TEAR_DOWN_S)
        return False
    with suppress(asyncio.CancelledError):
        return task.exception() is None
    return False
