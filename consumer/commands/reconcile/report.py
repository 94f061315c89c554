"""The report of a reconcile, as data: counts by kind and list, and ids."""

from collections.abc import Iterator
from typing import Literal

from msgspec import Struct, field

from ...core.drift.contacts import Finding, Kind
from ...core.model import AccountId
from ..batch import Synced
from .looking import Looked

Ended = Literal["agreed", "differs", "dry-run", "too-many", "declined", "cut-off"]
"""Nothing is left to mend; something is; nothing was to be written; more than `--max-changes`; not wanted; stopped before its end."""


class Count(Struct, frozen=True, kw_only=True):
    """How many readers differ in one way."""

    kind: Kind
    account: AccountId
    list: str
    """`*`: of the account."""
    readers: int


class Report(Struct, frozen=True, kw_only=True):
    """How a reconcile went."""

    ended: Ended
    started_at: str
    """ISO 8601, UTC."""
    took_s: float
    vendors: tuple[str, ...]
    lists: tuple[str, ...]
    readers: dict[str, int]
    """Vendor -> readers that are written."""
    skipped: dict[str, int]
    """Vendor -> guests, and readers without an address."""
    contacts: dict[str, int]
    """Account -> rows of its lists."""
    counts: tuple[Count, ...]
    unknown_ids: int = field(name="strangers")
    """Contacts with an external id that Sesamy does not know."""
    no_account: int
    """Rows of contacts without an external id, at an address that no reader has."""
    not_compared: tuple[str, ...]
    to_repair: int
    """Readers that a resync mends."""
    repaired: int
    skipped_at_repair: int
    """Readers that turned out to be none when they were to be resynced."""
    retired: int
    """Contacts at an address that its reader has left, whose tags were taken."""
    from_bulk: int = 0
    """Snapshots of new readers that were written as they were read in bulk."""
    left: int
    """What no resync mends, what failed, and what still differs."""
    looked_again: int = 0
    """Readers that were compared once more after they were resynced; at most twenty."""
    not_looked_again: int = 0
    """Those of the twenty that could not be asked for."""
    still: tuple[Finding, ...] = ()
    """What still differs of those: Make.as does not keep what is written."""
    findings: tuple[Finding, ...] = ()
    failures: tuple[Synced, ...] = ()


def counts(looked: Looked) -> Iterator[Count]:
    """Give the counts, by account, list and kind."""
    for (kind, account, list_id), readers in sorted(looked.findings.counts.items(), key=lambda one: (one[0][1], one[0][2], one[0][0])):
        yield Count(kind=kind, account=AccountId(account), list=list_id, readers=readers)
