"""The walk through a list by offset, whose rows may move while it is read."""

from collections.abc import Sequence
from math import inf
from typing import Final

from ..answers.pages import last, total
from ..errors import Refused

_OVERLAP: Final = 5
_SMALL: Final = 10
"""A page of so few rows overlaps by one row; one of a single row by none, for the next would be the same."""
_MOVES: Final = 100
"""A list that moves more often is none that can be read."""
_SAME: Final = 3
"""So often in a row no list has grown by just so many rows that a page comes again."""
_BACK: Final = 3
"""After so many steps back the walk begins anew: what was the end of a page is nowhere near."""


class Walk:
    """
    The pages of one list of all users.

    It promises: each page shares rows with the one before, so that no row is passed by because rows before it went; where it does not, the
    walk steps back, or begins anew. The end is a page that is shorter than another was, without a row behind the known ones, unless the
    server says that there are more; where rows have come to the head meanwhile, which may be some that were still to come, the head is
    read again. Pages of a single row share none.
    """

    def __init__(self, *, end: int = 0, tail: Sequence[str] = (), longest: int = 0) -> None:
        """Begin at the first row, or go on behind a page that was taken: its end, the ids of its last rows, and the longest page so far."""
        self.tail = tuple(tail)
        """The ids of the last rows of the page before."""
        self.end = end
        """The offset behind the page before."""
        self.offset = max(0, end - len(self.tail))
        """Where the next page is to begin."""
        self.total: int | None = None
        """How many rows there are, where the server says so."""
        self.moved = 0
        """How often rows had come or gone before the place, so that it was read anew."""
        self._page: tuple[str, ...] = ()
        self.longest = longest
        """How many rows the longest page so far has."""
        self._length = _SMALL
        self._same = self._back = 0
        # How many rows have come before the place; how many rows of the head are read again; inf: all of them.
        self._pushed, self._goal = 0, inf
        self._had_rows = end > 0

    def take(self, ids: Sequence[str], *, length: int, said: object) -> bool:
        """
        Take a page that was asked for at `offset`; return whether the list goes on.

        Args:
            ids: of its rows that can be used, in their order.
            length: how many rows it has.
            said: the decoded answer, for what it says of what follows.

        Raises:
            Refused: `repeats`, the same page again; `half`, it says that there is more, and gives none, or gives none where there were
                rows; `moves`, it never stands still.
        """
        page, known = tuple(ids), {*self.tail, *self._page}
        self.total = total(said) or self.total
        if not length and self._had_rows and not self.offset:
            raise Refused("there were rows, and now there are none", code="half")
        self._refuse_same(page)
        if self.tail and known.isdisjoint(page):
            self._step_back(length)
            return True
        self._pushed += page.index(self.tail[0]) if self.tail and self.tail[0] in page else 0
        self._had_rows, received = self._had_rows or length > 0, self.offset + length
        if not page or page[-1] in known:
            # A full page may be known from its first row to its last, where as many rows came before it.
            if not length or length < self.longest:
                if last(said, received) is False:
                    raise Refused("more rows are said to follow, and none comes", code="half")
                return self._begins_again()
            self._note_move("moves")
        self._back, self.longest = 0, max(self.longest, length)
        self._page, self._length, self.end = page, length, received
        # As far as its last rows have ids: what has none can't be found again.
        overlap = _OVERLAP if length > _SMALL else min(1, length - 1)
        self.tail = page[length - overlap :] if len(page) == length else ()
        self.offset = received - len(self.tail)
        return received < self._goal or self._begins_again()

    def _begins_again(self) -> bool:
        """Go back to the head where rows have come there since it was read; return whether they have."""
        if not self._pushed:
            return False
        self._note_move("moves")
        self._goal, self._pushed = self._pushed + _OVERLAP, 0
        self._begin()
        return True

    def _begin(self) -> None:
        self.tail, self._page, self.end, self.offset = (), (), 0, 0  # Where a walk that is cut off here goes on, too.

    def _refuse_same(self, page: tuple[str, ...]) -> None:
        self._same = self._same + 1 if page and page == self._page and self.offset > 0 else 0
        if self._same == _SAME:
            raise Refused("the same page again, whatever offset is asked for", code="repeats")

    def _step_back(self, length: int) -> None:
        """None of the rows that were read last is there: so many before them have come or gone."""
        self._note_move("moves" if length else "half")
        self._back += 1
        if not self.offset or self._back > _BACK:
            self._begin()
        self.offset = max(0, self.offset - max(length, self._length))

    def _note_move(self, code: str) -> None:
        self.moved += 1
        if self.moved > _MOVES:
            raise Refused("its rows never stand still", code=code)
