"""The heed of a gate: it takes its pace from the limits that its upstream's answers tell."""

from .pace import Pace
from .server_limit import ServerLimit
from .window import Said

_MINUTE_S = 60.0


class Heed:
    """
    Tells a pace what is left of the upstream's window and, where the settings leave it to the upstream, how many calls a minute it allows.

    It promises: an upstream that says nothing of its limits is asked as the settings say.
    """

    def __init__(self, pace: Pace, *, uses_told_limit: bool = False, part: float = 1.0) -> None:
        """
        Take the pace of a gate.

        Args:
            uses_told_limit: whether the limit that the upstream tells is used where it is known.
            part: of each limit, that this process may use.
        """
        self._pace, self._limit, self._part = pace, ServerLimit() if uses_told_limit else None, part
        self.said: float | None = None
        """The limit that the last answer named, be it used or not; None: none has."""

    @property
    def per_minute(self) -> float:
        """Return the limit in use, of all processes together (calls a minute)."""
        return self._pace.full_rate_per_s * _MINUTE_S / self._part

    def note(self, said: Said, *, in_flight: int, now: float) -> bool:
        """Learn from an answer; return whether another limit is in use now. `in_flight`: calls that it may not have counted yet."""
        self._pace.window.note(said, in_flight=in_flight, now=now)
        self.said = self.said if said.limit is None else said.limit
        if self._limit is None:
            return False
        before = self._limit.per_minute
        self._limit.note(said)
        if self._limit.per_minute == before:
            return False
        self._pace.set_rate(self._limit.per_minute / _MINUTE_S * self._part, now=now)
        return True
