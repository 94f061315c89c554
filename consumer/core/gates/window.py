"""The window of an upstream's limit, as its answers tell it: how many calls are left, and until when."""

from math import inf
from typing import Final, Literal

from msgspec import Struct

LONGEST_S: Final = 120.0
"""Headers alone hold calls back for so long at most; a `Reset` further ahead is absurd."""
_SHORTEST_S: Final = 1.0
_PAST_S: Final = 5.0
"""A `Reset` may lie so far back: the window ended while the answer was under way."""
JITTER_S: Final = 1.0
"""Resets that lie so near to each other are of one window: servers round."""

SET_BACK_S: Final = 180.0
"""A `Reset` that goes back by as much is not of a late answer: the upstream's clock was put right."""

Odd = Literal["", "past", "far", "unreadable"]
"""What is absurd about a `Reset`; empty: nothing."""


class Said(Struct, frozen=True, kw_only=True):
    """What one answer says of the limit; None: nothing that can be used."""

    limit: float | None = None
    remaining: float | None = None
    reset: float = -inf
    """When the window ends, by the upstream's clock (s since 1970); it tells windows apart."""
    ends_in_s: float = 0.0
    """The same from the answer on, 1 to 120 s."""


def read(limit: float | None, remaining: float | None, reset: float | None, *, answered_at: float) -> tuple[Said | None, Odd]:
    """
    Return what the headers say; None, and why, where their `Reset` is absurd: then they say nothing.

    Args:
        limit, remaining, reset: None: no number.
        answered_at: wall time of the answer (s), by the clock that `Reset` goes by.
    """
    if reset is None:
        return None, "unreadable"
    ahead_s = reset - answered_at
    if ahead_s < -_PAST_S:
        return None, "past"
    if ahead_s > LONGEST_S:
        return None, "far"
    return Said(limit=limit, remaining=remaining, reset=reset, ends_in_s=max(_SHORTEST_S, ahead_s)), ""


class Window:
    """
    The calls that are left of the upstream's own window.

    It promises: where nothing is left, no call is let in until the window ends; where less is left than a run needs, no run begins until
    then; an answer that is older than what is known changes nothing; and whatever is said, no more than 120 s go by until calls are let in
    again. Nothing is known of a window that has ended: the next answer tells of the next.
    """

    def __init__(self, *, needs: int, part: float = 1.0) -> None:
        """
        Know of no window.

        Args:
            needs: calls that one run needs at once.
            part: how much of what is left may be taken: the rest is for others, which go before us.
        """
        self._needs, self._part = needs, part
        self._reset = self.ends_at = -inf
        self._remaining = self._left = inf
        # Since when less has been left than a run needs; inf: it has not.
        self._tight_since = inf

    def note(self, said: Said, *, in_flight: int, now: float) -> None:
        """Learn from an answer; `in_flight`: calls that it may not have counted yet."""
        if said.remaining is None:
            return
        goes_on, older_s = now < self.ends_at, self._reset - said.reset
        if older_s >= SET_BACK_S or older_s < (-JITTER_S if goes_on else 0):
            self._begin(said, said.remaining, in_flight, now)
        elif not goes_on or older_s > JITTER_S or said.remaining >= self._remaining:
            return
        else:
            self._left = min(self._left, said.remaining * self._part - in_flight)
        self._remaining = said.remaining
        self._note_tight(now)

    def _begin(self, said: Said, remaining: float, in_flight: int, now: float) -> None:
        """Know of another window; where it follows one of which too little was left, it ends with the 120 s of both together."""
        tight_since = self._tight_since if now < self.ends_at else inf
        self._reset, self._left = said.reset, remaining * self._part - in_flight
        self.ends_at = min(now + said.ends_in_s, tight_since + LONGEST_S)
        self._tight_since = tight_since if self._left < self._needs else inf

    def spend(self, calls: int, *, now: float) -> None:
        """Take calls of it, or give some back."""
        if now < self.ends_at:
            self._left -= calls
            self._note_tight(now)

    def _note_tight(self, now: float) -> None:
        if self._left < self._needs:
            self._tight_since = min(self._tight_since, now)

    def wait_s(self, calls: float, *, now: float) -> float:
        """Return how long it takes until so many calls may be made (s)."""
        return self.ends_at - now if now < self.ends_at and (calls > self._left or self._remaining < 1) else 0.0

    def empty_s(self, *, now: float) -> float:
        """Return for how long no call at all may be made: the upstream has said that none is left (s)."""
        return self.ends_at - now if now < self.ends_at and self._remaining < 1 else 0.0
