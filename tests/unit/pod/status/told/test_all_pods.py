"""Several pods as one, as tables of words."""

from msgspec import structs

from consumer.core.model import Failure
from consumer.pod.status.told.all_pods import AllPods, all_pods
from consumer.pod.status.told.cells import Cell, Table
from consumer.pod.status.tree import GroupStatus
from tests.unit.pod.status.told.well import GATE, LIST, NOW, ROW, but


def table(shown: AllPods, title: str) -> Table:
    return next(one for one in shown.tables if one.title == title)


SHUT = structs.replace(GATE, state="closed", cause="denied", closed_s=60.0)
SHOWN = all_pods(
    {
        "http://a": but(partitions=(ROW,), upstreams=(GATE,), lists=(structs.replace(LIST, owed_users=1),)),
        "http://b": but(host="pod-b", partitions=(ROW,), upstreams=(SHUT,), lists=(structs.replace(LIST, owed_users=2),)),
    },
    now=NOW,
)


def test_a_partition_has_its_pods_and_what_is_held_by_none_or_two_stands_first() -> None:
    rows = table(SHOWN, "Partitions").rows

    assert [(row[0].text, row[1].text, row[-1].text) for row in rows] == [
        ("1", "none", "held by none"),
        ("0", "pod-a, pod-b", "held twice"),
    ]
    assert SHOWN.lines == (Cell("2 pods hold 1 of 2 partitions, 1 of them by two", "bad"),)


def test_a_gate_that_the_pods_see_otherwise_is_told_by_pod_and_its_list_is_stopped() -> None:
    assert [(row[0].text, row[1].text) for row in table(SHOWN, "Gates").rows] == [("1001 (pod-b)", "closed"), ("1001 (pod-a)", "open")]
    assert [(row[2].text, row[6].text, row[7].text) for row in table(SHOWN, "Lists").rows] == [("Morgenbrev (1466)", "3", "closed")]


def test_one_failure_of_two_pods_is_one_with_the_sum() -> None:
    old, new = (Failure(code="c", upstream="1", count=count, last_at=NOW - count, said=str(count)) for count in (5, 2))
    (row,) = table(all_pods({"a": but(recent_failures=(old,)), "b": but(recent_failures=(new,))}, now=NOW), "Last failures").rows

    assert [cell.text for cell in row] == ["1", "c", "7", "2 s ago", "2"]


def test_a_list_that_no_pod_has_written_says_for_how_long_the_oldest_of_them_is_up() -> None:
    lists = (structs.replace(LIST, last_write_at=None, freshness_last_s=None),)
    pods = {name: but(started_at=NOW - up_s, lists=lists) for name, up_s in (("a", 60.0), ("b", 7200.0))}
    (row,) = table(all_pods({**pods, "c": but(started_at=0.0, lists=lists)}, now=NOW), "Lists").rows

    assert row[3].text == "never, up 2 h"


def test_how_many_partitions_there_are_may_not_be_known_yet() -> None:
    young = but(partitions=(), group=GroupStatus())

    assert all_pods({"a": young}, now=NOW).lines == (Cell("0 partitions held, of how many is not known", "bad"),)
