"""The lines above the tables of one pod."""

from collections.abc import Iterable

from ....core.text import age
from ..tree import TOPIC_MISSING, Status
from .cells import Cell
from .words import LATE_S, named, some


def state_of(status: Status) -> Cell:
    """Return the state in a word, and why the pod is not ready."""
    word = status.state if status.ready or status.state != "consuming" else "not ready"
    reasons = [one for one in status.not_ready if one != status.state]
    why = f": {', '.join(reasons)}" if reasons else ""
    return Cell(word + why, "good" if status.ready else "bad" if status.state == "consuming" else "mild")


def lines_of(status: Status, *, now: float) -> Iterable[Cell]:
    """Give all lines; `now`: wall time (s)."""
    facts = [*facts_of(status, now=now)]
    yield from facts[:-2]
    yield from _trouble(status)
    yield from facts[-2:]


def facts_of(status: Status, *, now: float) -> Iterable[Cell]:
    """Give the lines that no verdict has: where the pod stands, how many are dirty, and the letters."""
    group, users, letters = status.group, status.users, status.dead_letters
    up = f", up {age(now - status.started_at)}" if status.started_at else ""
    yield Cell(f"{status.host or 'this pod'}: generation {group.generation}, lease {group.lease_left_s:.0f} s{up}")
    if not status.live:
        yield Cell("not live: something that should move does not", "bad")
    yield from _share(status)
    full = users.limit > 0 and users.dirty >= users.limit
    yield Cell(f"{users.dirty:,} users dirty, at most {users.limit:,}{': nothing is read for now' if full else ''}", "bad" if full else "")
    again = f", {letters.to_retry:,} of this pod's to be tried again" if letters.to_retry else ""
    oldest = f", the oldest for {age(letters.oldest_s)}" if letters.open and letters.oldest_s is not None else ""
    known = "letters open: not known" if letters.open is None else f"{letters.open:,} letters open{oldest}"
    known += f", {letters.unreadable:,} of records that can't be read" if letters.unreadable else ""
    said = f"{known}{again}; {letters.written:,} written by this pod, {letters.waiting:,} waiting"
    lost = ["takes none"] * (not letters.writable) + ["can't be read"] * (not letters.readable)
    yield Cell(f"{said}{': the dead-letter topic ' if lost else ''}{' and '.join(lost)}", "bad" if lost else "")


def _share(status: Status) -> Iterable[Cell]:
    """Say which part of the topic and of the limits is the pod's: none, unless it is a member of the group."""
    if not status.is_member:
        yield Cell("not a member of the group: it reads nothing, and has no part of any limit", "bad")
        return
    of = status.group.topic_partitions
    if not of:
        return
    share = min((gate.rate_share for gate in status.upstreams), default=1.0) if status.partitions else 0.0
    stuck = stuck_of(status)
    yield Cell(f"{len(status.partitions)} of {named(of, 'partition')}: {share:.0%} of every limit{stuck}", "bad" if stuck else "")


def stuck_of(status: Status) -> str:
    """Return how many partitions are paused, left out or lost, behind a semicolon; empty: none is."""
    out = sum(one.out for one in status.partitions)
    paused = sum(one.paused and not one.out for one in status.partitions)
    lost = len(status.partitions) if TOPIC_MISSING in status.not_ready or status.group.lease_left_s <= 0 else 0
    said = ((paused, "paused"), (out, "left out"), (lost, "lost"))
    found = ", ".join(f"{number:,} {what}" for number, what in said if number)
    return f"; {found}" if found else ""


def _trouble(status: Status) -> Iterable[Cell]:
    """Give what one must not miss, however long the tables are."""
    shut = [one.name for one in status.upstreams if one.state != "open"]
    if shut:
        yield Cell(f"{named(len(shut), 'gate')} not open: {some(shut)}", "bad")
    left_out = [f"{one.vendor} {one.list}" for one in status.lists if one.door != "open"]
    if left_out:
        yield Cell(f"{named(len(left_out), 'list')} left out, refusing everybody: {some(left_out)}", "bad")
    late = [f"{one.vendor} {one.list}" for one in status.lists if (one.oldest_due_s or 0.0) > LATE_S]
    if late:
        yield Cell(f"{named(len(late), 'list')} with an event that has waited for more than {age(LATE_S)}: {some(late)}", "bad")
    if status.ignored_filters:
        whose = list(dict.fromkeys(one.vendor for one in status.ignored_filters))
        yield Cell(f"others' rows were taken for a user's, so what was written may be wrong, below: {some(whose)}", "bad")
    if status.unknown_vendors:
        yield Cell(f"{named(len(status.unknown_vendors), 'vendor')} that the settings don't know, below", "mild")
    if passed_over := sum(bool(one.replay) for one in status.unknown_types):
        yield Cell(f"{named(passed_over, 'event type')} that we don't know, passed over, below", "mild")
