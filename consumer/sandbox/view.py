"""The view of `local` for people: a live one on a terminal, lines otherwise, and the table at the end."""

import json
import sys
from collections.abc import Iterable
from typing import Any, Final

import anyio
from rich.console import Console
from rich.live import Live
from rich.table import Table

from ..pod.status.tree import Status
from .session import Local
from .town import PLACES, Place

_REFRESH_S: Final = 0.5
_LINE_S: Final = 10.0
_SHOWN: Final = 5
_WIDE: Final = 1_000
"""Columns: more than any table has."""
_HEADS: Final = ("publisher", "account", "list", "readers", "agree", "differ", "skipped")


async def live(sitting: Local) -> None:
    """Show how it goes, for ever."""
    if not sys.stderr.isatty():
        while True:
            await anyio.sleep(_LINE_S)
            sys.stderr.write(json.dumps(_numbers(sitting, await sitting.status())) + "\n")
    with Live(console=Console(stderr=True), refresh_per_second=4, transient=True) as view:
        while True:
            view.update(_table(sitting, await sitting.status()))
            await anyio.sleep(_REFRESH_S)


def _numbers(sitting: Local, status: Status | None) -> dict[str, Any]:
    calls = sitting.here.makeas.calls
    return {
        "events_in": sitting.totals.events,
        "resyncs": sum(count for (_, op), count in sitting.here.sesamy.calls.items() if op == "user"),
        "calls": sum(calls.values()) + sum(sitting.here.sesamy.calls.values()),
        "dirty_users": status.users.dirty if status else None,
        "letters": status.dead_letters.written if status else None,
        "kills": sitting.totals.kills,
        "posted_again": sitting.forwarder.again,
    }


def glance(numbers: dict[str, Any], status: Status | None) -> str:
    """Put the numbers into one line of words; without a status the consumer does not answer, and what it would say is left out."""
    said = [(numbers["events_in"], "event"), (numbers["resyncs"], "resync"), (numbers["calls"], "call")]
    parts = [_counted(*one) for one in said]
    if status is None:
        parts.append("the consumer does not answer")
    else:
        lag = sum(one.lag or 0 for one in status.partitions)
        parts.append(f"{_counted(status.users.dirty, 'user')} dirty")
        parts.append(f"{_counted(lag, 'record')} not committed on {_counted(len(status.partitions), 'partition')}")
        parts.append(_counted(status.dead_letters.written, "letter"))
    if numbers["kills"]:
        parts.append(_counted(numbers["kills"], "kill"))
    if numbers["posted_again"]:
        parts.append(f"{_counted(numbers['posted_again'], 'webhook')} posted again")
    return ", ".join(parts)


def _counted(number: int, one: str) -> str:
    return f"{number} {one}{'' if number == 1 else 's'}"


def _table(sitting: Local, status: Status | None) -> Table:
    table = Table(title=glance(_numbers(sitting, status), status))
    for name in ("publisher", "account", "list", "last write took", "owed", "gate"):
        table.add_column(name)
    gates = {gate.name: gate for gate in status.upstreams} if status else {}
    for one in status.lists if status else ():
        took = "-" if one.freshness_last_s is None else f"{one.freshness_last_s:.1f} s"
        gate = gates.get(one.account)
        table.add_row(one.vendor, one.account, one.list, took, str(one.owed_users), f"{gate.state} {gate.cause}" if gate else "-")
    return table


def ended(sitting: Local, *, agreed: bool) -> None:
    """Print the end table: every list against what Sesamy says, reader by reader."""
    rows = [row for place in PLACES for row in _rows(sitting, place)]
    violations = sitting.here.violations()
    totals = _numbers(sitting, None) | {"poison": sitting.totals.poison}
    if sitting.options.output == "json":
        sys.stdout.write(json.dumps({"agreed": agreed, "lists": rows, "violations": violations, "totals": totals}) + "\n")
        return
    _out().print(_agreement(rows))
    for row in rows:
        for user, wrong in list(row["wrong"].items())[:_SHOWN]:
            sys.stdout.write(f"    {row['list']} {user}: {'; '.join(wrong)}\n")
    for one in violations:
        sys.stdout.write(f"VIOLATION: {one}\n")
    for one in sitting.forwarder.refused[:_SHOWN]:
        sys.stdout.write(f"the webhook refused an event: {one}\n")
    merged = totals["events_in"] / max(1, totals["resyncs"])
    sys.stdout.write(f"{totals['events_in']} events, {totals['resyncs']} resyncs ({merged:.1f} events each), {totals['calls']} calls\n")
    sys.stdout.write("all lists agree\n" if agreed and not violations and not sitting.forwarder.refused else "the lists DIFFER\n")


def _out() -> Console:
    """Return what writes plain tables to stdout, never cut or wrapped."""
    return Console(file=sys.stdout, force_terminal=sys.stdout.isatty(), width=_WIDE, markup=False, emoji=False, highlight=False)


def _agreement(rows: Iterable[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="")
    for name in _HEADS:
        table.add_column(name, justify="left" if name in {"publisher", "account", "list"} else "right", no_wrap=True)
    for row in rows:
        table.add_row(*(str(row[name]) for name in _HEADS))
    return table


def _rows(sitting: Local, place: Place) -> list[dict[str, Any]]:
    here = sitting.here
    wrong, readers = here.wrong(place), here.readers(place.vendor)
    skipped = sum(1 for user in readers if here.is_skipped(place.vendor, user))
    return [
        {
            "publisher": place.vendor,
            "account": place.account,
            "list": list_id,
            "readers": len(readers),
            "agree": len(readers) - len(wrong) - skipped,
            "differ": len(wrong),
            "skipped": skipped,
            "wrong": wrong,
        }
        for list_id in place.lists
    ]
