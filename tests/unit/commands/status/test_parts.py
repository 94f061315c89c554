"""What is drawn of some pods, from the top down."""

import pytest
from msgspec import structs

from consumer.commands.status.command import _show_once
from consumer.commands.status.parts import Parts, parts
from consumer.pod.status.hour.shapes import LastHour
from consumer.pod.status.tree import Status, UserCounts
from tests.unit.pod.status.told.well import NOW, ROW, WELL, but


def texts(what: Parts) -> list[str]:
    return [one.plain for one in (*what.points, *what.lines)]


def test_the_verdict_stands_first_and_then_the_pod() -> None:
    found = texts(parts({"http://a": WELL}, (), is_ascii=False))

    assert found[0] == "fine: events are read, and every list is written or has nothing owed"
    assert found[1] == "consuming  http://a"
    assert found[-1] == "0 events behind, 0 dirty users"


def test_a_point_says_what_to_do_and_where_more_is() -> None:
    found = texts(parts({"http://a": but(live=False)}, ("http://b",), is_ascii=False))

    assert found[0] == (
        "trouble: pod-a is not live: something that should move does not"
        " -> read the end of its log; Kubernetes restarts it by itself; runbook: SesamyMakeasPartitionStalled"
    )
    assert found[1].startswith("unknown: 1 of 2 pods silent, http://b")


def test_a_backlog_says_when_it_is_done_or_why_that_is_not_known() -> None:
    rows = (structs.replace(ROW, position=50, end=110, committed=10), structs.replace(ROW, partition=1, end=-1))
    behind = but(partitions=rows, users=UserCounts(dirty=40, limit=100))

    def last(status: Status) -> str:
        return next(one for one in texts(parts({"http://a": status}, (), is_ascii=False)) if "behind" in one and "dirty user" in one)

    said = "100 events behind (1 partition not known), 40 dirty users"
    assert last(behind) == f"{said}: until when is not known, for the rate is not"
    hour = LastHour(resyncs=(5, 5))
    assert last(structs.replace(behind, last_hour=hour)) == f"{said}: done in at most 20 min 00 s, at 14:34 UTC, at 5.0 resyncs a minute"
    never = structs.replace(behind, last_hour=LastHour(resyncs=(0,)))
    assert last(never) == f"{said}: never done at this rate, for nobody was resynced in the last minutes"
    assert last(but(partitions=())) == "events behind: not known, 0 dirty users"


def test_of_several_pods_all_of_them_come_first_and_each_has_a_line() -> None:
    first, second = but(partitions=WELL.partitions[:1]), but(partitions=WELL.partitions[1:], host="pod-b")
    what = parts({"http://a": first, "http://b": second}, (), is_ascii=False)

    assert texts(what)[:2] == [
        "fine: events are read, and every list is written or has nothing owed",
        "2 pods hold 2 of 2 partitions",
    ]
    assert [one.plain.partition(" (")[0] for one in what.pods] == [
        "consuming  http://a  pod-a: generation 3, lease 20 s; 1 of 2 partitions: 100% of every limit ",
        "consuming  http://b  pod-b: generation 3, lease 20 s; 1 of 2 partitions: 100% of every limit ",
    ]


def test_the_last_hour_is_a_table_whose_oldest_marks_go_first_on_a_narrow_screen() -> None:
    status = but(last_hour=LastHour(events=(*range(60),)), at=NOW)

    def row(width: int | None) -> list[str]:
        tables = parts({"http://a": status}, (), is_ascii=False, width=width).tables
        return [cell.text for cell in next(one for one in tables if one.title == "Last hour").rows[0]]

    assert (row(None)[:3], len(row(None)[3])) == (["events read", "59", "59 a minute"], 60)
    assert row(80)[3] == row(None)[3][-(80 - 13 - 6 - 13) :]
    assert len(row(20)[3]) == 16


def test_where_no_pod_answers_what_is_to_be_done_is_not_known() -> None:
    what = parts({}, ("http://a", "http://b"), is_ascii=False)

    assert [text.partition(":")[0] for text in texts(what)] == ["unknown", "events behind, dirty users"]
    assert texts(what)[1].endswith("no pod answers: not known")


async def test_of_several_silent_pods_it_is_said_and_of_one_its_error_says_all(capsys: pytest.CaptureFixture[str]) -> None:
    urls = ["http://127.0.0.1:9", "http://127.0.0.1:9/x"]

    assert await _show_once(urls, "text") == 69
    out = " ".join(capsys.readouterr().out.split())
    assert out.startswith("unknown: 2 of 2 pods silent, ")
    assert out.endswith("events behind, dirty users: no pod answers: not known")
    assert await _show_once(urls[:1], "text") == 69
    assert capsys.readouterr().out == ""
