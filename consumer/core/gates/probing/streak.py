"""The streak: failures in a row at one upstream, which may say that the fault is not the users'."""

from math import inf
from typing import Final

from ...model import UserKey

_USERS: Final = 5
"""So many users in a row failing say that the fault is not theirs."""


class Streak:
    """
    The failures since the last success.

    It promises: it says so of the fifth user in a row to fail, whatever the reason, and of as many passing failures as a user may have
    tries.
    """

    def __init__(self, tries: int | None) -> None:
        """Begin with none; `tries`: passing failures in a row, be they of one user; at least five; None: only users count."""
        self._most = inf if tries is None else max(tries, _USERS)
        self._users: set[UserKey] = set()
        self._passing = 0

    def note(self, user: UserKey, *, is_passing: bool) -> None:
        """Count a failure."""
        self._users.add(user)
        self._passing += is_passing

    @property
    def says_out(self) -> bool:
        """Say whether the fault is the upstream's."""
        return len(self._users) >= _USERS or self._passing >= self._most

    def clear(self) -> None:
        """Begin anew, with a success."""
        self._users.clear()
        self._passing = 0
