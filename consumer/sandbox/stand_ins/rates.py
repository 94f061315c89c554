"""Limits of requests at Sesamy's stand-in: what is refused, and what the `X-RateLimit-` headers say of it."""

import time
from collections.abc import Callable
from typing import Final, Literal

WINDOW_S: Final = 60

Told = Literal["right", "none", "past", "in-10-years", "text", "huge"]
"""What the headers say: what is so, nothing, or one of the absurd answers: a Reset that is past, far or no number; a Limit of 10**9."""


class Rate:
    """One vendor's limit: a bucket that refuses, beside a fixed window of 60 s that is told."""

    def __init__(self, *, requests_per_minute: float, burst: float, by_window: bool, now: Callable[[], float]) -> None:
        """Begin full; `by_window`: what the window has no room for is refused, and the bucket refuses nothing; `now`: epoch seconds."""
        self._limit, self._by_window, self._now = max(1, int(requests_per_minute)), by_window, now
        self._bucket = _Bucket(requests_per_minute / 60, burst)
        self._began_s, self._used = now(), 0

    def take(self) -> bool:
        """Count a request; say whether it is let in."""
        self._roll()
        has_room = self._used < self._limit
        self._used += 1
        return has_room if self._by_window else self._bucket.take()

    def retry_after_s(self) -> int:
        """Return for how long a refused request is to wait."""
        return max(1, self._reset() - int(self._now())) if self._by_window else 2

    def headers(self, told: Told) -> dict[str, str]:
        """Return the headers of an answer."""
        if told == "none":
            return {}
        self._roll()
        resets: dict[Told, str] = {
            "past": str(int(self._now()) - 3600),
            "in-10-years": str(int(self._now()) + 10 * 365 * 86_400),
            "text": "soon",
        }
        limit = 10**9 if told == "huge" else self._limit
        return {
            "X-RateLimit-Limit": str(limit),
            "X-RateLimit-Remaining": str(max(0, limit - self._used)),
            "X-RateLimit-Reset": resets.get(told, str(self._reset())),
        }

    def _roll(self) -> None:
        """Begin the window that the clock is in: each begins where another ended."""
        passed = int((self._now() - self._began_s) // WINDOW_S)
        if passed > 0:
            self._began_s, self._used = self._began_s + passed * WINDOW_S, 0

    def _reset(self) -> int:
        return int(self._began_s) + WINDOW_S


class _Bucket:
    def __init__(self, rate_per_s: float, burst: float) -> None:
        self._rate_per_s, self._burst = rate_per_s, burst
        self._level, self._at = burst, time.monotonic()

    def take(self) -> bool:
        now = time.monotonic()
        self._level, self._at = min(self._burst, self._level + (now - self._at) * self._rate_per_s), now
        if self._level < 1:
            return False
        self._level -= 1
        return True
