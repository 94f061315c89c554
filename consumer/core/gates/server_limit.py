"""The limit that an upstream's answers name, and whether it is one for a minute: then it may take the place of the settings'."""

from math import inf
from typing import Final, Literal

from .window import JITTER_S, SET_BACK_S, Said

DOCUMENTED: Final = 100.0
"""Calls a minute, where nothing better is known."""
_MOST: Final = 10 * DOCUMENTED
_LEAST: Final = 1.0
_MINUTE_S: Final = 60.0
_OFF_S: Final = 5.0
_FAR_S: Final = 30.0
"""A window that ends further ahead than this is no short one, of which we have missed those in between."""


def begins_at(setting: float | Literal["auto"]) -> float:
    """Return the limit that is used until the upstream's is known (calls a minute)."""
    return DOCUMENTED if setting == "auto" else setting


class ServerLimit:
    """
    How many calls a minute the upstream allows.

    It promises: a limit is followed, up or down, once two windows in a row end 60 s +- 5 apart and one of them was seen more than 30 s
    before its end; never below 1 or above ten times the documented 100; where answers differ, the least of this window and the one
    before; and where two windows end nearer to each other, the limit is not one for a minute: it is the documented one again.
    """

    def __init__(self) -> None:
        """Begin with the documented limit."""
        self.per_minute = DOCUMENTED
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._reset, self._limit, self._before = -inf, inf, inf
        self._seen_early = self._follow_each_other = False

    def note(self, said: Said) -> None:
        """Learn from an answer."""
        older_s = self._reset - said.reset
        if said.limit is None or JITTER_S < older_s < SET_BACK_S:
            return
        if older_s >= SET_BACK_S:
            self._begin_anew()
        gap_s = said.reset - self._reset
        if gap_s <= JITTER_S:
            self._limit = min(self._limit, said.limit)
        else:
            if gap_s < _MINUTE_S - _OFF_S:
                self._begin_anew()
                self.per_minute = DOCUMENTED
            self._follow_each_other |= gap_s <= _MINUTE_S + _OFF_S and self._reset > -inf
            self._reset, self._limit, self._before = said.reset, said.limit, self._limit
        self._seen_early |= said.ends_in_s > _FAR_S
        if self._follow_each_other and self._seen_early:
            self.per_minute = min(_MOST, max(_LEAST, min(self._limit, self._before)))
