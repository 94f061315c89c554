"""The look again at some readers that were repaired: whether Make.as has kept what was written."""

from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import zip_longest
from typing import Final

import anyio
from msgspec import Struct

from ...core.drift.contacts import Finding
from ...core.model import AccountId, UserKey
from ...pod.reader.compare import compared
from ...resync.clients import Upstreams
from .one_by_one import found_of

MOST: Final = 20
"""So many readers are looked at: what Make.as does not keep, it keeps of no reader."""


class Again(Struct, frozen=True, kw_only=True):
    """What was seen."""

    looked: int = 0
    """Readers that were looked at."""
    unasked: frozenset[UserKey] = frozenset()
    """Readers that could not be looked at."""
    still: tuple[Finding, ...] = ()
    """What still differs."""

    @property
    def users(self) -> frozenset[UserKey]:
        """Return the readers that still differ, or of which that is not known."""
        return self.unasked.union(UserKey(one.vendor, one.user) for one in self.still)


def chosen(findings: Iterable[Finding], synced: Collection[UserKey]) -> list[UserKey]:
    """Return some of the readers that were resynced: in turn one of each kind and account, the first of those first."""
    groups: dict[tuple[str, str], list[UserKey]] = {}
    for one in findings:
        user = UserKey(one.vendor, one.user)
        if one.repairs and user in synced:
            groups.setdefault((one.kind, one.account), []).append(user)
    in_turn = (user for row in zip_longest(*groups.values()) for user in row if user is not None)
    return list(dict.fromkeys(in_turn))[:MOST]


async def look_again(
    up: Upstreams, users: Sequence[UserKey], accounts: Collection[AccountId], *, after_s: float, told: Callable[[int, int], None]
) -> Again:
    """
    Compare readers that were resynced, as `diff` does.

    A reader with an event of its own may differ until a pod has written it: what differs is looked at twice.

    Args:
        accounts: those whose differences count.
        after_s: so long after the first look comes the second.
        told: is told how many are looked at, of how many.
    """
    still, failed = dict[UserKey, list[Finding]](), set[UserKey]()

    async def look(some: Sequence[UserKey]) -> None:
        for done, user in enumerate(some):
            told(done, len(some))
            one = await compared(up, user)
            found = list(found_of(one, accounts, ()))
            if one.outcome != "failed" or found:
                still[user] = found  # Else what was seen before stands.
            elif user not in still:
                failed.add(user)

    await look(users)
    if twice := [user for user, found in still.items() if found]:
        await anyio.sleep(after_s)
        await look(twice)
    return Again(looked=len(still), unasked=frozenset(failed), still=tuple(one for found in still.values() for one in found))
