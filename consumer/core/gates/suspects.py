"""The suspects of a gate: which users an upstream forbids (403) or does not know, and whether that is about them or about how we ask."""

from collections import OrderedDict
from typing import Final

from ..model import UserKey

_ROW: Final = 3
"""So many different users in a row, with no user's success in between, say that it is the key."""
_KEPT: Final = 1000
_UNKNOWN_IN_A_ROW: Final = 20
"""So many users in a row unknown, with none known in between, say that the upstream looks in the wrong place."""


class Suspects:
    """
    The users that were forbidden.

    It promises: three different ones in a row are the key's fault, one never is, however often; a user that was forbidden
    before another began that then succeeded is known to be the one it is about, and counts in no row again until its own success. The
    last 1,000 are kept. Order is told by a serial number that grows with each run that begins.
    """

    def __init__(self) -> None:
        """Suspect no user."""
        self._forbidden: OrderedDict[UserKey, int] = OrderedDict()
        """User -> runs that had begun when it was first forbidden."""
        self._proven = -1
        """The youngest run that has succeeded."""
        self._row: dict[UserKey, int] = {}

    def is_own(self, user: UserKey) -> bool:
        """Say whether it is known that a 403 of `user` is about that user alone."""
        return self._forbidden.get(user, self._proven) < self._proven

    def forbid(self, user: UserKey, *, begun: int) -> bool:
        """Note a 403, `begun` runs having begun so far; return whether it must be the key."""
        self._forbidden.setdefault(user, begun)
        if len(self._forbidden) > _KEPT:
            self._forbidden.popitem(last=False)
        if not self.is_own(user) and not self.blame_key():
            self._row.setdefault(user, begun)
        return self.blame_key()

    def blame_key(self) -> bool:
        """Say whether three different users in a row were forbidden."""
        return len(self._row) >= _ROW

    def clears_key(self, begun: int) -> bool:
        """Say whether the success of run number `begun` shows that the key is good, though three were forbidden."""
        return self.blame_key() and begun > min(self._row.values())

    def succeeded(self, user: UserKey, *, begun: int) -> None:
        """Note that run number `begun`, of `user`, was not forbidden."""
        self._forbidden.pop(user, None)
        self._proven = max(self._proven, begun)

    def new_row(self) -> None:
        """Begin the row anew: a user has succeeded, or nothing is known any more."""
        self._row.clear()


class UnknownUsers(set[UserKey]):
    """The users that the upstream did not know since one that it knew; no more than twenty are kept."""

    def note(self, user: UserKey) -> bool:
        """Add one; return whether to believe that it is unknown."""
        if len(self) < _UNKNOWN_IN_A_ROW:
            self.add(user)
        return len(self) < _UNKNOWN_IN_A_ROW
