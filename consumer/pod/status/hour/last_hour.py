"""The last hour: a ring of sixty minutes, filled at the end of each; pure, for the time is an argument."""

from collections.abc import Iterable, Sequence
from typing import Final, TypeVar

from msgspec import Struct, structs

from ..tree import ListStatus, Status
from .shapes import LastHour, ListHour

STEP_S: Final = 60.0
MINUTES: Final = 60
LISTS: Final = 200
"""Of more lists than these, the first ones of the settings are kept."""
_OFF_S: Final = 10.0
"""A look that is further from the end of its minute can't say what was in that minute."""

_Value = TypeVar("_Value")
_Key = tuple[str, str, str]


class Look(Struct, frozen=True, kw_only=True):
    """What is seen at one moment."""

    events: int
    """Records read since the start."""
    resyncs: int
    """Runs ended since the start."""
    dirty: int
    fresh: dict[_Key, float | None] = {}
    """By vendor, account and list (s), in the order of the settings."""


def look(status: Status, *, events: int, resyncs: int, most: int = LISTS) -> Look:
    """
    Return what a status shows at the end of a minute.

    How fresh a list is: how long the event of its last write took, if that was within the minute, and how long the oldest event
    that is due has waited; the greater of the two. None: nothing was written, and nothing is due; or it was never written since the
    start (of a paused list nothing ever is): it has no freshness, however long events wait.
    """
    fresh = {(one.vendor, one.account, one.list): _fresh_s(one, since=status.at - STEP_S) for one in status.lists[:most]}
    return Look(events=events, resyncs=resyncs, dirty=status.users.dirty, fresh=fresh)


def _fresh_s(one: ListStatus, *, since: float) -> float | None:
    if one.last_write_at is None:
        return None
    written_s = one.freshness_last_s if one.last_write_at > since else None
    known = [value for value in (written_s, one.oldest_due_s) if value is not None]
    return round(max(known), 1) if known else None


class Ring:
    """
    The last sixty minutes, of the wall clock's.

    It promises: what was counted is in one minute at most; a minute that was not seen from its begin to its end is None, never 0;
    memory is O(minutes times lists), of 200 lists at most; a clock that is set back begins anew.
    """

    def __init__(self) -> None:
        """Begin with nothing known."""
        # The minute that comes next (since 1970), and what was counted when it began; None: its begin was not seen.
        self._next = 0
        self._before: Look | None = None
        self._kept = LastHour(step_s=STEP_S)

    def note(self, seen: Look, *, at: float) -> None:
        """
        Take a look at the end of a minute; the first one only begins.

        Args:
            at: wall time (s).
        """
        ended = round(at / STEP_S)
        is_punctual = abs(at - ended * STEP_S) <= _OFF_S
        if self._before is None and not self._next:
            # The start: what is counted from here on is of the minute that goes on.
            self._next, self._before = int(at // STEP_S), seen
            return
        if ended < self._next:
            self._next, self._before, self._kept = int(at // STEP_S), seen, LastHour(step_s=STEP_S)
            return
        if ended == self._next:
            return
        known = self._before if is_punctual and ended == self._next + 1 else None
        for _ in range(min(ended - self._next - 1, MINUTES)):
            self._push(None, None, {})
        if known is None:
            self._push(None, None, {})
        else:
            self._push(known, seen, seen.fresh)
        self._next, self._before = ended, seen if is_punctual else None

    def seen(self, *, at: float) -> LastHour | None:
        """
        Return the last sixty minutes, the newest last; None: none has ended yet.

        Args:
            at: wall time (s); minutes up to there that nobody looked at are None.
        """
        if not self._kept.events:
            return None
        missed = int((at - _OFF_S) // STEP_S) - self._next
        if missed <= 0:
            return self._kept
        blank = (None,) * min(missed, MINUTES)
        kept = self._kept
        return structs.replace(
            kept,
            events=(*kept.events, *blank)[-MINUTES:],
            resyncs=(*kept.resyncs, *blank)[-MINUTES:],
            dirty=(*kept.dirty, *blank)[-MINUTES:],
            lists=tuple(structs.replace(one, freshness_s=(*one.freshness_s, *blank)[-MINUTES:]) for one in kept.lists),
        )

    def _push(self, before: Look | None, now: Look | None, fresh: dict[_Key, float | None]) -> None:
        kept = self._kept
        past = {(one.vendor, one.account, one.list): one.freshness_s for one in kept.lists}
        keys: Iterable[_Key] = fresh or past
        self._kept = LastHour(
            step_s=STEP_S,
            events=_shifted(kept.events, None if before is None or now is None else now.events - before.events),
            resyncs=_shifted(kept.resyncs, None if before is None or now is None else now.resyncs - before.resyncs),
            dirty=_shifted(kept.dirty, None if now is None else now.dirty),
            lists=tuple(
                ListHour(vendor=key[0], account=key[1], list=key[2], freshness_s=_shifted(past.get(key, ()), fresh.get(key)))
                for key in keys
            ),
        )


def _shifted(past: Sequence[_Value | None], newest: _Value | None) -> tuple[_Value | None, ...]:
    """Return sixty minutes, of which those before the first are not known."""
    return (*((None,) * (MINUTES - 1 - len(past))), *past[-(MINUTES - 1) :], newest)
