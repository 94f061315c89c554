"""What somebody outside has a gate shut for: a finding that no user's run could make or clear. Pure."""

from math import inf

from msgspec import Struct

from .model import GateCause, StopCause


class _Stop(Struct, frozen=True):
    since: float
    held_until: float


class Stops:
    """
    The causes for which a gate is stopped, and whether it awaits a first verdict.

    It promises: what is stopped stays so until that very cause is released; a stop may hold users until the time given with it; what
    awaits its first verdict is shut until the first release, and holds nobody.
    """

    def __init__(self) -> None:
        """Stop nothing."""
        self._stops: dict[StopCause, _Stop] = {}
        self._unproven_since: float | None = None

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

    def release(self, cause: StopCause) -> bool:
        """Note a good verdict; return whether it ended a stop."""
        self._unproven_since = None
        return self._stops.pop(cause, None) is not None
