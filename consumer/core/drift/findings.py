"""Findings: what differs, counted by kind and list, and which readers are to be looked at again."""

from collections import Counter
from collections.abc import Callable, Iterable
from itertools import chain
from typing import Final

from msgspec import structs

from ..model import UserKey
from .contacts import Finding, Kind

_HELD: Final = "at another account another reader has its address"


class Findings:
    """All that was found, in the order in which it was."""

    def __init__(self) -> None:
        """Begin with none."""
        self.all: list[Finding] = []
        self.counts: Counter[tuple[Kind, str, str]] = Counter()
        """(kind, account, list) -> readers; list `*`: of the account."""
        self.to_repair: dict[UserKey, None] = {}
        """The readers that a resync mends."""
        self._changed: dict[UserKey, set[str]] = {}
        """Reader -> the lists where a resync would change it."""
        self._doubled: set[UserKey] = set()
        self.unasked = 0
        """Readers that were to be asked for one by one, and could not be."""

    def take(self, found: Iterable[Finding], *, lists_of: Callable[[str], tuple[str, ...]]) -> None:
        """
        Take what was found at one account.

        Args:
            lists_of: the account's lists of a vendor; a field or a tag is changed for all of them.
        """
        doubled, missing = set[UserKey](), set[UserKey]()
        for one in found:
            self.all.append(one)
            for list_id in one.lists or ("*",):
                self.counts[one.kind, one.account, list_id] += 1
            user = UserKey(one.vendor, one.user)
            if one.repairs:
                self.to_repair[user] = None
                self._changed.setdefault(user, set()).update(one.lists or lists_of(one.vendor))
            if one.kind in {"doubled", "missing"}:
                (doubled if one.kind == "doubled" else missing).add(user)
        self._doubled |= doubled - missing  # Of two readers where there is no contact, the first is written.

    def hold_back(self) -> None:
        """Take from those to repair the readers with another's contact at any account: a resync writes all, and would take it over."""
        held = self._doubled & self.to_repair.keys()
        for user in held:
            del self.to_repair[user], self._changed[user]
        for number, one in enumerate(self.all) if held else ():
            if one.repairs and UserKey(one.vendor, one.user) in held:
                self.all[number] = structs.replace(one, repairs=False, why=_HELD)

    @property
    def changes(self) -> Counter[str]:
        """Return list -> readers that a resync would change there."""
        return Counter(chain.from_iterable(self._changed.values()))

    def changes_with(self, moved: Iterable[Finding], lists_of: Callable[[str, str], tuple[str, ...]]) -> Counter[str]:
        """
        Return the readers of each list that would be changed where contacts at addresses that their readers have left lose our tags, too.

        Args:
            lists_of: the lists of an account (first) that a vendor writes.
        """
        changes = self.changes
        for one in moved:
            changes.update(lists_of(one.account, one.vendor))
        return changes

    @property
    def left(self) -> int:
        """Return how many things no resync mends, or are not known, but for contacts that are no reader's."""
        return self.unasked + sum(not one.repairs and one.kind != "stranger" for one in self.all)
