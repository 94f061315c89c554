"""The pace of calls to one upstream: permits at a rate, promises of them, a share of the limits, a courtesy, the upstream's own window."""

from math import inf
from typing import Final

from ..model import UserKey
from .window import Window

_LEAST: Final = 1 / 64
"""However often a courteous process is told that it asks too much, it goes on at this part of its rate."""
_CALM_S: Final = 60.0
"""After so long without being told so it asks twice as much again."""
_NOTHING_S: Final = 1e-9
"""A wait that is none: what is left of it is the clock's own fuzziness."""
_ASKS_S: Final = 2.0
"""For so long a run, or a late call, that found no permits counts as one that waits; it asks more often than that."""
_LATE_ASKS_S: Final = 1.0
"""No later does a late call ask again: others may have gone meanwhile."""
_LATE_PART: Final = 1 / 2
"""Of the rate: no more of it goes to late calls while runs wait."""


class Pace:
    """
    The permits of one upstream.

    It promises: no more than `burst` + rate x time permits are given; what is promised to a user is there for it once the wait
    that was said is over, whichever others ask by promise; late calls go one at a time, first those of the user that was the
    first to make any, never before an urgent run that waits, and while any run waits they take half the rate at most; what was slowed
    down doubles after each minute that ends with a success, up to the share that was given; what the upstream has said is left is not
    exceeded by those that ask first.
    """

    def __init__(self, *, rate_per_s: float, burst: float, run_calls: int, part: float = 1.0) -> None:
        """
        Make a full bucket.

        Args:
            rate_per_s: permits per second for all pods together.
            burst: permits that may be taken at once; of a share never below `run_calls`.
            run_calls: what one run needs.
            part: of the upstream's limits, which `rate_per_s` and `burst` are already.
        """
        self.window = Window(needs=run_calls, part=part)
        self.full_rate_per_s, self._full_burst, self._run_calls = rate_per_s, burst, run_calls
        self._given, self._courtesy = 1.0, 1.0
        self._faster_at = inf
        self.rate_per_s, self._burst = rate_per_s, max(burst, run_calls)
        self._permits, self._permits_at = float(self._burst), -inf
        # What is promised and not paid for yet, by user, and the sum of it.
        self._promised: dict[UserKey, float] = {}
        self._owed = 0.0
        # The users with late calls, in the order of their first ones, and until when each counts as one that waits.
        self._late: dict[UserKey, float] = {}
        # From when on a late call may go while runs wait.
        self._late_at = self._asked_until = self._urgent_until = -inf

    @property
    def share(self) -> float:
        """Return the part of the limits that is ours now."""
        return self._given * self._courtesy

    def wait_s(self, permits: float, *, now: float) -> float:
        """Return how long it takes until so many permits are there, beside those that are promised (s)."""
        wanted = permits + self._owed
        missing = wanted - self._level(now)
        return max(missing / self.rate_per_s if missing > _NOTHING_S else 0.0, self.window.wait_s(wanted, now=now))

    def promise(self, user: UserKey, permits: float, *, now: float) -> float:
        """Keep permits for a user; return how long to wait before the first of them is paid for (s)."""
        wait_s = self.wait_s(permits, now=now)
        self._promised[user] = self._promised.get(user, 0.0) + permits
        self._owed += permits
        self._urgent_until = -inf  # Another that waits asks again.
        return wait_s

    def want(self, *, urgent: bool, now: float) -> None:
        """Note that a run waits for its permits, so that late calls leave it what they must."""
        self._asked_until = now + _ASKS_S
        if urgent:
            self._urgent_until = now + _ASKS_S

    def take_late(self, user: UserKey, *, now: float) -> float:
        """
        Take a permit for a late call: of a run that has had what it was promised, and asks for much more.

        Returns:
            0: it is taken; else after how long to ask again (s).
        """
        self._late[user] = now + _ASKS_S
        wait_s = self.wait_s(1 + self._run_calls * (now < self._urgent_until), now=now)
        if now < self._asked_until:
            wait_s = max(wait_s, self._late_at - now)
        if next(one for one, until in self._late.items() if now <= until) != user:
            return min(max(wait_s, 1 / self.rate_per_s), _LATE_ASKS_S)
        if wait_s > _NOTHING_S:
            return min(wait_s, _LATE_ASKS_S)
        self._late[user] = -inf
        each_s = 1 / (self.rate_per_s * _LATE_PART)
        self._late_at = max(self._late_at, now - each_s) + each_s  # What it could not take at once it may catch up with.
        self.reserve(1, now=now)
        return 0.0

    def forgive(self, user: UserKey) -> None:
        """Take back what was promised to a user and is not paid for, and let it wait for no late call any more."""
        self._late.pop(user, None)
        self._owed -= self._promised.pop(user, 0.0)
        if not self._promised:
            self._owed = 0.0  # Parts of permits add up to all but nothing.

    def pay(self, user: UserKey, *, now: float) -> float:
        """Take a permit for a user, of what it was promised where that is not used up; return how long to wait for it (s)."""
        paid = min(1.0, self._promised.get(user, 0.0))
        if paid:
            self._promised[user] -= paid
            self._owed -= paid
        return self.reserve(1, now=now)

    def reserve(self, permits: int, *, now: float) -> float:
        """Take permits, be they there or not; return how long to wait for them (s)."""
        self._permits, self._permits_at = self._level(now) - permits, now
        self.window.spend(permits, now=now)
        return max(0.0, -self._permits / self.rate_per_s)

    def set_share(self, share: float, *, now: float) -> None:
        """Take a part of the limits, above 0 and at most 1."""
        self._given = share
        self._adapt(now)

    def set_rate(self, rate_per_s: float, *, now: float) -> None:
        """Take another rate for all pods together (1/s)."""
        # What has gathered until now did so at the old rate.
        level = self._level(now)
        self.full_rate_per_s = rate_per_s
        self._permits, self._permits_at = level, now
        self._adapt(now)

    def slow_down(self, *, now: float, until: float) -> None:
        """Ask for half as much from now on; the minute after which it may be more begins at `until`, when we may ask again."""
        self._courtesy = max(self._courtesy / 2, _LEAST)
        self._faster_at = max(now, until) + _CALM_S
        self._adapt(now)

    def succeeded(self, *, now: float) -> None:
        """Note a success: it has us ask for twice as much, where the last minute was calm."""
        if now < self._faster_at:
            return
        self._courtesy = min(1.0, self._courtesy * 2)
        self._faster_at = now + _CALM_S if self._courtesy < 1 else inf
        self._adapt(now)

    def _adapt(self, now: float) -> None:
        level = self._level(now)
        self.rate_per_s = self.full_rate_per_s * self.share
        self._burst = max(self._full_burst * self.share, self._run_calls)
        self._permits, self._permits_at = min(level, self._burst), now

    def _level(self, now: float) -> float:
        """Return how many permits there are; below 0: so many are waited for."""
        if self._permits_at == -inf or now <= self._permits_at:
            return self._permits
        return min(self._burst, self._permits + (now - self._permits_at) * self.rate_per_s)
