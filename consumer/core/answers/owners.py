"""The owners of entitlements, as each was last seen."""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

from ..model import UserKey

KEPT: Final = 1000


class Owners:
    """
    The users of the entitlements that were seen last.

    It promises: it keeps no more than `KEPT` ids, and those that were seen last.
    """

    def __init__(self) -> None:
        """Know no entitlement."""
        self._owners: OrderedDict[tuple[str, str], str] = OrderedDict()

    def note(self, user: UserKey, ids: Iterable[str]) -> bool:
        """Note that `user` has the entitlements `ids`; return whether one was another user's of the vendor: a filter that is ignored."""
        is_anothers = False
        for one in ids:
            place = (user.vendor, one)
            is_anothers |= self._owners.get(place, user.user) != user.user
            self._owners[place] = user.user
            self._owners.move_to_end(place)
        while len(self._owners) > KEPT:
            self._owners.popitem(last=False)
        return is_anothers
