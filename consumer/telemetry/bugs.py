"""Fences: an exception that nobody expected fails what it was met for, and nothing else."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from ..core.errors import ConsumerError, Retryable, Torn, weightiest
from .logs import log

_log = log(__name__)
BUG: Final = "bug"
"""The code of what nobody expected."""


@contextmanager
def fenced(step: str) -> Iterator[None]:
    """
    Turn what nobody expected into a failed try, and log its place.

    A fence belongs around what reads foreign data or works for one user, never around a change of state of ours: see `unfenced`.

    Args:
        step: a constant of ours, for the log.

    Raises:
        Retryable: `bug`, in place of any exception but ours.
        ConsumerError: ours as it is; out of a group, the one that matters most.
        Torn: as it is.
    """
    try:
        yield
    except ConsumerError:
        raise
    except Exception as error:
        met = list(_leaves(error))
        if any(isinstance(one, Torn) for one in met):
            raise
        ours = [one for one in met if isinstance(one, ConsumerError)]
        foreign = [one for one in met if not isinstance(one, ConsumerError)]
        for one in foreign:
            _log.error("unexpected exception: this is our bug", step=step, exc_info=one)
            ours.insert(0, Retryable(f"{step}: unexpected {type(one).__name__}", code=BUG))
        # Not chained: its text may quote what must not be seen.
        raise weightiest(ours) from None


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
