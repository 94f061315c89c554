"""Timers: which user's time comes next: events that wait for quiet, and debts in backoff."""

from collections.abc import Container, Iterator
from heapq import heapify, heappop, heappush
from math import inf

from ..model import AccountId, UserKey
from .user import User


class Timers:
    """
    Two heaps.

    They promise: a user that waits for quiet is there once, at a place that may be earlier than its due time; one entry per
    debt whose time has not come.
    """

    def __init__(self) -> None:
        self._debounce: list[User] = []
        self._backoff: list[tuple[float, UserKey, AccountId]] = []

    def next_at(self) -> float:
        """Return when a user becomes due next; inf: none does."""
        return min(
            self._debounce[0].wake_at if self._debounce else inf,
            self._backoff[0][0] if self._backoff else inf,
        )

    def add(self, user: User) -> None:
        """Let a user wait that was never here."""
        heappush(self._debounce, user)

    def arm(self, user: User) -> None:
        """Let a user wait until its events are due, unless it does."""
        if user.wake_at == inf != user.due_at:
            user.wake_at = user.due_at
            heappush(self._debounce, user)

    def remind(self, at: float, user: UserKey, account: AccountId) -> None:
        """Let a debt wait."""
        heappush(self._backoff, (at, user, account))

    def quiet(self, now: float) -> Iterator[User]:
        """Take out the users whose events are due."""
        while self._debounce and self._debounce[0].wake_at <= now:
            user = heappop(self._debounce)
            if user.due_at > now:
                user.wake_at = user.due_at
                heappush(self._debounce, user)
                continue
            user.wake_at = inf
            yield user

    def reminded(self, now: float) -> Iterator[UserKey]:
        """Take out the users whose debts have waited long enough; some may be paid."""
        while self._backoff and self._backoff[0][0] <= now:
            yield heappop(self._backoff)[1]

    def keep(self, users: Container[UserKey]) -> None:
        """Forget all but `users`."""
        for user in self._debounce:
            if user.key not in users:
                user.wake_at = inf
        self._debounce = [user for user in self._debounce if user.key in users]
        self._backoff = [entry for entry in self._backoff if entry[1] in users]
        heapify(self._debounce)
        heapify(self._backoff)
