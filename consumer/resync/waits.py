"""Waits: how one that waits is woken, which waits a stop ends, and things done together."""

import asyncio
from collections.abc import Awaitable, Callable

import anyio

from ..core.errors import ConsumerError, Retryable, weightiest
from ..telemetry.fences import BUG, fenced


class Bell:
    """Wakes the one that waits; a ring before the wait counts."""

    def __init__(self) -> None:
        self._rung = anyio.Event()

    def ring(self) -> None:
        """Wake the waiter."""
        self._rung.set()

    async def wait(self, *, until: float) -> None:
        """Return at the first ring or at `until`."""
        with anyio.move_on_after(until - anyio.current_time()):
            await self._rung.wait()
        self._rung = anyio.Event()


class Waits:
    """The waits of runs, all of which can be ended at once: those that stand then, and those to come, until they are allowed again."""

    def __init__(self) -> None:
        """Allow waits."""
        self._ended = anyio.Event()

    def end(self) -> None:
        """End all waits."""
        self._ended.set()

    def allow(self) -> None:
        """Let a task that comes now wait again."""
        if self._ended.is_set():
            self._ended = anyio.Event()

    @property
    def ended(self) -> bool:
        """Say whether none may wait now."""
        return self._ended.is_set()

    async def sleep(self, wait_s: float) -> bool:
        """Sleep; return False where all waits were ended before."""
        ended = self._ended
        with anyio.move_on_after(wait_s) as waiting:
            await ended.wait()
        return waiting.cancelled_caught


async def together(*jobs: Callable[[], Awaitable[None]]) -> None:
    """
    Do all at once; the first error ends the others, and the one that matters most is raised: `bug` for one that is unexpected.

    All have ended when it returns, also where it is cancelled. They are told once to end.
    """
    tasks = [asyncio.ensure_future(_fenced(job)) for job in jobs]  # A group of anyio's costs as much as a fifth of a call.
    cut: asyncio.CancelledError | None = None
    told = False
    while going := [one for one in tasks if not one.done()]:
        try:
            await asyncio.wait(going, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError as cancelled:
            cut = cancelled
        if not told and (cut is not None or any(one.done() and (one.cancelled() or one.exception()) for one in tasks)):
            told = True  # Once: anyio tells us at each turn of the loop, and what they do to end well is not to be cut off, too.
            for one in going:
                one.cancel()
    errors = [error for one in tasks if not one.cancelled() and (error := one.exception()) is not None]
    ours = [error for error in errors if isinstance(error, ConsumerError)]
    for error in errors:
        if not isinstance(error, ConsumerError):
            raise error  # No fence holds it.
    if cut is not None:
        raise cut
    if ours:
        raise weightiest(ours)
    if any(one.cancelled() for one in tasks):
        raise Retryable("exchange: cancelled, and not by us", code=BUG)


async def _fenced(job: Callable[[], Awaitable[None]]) -> None:
    with fenced("exchange"):
        await job()
