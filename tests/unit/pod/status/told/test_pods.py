"""What is told of one pod: its place in the group, its partitions, its letters, and what it does not know."""

from pathlib import Path

import pytest
from msgspec import structs

from consumer.pod.status.told.pods import points, shared
from consumer.pod.status.tree import (
    NOT_A_MEMBER,
    TOPIC_MISSING,
    GroupStatus,
    IgnoredFilter,
    LetterCounts,
    Status,
    UnknownType,
    UnknownVendor,
    UserCounts,
)
from tests.unit.pod.status.told.well import NOW, ROW, WELL, but

RUNBOOK = (Path(__file__).parents[5] / "deploy" / "RUNBOOK.md").read_text()


def told(status: Status) -> list[tuple[str, str]]:
    found = [*points(status, pod="pod-a", now=NOW), *shared([status])]
    assert all(one.cure for one in found)
    assert [one.runbook for one in found if one.runbook and f"\n## {one.runbook}\n" not in RUNBOOK] == []
    return [(one.level, one.text) for one in found]


def row(**fields: object) -> object:
    return structs.replace(ROW, partition=1, **fields)


@pytest.mark.parametrize(
    ("status", "level", "text"),
    [
        (but(dry_run=True), "notice", "pod-a is a dry run: it writes nothing, and says in its log what it would write"),
        (but(live=False), "trouble", "pod-a is not live: something that should move does not"),
        (but(state="draining", ready=False), "notice", "pod-a is draining: it ends its runs and reads nothing new"),
        (but(state="starting", ready=False, partitions=()), "unknown", "pod-a is starting, and reads nothing yet"),
        (but(not_ready=(NOT_A_MEMBER,)), "trouble", "pod-a is not a member of the group: it reads no events"),
        (but(group=GroupStatus(generation=-1)), "trouble", "pod-a is not a member of the group: it reads no events"),
        (
            but(group=GroupStatus(generation=1, topic_partitions=2)),
            "trouble",
            "pod-a has no valid lease: no commit succeeds, so nothing may be written",
        ),
        (but(partitions=()), "notice", "pod-a holds no partition: it reads no events"),
        (but(not_ready=(TOPIC_MISSING,)), "trouble", "the topic is missing, says pod-a: its partitions are lost"),
        (but(ready=False), "trouble", "pod-a is not ready"),
        (but(partitions=(ROW, row(out=True))), "trouble", "1 of 2 partitions of pod-a left out, number 1: its records can't be fetched"),
        (but(partitions=(ROW, row(paused=True))), "notice", "1 of 2 partitions of pod-a paused, number 1"),
        (but(partitions=(row(paused=True),)), "trouble", "1 of 1 partition of pod-a paused, number 1"),
        (
            but(partitions=(row(paused=True),), users=UserCounts(dirty=1000, limit=1000)),
            "trouble",
            "pod-a reads nothing, 1 of 1 partition paused: the backlog is full, 1,000 dirty users",
        ),
        (
            but(partitions=(ROW, row(oldest_open_at=NOW - 3000))),
            "trouble",
            "1 of 2 partitions of pod-a held, number 1: its oldest event is open since 13:24 UTC (50 min)",
        ),
        (
            but(partitions=(ROW, row(end=-1))),
            "unknown",
            "the end of 1 of 2 partitions of pod-a is not known, number 1: nor is how far behind it is",
        ),
        (
            but(dead_letters=LetterCounts(open=0, writable=False, waiting=2)),
            "trouble",
            "the dead-letter topic takes no letters of pod-a: 2 letters waiting",
        ),
        (
            but(dead_letters=LetterCounts(readable=False)),
            "trouble",
            "the dead-letter topic can't be read by pod-a: held users are not tried again",
        ),
        (but(dead_letters=LetterCounts()), "unknown", "how many letters are open is not known to pod-a"),
        (
            but(dead_letters=LetterCounts(open=5, need_person=1, oldest_s=7200.0)),
            "trouble",
            "1 letter needs a person; of all that are open, the oldest is for 2 h",
        ),
        (
            but(unknown_vendors=(UnknownVendor(vendor="new", events=3, first_offset="0:1", replay="r"),)),
            "notice",
            "1 vendor that the settings don't know, new: the events are passed over",
        ),
        (
            but(unknown_types=(UnknownType(type="x#y", events=3, first_offset="0:1", replay="r"),)),
            "notice",
            "1 event type that we don't know, x#y: passed over",
        ),
        (
            but(ignored_filters=(IgnoredFilter(vendor="v", resource="contracts", found_at=1.0, replay="r"),)),
            "trouble",
            "Sesamy gave others' rows for a user's, v: what was written may be wrong",
        ),
    ],
)
def test_each_thing_is_one_point(status: Status, level: str, text: str) -> None:
    assert told(status) == [(level, text)]


def test_where_all_is_well_there_is_none() -> None:
    assert told(WELL) == []


def test_letters_that_heal_and_types_that_are_resynced_need_nobody() -> None:
    types = (UnknownType(type="x#y", events=3, first_offset="0:1", replay=""),)
    assert told(but(dead_letters=LetterCounts(open=5, need_person=0), unknown_types=types)) == []
