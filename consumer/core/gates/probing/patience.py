"""Patience: how long a Retry-After is heeded, and which one is tried out before its time."""

from math import inf
from typing import Final

from ...errors import Retryable

LONG_S: Final = 60.0
"""A longer Retry-After is doubted, but for a 429: one odd answer must not shut an upstream for an hour."""


class Patience:
    """
    What an upstream has asked for.

    It promises: no call is made before `retry_at`; a shorter wish does not shorten a longer one; of a wish that is doubted the first minute
    is heeded, and the rest, up to `asked_until`, by all but a probe.
    """

    def __init__(self, *, courteous: bool) -> None:
        """Begin with no wish; `courteous`: stay away for twice as long."""
        self._times = 2 if courteous else 1
        self.retry_at = self.asked_until = -inf

    def heed(self, error: Retryable, *, now: float) -> bool:
        """Heed the wish of an answer, where it has one; return whether it is doubted."""
        wish_s = error.retry_after_s
        if wish_s is None:
            return False
        is_doubted = wish_s > LONG_S and error.code != "http-429"
        self.retry_at = max(self.retry_at, now + self._times * (LONG_S if is_doubted else wish_s))
        if is_doubted:
            self.asked_until = max(self.asked_until, now + self._times * wish_s)
        return is_doubted

    @property
    def ends_at(self) -> float:
        """Return when all may call again, if nothing more is asked for."""
        return max(self.retry_at, self.asked_until)

    def believe(self) -> None:
        """Doubt nothing any more, for the upstream is well."""
        self.asked_until = -inf
