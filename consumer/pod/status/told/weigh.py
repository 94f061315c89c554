"""The verdict of some pods: what is so, since when and why, and what to do. It is fine only where all that matters is known to be."""

from collections.abc import Iterator, Mapping, Sequence

from msgspec import structs

from ..tree import Status
from ..verdict import Point, Verdict, weighed
from . import pods, upstreams
from .merged import partitions_of
from .words import named, some


def of(statuses: Mapping[str, Status], silent: Sequence[str] = (), *, now: float) -> Verdict:
    """Return the verdict of the pods that answered, by address, and of those that did not; `now`: wall time (s)."""
    held = {part.partition for one in statuses.values() for part in one.partitions}
    of_topic = max((one.group.topic_partitions for one in statuses.values()), default=0)
    scope = f"for {len(held)} of {named(of_topic, 'partition')}: ask the other pods, too" if len(held) < of_topic else ""
    return structs.replace(weighed(_points(statuses, silent, now=now)), scope=scope)


def called(statuses: Mapping[str, Status]) -> dict[str, Status]:
    """Return the pods by the name that each is called: its own, or its address where it has none or shares it."""
    hosts = [one.host for one in statuses.values()]
    return {
        one.host if one.host and hosts.count(one.host) == 1 else address or one.host or "this pod": one for address, one in statuses.items()
    }


def _points(statuses: Mapping[str, Status], silent: Sequence[str], *, now: float) -> Iterator[Point]:
    if silent:
        yield Point(
            level="unknown",
            text=f"{len(silent)} of {named(len(statuses) + len(silent), 'pod')} silent, {some(silent)}: what it holds is not known",
            cure="look whether it runs: `kubectl get pods`",
            runbook="SesamyMakeasAbsent",
        )
    elif not statuses:
        yield Point(level="unknown", text="no pod was asked", cure="name the pods with --url", runbook="SesamyMakeasAbsent")
    by_name = called(statuses)
    if len(statuses) > 1:
        yield from _held(by_name, is_all=not silent)
    for name, status in by_name.items():
        yield from pods.points(status, pod=name, now=now)
    yield from upstreams.points(by_name, now=now)
    yield from pods.shared([*statuses.values()])


def _held(statuses: Mapping[str, Status], *, is_all: bool) -> Iterator[Point]:
    """Tell of partitions that no pod holds, or two."""
    partitions = partitions_of(statuses)
    none, twice = [one for one in partitions if not one.pods], [one for one in partitions if len(one.pods) > 1]
    if none:
        yield Point(
            level="trouble" if is_all else "unknown",
            text=f"{len(none)} of {named(len(partitions), 'partition')} held by none of these pods, "
            f"number {some([str(one.partition) for one in none])}",
            cure="ask all pods; if none is missing, ask again, for a rebalance may go on",
            runbook="SesamyMakeasPartitionStalled",
        )
    if twice:
        held = some([f"{one.partition} by {' and '.join(one.pods)}" for one in twice])
        yield Point(
            level="notice",
            text=f"{len(twice)} of {named(len(partitions), 'partition')} held twice, number {held}",
            cure="ask again, for a rebalance may go on; if it stays, look for two pods of one address or two groups",
            runbook="SesamyMakeasRebalanceStorm",
        )
