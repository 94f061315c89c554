"""The gates of a process: one per Sesamy vendor and one per Make account, for all of its parts."""

from collections.abc import Callable, Collection, Mapping
from math import inf

from ..model import PAUSED, SESAMY, AccountId, Door, UserKey
from .gate import Gate
from .list_doors import ListDoors

SESAMY_CALLS = 3
"""Calls that every fetch makes at once."""
MAKE_CALLS = 4
"""Calls that one conversation makes at most, but for users of more than 1000 rows."""
_OWN_CALLS = 2
"""Those of them that no other reader's rows can share: the contact is read and written."""
_BEFORE_FETCH_S = 10.0
"""For so long a run may wait for its calls at an account; it does so before the fetch, so that what it writes is not old."""


def make_calls(*, rows_shared: bool) -> int:
    """Return how many calls a reader whose contact changes takes at an account; those that many share count for none of them."""
    return _OWN_CALLS if rows_shared else MAKE_CALLS


class Gates:
    """All gates of a process: one per Sesamy vendor and one per Make account, for all of its parts."""

    def __init__(self, vendors: Mapping[str, Gate], accounts: Mapping[AccountId, Gate], lists: ListDoors | None = None) -> None:
        """Take the gates by vendor id and by account id, and the doors of the accounts' lists."""
        self.vendors, self.accounts, self.lists = vendors, accounts, lists or ListDoors()
        self.ready: Callable[[AccountId, float], bool] = lambda _account, _now: True
        self.late: Callable[[AccountId, float], bool] = lambda _account, _now: False
        """Whether all that a write there must know is known (account, now): till then none is let in; and whether that takes too long."""
        self.made_room: Callable[[], None] = lambda: None
        """Told that a place at an account is free, though nobody has left."""

    def vendor(self, vendor: str, *, now: float) -> Door:
        """Say whether a fetch may begin: its three calls are paid for together, at the start."""
        return self.vendors[vendor].door(now=now, permits=SESAMY_CALLS)

    def account(self, account: AccountId, *, now: float) -> Door:
        """Say whether a conversation may begin: all its calls can be made within 10 s."""
        if not self.ready(account, now):
            return Door.SHUT
        gate = self.accounts[account]
        return gate.door(now=now, permits=gate.expected.calls, within_s=_BEFORE_FETCH_S)

    def want(self, vendor: str, *, urgent: bool, now: float) -> None:
        """Note that a due user found the vendor's door shut, though it may enter at an account."""
        self.vendors[vendor].pace.want(urgent=urgent, now=now)

    def enter(self, user: UserKey, accounts: Collection[AccountId], *, now: float) -> float:
        """Let a user in at its vendor and at these accounts, as the doors have just allowed; return how long to wait (s)."""
        waits = [self.vendors[user.vendor].enter(user, now=now, permits=SESAMY_CALLS)]
        waits += [gate.enter(user, now=now, permits=gate.expected.calls) for gate in map(self.accounts.__getitem__, accounts)]
        return max(waits)

    def step_aside(self, user: UserKey, account: AccountId) -> None:
        """Give the user's place at an account to others: it asks for nothing of its own there any more."""
        self.accounts[account].step_aside(user)
        self.made_room()

    def step_back(self, user: UserKey, accounts: Collection[AccountId], *, now: float) -> None:
        """Give up all that the user holds at these accounts, for others, until it comes back: what it does before takes long."""
        for account in accounts:
            self.accounts[account].step_back(user, now=now)
        self.made_room()

    def come_back(self, user: UserKey, account: AccountId, *, now: float) -> float | None:
        """Give the user again what it gave up at an account; return how long to wait (s), None: no place is free yet."""
        gate = self.accounts[account]
        return gate.come_back(user, now=now, permits=gate.expected.calls)

    def leave(self, user: UserKey, accounts: Collection[AccountId], *, now: float) -> None:
        """Let the user out again everywhere."""
        for gate in (self.vendors[user.vendor], *(self.accounts[account] for account in accounts)):
            gate.leave(user, now=now)

    def vendor_expired(self, vendor: str, *, now: float) -> bool:
        """Say whether what waits for the vendor is to be parked."""
        return self.vendors[vendor].expired(now=now)

    def account_expired(self, account: AccountId, *, now: float) -> bool:
        """Say whether what waits for the account is to be parked."""
        return self.accounts[account].expired(now=now) or self.late(account, now)

    def next_change(self, *, now: float) -> float:
        """Return when time alone may open a door or end a hold; inf: never."""
        return min(
            min((gate.next_change(now=now, permits=SESAMY_CALLS) for gate in self.vendors.values()), default=inf),
            min(
                (gate.next_change(now=now, permits=gate.expected.calls, within_s=_BEFORE_FETCH_S) for gate in self.accounts.values()),
                default=inf,
            ),
        )

    def forget(self) -> None:
        """Begin anew at every gate: none of the users are ours any more, so none would be the probe."""
        for gate in (*self.vendors.values(), *self.accounts.values()):
            gate.forget()
        self.lists.forget()

    def is_paused(self, vendor: str, account: AccountId, lists: Collection[str], *, now: float) -> bool:
        """Say whether what is owed there (SESAMY: to all; none named: to all of the account's lists) waits for the settings alone."""
        gates = [self.vendors[vendor], *([self.accounts[account]] if account != SESAMY else [])]
        return any(gate.state(now=now).cause == PAUSED for gate in gates) or self.lists.are_paused(account, lists)

    def set_share(self, share: float, *, now: float) -> None:
        """Take this pod's part of every limit."""
        for gate in (*self.vendors.values(), *self.accounts.values()):
            gate.pace.set_share(share, now=now)
