"""The verdict: fine only where all that matters is known to be."""

from typing import Any

import pytest
from msgspec import structs

from consumer.pod.status.told.weigh import called, of
from consumer.pod.status.tree import GroupStatus, LetterCounts, Status, UnknownAnswer, UserCounts
from tests.unit.pod.status.told.well import LIST, NOW, OTHER, ROW, WELL, but


def replaced(row: Any, **fields: Any) -> Any:
    return structs.replace(row, **fields)


def test_where_all_is_known_to_be_well_it_is_fine_and_says_nothing() -> None:
    assert (of({"": WELL}, now=NOW).level, of({"": WELL}, now=NOW).points) == ("fine", ())


@pytest.mark.parametrize(
    "status",
    [
        Status(),
        but(state="starting", ready=False),
        but(state="draining", ready=False),
        but(live=False),
        but(ready=False),
        but(group=GroupStatus(generation=-1, lease_left_s=20.0, topic_partitions=2)),
        but(group=GroupStatus(generation=3, lease_left_s=0.0, topic_partitions=2)),
        but(partitions=()),
        *(but(partitions=(replaced(ROW, **{field: -1}),)) for field in ("position", "end", "committed")),
        *(but(partitions=(ROW, replaced(ROW, **{field: True}))) for field in ("paused", "out")),
        but(users=UserCounts(dirty=100, limit=100)),
        but(lists=(replaced(LIST, last_write_at=None, owed_users=1), OTHER)),
        but(lists=(replaced(LIST, door="left-out"), OTHER)),
        but(lists=(replaced(LIST, oldest_due_s=901.0), OTHER)),
        but(dead_letters=LetterCounts(open=None)),
        but(dead_letters=LetterCounts(open=3, need_person=1)),
        but(dead_letters=LetterCounts(open=0, writable=False)),
        but(dead_letters=LetterCounts(open=0, readable=False)),
        but(dead_letters=LetterCounts(open=0, unreadable=2)),
        but(partitions=(replaced(ROW, position=9, end=5_000_009),)),
        but(unknown_answers=(UnknownAnswer(upstream="1001", op="upsert", shape="x", count=3),)),
        but(at=NOW - 3600),
        *(but(upstreams=(*WELL.upstreams[:2], replaced(WELL.upstreams[2], state=state))) for state in ("closed", "probing")),
    ],
)
def test_whatever_alone_is_not_so_takes_the_green_away_and_says_what_to_do(status: Status) -> None:
    verdict = of({"": status}, now=NOW)

    assert verdict.level != "fine"
    assert all(one.text and one.cure for one in verdict.points)


def test_a_list_that_has_something_owed_and_is_written_is_fine() -> None:
    assert of({"": but(lists=(replaced(LIST, owed_users=5, oldest_due_s=30.0),))}, now=NOW).level == "fine"


def test_pods_that_are_silent_are_unknown_even_where_the_others_are_fine() -> None:
    verdict = of({"http://a": WELL}, ("http://b", "http://c"), now=NOW)

    assert verdict.level == "unknown"
    assert verdict.points[0].text == "2 of 3 pods silent, http://b, http://c: what it holds is not known"
    assert of({}, ("http://b",), now=NOW).level == of({}, now=NOW).level == "unknown"


def test_partitions_that_no_pod_holds_or_two_are_told_of_where_all_were_asked() -> None:
    first, second = but(partitions=(ROW,)), but(partitions=(ROW,), host="pod-b")
    texts = [(one.level, one.text) for one in of({"a": first, "b": second}, now=NOW).points]

    assert texts == [
        ("trouble", "1 of 2 partitions held by none of these pods, number 1"),
        ("notice", "1 of 2 partitions held twice, number 0 by pod-a and pod-b"),
    ]
    silent = of({"a": first, "b": second}, ("c",), now=NOW).points
    assert [one.level for one in silent] == ["unknown", "unknown", "notice"], "the silent one may hold it"
    assert of({"a": first}, now=NOW).level == "fine", "of one pod alone nobody expects all"


def test_pods_of_one_name_are_called_by_their_address() -> None:
    assert [*called({"http://a": WELL, "http://b": WELL})] == ["http://a", "http://b"]
    assert [*called({"http://a": WELL, "http://b": but(host="pod-b")})] == ["pod-a", "pod-b"]
    assert [*called({"": Status()})] == ["this pod"]


def test_a_list_that_is_late_is_trouble_though_its_gate_waits_a_moment_on_one_pod_or_on_all() -> None:
    late = but(lists=(replaced(LIST, oldest_due_s=36_000.0, owed_users=9), OTHER))
    waits = (*WELL.upstreams[:1], replaced(WELL.upstreams[1], state="closed", cause="retry-after", closed_s=2.0), *WELL.upstreams[2:])

    assert of({"": structs.replace(late, upstreams=waits)}, now=NOW).level == "trouble"
    assert of({"a": late, "b": but(upstreams=waits, partitions=())}, now=NOW).level == "trouble"


def test_a_verdict_of_some_partitions_says_that_it_is_none_of_the_others() -> None:
    some = of({"": but(group=GroupStatus(generation=3, lease_left_s=20.0, topic_partitions=12))}, now=NOW)

    assert (some.level, some.scope) == ("fine", "for 2 of 12 partitions: ask the other pods, too")
    assert of({"": WELL}, now=NOW).scope == ""


def test_pods_of_different_settings_are_told_of() -> None:
    one, two = but(settings_fingerprint="a", partitions=(ROW,)), but(settings_fingerprint="b", partitions=(replaced(ROW, partition=1),))

    assert any("different settings" in point.text for point in of({"a": one, "b": two}, now=NOW).points)


def test_a_dry_run_is_not_unsure_of_letters_that_it_never_reads() -> None:
    verdict = of({"": but(dry_run=True, dead_letters=LetterCounts())}, now=NOW)

    assert [point.text for point in verdict.points] == ["pod-a is a dry run: it writes nothing, and says in its log what it would write"]
