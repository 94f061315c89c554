"""The tables that a person is shown of a status, as words: the page and the terminal draw the same."""

from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from ...core.text import age
from .told.backlog import backlog, in_words
from .told.cells import Cell, Column, Row, Table, Tone
from .told.letters import HEADS as LETTERS
from .told.letters import letter_rows
from .told.lines import facts_of, lines_of, state_of
from .told.reconciles import reconciles_table
from .told.weigh import of
from .told.words import LATE_S, ago
from .tree import CauseStatus, GateStatus, LetterCounts, ListStatus, PartitionStatus, Status
from .verdict import Verdict

__all__ = [
    "Cell",
    "Column",
    "Sheet",
    "Table",
    "Tone",
    "gates_table",
    "lists_table",
    "other_tables",
    "partition_row",
    "sheet",
    "waits_table",
]

_CAUSES: Final = {
    "debounce": "a burst that may go on",
    "backoff": "the wait after a failure",
    "held": "shut gates, and nothing else",
    "ready": "a worker, or an upstream's rate",
    "running": "being resynced now",
    "parking": "being written to the dead-letter topic",
}
_GATES: Final = {
    "breaker": "five users in a row failed",
    "denied": "the key is refused (401, or 403 to three users in a row)",
    "absent": "twenty users in a row were unknown there, and none was known",
    "filter": "it answers with others' rows, whoever is asked for",
    "unproven": "whether its answers are of who is asked for is not known yet",
    "retry-after": "it asked us to wait",
    "paused": "the settings say so",
}


class Sheet(Struct, frozen=True, kw_only=True):
    """All that is shown."""

    state: Cell
    lines: tuple[Cell, ...]
    tables: tuple[Table, ...]
    foot: str
    verdict: Verdict
    """What is so and what to do: shown first."""
    facts: tuple[Cell, ...] = ()
    """Those of the lines that the verdict does not say better."""
    backlog: str = ""
    """How much is to be done, and when it will be."""


def sheet(status: Status, *, now: float) -> Sheet:
    """Return what to show; `now`: wall time (s)."""
    verdict, state = of({"": status}, now=now), state_of(status)
    return Sheet(
        state=state if verdict.level == "fine" or state.tone != "good" else Cell(state.text),  # Green says that all is well.
        lines=tuple(lines_of(status, now=now)),
        facts=tuple(facts_of(status, now=now)),
        backlog=in_words(backlog([status]), now=now),
        verdict=verdict,
        tables=(
            lists_table(status, now=now),
            waits_table(status),
            gates_table((one.name, one) for one in status.upstreams),
            letters_table(status.dead_letters),
            _ordered(
                "Partitions",
                _PARTITIONS,
                (partition_row(one, now=now) for one in status.partitions),
                _SPARE_OF_PARTITIONS,
                "none of this pod",
            ),
            *other_tables(status, now=now),
        ),
        foot=f"version {status.build or '?'}, settings {status.settings_fingerprint or '?'}",
    )


# ---- Tables ----

_LISTS: Final = ("vendor", "account", "list", "last write", "fresh after", "oldest pending", "users owed#", "gate")
_WAITS: Final = ("cause", "waits for", "users#", "oldest event")
_UPSTREAMS: Final = ("upstream", "gate", "why", "shut for", "next try in", "held#", "users due#", "in use#", "share of limits#", "per min#")
_PARTITIONS: Final = ("partition#", "next#", "end#", "committed#", "lag#", "open users#", "oldest open", "")
_SPARE_OF_LISTS: Final = ("fresh after", "account", "last write", "vendor", "oldest pending", "users owed#")
_SPARE_OF_GATES: Final = ("in use#", "per min#", "share of limits#", "users due#", "next try in", "held#", "why")
_SPARE_OF_PARTITIONS: Final = ("next#", "end#", "committed#", "open users#", "oldest open")
_NEEDED: Final = LETTERS.index("need a person#")
_SPARE_OF_LETTERS: Final = ("show them", "lists", "heal alone#", "try them again, once mended")
_FAILURES: Final = ("upstream", "code", "times#", "last", "it said")
_ANSWERS: Final = ("upstream", "operation", "fields", "times#")
_FILTERS: Final = ("vendor", "of", "found", "well again", "makes good, once it is well")
_UNKNOWN: Final = ("vendor", "events#", "first at", "makes good, once known")
_UNKNOWN_TYPES: Final = ("type", "events#", "first at", "makes good")


def _table(title: str, heads: tuple[str, ...], rows: Iterable[tuple[Cell, ...]], *, empty: str = "") -> Table:
    return Table(title=title, heads=heads, rows=tuple(rows), empty=empty)


def _ordered(title: str, heads: tuple[str, ...], rows: Iterable[Row], spare: tuple[str, ...], empty: str) -> Table:
    """Make a table with its troubled rows first; rows of one rank stay in their order."""
    ordered = sorted(rows, key=lambda one: one.rank)
    return Table(
        title=title,
        heads=heads,
        rows=tuple(one.cells for one in ordered),
        empty=empty,
        kinds=tuple(one.kind for one in ordered),
        spare=tuple(heads.index(one) for one in spare),
    )


def other_tables(status: Status, *, now: float) -> tuple[Table, ...]:
    """Return what failed, and what is not known; `now`: wall time (s)."""
    return (
        _table("Last failures", _FAILURES, _failures(status, now=now), empty="none since the start"),
        _table("Others' rows from Sesamy", _FILTERS, _filters(status, now=now)),
        _table("Unknown vendors", _UNKNOWN, _unknown(status)),
        _table("Unknown answers, taken for done", _ANSWERS, _answers(status)),
        _table("Unknown event types", _UNKNOWN_TYPES, _unknown_types(status)),
        reconciles_table(status.lists, now=now),
    )


def lists_table(status: Status, *, now: float) -> Table:
    """Return the lists, those in trouble first; `now`: wall time (s)."""
    return _ordered("Lists", _LISTS, _lists(status, now=now), _SPARE_OF_LISTS, "none in the settings")


def waits_table(status: Status) -> Table:
    """Return what users wait for."""
    return _table("What waits, and for what", _WAITS, (_wait(one) for one in status.users.causes if one.users), empty="nobody waits")


def gates_table(gates: Iterable[tuple[str, GateStatus]]) -> Table:
    """Return gates, each with the name to show, those that are not open first."""
    return _ordered("Gates", _UPSTREAMS, (_gate(name, one) for name, one in gates), _SPARE_OF_GATES, "none in the settings")


def letters_table(letters: LetterCounts) -> Table:
    """Return the open letters by group, those that need a person first."""
    rows = (Row(tuple(map(Cell, row)), *((1, "fine") if row[_NEEDED] == "0" else (0, "need a person"))) for row in letter_rows(letters))
    return _ordered("Letters", LETTERS, rows, _SPARE_OF_LETTERS, "")


def _n(number: int) -> Cell:
    return Cell(f"{number:,}")


def _offset(number: int) -> Cell:
    return Cell("?" if number < 0 else f"{number:,}")


def _late(seconds: float | None) -> Cell:
    return Cell(age(seconds), "bad" if seconds is not None and seconds > LATE_S else "")


def _lists(status: Status, *, now: float) -> Iterable[Row]:
    gates = {one.name: one for one in status.upstreams}
    past = {(one.vendor, one.account, one.list): one.freshness_s for one in (status.last_hour.lists if status.last_hour else ())}
    # Only what was written since the start is known: "never" means that long.
    never = f"never, up {age(now - status.started_at)}" if status.started_at else "never"
    for one in status.lists:
        way = _way(gates.get(f"sesamy:{one.vendor}"), gates.get(one.account))
        is_late = one.oldest_due_s is not None and one.oldest_due_s > LATE_S
        if one.paused:
            last, rank, kind = Cell("paused in the settings", "mild"), 3, "paused"
        elif one.door != "open":
            last, rank, kind = _left_out(one), 1, "left out"
        elif way.tone != "good":
            last, rank, kind = way, 0, "stopped"
        else:
            last, rank, kind = (
                way,
                2 if is_late else 4 if one.owed_users else 5,
                "late" if is_late else "owed" if one.owed_users else "fine",
            )
        yield Row((*_list(one, past.get((one.vendor, one.account, one.list), ()), never, now=now), last), rank, kind)


def _way(*gates: GateStatus | None) -> Cell:
    """Say which gate on the way to a list is not open."""
    shut = [one for one in gates if one is not None and one.state != "open"]
    words = (f"{one.name} {one.state}" if one.kind == "sesamy" else one.state for one in shut)
    tone: Tone = "good" if not shut else "bad" if any(one.state == "closed" for one in shut) else "mild"
    return Cell("; ".join(words) or "open", tone)


def _left_out(one: ListStatus) -> Cell:
    """Say since when a list is left out, why, and when it is tried again."""
    again = "being tried now" if one.door == "probing" else f"next try in {age(one.next_try_s)}"
    why = f" ({one.door_code})" if one.door_code else ""
    return Cell(f"left out for {age(one.left_out_s)}{why}, {again}", "mild" if one.door == "probing" else "bad")


def _list(one: ListStatus, past: tuple[float | None, ...], never: str, *, now: float) -> tuple[Cell, ...]:
    written = never if one.last_write_at is None else ago(one.last_write_at, now=now)
    fresh = "never" if one.freshness_last_s is None else age(one.freshness_last_s)
    return (
        Cell(one.vendor),
        Cell(one.account),
        Cell(one.title),
        Cell(written),
        Cell(fresh, past=past),
        _late(one.oldest_pending_s),
        _n(one.owed_users),
    )


def _wait(one: CauseStatus) -> tuple[Cell, ...]:
    return Cell(one.cause, "mild" if one.cause == "held" else ""), Cell(_CAUSES.get(one.cause, "")), _n(one.users), _late(one.oldest_s)


def _gate(name: str, one: GateStatus) -> Row:
    tone: Tone = "good" if one.state == "open" else "mild" if one.state == "probing" else "bad"
    shut = one.state != "open"
    cells = (
        Cell(name),
        Cell(one.state, tone),
        Cell(f"{one.cause}: {_GATES[one.cause]}" if one.cause else ""),
        Cell(age(one.closed_s) if shut else ""),
        Cell(age(one.next_try_s) if shut and one.next_try_s else ""),
        _n(one.held_users),
        _n(one.waiting_users),
        _n(one.in_use),
        Cell(f"{one.rate_share:.0%}"),
        Cell(f"{one.limit_per_minute:,g}" if one.limit_per_minute else "?"),
    )
    return Row(
        cells, {"closed": 0, "probing": 1, "open": 2}[one.state], {"closed": "shut", "probing": "probing", "open": "fine"}[one.state]
    )


def partition_row(one: PartitionStatus, *, now: float) -> Row:
    """Return one partition's row; `now`: wall time (s)."""
    is_late = one.oldest_open_at is not None and now - one.oldest_open_at > LATE_S
    stuck = "left out" if one.out else "paused" if one.paused else ""
    lag = one.lag
    kind = stuck or ("unknown" if lag is None or one.position < 0 else "late" if is_late else "behind" if lag else "fine")
    cells = (
        Cell(str(one.partition)),
        _offset(one.position),
        _offset(one.end),
        _offset(one.committed),
        Cell("?") if lag is None else _n(lag),
        _n(one.open),
        Cell("") if one.oldest_open_at is None else _late(now - one.oldest_open_at),
        Cell(stuck, "" if not stuck else "bad" if one.out else "mild"),
    )
    return Row(cells, ("left out", "paused", "unknown", "late", "behind", "fine").index(kind), kind)


def _failures(status: Status, *, now: float) -> Iterable[tuple[Cell, ...]]:
    for one in status.recent_failures:
        yield Cell(one.upstream), Cell(one.code), _n(one.count), Cell(ago(one.last_at, now=now)), Cell(one.said)


def _filters(status: Status, *, now: float) -> Iterable[tuple[Cell, ...]]:
    for one in status.ignored_filters:
        well = Cell("not yet", "bad") if one.obeyed_at is None else Cell(ago(one.obeyed_at, now=now))
        yield Cell(one.vendor), Cell(one.resource), Cell(ago(one.found_at, now=now)), well, Cell(one.replay)


def _unknown(status: Status) -> Iterable[tuple[Cell, ...]]:
    return ((Cell(one.vendor), _n(one.events), Cell(one.first_offset), Cell(one.replay)) for one in status.unknown_vendors)


def _answers(status: Status) -> Iterable[tuple[Cell, ...]]:
    return ((Cell(one.upstream), Cell(one.op), Cell(one.shape), _n(one.count)) for one in status.unknown_answers)


def _unknown_types(status: Status) -> Iterable[tuple[Cell, ...]]:
    for one in status.unknown_types:
        yield Cell(one.type), _n(one.events), Cell(one.first_offset), Cell(one.replay or "resynced as they come")
