"""The tables that a person is shown of a status, as words: the page and the terminal draw the same."""

from collections.abc import Iterable, Iterator
from typing import Final, Literal

from msgspec import Struct

from ...core.text import age
from .tree import CauseStatus, GateStatus, ListStatus, PartitionStatus, Status

Tone = Literal["", "good", "mild", "bad"]
_NAMED: Final = 5
_LATE_S: Final = 900.0
"""An event that waits for longer is shown as trouble."""
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


class Cell(Struct, frozen=True):
    """One word or number, and how it is to be taken."""

    text: str
    tone: Tone = ""


class Column(Struct, frozen=True):
    """What stands over the cells of a table."""

    name: str
    is_number: bool


class Table(Struct, frozen=True, kw_only=True):
    """One table; a head that ends with `#` stands over numbers."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    empty: str
    """What to say where there is no row; empty: leave the table out."""

    @property
    def columns(self) -> tuple[Column, ...]:
        """Return its columns, in order."""
        return tuple(Column(head.rstrip("#"), head.endswith("#")) for head in self.heads)

    @property
    def placed(self) -> Iterator[tuple[tuple[Column, Cell], ...]]:
        """Give its rows, each cell with its column."""
        columns = self.columns
        return (tuple(zip(columns, row, strict=True)) for row in self.rows)


class Sheet(Struct, frozen=True, kw_only=True):
    """All that is shown."""

    state: Cell
    lines: tuple[Cell, ...]
    tables: tuple[Table, ...]
    foot: str


def sheet(status: Status, *, now: float) -> Sheet:
    """Return what to show; `now`: wall time (s)."""
    return Sheet(
        state=_state(status),
        lines=tuple(_lines(status, now=now)),
        tables=(
            _table("Lists", _LISTS, _lists(status, now=now), empty="none in the settings"),
            _table("What waits, and for what", _WAITS, (_wait(one) for one in status.users.causes if one.users), empty="nobody waits"),
            _table("Gates", _UPSTREAMS, (_gate(one) for one in status.upstreams), empty="none in the settings"),
            _table("Partitions", _PARTITIONS, (_partition(one, now=now) for one in status.partitions), empty="none of this pod"),
            _table("Last failures", _FAILURES, _failures(status, now=now), empty="none since the start"),
            _table("Others' rows from Sesamy", _FILTERS, _filters(status, now=now)),
            _table("Unknown vendors", _UNKNOWN, _unknown(status)),
            _table("Unknown answers, taken for done", _ANSWERS, _answers(status)),
            _table("Unknown event types", _UNKNOWN_TYPES, _unknown_types(status)),
        ),
        foot=f"version {status.build or '?'}, settings {status.settings_fingerprint or '?'}",
    )


def _named(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _ago(at: float, *, now: float) -> str:
    return f"{age(now - at)} ago"


def _state(status: Status) -> Cell:
    word = status.state if status.ready or status.state != "consuming" else "not ready"
    reasons = [one for one in status.not_ready if one != status.state]
    why = f": {', '.join(reasons)}" if reasons else ""
    return Cell(word + why, "good" if status.ready else "bad" if status.state == "consuming" else "mild")


def _lines(status: Status, *, now: float) -> Iterable[Cell]:
    group, users, letters = status.group, status.users, status.dead_letters
    up = f", up {age(now - status.started_at)}" if status.started_at else ""
    yield Cell(f"{status.host or 'this pod'}: generation {group.generation}, lease {group.lease_left_s:.0f} s{up}")
    if not status.live:
        yield Cell("not live: something that should move does not", "bad")
    if group.topic_partitions:
        mine = len(status.partitions)
        share = min((gate.rate_share for gate in status.upstreams), default=1.0)
        yield Cell(f"{mine} of {group.topic_partitions} partitions: {share:.0%} of every limit")
    yield from _trouble(status)
    full = users.limit > 0 and users.dirty >= users.limit
    yield Cell(f"{users.dirty:,} users dirty, at most {users.limit:,}{': nothing is read for now' if full else ''}", "bad" if full else "")
    again = f", {letters.to_retry:,} of this pod's to be tried again" if letters.to_retry else ""
    oldest = f", the oldest for {age(letters.oldest_s)}" if letters.open and letters.oldest_s is not None else ""
    known = "letters open: not known" if letters.open is None else f"{letters.open:,} letters open{oldest}"
    said = f"{known}{again}; {letters.written:,} written by this pod, {letters.waiting:,} waiting"
    lost = ["takes none"] * (not letters.writable) + ["can't be read"] * (not letters.readable)
    yield Cell(f"{said}{': the dead-letter topic ' if lost else ''}{' and '.join(lost)}", "bad" if lost else "")


def _trouble(status: Status) -> Iterable[Cell]:
    """Give what one must not miss, however long the tables are."""
    shut = [one.name for one in status.upstreams if one.state != "open"]
    if shut:
        yield Cell(f"{_named(len(shut), 'gate')} not open: {_some(shut)}", "bad")
    left_out = [f"{one.vendor} {one.list}" for one in status.lists if one.door != "open"]
    if left_out:
        yield Cell(f"{_named(len(left_out), 'list')} left out, refusing everybody: {_some(left_out)}", "bad")
    late = [f"{one.vendor} {one.list}" for one in status.lists if (one.oldest_due_s or 0.0) > _LATE_S]
    if late:
        yield Cell(f"{_named(len(late), 'list')} with an event that has waited for more than {age(_LATE_S)}: {_some(late)}", "bad")
    if status.ignored_filters:
        whose = list(dict.fromkeys(one.vendor for one in status.ignored_filters))
        yield Cell(f"others' rows were taken for a user's, so what was written may be wrong, below: {_some(whose)}", "bad")
    if status.unknown_vendors:
        yield Cell(f"{_named(len(status.unknown_vendors), 'vendor')} that the settings don't know, below", "mild")
    if passed_over := sum(bool(one.replay) for one in status.unknown_types):
        yield Cell(f"{_named(passed_over, 'event type')} that we don't know, passed over, below", "mild")


def _some(names: list[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more:,} more" if more > 0 else "")


# ---- Tables ----

_LISTS: Final = ("vendor", "account", "list", "last write", "fresh after", "oldest pending", "users owed#", "gate")
_WAITS: Final = ("cause", "waits for", "users#", "oldest event")
_UPSTREAMS: Final = ("upstream", "gate", "why", "shut for", "next try in", "held#", "users due#", "in use#", "share of limits#")
_PARTITIONS: Final = ("partition#", "next#", "end#", "committed#", "lag#", "open users#", "oldest open", "")
_FAILURES: Final = ("upstream", "code", "times#", "last", "it said")
_ANSWERS: Final = ("upstream", "operation", "fields", "times#")
_FILTERS: Final = ("vendor", "of", "found", "well again", "makes good, once it is well")
_UNKNOWN: Final = ("vendor", "events#", "first at", "makes good, once known")
_UNKNOWN_TYPES: Final = ("type", "events#", "first at", "makes good")


def _table(title: str, heads: tuple[str, ...], rows: Iterable[tuple[Cell, ...]], *, empty: str = "") -> Table:
    return Table(title=title, heads=heads, rows=tuple(rows), empty=empty)


def _n(number: int) -> Cell:
    return Cell(f"{number:,}")


def _offset(number: int) -> Cell:
    return Cell("?" if number < 0 else f"{number:,}")


def _late(seconds: float | None) -> Cell:
    return Cell(age(seconds), "bad" if seconds is not None and seconds > _LATE_S else "")


def _lists(status: Status, *, now: float) -> Iterable[tuple[Cell, ...]]:
    gates = {one.name: one for one in status.upstreams}
    for one in status.lists:
        way = _way(gates.get(f"sesamy:{one.vendor}"), gates.get(one.account))
        yield *_list(one, now=now), way if one.door == "open" else _left_out(one)


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


def _list(one: ListStatus, *, now: float) -> tuple[Cell, ...]:
    written = "none yet" if one.last_write_at is None else _ago(one.last_write_at, now=now)
    return (
        Cell(one.vendor),
        Cell(one.account),
        Cell(one.list),
        Cell(written),
        Cell(age(one.freshness_last_s)),
        _late(one.oldest_pending_s),
        _n(one.owed_users),
    )


def _wait(one: CauseStatus) -> tuple[Cell, ...]:
    return Cell(one.cause, "mild" if one.cause == "held" else ""), Cell(_CAUSES.get(one.cause, "")), _n(one.users), _late(one.oldest_s)


def _gate(one: GateStatus) -> tuple[Cell, ...]:
    tone: Tone = "good" if one.state == "open" else "mild" if one.state == "probing" else "bad"
    shut = one.state != "open"
    return (
        Cell(one.name),
        Cell(one.state, tone),
        Cell(f"{one.cause}: {_GATES[one.cause]}" if one.cause else ""),
        Cell(age(one.closed_s) if shut else ""),
        Cell(age(one.next_try_s) if shut and one.next_try_s else ""),
        _n(one.held_users),
        _n(one.waiting_users),
        _n(one.in_use),
        Cell(f"{one.rate_share:.0%}"),
    )


def _partition(one: PartitionStatus, *, now: float) -> tuple[Cell, ...]:
    return (
        Cell(str(one.partition)),
        _offset(one.position),
        _offset(one.end),
        _offset(one.committed),
        _n(one.lag),
        _n(one.open),
        Cell("") if one.oldest_open_at is None else _late(now - one.oldest_open_at),
        Cell("paused", "mild") if one.paused else Cell(""),
    )


def _failures(status: Status, *, now: float) -> Iterable[tuple[Cell, ...]]:
    for one in status.recent_failures:
        yield Cell(one.upstream), Cell(one.code), _n(one.count), Cell(_ago(one.last_at, now=now)), Cell(one.said)


def _filters(status: Status, *, now: float) -> Iterable[tuple[Cell, ...]]:
    for one in status.ignored_filters:
        well = Cell("not yet", "bad") if one.obeyed_at is None else Cell(_ago(one.obeyed_at, now=now))
        yield Cell(one.vendor), Cell(one.resource), Cell(_ago(one.found_at, now=now)), well, Cell(one.replay)


def _unknown(status: Status) -> Iterable[tuple[Cell, ...]]:
    return ((Cell(one.vendor), _n(one.events), Cell(one.first_offset), Cell(one.replay)) for one in status.unknown_vendors)


def _answers(status: Status) -> Iterable[tuple[Cell, ...]]:
    return ((Cell(one.upstream), Cell(one.op), Cell(one.shape), _n(one.count)) for one in status.unknown_answers)


def _unknown_types(status: Status) -> Iterable[tuple[Cell, ...]]:
    for one in status.unknown_types:
        yield Cell(one.type), _n(one.events), Cell(one.first_offset), Cell(one.replay or "resynced as they come")
