"""How fast a process may ask one upstream: permits at a rate, a share of the limits, a courtesy that gives way and comes back. Pure."""

from math import inf
from typing import Final

_TALK_S: Final = 20.0
"""Well below the age at which a snapshot is not written any more (30 s)."""
_LEAST: Final = 1 / 64
"""However often a courteous process is told that it asks too much, it goes on at this part of its rate."""
_CALM_S: Final = 60.0
"""After so long without being told so it asks twice as much again."""


class Pace:
    """
    The permits of one upstream.

    It promises: no more than `burst` + rate x time permits are given; where conversations are bounded, so many at most go on as
    their calls can be made within 20 s, and slowing down leaves room for one of them; what was slowed down doubles after each
    minute that ends with a success, up to the share that was given.
    """

    def __init__(self, *, rate_per_s: float, burst: float, run_calls: int, places: int | None) -> None:
        """
        Make a full bucket.

        Args:
            rate_per_s: permits per second for all pods together.
            burst: permits that may be taken at once; of a share never below `run_calls`.
            run_calls: what one run needs.
            places: conversations at once; None: no bound.
        """
        self._full_rate, self._full_burst, self._full_places, self._run_calls = rate_per_s, burst, places, run_calls
        # A conversation whose calls are paid for one by one must end before what it writes is old: else none would ever succeed.
        self._least = _LEAST if places is None else min(1.0, max(_LEAST, run_calls / _TALK_S / rate_per_s))
        self._given, self._courtesy = 1.0, 1.0
        self._faster_at = inf
        self.rate_per_s, self._burst = rate_per_s, max(burst, run_calls)
        self._permits, self._permits_at = float(self._burst), -inf
        self.places = self._places_now()
        """Conversations that may go on at once; None: no bound."""

    @property
    def share(self) -> float:
        """Return the part of the limits that is ours now."""
        return self._given * self._courtesy

    def level(self, now: float) -> float:
        """Return how many permits there are; below 0: so many are promised."""
        if self._permits_at == -inf or now <= self._permits_at:
            return self._permits
        return min(self._burst, self._permits + (now - self._permits_at) * self.rate_per_s)

    def wait_s(self, permits: float, *, now: float) -> float:
        """Return how long it takes until so many permits are there (s)."""
        return max(0.0, (permits - self.level(now)) / self.rate_per_s)

    def reserve(self, permits: int, *, now: float) -> float:
        """Take permits, be they there or not; return how long to wait for them (s)."""
        self._permits, self._permits_at = self.level(now) - permits, now
        return max(0.0, -self._permits / self.rate_per_s)

    def set_share(self, share: float, *, now: float) -> None:
        """Take a part of the limits, above 0 and at most 1."""
        self._given = share
        self._adapt(now)

    def slow_down(self, *, now: float, until: float) -> None:
        """Ask for half as much from now on; the minute after which it may be more begins at `until`, when we may ask again."""
        self._courtesy = max(self._courtesy / 2, self._least)
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
        level = self.level(now)
        self.rate_per_s = self._full_rate * self.share
        self._burst = max(self._full_burst * self.share, self._run_calls)
        self._permits, self._permits_at = min(level, self._burst), now
        self.places = self._places_now()

    def _places_now(self) -> int | None:
        if self._full_places is None:
            return None
        return max(1, min(self._full_places, int(_TALK_S * self.rate_per_s / self._run_calls)))
