"""The line: the dirty users, and where each that waits stands, by a time or in a lane."""

from collections.abc import Collection, Iterable, Mapping

from ..model import AccountId, UserKey
from .case import Phase
from .lanes import Lanes, Rank
from .timers import Timers
from .user import User


class Line:
    """
    The dirty users by key, their timers and their lanes.

    It promises: a user that waits is armed for the end of its burst, reminded of each debt in backoff, and in the lane of exactly
    the accounts whose time has come; in a lane it keeps the time at which it became due.
    """

    def __init__(self, accounts: Mapping[str, tuple[AccountId, ...]], *, concurrency: int, urgent: Collection[str]) -> None:
        """Take each vendor's accounts, the number of workers, and the event types that come first."""
        self._accounts, self.urgent = accounts, frozenset(urgent)
        self.users: dict[UserKey, User] = {}
        self.lanes = Lanes(accounts, concurrency=concurrency)
        self.timers = Timers()

    def every(self, user: User) -> tuple[AccountId, ...]:
        """Return all accounts of the user's vendor."""
        return self._accounts[user.key.vendor]

    def wake(self, now: float) -> None:
        """Place all whose time has come."""
        for user in self.timers.quiet(now):
            self.place(user, now=now)
        for key in self.timers.reminded(now):
            if key in self.users:  # Its debt may be paid already.
                self.place(self.users[key], now=now)

    def place(self, user: User, *, now: float) -> None:
        """Let a waiting user stand in the lane of the accounts whose time has come."""
        if user.phase is not Phase.WAITING:
            return
        accounts = user.due_accounts(self.every(user), now=now)
        if accounts == (user.lane or ()):
            return
        if user.lane is not None:
            due_at = self.leave_lane(user)
        else:
            due_at = min(user.due_at, now, user.own_case.due_since if user.own_case else now)
        if accounts:
            self._line_up(user, accounts, due_at=due_at)

    def wait(self, user: User, *, now: float) -> None:
        """Let a user wait for the end of its burst, where one goes on, and place it."""
        if user.due_at > now:
            self.timers.arm(user)
        self.place(user, now=now)

    def await_debts(self, user: User, accounts: Iterable[AccountId], *, now: float) -> None:
        """Be reminded of those debts whose time has not come."""
        for account in accounts:
            debt = user.debts.get(account)
            if debt is not None and debt.not_before > now:
                self.timers.remind(debt.not_before, user.key, account)

    def rank_anew(self, user: User) -> None:
        """Let a user in a lane have the rank that it has by now."""
        if user.lane is not None:
            self._line_up(user, user.lane, due_at=self.leave_lane(user))

    def leave_lane(self, user: User) -> float:
        """Take a user out of its lane; return since when it was due."""
        assert user.lane is not None
        due_at = self.lanes.remove(user.key, user.lane)
        user.lane = None
        return due_at

    def drop(self, user: User) -> None:
        """Take a user out altogether; its timers are left to what gives many up (see `Timers.keep`)."""
        if user.lane is not None:
            self.leave_lane(user)
        del self.users[user.key]

    def _line_up(self, user: User, accounts: tuple[AccountId, ...], *, due_at: float) -> None:
        user.lane = accounts
        rank = Rank.LETTER if user.is_by_letter else Rank.URGENT if user.type in self.urgent else Rank.ROUTINE
        self.lanes.put(user.key, accounts, rank=rank, due_at=due_at)
