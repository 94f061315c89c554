"""The kinds of open letters, counted as they come and go: those of users by code, account and lists, those that can't be read by code."""

import heapq
from collections import Counter, deque
from collections.abc import Collection
from typing import Final

from msgspec import Struct

from ..text import shown
from .record import OpenLetter

UNREADABLE_KEPT: Final = 10_000
"""Of more letters that can't be read, the newest of each partition are counted."""

_Key = tuple[str, str | None, str]


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
    How many letters of users are open of each kind.

    It promises: a letter costs O(1) as it comes, is asked for and goes; memory is O(kinds that are open).
    """

    def __init__(self) -> None:
        # Those that need a person, and those that heal; a kind without letters has no entry.
        self._counts: tuple[Counter[_Key], Counter[_Key]] = (Counter(), Counter())

    def came(self, letter: OpenLetter) -> None:
        """Count a letter."""
        self._counts[letter.heals][_key(letter)] += 1

    def went(self, letter: OpenLetter) -> None:
        """Count a letter no more; it is as it was when it was last counted."""
        counts, key = self._counts[letter.heals], _key(letter)
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

    It promises: memory is O(10,000 letters), whatever the topic holds.
    """

    def __init__(self) -> None:
        """Begin with none."""
        # By partition: offset and code, in ascending order.
        self._kept: dict[int, deque[tuple[int, str]]] = {}
        self.by_code: Counter[str] = Counter()

    def __len__(self) -> int:
        return sum(map(len, self._kept.values()))

    def came(self, partition: int, offset: int, code: str) -> None:
        """Count a letter."""
        kept = self._kept.setdefault(partition, deque())
        kept.append((offset, code))
        self.by_code[code] += 1
        if len(self) > UNREADABLE_KEPT:
            self._drop(max(self._kept.values(), key=len))

    def forget_before(self, partition: int, offset: int) -> None:
        """Count no more what retention has taken."""
        kept = self._kept.get(partition, deque())
        while kept and kept[0][0] < offset:
            self._drop(kept)

    def _drop(self, kept: deque[tuple[int, str]]) -> None:
        _, code = kept.popleft()
        self.by_code[code] -= 1
        if not self.by_code[code]:
            del self.by_code[code]
