"""A fare: the rows of one reader for one call, and what became of them."""

from collections.abc import Sequence
from contextvars import Context, copy_context
from typing import Final

import anyio

from ...core.errors import ConsumerError, Held, Retryable, Torn
from ...core.sharing.alone import Place
from ...core.sharing.load import Rows
from ..make_reader import Limit
from .rider import Rider

LEFT: Final = "left"
"""The code of a call that was not made: somebody may not go any more, and the rest goes without."""


class Fare:
    """The rows of one reader for one call, and what became of them."""

    def __init__(self, op: str, rows: Rows, rider: Rider) -> None:
        self.op, self.rows, self.rider = op, rows, rider
        self.context: Context = copy_context()
        self.done = anyio.Event()
        self.error: ConsumerError | Torn | None = None
        self.is_gone = False
        """Whether its run has ended without it."""
        self.has_ridden = False
        """Whether a call was made with its rows."""

    @property
    def place(self) -> Place:
        """Return the reader and the operation."""
        return self.rider.user, self.op

    def end(self, error: ConsumerError | Torn | None = None) -> None:
        """Say what became of it; the first word counts."""
        if not self.done.is_set():
            self.error = error
            self.done.set()

    def limit_s(self) -> float | None:
        """Return for how long its rows may be written (s); None: not at all any more, and it is told why: no attempt is burnt."""
        if self.is_gone or self.done.is_set():
            return None
        try:
            return self.rider.limit_s()
        except Retryable as error:
            self.end(Held("the snapshot became too old behind other readers' calls", code=error.code))
        except ConsumerError as error:
            self.end(error)
        return None


def limit_of(riding: Sequence[Fare]) -> Limit:
    """Return what is asked before each try: as long as each of the riders may write."""

    def limit_s() -> float:
        limits_s = [left_s for one in riding if (left_s := one.limit_s()) is not None]
        if len(limits_s) < len(riding):
            raise Held("not everybody may go any more", code=LEFT)
        return min(limits_s)

    return limit_s
