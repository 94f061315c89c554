"""Several pods as one, as tables of words."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from msgspec import Struct, structs

from ....core.model import Failure
from ..tables import gates_table, lists_table, other_tables, partition_row, waits_table
from ..tree import GateStatus, Status, UserCounts
from .cells import Cell, Row, Table
from .merged import HeldPartition, Merged, PodGate, merged
from .weigh import called
from .words import ANSWERED, UNASKED, named

_PARTITIONS: Final = ("partition#", "pod", "end#", "committed#", "lag#", "open users#", "oldest open", "")
_SPARE: Final = (2, 3, 5, 6)
_OWN: Final = frozenset({"What waits, and for what", "Last failures"})
"""Tables of what each pod has of its own."""
_STATES: Final = ("open", "probing", "closed")


class AllPods(Struct, frozen=True, kw_only=True):
    """All that is shown of several pods together."""

    lines: tuple[Cell, ...]
    tables: tuple[Table, ...]


def all_pods(statuses: Mapping[str, Status], *, now: float, silent: int = 0) -> AllPods:
    """Return what to show of the pods, by address; `now`: wall time (s), `silent`: how many others did not answer."""
    by_name = called(statuses)
    found = merged(by_name)
    together = Status(
        started_at=min((one.started_at for one in statuses.values() if one.started_at), default=0.0),
        upstreams=tuple(_worst(found.gates)),
        lists=found.lists,
        users=UserCounts(dirty=found.dirty, causes=found.causes),
        recent_failures=_failures(statuses.values()),
        ignored_filters=tuple(one for status in statuses.values() for one in status.ignored_filters),
        unknown_vendors=tuple(one for status in statuses.values() for one in status.unknown_vendors),
        unknown_types=tuple(one for status in statuses.values() for one in status.unknown_types),
        unknown_answers=tuple(one for status in statuses.values() for one in status.unknown_answers),
    )
    tables = (
        lists_table(together, now=now),
        waits_table(together),
        gates_table((f"{one.gate.name} ({', '.join(one.pods)})" if one.pods else one.gate.name, one.gate) for one in found.gates),
        _partitions(found.partitions, now=now),
        *other_tables(together, now=now),
    )
    lines = (_line(found, pods=len(statuses)),)
    return AllPods(lines=lines, tables=tuple(_known(one, answered=len(statuses), silent=silent) for one in tables))


def _known(one: Table, *, answered: int, silent: int) -> Table:
    """Return a table that calls nothing empty of which a silent pod may have something; the settings are those of all."""
    if not answered:
        return structs.replace(one, empty=one.empty and UNASKED)
    return structs.replace(one, empty=one.empty + ANSWERED) if silent and one.title in _OWN else one


def _line(found: Merged, *, pods: int) -> Cell:
    of, held = found.topic_partitions, sum(bool(one.pods) for one in found.partitions)
    twice = sum(len(one.pods) > 1 for one in found.partitions)
    if not pods:
        return Cell(f"partitions: {UNASKED}", "bad")
    if not of:
        return Cell(f"{named(held, 'partition')} held, of how many is not known", "bad")
    more = f", {twice} of them by two" if twice else ""
    return Cell(
        f"{named(pods, 'pod')} {'holds' if pods == 1 else 'hold'} {held} of {named(of, 'partition')}{more}",
        "" if held == of and not twice else "bad",
    )


def _worst(gates: Iterable[PodGate]) -> Iterator[GateStatus]:
    worst: dict[str, GateStatus] = {}
    for one in gates:
        so_far = worst.get(one.gate.name)
        if so_far is None or _STATES.index(one.gate.state) > _STATES.index(so_far.state):
            worst[one.gate.name] = one.gate
    yield from worst.values()


def _failures(statuses: Iterable[Status]) -> tuple[Failure, ...]:
    """Return what failed at all pods, each upstream and code once."""
    found: dict[tuple[str, str], Failure] = {}
    for one in sorted((one for status in statuses for one in status.recent_failures), key=lambda one: one.last_at):
        so_far = found.get((one.upstream, one.code))
        found[one.upstream, one.code] = one if so_far is None else structs.replace(one, count=one.count + so_far.count)
    return tuple(sorted(found.values(), key=lambda one: -one.last_at))


def _partitions(partitions: Iterable[HeldPartition], *, now: float) -> Table:
    rows = sorted((_partition(one, now=now) for one in partitions), key=lambda one: one.rank)
    return Table(
        title="Partitions",
        heads=_PARTITIONS,
        rows=tuple(one.cells for one in rows),
        empty="not known",
        kinds=tuple(one.kind for one in rows),
        spare=_SPARE,
    )


def _partition(one: HeldPartition, *, now: float) -> Row:
    if one.status is None:
        empty = (Cell("?"),) * 3
        return Row(
            (Cell(str(one.partition)), Cell("none", "bad"), *empty, Cell(""), Cell(""), Cell("held by none", "bad")), -2, "held by none"
        )
    row = partition_row(one.status, now=now)
    cells = (row.cells[0], Cell(", ".join(one.pods), "bad" if len(one.pods) > 1 else ""), *row.cells[2:])
    return Row(cells, row.rank, row.kind) if len(one.pods) == 1 else Row((*cells[:-1], Cell("held twice", "bad")), -1, "held twice")
