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
"""So many POSTs an hour at most, those that fail with them."""
AGAIN_S: Final = 60.0
"""After a POST that failed nothing is sent for so long; after each one more for twice as long, up to `SAME_S`."""
PLACES: Final = 100
"""So many notices wait at most; the oldest goes."""
_TOLD: Final = 1000
_DOUBLINGS: Final = 10
_NEVER: Final = (False, "")
"""What is known of a subject that nobody was told of: it is well."""

_Subject = tuple[str, str]


class Parcel(Struct, frozen=True):
    """What one POST tells: notices of one event and cause."""

    notices: tuple[Notice, ...]
    held_back: int
    """How many notices before it were never sent, for what they said was over, or too many waited."""


class Outbox:
    """
    Notices that wait.

    It promises: of each subject only the newest notice waits, and none that says what was told last; what may not be sent yet, or did
    not arrive, is sent once it may, if it is still so; an end whose beginning did not arrive is not told; everything is bounded.

    Each parcel that `take` gives is answered by `arrived` or `failed` before the next is taken.
    """

    def __init__(self, *, again_s: float = AGAIN_S) -> None:
        """Begin with nothing; `again_s`: see `AGAIN_S`."""
        self._first_again_s = again_s
        # The newest notice of each subject, in the order of the subjects.
        self._waiting: dict[_Subject, Notice] = {}
        # Those of the parcel that is taken and not answered: what the operator knows of them is open.
        self._under_way: frozenset[_Subject] = frozenset()
        # What was told last of each subject (None: a POST failed that may have arrived), and when each event of it was.
        self._told: dict[_Subject, tuple[bool, str] | None] = {}
        self._told_at: dict[tuple[str, _Subject], float] = {}
        self._sent_at: deque[float] = deque(maxlen=PER_HOUR)
        self._failures, self._again_at = 0, -inf
        self._held_back = 0
        self.passed_over = 0
        """Notices let go, because what they said was over or told."""
        self.dropped = 0
        """Notices let go, because too many waited."""

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def held_back(self) -> int:
        """Return how many notices will never be sent, and were not told of yet."""
        return self._held_back

    @property
    def is_failing(self) -> bool:
        """Say whether the last parcel did not arrive."""
        return self._failures > 0

    def put(self, notice: Notice) -> None:
        """Take a notice; it replaces the one of its subject that waits."""
        subject = _subject(notice)
        if subject in self._waiting:
            self._pass_over(subject)
        self._wait(notice)
        if subject not in self._under_way:
            self._pass_over_known(subject)

    def next_at(self, *, now: float) -> float:
        """Return the earliest time at which something may be sent; inf: nothing waits."""
        first = min((self._may_at(one) for one in self._waiting.values()), default=inf)
        full = self._sent_at[0] + HOUR_S if len(self._sent_at) == PER_HOUR else -inf
        return max(now, first, full, self._again_at) if first < inf else inf

    def take(self, *, now: float) -> Parcel | None:
        """Take out what may be sent now: the first notice, and all that say the same of other subjects; None: nothing."""
        if self.next_at(now=now) > now:
            return None
        ready = [one for one in self._waiting.values() if self._may_at(one) <= now]
        first = ready[0]
        notices = tuple(one for one in ready if (one.event, one.cause) == (first.event, first.cause))
        for one in notices:
            del self._waiting[_subject(one)]
        self._under_way = frozenset(map(_subject, notices))
        self._sent_at.append(now)
        held_back, self._held_back = self._held_back, 0
        return Parcel(notices, held_back)

    def arrived(self, parcel: Parcel, *, now: float) -> None:
        """Note that the operator was told what the parcel says."""
        self._failures, self._again_at = 0, -inf
        for one in parcel.notices:
            self._told[_subject(one)] = _state(one)
            self._told_at[one.event, _subject(one)] = now
        for old in [key for key, at in self._told_at.items() if at + SAME_S <= now][: max(0, len(self._told_at) - _TOLD)]:
            del self._told_at[old]
        self._answered()

    def failed(self, parcel: Parcel, *, now: float, may_have_arrived: bool) -> None:
        """
        Take the parcel back: what of it is still so waits again, behind what waits already.

        Args:
            may_have_arrived: whether the operator may have been told nevertheless; then an end is told, too.
        """
        self._again_at = now + min(SAME_S, self._first_again_s * 2 ** min(self._failures, _DOUBLINGS))
        self._failures += 1
        self._held_back += parcel.held_back
        for one in parcel.notices:
            if may_have_arrived:
                self._told[_subject(one)] = None
            if _subject(one) in self._waiting:
                self._held_back += 1
                self.passed_over += 1
            else:
                self._wait(one)
        self._answered()

    def _answered(self) -> None:
        """Let go of what came meanwhile and says what the operator thinks."""
        subjects, self._under_way = self._under_way, frozenset()
        for subject in subjects:
            self._pass_over_known(subject)

    def _wait(self, notice: Notice) -> None:
        self._waiting[_subject(notice)] = notice
        if len(self._waiting) > PLACES:
            del self._waiting[next(iter(self._waiting))]
            self._held_back += 1
            self.dropped += 1

    def _pass_over_known(self, subject: _Subject) -> None:
        """Let go of what waits if it begins anew, or ends, and the operator thinks so already."""
        waits = self._waiting.get(subject)
        if waits is not None and self._told.get(subject, _NEVER) == _state(waits):
            self._pass_over(subject)

    def _pass_over(self, subject: _Subject) -> None:
        del self._waiting[subject]
        self._held_back += 1
        self.passed_over += 1

    def _may_at(self, notice: Notice) -> float:
        return self._told_at.get((notice.event, _subject(notice)), -inf) + SAME_S


def _subject(notice: Notice) -> _Subject:
    return notice.kind, notice.subject


def _state(notice: Notice) -> tuple[bool, str]:
    return notice.begins, notice.cause if notice.begins else ""
