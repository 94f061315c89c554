"""The plan of a reconcile: what of the settings is looked at, and what that costs at each upstream."""

from collections.abc import Iterator
from math import ceil
from typing import Final

from msgspec import Struct

from ...core.model import AccountId
from ...core.text import duration
from ...settings.model import Account, Settings

MINUTE_S: Final = 60
_PAGE_ROWS: Final = 95
"""Of a hundred; a page begins with the last rows of the one before."""


class Asked(Struct, frozen=True, kw_only=True):
    """What is to be looked at, as the options say it; none named: all."""

    vendors: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
    deep: bool = False
    """Ask for what the lists don't tell reader by reader."""


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


class Upstream(Struct, frozen=True, kw_only=True):
    """What reading asks of one upstream."""

    name: str
    calls: int
    """At least."""
    per_minute: float
    """Its limit."""
    takes_s: float
    """At the part of the limit that is used."""

    def said(self, rate_share: float) -> str:
        """Say it in words, and what would change it."""
        whole = f"; {duration(self.calls / self.per_minute * MINUTE_S)} at --rate-share 1" if rate_share < 1 else ""
        return f"{self.name}: {self.calls:,} calls at {self.per_minute:,.0f} a minute x {rate_share:g}: {duration(self.takes_s)}{whole}"


def of_rows(name: str, rows: int, *, per_minute: float, rate_share: float, page_rows: int = _PAGE_ROWS, more: int = 0) -> Upstream:
    """
    Return what reading so many rows asks of an upstream.

    Args:
        per_minute: its limit.
        more: calls beside those for rows.
    """
    calls = ceil(rows / page_rows) + more
    return Upstream(name=name, calls=calls, per_minute=per_minute, takes_s=round(calls / (per_minute * rate_share) * MINUTE_S, 1))
