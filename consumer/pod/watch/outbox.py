"""The outbox: notices to be sent, at a pace that nobody mutes; no I/O and no clock."""

from collections import deque
from math import inf
from typing import Final

from msgspec import Struct

from .conditions import Notice

SAME_S: Final = 600.0
"""The same event of the same subject is sent at most once in so long."""
HOUR_S: Final = 3600.0
PER_HOUR: Final = 20
"""So many POSTs an hour at most."""
PLACES: Final = 100
"""So many notices wait at most; the oldest goes."""
_TOLD: Final = 1000

_Subject = tuple[str, str]


class Parcel(Struct, frozen=True):
    """What one POST tells: notices of one event and cause."""

    notices: tuple[Notice, ...]
    held_back: int
    """How many notices before it were never sent, for what they said was over, or too many waited."""


class Outbox:
    """
    Notices that wait.

    It promises: of each subject only the newest notice waits, and none that says what was told last; what may not be sent yet is sent
    once it may, if it is still so; everything is bounded.
    """

    def __init__(self) -> None:
        # The newest notice of each subject, in the order of the subjects.
        self._waiting: dict[_Subject, Notice] = {}
        # What was told last of each subject, and when each event of it was.
        self._told: dict[_Subject, tuple[bool, str]] = {}
        self._told_at: dict[tuple[str, _Subject], float] = {}
        self._sent_at: deque[float] = deque(maxlen=PER_HOUR)
        self._held_back = 0
        self.dropped = 0
        """Notices let go, because too many waited."""

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def held_back(self) -> int:
        """Return how many notices will never be sent, and were not told of yet."""
        return self._held_back

    def put(self, notice: Notice) -> None:
        """Take a notice; it replaces the one of its subject that waits."""
        subject = (notice.kind, notice.subject)
        if self._waiting.pop(subject, None) is not None:
            self._held_back += 1
        if self._told.get(subject, (False, "")) == _state(notice):
            # It begins anew, or it ends, and the operator thinks so already.
            self._held_back += 1
            return
        self._waiting[subject] = notice
        if len(self._waiting) > PLACES:
            del self._waiting[next(iter(self._waiting))]
            self._held_back += 1
            self.dropped += 1

    def next_at(self, *, now: float) -> float:
        """Return the earliest time at which something may be sent; inf: nothing waits."""
        first = min((self._may_at(one) for one in self._waiting.values()), default=inf)
        full = self._sent_at[0] + HOUR_S if len(self._sent_at) == PER_HOUR else -inf
        return max(now, first, full) if first < inf else inf

    def take(self, *, now: float) -> Parcel | None:
        """Take out what may be sent now: the first notice, and all that say the same of other subjects; None: nothing."""
        if self.next_at(now=now) > now:
            return None
        ready = [one for one in self._waiting.values() if self._may_at(one) <= now]
        first = ready[0]
        notices = tuple(one for one in ready if (one.event, one.cause) == (first.event, first.cause))
        for one in notices:
            subject = (one.kind, one.subject)
            del self._waiting[subject]
            self._told[subject] = _state(one)
            self._told_at[one.event, subject] = now
        for old in [key for key, at in self._told_at.items() if at + SAME_S <= now][: max(0, len(self._told_at) - _TOLD)]:
            del self._told_at[old]
        self._sent_at.append(now)
        held_back, self._held_back = self._held_back, 0
        return Parcel(notices, held_back)

    def _may_at(self, notice: Notice) -> float:
        return self._told_at.get((notice.event, (notice.kind, notice.subject)), -inf) + SAME_S


def _state(notice: Notice) -> tuple[bool, str]:
    return notice.begins, notice.cause if notice.begins else ""
