"""The probe: why an upstream is held to be out, which user may try it, and when."""

from math import inf
from typing import Final, Literal

from ...model import UserKey
from .patience import Patience

_FIRST_S: Final = 5.0
_MAX_S: Final = 60.0
Cause = Literal["breaker", "denied", "absent", "retry-after"]


class Probe:
    """
    One user at a time that tries an upstream that is out.

    It promises: the first try is made 5 s after the upstream is held to be out, and 60 s after a Retry-After that is doubted; after each
    that failed the wait doubles, up to 60 s; none is made before the upstream's own wish allows.
    """

    def __init__(self, patience: Patience) -> None:
        """Begin with an upstream that is well."""
        self._patience, self._wait_s = patience, _FIRST_S
        self.cause: Cause | None = None
        """While it stands, the gate is shut to all but the probe."""
        self.user: UserKey | None = None
        self.at = inf
        """When the next may go in."""
        self.failures = 0
        """Tries that failed since the upstream was last well."""

    def cause_at(self, now: float) -> Cause | None:
        """Return why the upstream is held to be out; a Retry-After that has passed is no cause any more."""
        return None if self.cause == "retry-after" and now >= self._patience.ends_at else self.cause

    def is_due(self, now: float) -> bool:
        """Say whether a probe may go in now."""
        return self.user is None and now >= self.at

    def shut(self, cause: Cause, *, now: float) -> None:
        """Note that the upstream is out."""
        self.cause, self._wait_s = cause, _MAX_S if cause == "retry-after" else self._wait_s
        self._put_off(now)

    def open(self) -> None:
        """Note that the upstream is well."""
        self.cause, self.user, self.at, self._wait_s, self.failures = None, None, inf, _FIRST_S, 0
        self._patience.believe()

    def failed(self, user: UserKey, *, now: float) -> None:
        """Note that a user's try failed, where it is the probe."""
        if self.user == user:
            self.user, self._wait_s = None, min(_MAX_S, self._wait_s * 2)
            self.failures += 1
            self._put_off(now)

    def left(self, user: UserKey, *, now: float) -> None:
        """Let the next try, where the probe has left without a verdict."""
        if self.user == user:
            self.user, self.at = None, max(now, self._patience.retry_at)

    def _put_off(self, now: float) -> None:
        self.at = max(now + self._wait_s, self._patience.retry_at)
        if self.cause == "retry-after":  # Then all may go in.
            self.at = min(self.at, self._patience.ends_at)
