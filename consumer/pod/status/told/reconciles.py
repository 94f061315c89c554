"""The table of the last reconcile of each list: when all its readers were looked at, and what was left."""

from collections.abc import Iterable
from typing import Final

from ..tree import ListStatus
from .cells import Cell, Table
from .words import ago, clock

HEADS: Final = ("vendor", "account", "list", "last looked at", "readers#", "repaired#", "left#", "it ended")
_ENDED: Final = {
    "agreed": "the list agrees with Sesamy, or was made to",
    "differs": "differences remain that no resync mends, or that failed",
    "too-many": "more differed than --max-changes allows: nothing was written",
    "declined": "nobody said yes: nothing was written",
    "cut-off": "it was stopped before its end",
}


def reconciles_table(lists: Iterable[ListStatus], *, now: float) -> Table:
    """Return the lists that were looked at, those with something left first; `now`: wall time (s). Nothing is said where there is none."""
    some = sorted((one for one in lists if one.reconciled is not None), key=lambda one: one.reconciled is None or not one.reconciled.left)
    return Table(title="Last reconcile", heads=HEADS, rows=tuple(_cells(one, now=now) for one in some), empty="", spare=(1, 7))


def _cells(one: ListStatus, *, now: float) -> tuple[Cell, ...]:
    last = one.reconciled
    assert last is not None
    at = f"{clock(last.at, now=now)}, {ago(last.at, now=now)}"
    return (
        Cell(one.vendor),
        Cell(one.account),
        Cell(one.title),
        Cell(at),
        Cell(f"{last.readers:,}"),
        Cell(f"{last.repaired:,}"),
        Cell(f"{last.left:,}", "mild" if last.left else ""),
        Cell(_ENDED.get(last.ended, last.ended)),
    )
