"""The kinds of open letters, counted as they come and go: those of users by code, account and lists, those that can't be read by code."""

import heapq
from collections import Counter, deque
from collections.abc import Collection, Sequence
from typing import Final

from msgspec import Struct

from ..model import Place
from ..text import shown
from .record import OpenLetter

UNREADABLE_KEPT: Final = 10_000
"""Of more letters that can't be read, the newest of each partition are counted."""

_Key = tuple[str, str | None, str]
_Said = tuple[str, Place, bool]
"""Code, and the record that can't be read; where that is not known (False), the letter's own place."""


class Kind(Struct, frozen=True, kw_only=True):
    """Letters that are alike."""

    code: str = ""
    """Empty: those of all other kinds."""
    account: str = ""
    lists: tuple[str, ...] = ()
    needs_a_person: int = 0
    heals: int = 0
    unreadable: bool = False

    @property
    def size(self) -> int:
        """Return how many letters are of it."""
        return self.needs_a_person + self.heals


class Kinds:
    """
    How many letters of users are open of each kind; records that say the same letter are one.

    It promises: a letter costs O(1) as it comes, is asked for and goes; memory is O(kinds that are open).
    """

    def __init__(self) -> None:
        # Those that need a person, and those that heal; a kind without letters has no entry.
        self._counts: tuple[Counter[_Key], Counter[_Key]] = (Counter(), Counter())

    def __len__(self) -> int:
        return sum(counts.total() for counts in self._counts)

    def came(self, same: Sequence[OpenLetter]) -> None:
        """Count a letter, of which these are the records; it heals where any of them does. None: there is no such letter."""
        if same:
            self._counts[_heals(same)][_key(same[0])] += 1

    def went(self, same: Sequence[OpenLetter]) -> None:
        """Count a letter no more; its records are as they were when it was last counted."""
        if not same:
            return
        counts, key = self._counts[_heals(same)], _key(same[0])
        counts[key] -= 1
        if counts[key] <= 0:
            del counts[key]

    def largest(self, most: int, *, known: Collection[str], unreadable: "Unreadable") -> tuple[Kind, ...]:
        """
        Return the largest kinds, and one more that sums the others.

        Args:
            known: Make's user ids that the settings know: of another account nothing is tried, so that a person is needed.
            unreadable: what can't be read, as kinds of its own.
        """
        needs, heals = self._counts
        kinds = [_kind(key, needs[key], heals[key], known) for key in {**needs, **heals}]
        kinds += [Kind(code=code, needs_a_person=number, unreadable=True) for code, number in unreadable.by_code.items()]
        if len(kinds) <= most:
            return tuple(sorted(kinds, key=_order))
        shown = heapq.nsmallest(most - 1, kinds, key=_order)
        rest_needs = sum(one.needs_a_person for one in kinds) - sum(one.needs_a_person for one in shown)
        rest_heals = sum(one.heals for one in kinds) - sum(one.heals for one in shown)
        return (*shown, Kind(needs_a_person=rest_needs, heals=rest_heals))


def _heals(same: Sequence[OpenLetter]) -> bool:
    return any(one.heals for one in same)


def _key(letter: OpenLetter) -> _Key:
    return letter.code, letter.account, letter.lists


def _kind(key: _Key, needs: int, heals: int, known: Collection[str]) -> Kind:
    code, account, lists = key
    if account is not None and account not in known:
        needs, heals = needs + heals, 0
    named = tuple(shown(one) for one in lists.split(",") if one)
    return Kind(code=code, account=shown(account or ""), lists=named, needs_a_person=needs, heals=heals)


def _order(one: Kind) -> tuple[int, str, str, tuple[str, ...]]:
    return -one.size, one.code, one.account, one.lists


class Unreadable:
    """
    How many letters there are of records that can't be read; nothing closes them but retention.

    It promises: memory is O(10,000 letters), whatever the topic holds; a letter that was written twice is counted once.
    """

    def __init__(self) -> None:
        """Begin with none."""
        # By partition: offset and what it says, in ascending order.
        self._kept: dict[int, deque[tuple[int, _Said]]] = {}
        # How often each is kept.
        self._times: Counter[_Said] = Counter()
        self.by_code: Counter[str] = Counter()

    def __len__(self) -> int:
        return self.by_code.total()

    def came(self, partition: int, offset: int, code: str, source: Place | None = None) -> None:
        """Count a letter; `source`: the record that it is of, None: not known, so that it is one of its own."""
        kept = self._kept.setdefault(partition, deque())
        said = code, Place(partition, offset) if source is None else source, source is not None
        kept.append((offset, said))
        self._times[said] += 1
        if self._times[said] == 1:
            self.by_code[code] += 1
        if self._times.total() > UNREADABLE_KEPT:
            self._drop(max(self._kept.values(), key=len))

    def forget_before(self, partition: int, offset: int) -> None:
        """Count no more what retention has taken."""
        kept = self._kept.get(partition, deque())
        while kept and kept[0][0] < offset:
            self._drop(kept)

    def _drop(self, kept: deque[tuple[int, _Said]]) -> None:
        _, said = kept.popleft()
        self._times[said] -= 1
        if self._times[said]:
            return
        del self._times[said]
        code = said[0]
        self.by_code[code] -= 1
        if not self.by_code[code]:
            del self.by_code[code]
