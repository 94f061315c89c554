"""A refused call, halved until what is bad stands alone."""

from collections.abc import Sequence
from typing import Final, Generic, TypeVar

from ..errors import ConsumerError

MOST_CALLS: Final = 20
"""For one refused call: enough to find one bad reader of a thousand."""
_ALL: Final = 5
"""Where so many readers are refused, and none is taken, the fault is not theirs."""
T = TypeVar("T")


class Apart(Generic[T]):
    """
    What is left to be asked of a call that was refused.

    It promises: a reader is bad only where it was refused alone; at most twenty calls; the first bad one is found before others are
    looked for, so that each call that is taken apart leaves fewer of them.
    """

    def __init__(self, refused: Sequence[T]) -> None:
        """Take those whose call was refused, at least two."""
        self._groups = _halves(refused)
        self._calls = 0
        self._some_taken = False
        self.bad: list[tuple[T, ConsumerError]] = []
        """Those that were refused alone, each with its error."""

    @property
    def is_of_account(self) -> bool:
        """Say whether at least five were refused, each alone, and nobody was taken."""
        return not self._some_taken and len(self.bad) >= _ALL

    @property
    def is_of_nobody(self) -> bool:
        """Say whether all were taken, in parts: then it is not the rows that were refused."""
        return self._some_taken and not self.bad and not self._groups

    @property
    def left(self) -> list[T]:
        """Return those of which nothing is known."""
        return [one for group in self._groups for one in group]

    def next(self) -> list[T] | None:
        """Return those to be sent next; None: no more calls are made."""
        if not self._groups or self._calls >= MOST_CALLS or self.is_of_account:
            return None
        self._calls += 1
        return self._groups.pop()

    def note(self, sent: Sequence[T], error: ConsumerError | None) -> None:
        """Note what became of a call; `sent`: those of the group that went; None: they were taken."""
        if error is None:
            self._some_taken = self._some_taken or bool(sent)
        elif len(sent) == 1:
            self.bad.append((sent[0], error))
        else:
            self._groups += _halves(sent)


def _halves(group: Sequence[T]) -> list[list[T]]:
    """Return both halves, the first last: it is asked next."""
    middle = (len(group) + 1) // 2
    return [list(group[middle:]), list(group[:middle])]
