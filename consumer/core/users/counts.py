"""Counts over all dirty users at once: how many wait for what, and what each list is owed."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from math import inf
from typing import Final, NamedTuple

from msgspec import Struct, field

from ..model import SESAMY, AccountId
from .case import Phase
from .user import Standing, User

CAUSES: Final = ("debounce", "backoff", "held", "ready", "running", "parking")


class Waiting(NamedTuple):
    """A letter that will be tried again."""

    vendor: str
    accounts: Collection[AccountId]
    parked_ms: int
    lists: tuple[str, ...] = ()
    """The lists that alone are owed; none: all of the accounts'."""


class Owed(Struct):
    """What one account, or one list of it, is owed."""

    users: int = 0
    since_ms: float = inf
    """Time of the oldest event, or of the oldest letter that will be tried again (ms)."""
    due_since_ms: float = inf
    """The same, without users that wait for the end of a burst and for nothing else; inf: there are no others."""

    def add(self, at_ms: float, due_ms: float, *, users: int = 1) -> None:
        """Count users whose oldest event is of `at_ms`; `due_ms`: the same, or inf where all of them wait for the end of a burst."""
        self.users += users
        self.since_ms = min(self.since_ms, at_ms)
        self.due_since_ms = min(self.due_since_ms, due_ms)


class Counts(Struct, frozen=True):
    """Where all dirty users stand."""

    causes: Mapping[str, int] = field(default_factory=dict)
    """
    How many users for each of `CAUSES`: a burst that goes on; the wait after a failure; nothing but shut gates before them;
    waiting for a worker, a permit or a place; in a run; letters on their way.
    """
    since_ms: Mapping[str, int] = field(default_factory=dict)
    """By cause, the time of the oldest event (ms); a cause without users is absent."""
    owed: Mapping[tuple[str, AccountId], Owed] = field(default_factory=dict)
    """By vendor and account; one that is owed nothing is absent."""
    owed_lists: Mapping[tuple[str, AccountId, str], Owed] = field(default_factory=dict)
    """By vendor, account and list, what is owed to that list beside what its account is owed."""
    held: Mapping[tuple[str, AccountId], int] = field(default_factory=dict)
    """By vendor and account (SESAMY: the vendor's own gate), how many users and letters wait for nothing but that gate to open."""
    letters: int = 0
    """How many letters wait to be tried again."""


def count(
    users: Iterable[User],
    accounts: Mapping[str, tuple[AccountId, ...]],
    *,
    out_vendors: Collection[str],
    out_accounts: Collection[AccountId],
    letters: Iterable[Waiting] = (),
    now: float,
) -> Counts:
    """
    Look at every dirty user once, and at every letter that waits to be tried again: its user is owed as much. O(dirty users).

    Args:
        accounts: each vendor's accounts.
        out_vendors: vendors whose gate is shut.
        out_accounts: accounts whose gate is shut.
    """
    causes: Counter[str] = Counter(dict.fromkeys(CAUSES, 0))
    since_ms: dict[str, int] = {}
    held: Counter[tuple[str, AccountId]] = Counter()
    rows: defaultdict[tuple[str, AccountId], Owed] = defaultdict(Owed)
    # Most owe the same to all accounts: they are counted once for all.
    alike: defaultdict[str, Owed] = defaultdict(Owed)
    for user in users:
        vendor, at_ms = user.key.vendor, user.since_ms
        cause = _cause(user, out_vendors, out_accounts, now)
        causes[cause] += 1
        if cause == "held":
            held.update((vendor, gate) for gate in _shut(vendor, user.lane or (), out_vendors, out_accounts))
        if at_ms < since_ms.get(cause, inf):
            since_ms[cause] = at_ms
        due_ms = inf if cause == "debounce" else at_ms
        debts = user.own_case.debts.accounts if user.own_case is not None else ()
        if not debts:
            alike[vendor].add(at_ms, due_ms)
            continue
        only_debts = user.due_at == inf and user.phase is Phase.WAITING
        for account in debts if only_debts else accounts[vendor]:
            own_ms = user.owed_since_ms(account)
            rows[vendor, account].add(own_ms, own_ms if account in debts else max(own_ms, due_ms))
    for vendor, one in alike.items():
        for account in accounts[vendor]:
            rows[vendor, account].add(one.since_ms, one.due_since_ms, users=one.users)
    waiting = list(letters)
    of_lists = _of_letters(waiting, rows)
    held.update((one.vendor, gate) for one in waiting for gate in _shut(one.vendor, one.accounts, out_vendors, out_accounts))
    return Counts(causes, since_ms, dict(rows), of_lists, held, len(waiting))


def _of_letters(letters: Iterable[Waiting], rows: Mapping[tuple[str, AccountId], Owed]) -> dict[tuple[str, AccountId, str], Owed]:
    """Add letters to what their accounts (`rows`) are owed; return, by list, what only some lists are owed."""
    of_lists: defaultdict[tuple[str, AccountId, str], Owed] = defaultdict(Owed)
    for vendor, accounts, at_ms, lists in letters:
        for account in accounts:
            for owed_there in [of_lists[vendor, account, one] for one in lists] or [rows[vendor, account]]:
                owed_there.add(at_ms, at_ms)
    return dict(of_lists)


_CAUSE: Final = {
    Standing.QUIET: "debounce",
    Standing.BACKOFF: "backoff",
    Standing.DUE: "ready",
    Standing.RUNNING: "running",
    Standing.PARKING: "parking",
}


def _cause(user: User, out_vendors: Collection[str], out_accounts: Collection[AccountId], now: float) -> str:
    if user.lane is not None and _shut(user.key.vendor, user.lane, out_vendors, out_accounts):
        return "held"
    return _CAUSE[user.standing(now)]


def _shut(
    vendor: str, accounts: Collection[AccountId], out_vendors: Collection[str], out_accounts: Collection[AccountId]
) -> Collection[AccountId]:
    """Return the gates that keep a user that owes to `accounts`: the vendor's, or all of theirs; none, where one of theirs is open."""
    if vendor in out_vendors:
        return (SESAMY,)
    return accounts if all(account in out_accounts for account in accounts) else ()
