"""The points of one pod: its place in the group, its partitions, its letters, and what it does not know."""

from collections.abc import Iterator, Sequence
from typing import Final

from ....core.text import age
from ..tree import TOPIC_MISSING, PartitionStatus, Status
from ..verdict import Point
from .words import named, since, some

_STALLED_S: Final = 2400.0
"""A partition that one event has held for longer is shown as trouble; the alert's time."""
_UNREAD: Final = 1000
"""So many events that were not read are no moment's."""
_OLD_S: Final = 60.0
"""A status that is older is an answer about the past."""
_BACKLOG: Final = "SesamyMakeasBuffersNearLimit"
_STALLED: Final = "SesamyMakeasPartitionStalled"
_NOT_READY: Final = "SesamyMakeasNotReady"


def points(status: Status, *, pod: str, now: float) -> Iterator[Point]:
    """Give the points of one pod, which is called `pod`; `now`: wall time (s)."""
    if not status.live:
        yield Point(
            level="trouble",
            text=f"{pod} is not live: something that should move does not",
            cure="read the end of its log; Kubernetes restarts it by itself",
            runbook=_STALLED,
        )
    found = [*_place(status, pod), *_partitions(status, pod, now=now), *_letters(status, pod)]
    if not status.ready and not found:
        why = f": {', '.join(status.not_ready)}" if status.not_ready else ""
        found.append(Point(level="trouble", text=f"{pod} is not ready{why}", cure="ask its `/readyz`", runbook=_NOT_READY))
    if status.at and now - status.at > _OLD_S:
        found.append(Point(level="unknown", text=f"what {pod} says is {age(now - status.at)} old", cure="ask again", runbook=_NOT_READY))
    if status.dry_run:
        said = "writes nothing, and says in its log what it would write"
        found.append(Point(level="notice", text=f"{pod} is a dry run: it {said}", cure="run it without --dry-run to write"))
    yield from found


def _place(status: Status, pod: str) -> Iterator[Point]:
    """Tell of state, membership, lease and topic."""
    if status.state == "draining":
        yield Point(
            level="notice", text=f"{pod} is draining: it ends its runs and reads nothing new", cure="wait for the other pods to take over"
        )
    elif status.state == "starting":
        yield Point(
            level="unknown",
            text=f"{pod} is starting, and reads nothing yet",
            cure="wait; `readyz` says what it waits for",
            runbook=_NOT_READY,
        )
    elif not status.is_member:
        yield Point(
            level="trouble",
            text=f"{pod} is not a member of the group: it reads no events",
            cure="run `check --online`: it names the broker that can't be reached",
            runbook=_NOT_READY,
        )
    elif status.group.lease_left_s <= 0 and status.partitions:
        yield Point(
            level="trouble",
            text=f"{pod} has no valid lease: no commit succeeds, so nothing may be written",
            cure="run `check --online`: it names what Kafka refuses",
            runbook="SesamyMakeasListNotFresh",
        )
    elif not status.partitions:
        yield Point(
            level="notice" if status.group.topic_partitions else "unknown",
            text=f"{pod} holds no partition: it reads no events",
            cure="ask all pods with --url or --url-dns: others may hold them all",
        )
    if TOPIC_MISSING in status.not_ready:
        yield Point(
            level="trouble",
            text=f"the topic is missing, says {pod}: its partitions are lost",
            cure="run `check --online`; create the topic, or correct kafka.topic",
            runbook=_NOT_READY,
        )


def _partitions(status: Status, pod: str, *, now: float) -> Iterator[Point]:
    rows = status.partitions
    out = [one for one in rows if one.out]
    if out:
        yield Point(
            level="trouble",
            text=f"{_of(out, rows)} of {pod} left out, {_numbers(out)}: its records can't be fetched",
            cure="do what the log lines `partition left out` say, else let a good replica lead. It is tried every minute",
            runbook=_STALLED,
        )
    yield from _paused([one for one in rows if one.paused and not one.out], status, pod)
    held = [one for one in rows if one.oldest_open_at is not None and now - one.oldest_open_at > _STALLED_S]
    if held:
        oldest_s = max(now - one.oldest_open_at for one in held if one.oldest_open_at is not None)
        yield Point(
            level="trouble",
            text=f"{_of(held, rows)} of {pod} held, {_numbers(held)}: its oldest event is open {since(oldest_s, now=now)}",
            cure="see the gates and lists below, and whether letters wait to be written",
            runbook=_STALLED,
        )
    yield from _unknown(rows, pod)
    unread = sum(one.unread or 0 for one in rows)
    if unread > _UNREAD:
        yield Point(
            level="notice",
            text=f"{named(unread, 'event')} not read yet by {pod}: what they ask for is not counted as owed",
            cure="wait; if it does not get less, see `Partitions`",
            runbook="SesamyMakeasNothingRead",
        )


def _paused(paused: Sequence[PartitionStatus], status: Status, pod: str) -> Iterator[Point]:
    rows, users = status.partitions, status.users
    if users.limit and users.dirty >= users.limit:
        yield Point(
            level="trouble",
            text=f"{pod} reads nothing, {_of(paused, rows)} paused: the backlog is full, {named(users.dirty, 'dirty user')}",
            cure="see which gate or list below holds them",
            runbook=_BACKLOG,
        )
    elif paused:
        yield Point(
            level="trouble" if len(paused) == len(rows) else "notice",
            text=f"{_of(paused, rows)} of {pod} paused, {_numbers(paused)}",
            cure="wait until enough of the backlog is done",
            runbook=_BACKLOG,
        )


def _unknown(rows: Sequence[PartitionStatus], pod: str) -> Iterator[Point]:
    for what, found in (
        ("end", [one for one in rows if one.end < 0]),
        ("position", [one for one in rows if one.position < 0]),
        ("commit", [one for one in rows if one.committed < 0]),
    ):
        if found:
            yield Point(
                level="unknown",
                text=f"the {what} of {_of(found, rows)} of {pod} is not known, {_numbers(found)}: nor is how far behind it is",
                cure="wait for the first answer of the broker; if it does not come, run `check --online`",
                runbook=_STALLED,
            )


def _of(found: Sequence[PartitionStatus], rows: Sequence[PartitionStatus]) -> str:
    return f"{len(found)} of {named(len(rows), 'partition')}"


def _numbers(found: Sequence[PartitionStatus]) -> str:
    return f"number {some([str(one.partition) for one in found])}"


def _letters(status: Status, pod: str) -> Iterator[Point]:
    letters = status.dead_letters
    if not letters.writable:
        waiting = f": {named(letters.waiting, 'letter')} waiting" if letters.waiting else ""
        yield Point(
            level="trouble",
            text=f"the dead-letter topic takes no letters of {pod}{waiting}",
            cure="run `check --online`: is the topic there, and may it be written",
            runbook="SesamyMakeasLettersNotWritable",
        )
    if not letters.readable:
        yield Point(
            level="trouble",
            text=f"the dead-letter topic can't be read by {pod}: held users are not tried again",
            cure="run `check --online`: may it be read",
            runbook="SesamyMakeasLettersNotReadable",
        )
    elif letters.open is None and status.state == "consuming" and not status.dry_run:  # Which follows none.
        yield Point(
            level="unknown", text=f"how many letters are open is not known to {pod}", cure="wait until it has read the dead-letter topic"
        )


def shared(statuses: Sequence[Status]) -> Iterator[Point]:
    """Give the points that all pods have in common: open letters, and what events name that nobody knows."""
    need = max((one.dead_letters.need_person or 0 for one in statuses), default=0)
    if need:
        oldest_s = max((one.dead_letters.oldest_s or 0.0 for one in statuses), default=0.0)
        yield Point(
            level="trouble",
            text=f"{named(need, 'letter')} {'needs' if need == 1 else 'need'} a person; "
            f"of all that are open, the oldest is for {age(oldest_s)}",
            cure="run `dead-letters list`, mend the cause, then `dead-letters requeue`",
            runbook="SesamyMakeasLettersLeft",
        )
    yield from _filters(statuses)
    yield from _unreadable(statuses)
    if answers := sum(one.count for status in statuses for one in status.unknown_answers):
        yield Point(
            level="notice",
            text=f"{named(answers, 'answer')} of a shape that we don't know taken for done",
            cure="look whether those users are on their lists: `diff` shows it",
        )
    if len({one.settings_fingerprint for one in statuses}) > 1:
        yield Point(level="notice", text="the pods run with different settings", cure="wait for the roll-out, or start the older ones anew")
    if vendors := [*dict.fromkeys(one.vendor for status in statuses for one in status.unknown_vendors)]:
        yield Point(
            level="notice",
            text=f"{named(len(vendors), 'vendor')} that the settings don't know, {some(vendors)}: the events are passed over",
            cure="copy the replay command below, add the vendor to the settings, then run it",
            runbook="SesamyMakeasUnknownVendor",
        )
    if types := [*dict.fromkeys(one.type for status in statuses for one in status.unknown_types if one.replay)]:
        yield Point(
            level="notice",
            text=f"{named(len(types), 'event type')} that we don't know, {some(types)}: passed over",
            cure='ask Sesamy what is new; if a user changes with it, set kafka.unknown_types = "resync" and run the replay command below',
            runbook="SesamyMakeasUnknownType",
        )


def _unreadable(statuses: Sequence[Status]) -> Iterator[Point]:
    if unreadable := max((one.dead_letters.unreadable or 0 for one in statuses), default=0):
        yield Point(
            level="notice",
            text=f"{named(unreadable, 'letter')} of records that can't be read {'needs' if unreadable == 1 else 'need'} a person, too: "
            "nobody was resynced for them",
            cure="run `dead-letters list`, and ask Sesamy what was sent; retention takes them in the end",
            runbook="SesamyMakeasPoison",
        )


def _filters(statuses: Sequence[Status]) -> Iterator[Point]:
    found = [one for status in statuses for one in status.ignored_filters]
    if not found:
        return
    vendors = [*dict.fromkeys(one.vendor for one in found)]
    is_well = all(one.obeyed_at is not None for one in found)
    yield Point(
        level="trouble",
        text=f"Sesamy gave others' rows for a user's, {some(vendors)}: what was written may be wrong",
        cure="run the replay command below" if is_well else "tell Sesamy, and run the replay command below once it is well again",
        runbook="SesamyMakeasFilterIgnored",
    )
