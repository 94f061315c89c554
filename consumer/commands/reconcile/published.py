"""The result of a reconcile, list by list, and how it is left in the dead-letter topic for the pods to show."""

import time
from collections.abc import Collection, Iterator, Sequence
from typing import Final

import anyio

from ...core.drift.contacts import Finding
from ...core.letters.reconciled import Reconciled
from ...core.letters.record import reconciled
from ...core.model import UserKey
from ...kafka.client.connect import producing
from ...kafka.client.failures import ending
from ...settings.model import Settings
from .looking import Looked
from .plan import Scope

_SEND_LIMIT_S: Final = 10.0


def results(
    looked: Looked, scope: Scope, *, ended: str, done: Collection[UserKey], synced: Collection[UserKey], all_retired: bool, at_ms: int
) -> Iterator[Reconciled]:
    """
    Give the result of each list of each vendor.

    Args:
        done: readers that need nothing any more; `synced`: those of them that were written.
        all_retired: whether every address that its reader has left lost its tags.
        at_ms: when it ended (wall time).
    """
    for account, lists in scope.accounts.items():
        found: dict[str, list[Finding]] = {}
        for one in looked.findings.all:
            if one.account == account and one.kind != "stranger":
                found.setdefault(one.vendor, []).append(one)
        for list_id, vendors in lists.items():
            for vendor in vendors:
                here = [one for one in found.get(vendor, ()) if not one.lists or list_id in one.lists]
                users = {UserKey(one.vendor, one.user) for one in here if one.repairs}
                stays = sum(not one.repairs and not (all_retired and one.kind == "moved") for one in here)
                yield Reconciled(
                    vendor=vendor,
                    account=account,
                    list=list_id,
                    at_ms=at_ms,
                    ended=ended,
                    readers=looked.readers.get(vendor, 0),
                    repaired=sum(user in synced for user in users),
                    left=stays + sum(user not in done for user in users),
                )


async def publish(settings: Settings, some: Sequence[Reconciled]) -> None:
    """
    Write results to the dead-letter topic; each is there on all replicas once this returns.

    Raises:
        Fatal: no broker takes them (69), or no permission (77).
    """
    with ending(settings.kafka):
        async with producing(settings.kafka, suffix="-reconcile") as producer:
            for one in map(reconciled, some):
                with anyio.fail_after(_SEND_LIMIT_S):
                    await producer.send_and_wait(settings.kafka.dead_letter_topic, value=one.value, key=one.key, headers=list(one.headers))


def now_ms() -> int:
    """Return the wall time (ms)."""
    return int(time.time() * 1000)
