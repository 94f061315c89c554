"""The readers whose rows go alone, and whether all do."""

from collections import OrderedDict
from collections.abc import Iterable
from math import inf
from typing import Final

from ..model import UserKey

_KEPT: Final = 1024
_IN_A_ROW: Final = 2
"""So many calls that are refused, and whose parts are all taken, say that it is the sharing that is refused."""
_OFF_S: Final = 600.0

Place = tuple[UserKey, str]
"""A reader, and the operation."""


class Alone:
    """
    The readers of one account whose rows are not to be shared, by operation.

    It promises: a reader stays one until its rows were taken alone; the last 1,024 are kept; where two calls in a row were refused
    and all their parts taken, all readers go alone for ten minutes.
    """

    def __init__(self) -> None:
        """Know of nobody."""
        self._places: OrderedDict[Place, None] = OrderedDict()
        self._refused_whole = 0
        self._off_until = -inf

    def __len__(self) -> int:
        return len(self._places)

    def has(self, place: Place, *, now: float) -> bool:
        """Say whether a reader's rows go alone."""
        return now < self._off_until or place in self._places

    def add(self, places: Iterable[Place]) -> None:
        """Let readers go alone from now on."""
        self._places.update(dict.fromkeys(places))
        while len(self._places) > _KEPT:
            self._places.popitem(last=False)

    def remove(self, place: Place) -> None:
        """Let a reader whose rows were taken alone share again."""
        self._places.pop(place, None)

    def taken_together(self) -> None:
        """Note that a call with rows of several readers was taken."""
        self._refused_whole = 0

    def refused_whole(self, *, now: float) -> bool:
        """Note that a call was refused, and all its parts taken; return whether nothing is shared from now on, for a while."""
        self._refused_whole += 1
        if self._refused_whole < _IN_A_ROW:
            return False
        self._refused_whole = 0
        self._off_until = now + _OFF_S
        return True
