"""Why users are dirty and what each list is owed, of all of them at once. Pure; O(dirty users)."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from math import inf
from typing import Final

from msgspec import Struct, field

from .dirty import Phase, User, owed
from .model import AccountId

CAUSES: Final = ("debounce", "backoff", "held", "ready", "running", "parking")


class Survey(Struct, frozen=True):
    """Where all dirty users stand."""

    causes: Mapping[str, int] = field(default_factory=dict)
    """
    How many users for each of `CAUSES`: a burst that goes on; the wait after a failure; nothing but shut gates before them;
    waiting for a worker, a permit or a place; in a run; letters on their way.
    """
    since_ms: Mapping[str, int] = field(default_factory=dict)
    """By cause, the time of the oldest event (ms); a cause without users is absent."""
    owed: Mapping[tuple[str, AccountId], tuple[int, int]] = field(default_factory=dict)
    """By vendor and account, how many users are owed there, and the time of the oldest event (ms)."""


def survey(
    users: Iterable[User],
    accounts: Mapping[str, tuple[AccountId, ...]],
    *,
    out_vendors: Collection[str],
    out_accounts: Collection[AccountId],
) -> Survey:
    """
    Look at every dirty user once.

    Args:
        accounts: each vendor's accounts.
        out_vendors: vendors whose gate is shut.
        out_accounts: accounts whose gate is shut.
    """
    causes: Counter[str] = Counter(dict.fromkeys(CAUSES, 0))
    since_ms: dict[str, int] = {}
    rows: dict[tuple[str, AccountId], tuple[int, int]] = {}
    for user in users:
        rare, vendor, at_ms = user.rare, user.key.vendor, user.since_ms
        cause = _cause(user, out_vendors, out_accounts)
        causes[cause] += 1
        if at_ms < since_ms.get(cause, inf):
            since_ms[cause] = at_ms
        only_debts = rare is not None and user.due_at == inf and rare.phase is Phase.WAITING
        for account in owed(rare) if rare is not None and only_debts else accounts[vendor]:
            count, oldest_ms = rows.get((vendor, account), (0, at_ms))
            rows[vendor, account] = count + 1, min(oldest_ms, at_ms)
    return Survey(causes, since_ms, rows)


def _cause(user: User, out_vendors: Collection[str], out_accounts: Collection[AccountId]) -> str:
    phase = user.rare.phase if user.rare is not None else Phase.WAITING
    if phase is not Phase.WAITING:
        return "running" if phase is Phase.RUNNING else "parking"
    if user.lane is None:
        return "debounce" if user.wake_at != inf else "backoff"
    if user.key.vendor in out_vendors or all(account in out_accounts for account in user.lane):
        return "held"
    return "ready"
