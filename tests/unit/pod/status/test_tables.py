"""What a person is told of a status, in words."""

from typing import Any

from consumer.pod.status.tables import Cell, Sheet, Table, sheet
from consumer.pod.status.tree import GateStatus, ListStatus, PartitionStatus, Status


def row(shown: Sheet, number: int) -> tuple[Cell, ...]:
    return next(one for one in shown.tables if one.title == "Lists").rows[number]


def test_a_list_that_is_left_out_says_since_when_and_why_and_its_sibling_is_well() -> None:
    left_out = ListStatus(vendor="v", account="1", list="12", door="left-out", door_code="http-404", left_out_s=3600.0, next_try_s=40.0)
    probed = ListStatus(vendor="v", account="1", list="13", door="probing", left_out_s=7.0)
    lists = (ListStatus(vendor="v", account="1", list="11"), left_out, probed)
    shown = sheet(Status(lists=lists, upstreams=(GateStatus(name="1", kind="makeas"),)), now=0.0)

    assert [row(shown, number)[-1] for number in range(3)] == [
        Cell("left out for 1 h (http-404), next try in 40 s", "bad"),
        Cell("left out for 7 s, being tried now", "mild"),
        Cell("open", "good"),
    ]
    assert Cell("2 lists left out, refusing everybody: v 12, v 13", "bad") in shown.lines


def test_while_none_is_left_out_nothing_is_said_of_it() -> None:
    shown = sheet(Status(lists=(ListStatus(vendor="v", account="1", list="11"),)), now=0.0)

    assert not any("left out" in line.text for line in shown.lines)


def titled(shown: Sheet, title: str) -> Table:
    return next(one for one in shown.tables if one.title == title)


def test_what_is_in_trouble_stands_first_and_the_rest_keeps_its_order() -> None:
    def of(list_id: str, **fields: Any) -> ListStatus:
        return ListStatus(vendor="v", account=fields.pop("account", "1"), list=list_id, **fields)

    lists = (
        of("1"),
        of("2", owed_users=3),
        of("3", paused=True),
        of("4", oldest_due_s=901.0),
        of("5", door="left-out"),
        of("6", account="2"),
        of("7"),
    )
    gates = (GateStatus(name="1", kind="makeas"), GateStatus(name="2", kind="makeas", state="closed", cause="denied"))
    partitions = (
        PartitionStatus(partition=0, position=9, end=9, committed=9),
        PartitionStatus(partition=1, position=9, end=9, committed=5),
        PartitionStatus(partition=2, position=9, end=-1, committed=5),
        PartitionStatus(partition=3, position=9, end=9, committed=9, paused=True),
        PartitionStatus(partition=4, position=9, end=9, committed=9, out=True, paused=True),
    )
    shown = sheet(Status(lists=lists, upstreams=gates, partitions=partitions), now=0.0)

    assert [one[2].text for one in titled(shown, "Lists").rows] == ["6", "5", "4", "3", "2", "1", "7"]
    assert titled(shown, "Lists").kinds == ("stopped", "left out", "late", "paused", "owed", "fine", "fine")
    assert [one[0].text for one in titled(shown, "Gates").rows] == ["2", "1"]
    assert [one[0].text for one in titled(shown, "Partitions").rows] == ["4", "3", "2", "1", "0"]
    assert titled(shown, "Partitions").kinds == ("left out", "paused", "unknown", "behind", "fine")


def test_a_lag_that_is_not_known_is_no_number() -> None:
    shown = sheet(Status(partitions=(PartitionStatus(partition=0, position=9, committed=9),)), now=0.0)

    assert [cell.text for cell in titled(shown, "Partitions").rows[0]][1:5] == ["9", "?", "9", "?"]


def test_a_list_is_called_by_its_name_beside_its_id() -> None:
    lists = (ListStatus(vendor="v", account="1", list="1466", name="Morgenbrev"), ListStatus(vendor="v", account="1", list="7"))

    assert [one[2].text for one in titled(sheet(Status(lists=lists), now=0.0), "Lists").rows] == ["Morgenbrev (1466)", "7"]


def test_a_list_that_was_never_written_says_so_and_for_how_long_that_is_known() -> None:
    lists = (
        ListStatus(vendor="v", account="1", list="7"),
        ListStatus(vendor="v", account="1", list="8", last_write_at=40.0, freshness_last_s=3.0),
    )

    def told(started_at: float) -> list[list[str]]:
        shown = titled(sheet(Status(started_at=started_at, lists=lists), now=820.0), "Lists")
        return [[cell.text for cell in one[3:5]] for one in shown.rows]

    assert told(100.0) == [["never, up 12 min", "never"], ["13 min ago", "3 s"]]
    assert told(0.0)[0] == ["never", "never"], "since when is not known"
