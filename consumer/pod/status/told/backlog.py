"""The backlog: how much is to be done, and how long that takes at the rate of the last minutes."""

from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from ....core.text import duration
from ..hour.shapes import LastHour
from ..tree import Status
from .words import ANSWERED, UNASKED, clock, named

_STEPS: Final = 10
"""So many of the last steps tell the rate."""
_MINUTE_S: Final = 60.0


class Backlog(Struct, frozen=True, kw_only=True):
    """What is to be done, of one pod or of several."""

    pods: int
    """How many are known; 0: nothing of it is known."""
    behind: int | None
    """Events from what is committed to the end, where that is known; None: of no partition."""
    unknown: int
    """Partitions of which it is not known."""
    dirty: int
    to_do: int
    """At most so many resyncs: of dirty users, and of events that are not read yet."""
    held: int
    """Dirty users that wait for shut gates, and for nothing else."""
    per_minute: float | None
    """Resyncs a minute of late; None: not known."""

    @property
    def left_s(self) -> float | None:
        """Return after how long it is done at the latest, if nothing more comes; None: not known, or never at this rate."""
        if not self.to_do:
            return 0.0
        return self.to_do / self.per_minute * _MINUTE_S if self.per_minute else None


def backlog(statuses: Iterable[Status]) -> Backlog:
    """Return the backlog of some pods together."""
    statuses = [*statuses]
    partitions = [one for status in statuses for one in status.partitions]
    lags = [lag for one in partitions if (lag := one.lag) is not None]
    rates = [_rate(one.last_hour) for one in statuses]
    known = [one for one in rates if one is not None]
    dirty = sum(one.users.dirty for one in statuses)
    return Backlog(
        pods=len(statuses),
        behind=sum(lags) if lags else None,
        unknown=sum(one.unread is None or one.lag is None for one in partitions),
        dirty=dirty,
        to_do=dirty + sum(one.unread or 0 for one in partitions),
        held=sum(cause.users for one in statuses for cause in one.users.causes if cause.cause == "held"),
        per_minute=sum(known) if known and len(known) == len(rates) else None,
    )


def in_words(found: Backlog, *, now: float, silent: int = 0) -> str:
    """Return how much it is, and when it will be done at this rate; `now`: wall time (s), `silent`: how many pods did not answer."""
    if not found.pods:
        return f"events behind, dirty users: {UNASKED}"
    behind = "events behind: not known" if found.behind is None else f"{named(found.behind, 'event')} behind"
    unknown = f" ({named(found.unknown, 'partition')} not known)" if found.unknown and found.behind is not None else ""
    if not found.to_do:
        when = ""
    elif found.held:
        when = f": {found.held:,} of them wait for gates that are shut, so when it is done is not known"
    elif found.left_s is not None and found.per_minute:
        at = clock(now + found.left_s, now=now)
        when = f": done in at most {duration(found.left_s)}, at {at}, at {found.per_minute:,.1f} resyncs a minute"
    elif found.per_minute == 0:
        when = ": never done at this rate, for nobody was resynced in the last minutes"
    else:
        when = ": until when is not known, for the rate is not"
    return f"{behind}{unknown}, {named(found.dirty, 'dirty user')}{ANSWERED if silent else ''}{when}"


def _rate(hour: LastHour | None) -> float | None:
    """Return the resyncs a minute of the last known steps."""
    if hour is None or hour.step_s <= 0:
        return None
    known = [one for one in hour.resyncs[-_STEPS:] if one is not None]
    return sum(known) / len(known) * _MINUTE_S / hour.step_s if known else None
