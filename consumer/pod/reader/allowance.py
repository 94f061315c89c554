"""The allowance of lookups: so many a minute, however many ask; no clock."""

from collections import deque
from typing import Final

PER_MINUTE: Final = 20
"""Lookups of a pod: each costs calls that the runs would make."""
_MINUTE_S: Final = 60.0


class Allowance:
    """
    Lookups that may begin.

    It promises: no more than `per_minute` begin in any minute; one that is refused costs nothing.
    """

    def __init__(self, per_minute: int = PER_MINUTE) -> None:
        """Begin with all of them."""
        self._began_at: deque[float] = deque(maxlen=per_minute)

    def take(self, *, now: float) -> float:
        """Take one; return 0, or, where none is left, how long it takes until there is one (s)."""
        if len(self._began_at) == self._began_at.maxlen and (wait_s := self._began_at[0] + _MINUTE_S - now) > 0:
            return wait_s
        self._began_at.append(now)
        return 0.0
