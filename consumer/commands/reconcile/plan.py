"""The plan of a reconcile: what of the settings is looked at, and what that costs at each upstream."""

from collections.abc import Iterator, Mapping
from math import ceil
from pathlib import Path
from typing import Final

from msgspec import Struct

from ...core.drift.sound import MaxChanges
from ...core.gates.server_limit import begins_at
from ...core.model import AccountId
from ...settings.account import Account
from ...settings.model import Settings
from ..replay.plan import Load, load_of

MINUTE_S: Final = 60
_CONTACTS: Final = 1000
"""Of a page of Make.as."""
_BESIDE: Final = 4
"""Calls a list beside its full pages: its count, and a last page of each of three statuses."""


class Asked(Struct, frozen=True, kw_only=True):
    """What is to be looked at, as the options say it; none named: all."""

    vendors: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
    deep: bool = False
    """Ask for what the lists don't tell reader by reader."""


class Options(Struct, frozen=True, kw_only=True):
    """How a reconcile is to be done."""

    asked: Asked
    rate_share: float = 0.25
    dry_run: bool = False
    retire_moved: bool = False
    max_changes: MaxChanges = MaxChanges()
    from_bulk: bool = False
    """Write readers that are nowhere at Make.as from what was read in bulk; a list may be empty then."""
    state: Path | None = None
    report: Path | None = None
    publish: bool = False
    """Leave the result of each list in the dead-letter topic."""


class Scope(Struct, frozen=True, kw_only=True):
    """What is looked at."""

    accounts: dict[AccountId, dict[str, tuple[str, ...]]]
    """Account -> list -> the vendors that write it, of those that are looked at."""
    vendors: tuple[str, ...]
    left_out: tuple[str, ...]
    """What is not, in words."""
    shared: frozenset[AccountId]
    """Accounts that a vendor writes which is not looked at: a contact there may be its reader's."""

    def lists_of(self, account: str, vendor: str) -> tuple[str, ...]:
        """Return the lists of an account that a vendor writes."""
        return tuple(one for one, vendors in self.accounts[AccountId(account)].items() if vendor in vendors)


def scope(settings: Settings, asked: Asked) -> Scope:
    """Return what of the settings is looked at: nothing that is paused."""
    accounts: dict[AccountId, dict[str, tuple[str, ...]]] = {}
    paused = {vendor.id for vendor in settings.vendors if vendor.paused}
    left_out = [f"vendor {one} is paused" for one in sorted(paused) if not asked.vendors or one in asked.vendors]
    chosen = [one for one in settings.accounts if one.vendor not in paused and (not asked.vendors or one.vendor in asked.vendors)]
    for account in chosen:
        left_out += [f"list {one} of {account.vendor} is paused" for one in _wanted(account, asked) if one in account.paused]
        for list_id in _wanted(account, asked):
            if list_id not in account.paused:
                lists = accounts.setdefault(account.id, {})
                lists[list_id] = (*lists.get(list_id, ()), account.vendor)
    vendors = tuple(dict.fromkeys(vendor for lists in accounts.values() for those in lists.values() for vendor in those))
    shared = frozenset(one.id for one in settings.accounts if one.id in accounts and one.vendor not in vendors)
    return Scope(accounts=accounts, vendors=vendors, left_out=tuple(left_out), shared=shared)


def _wanted(account: Account, asked: Asked) -> Iterator[str]:
    return (one for one in account.lists if not asked.lists or one in asked.lists)


def read_loads(
    settings: Settings, the_scope: Scope, calls: Mapping[str, int], readers: Mapping[str, int], *, rate_share: float
) -> Iterator[Load]:
    """
    Give what reading asks of each upstream, at least.

    Args:
        calls: vendor -> calls to Sesamy.
        readers: vendor -> readers, as far as is known.
    """
    sesamy, makeas = settings.sesamy, settings.makeas
    for vendor, count in calls.items():
        yield load_of(f"sesamy:{vendor}", count, begins_at(sesamy.requests_per_minute) / MINUTE_S, sesamy.burst, rate_share)
    for account, lists in the_scope.accounts.items():
        pages = sum(ceil(sum(readers.get(vendor, 0) for vendor in vendors) / _CONTACTS) + _BESIDE for vendors in lists.values())
        yield load_of(account, pages, makeas.requests_per_second, makeas.burst, rate_share)
