"""Several pods as one: each list, partition and gate once, as all the pods together know it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Final, TypeVar

from msgspec import Struct, structs

from ..tree import CauseStatus, GateStatus, ListStatus, PartitionStatus, Status

_DOORS: Final = ("open", "probing", "left-out")
_Number = TypeVar("_Number", int, float)


class HeldPartition(Struct, frozen=True, kw_only=True):
    """One partition, and the pods that hold it."""

    partition: int
    pods: tuple[str, ...] = ()
    """Empty: none of those that answered."""
    status: PartitionStatus | None = None
    """As the first of them tells it; None: none holds it."""


class PodGate(Struct, frozen=True, kw_only=True):
    """One gate, and the pods that see it so."""

    pods: tuple[str, ...]
    """Empty: all that know it."""
    gate: GateStatus


class Merged(Struct, frozen=True, kw_only=True):
    """All of it."""

    lists: tuple[ListStatus, ...]
    partitions: tuple[HeldPartition, ...]
    gates: tuple[PodGate, ...]
    causes: tuple[CauseStatus, ...]
    dirty: int
    topic_partitions: int
    """0: not known."""


def merged(statuses: Mapping[str, Status]) -> Merged:
    """Return what the pods, by the name that each is to be called, say together."""
    return Merged(
        lists=lists_of(statuses.values()),
        partitions=partitions_of(statuses),
        gates=_gates(statuses),
        causes=_causes(statuses.values()),
        dirty=sum(one.users.dirty for one in statuses.values()),
        topic_partitions=max((one.group.topic_partitions for one in statuses.values()), default=0),
    )


def lists_of(statuses: Iterable[Status]) -> tuple[ListStatus, ...]:
    """Return each list once: with its freshest write, the oldest that it is owed, and the sum of users owed."""
    found: dict[tuple[str, str, str], list[ListStatus]] = defaultdict(list)
    for status in statuses:
        for one in status.lists:
            found[one.vendor, one.account, one.list].append(one)
    return tuple(_list(some) for some in found.values())


def _list(some: list[ListStatus]) -> ListStatus:
    if len(some) == 1:
        return some[0]
    last = max(some, key=lambda one: one.last_write_at or 0.0)
    worst = max(some, key=lambda one: (_DOORS.index(one.door), one.left_out_s))
    return structs.replace(
        worst,
        last_write_at=last.last_write_at,
        freshness_last_s=last.freshness_last_s,
        oldest_pending_s=_most(one.oldest_pending_s for one in some),
        oldest_due_s=_most(one.oldest_due_s for one in some),
        owed_users=sum(one.owed_users for one in some),
        left=max(one.left for one in some),
        name=next((one.name for one in some if one.name), ""),
        paused=any(one.paused for one in some),
        reconciled=max((one.reconciled for one in some if one.reconciled is not None), key=lambda one: one.at, default=None),
    )


def _most(numbers: Iterable[_Number | None]) -> _Number | None:
    return max((one for one in numbers if one is not None), default=None)


def partitions_of(statuses: Mapping[str, Status]) -> tuple[HeldPartition, ...]:
    """Return each partition with its pods, also those that none of these pods holds."""
    pods: dict[int, list[str]] = defaultdict(list)
    first: dict[int, PartitionStatus] = {}
    for name, status in statuses.items():
        for one in status.partitions:
            pods[one.partition].append(name)
            first.setdefault(one.partition, one)
    known = {*range(max((one.group.topic_partitions for one in statuses.values()), default=0)), *first}
    return tuple(HeldPartition(partition=one, pods=tuple(pods.get(one, ())), status=first.get(one)) for one in sorted(known))


def _gates(statuses: Mapping[str, Status]) -> tuple[PodGate, ...]:
    """Return each gate once where the pods agree on it, else once for each way that they see it."""
    found: dict[str, dict[tuple[str, str], dict[str, GateStatus]]] = {}
    for pod, status in statuses.items():
        for one in status.upstreams:
            found.setdefault(one.name, {}).setdefault((one.state, one.cause), {})[pod] = one
    return tuple(
        PodGate(pods=tuple(by_pod) if len(ways) > 1 else (), gate=_gate([*by_pod.values()]))
        for ways in found.values()
        for by_pod in ways.values()
    )


def _gate(some: list[GateStatus]) -> GateStatus:
    return structs.replace(
        some[0],
        closed_s=max(one.closed_s for one in some),
        next_try_s=min(one.next_try_s for one in some),
        waiting_users=sum(one.waiting_users for one in some),
        held_users=sum(one.held_users for one in some),
        in_use=sum(one.in_use for one in some),
        rate_share=sum(one.rate_share for one in some),
        not_kept=tuple(dict.fromkeys(what for one in some for what in one.not_kept)),
        not_kept_s=max(one.not_kept_s for one in some),
    )


def _causes(statuses: Iterable[Status]) -> tuple[CauseStatus, ...]:
    found: dict[str, CauseStatus] = {}
    for status in statuses:
        for one in status.users.causes:
            so_far = found.get(one.cause)
            found[one.cause] = (
                one
                if so_far is None
                else structs.replace(so_far, users=so_far.users + one.users, oldest_s=_most((so_far.oldest_s, one.oldest_s)))
            )
    return tuple(found.values())
