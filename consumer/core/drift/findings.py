"""Findings: what differs, counted by kind and list, and which readers are to be looked at again."""

from collections import Counter
from collections.abc import Callable, Iterable

from ..model import UserKey
from .contacts import Finding, Kind


class Findings:
    """All that was found, in the order in which it was."""

    def __init__(self) -> None:
        """Begin with none."""
        self.all: list[Finding] = []
        self.counts: Counter[tuple[Kind, str, str]] = Counter()
        """(kind, account, list) -> readers; list `*`: of the account."""
        self.to_repair: dict[UserKey, None] = {}
        """The readers that a resync mends."""
        self.changes: Counter[str] = Counter()
        """List -> readers that a resync would change there."""
        self.unasked = 0
        """Readers that were to be asked for one by one, and could not be."""

    def take(self, found: Iterable[Finding], *, lists_of: Callable[[str], tuple[str, ...]]) -> None:
        """
        Take what was found at one account.

        Args:
            lists_of: the account's lists of a vendor; a field or a tag is changed for all of them.
        """
        changed: dict[str, set[UserKey]] = {}
        for one in found:
            self.all.append(one)
            for list_id in one.lists or ("*",):
                self.counts[one.kind, one.account, list_id] += 1
            if one.repairs:
                user = UserKey(one.vendor, one.user)
                self.to_repair[user] = None
                for list_id in one.lists or lists_of(one.vendor):
                    changed.setdefault(list_id, set()).add(user)
        for list_id, users in changed.items():
            self.changes[list_id] += len(users)

    def changes_with(self, moved: Iterable[Finding], lists_of: Callable[[str, str], tuple[str, ...]]) -> Counter[str]:
        """
        Return the readers of each list that would be changed where contacts at addresses that their readers have left lose our tags, too.

        Args:
            lists_of: the lists of an account (first) that a vendor writes.
        """
        changes = Counter(self.changes)
        for one in moved:
            changes.update(lists_of(one.account, one.vendor))
        return changes

    @property
    def left(self) -> int:
        """Return how many things no resync mends, or are not known, but for contacts that are no reader's."""
        return self.unasked + sum(not one.repairs and one.kind != "stranger" for one in self.all)
