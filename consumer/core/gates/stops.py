"""The stops of a gate: findings from outside that no user's run could make or clear."""

from math import inf

from msgspec import Struct

from ..model import GateCause, StopCause


class _Stop(Struct, frozen=True):
    since: float
    held_until: float


class Stops:
    """
    The causes for which a gate is stopped, and whether it awaits a first verdict.

    It promises: what is stopped stays so until that very cause is released; a stop may hold users until the time given with it; what
    awaits its first verdict is shut until the first release, and holds no user; what was asked for before a stop ended is doubted.
    """

    def __init__(self) -> None:
        """Stop nothing."""
        self._stops: dict[StopCause, _Stop] = {}
        self._unproven_since: float | None = None
        self._ended_at = -inf
        """When a stop last ended."""

    def __bool__(self) -> bool:
        """Say whether anything shuts the gate."""
        return self.any or self._unproven_since is not None

    @property
    def any(self) -> bool:
        """Say whether the gate is stopped for a cause."""
        return bool(self._stops)

    @property
    def held_until(self) -> float:
        """Return until when the first stop may hold users; inf: there is none."""
        return min((stop.held_until for stop in self._stops.values()), default=inf)

    def shown(self) -> tuple[GateCause, float]:
        """Return the cause to be shown, and since when; empty, inf: there is none."""
        for cause, stop in self._stops.items():
            return cause, stop.since
        return ("", inf) if self._unproven_since is None else ("unproven", self._unproven_since)

    def await_verdict(self, *, now: float) -> None:
        """Wait for the first release."""
        self._unproven_since = now

    def stop(self, cause: StopCause, *, now: float, held_until: float) -> None:
        """Note a bad verdict; one that stands already keeps its times."""
        self._stops.setdefault(cause, _Stop(now, held_until))

    def release(self, cause: StopCause, *, now: float) -> bool:
        """Note a good verdict; return whether anything was shut for want of it."""
        was_unproven, self._unproven_since = self._unproven_since is not None, None
        if self._stops.pop(cause, None) is None:
            return was_unproven
        self._ended_at = now
        return True

    def doubts(self, taken_at: float) -> bool:
        """Say whether it is stopped, or was after `taken_at`."""
        return self.any or taken_at < self._ended_at
