"""What a person is told of a status, in words."""

import pytest

from consumer.pod.status.tables import Cell, Column, Sheet, Table, sheet
from consumer.pod.status.tree import GateStatus, ListStatus, Status


def row(shown: Sheet, number: int) -> tuple[Cell, ...]:
    return next(one for one in shown.tables if one.title == "Lists").rows[number]


def test_a_list_that_is_left_out_says_since_when_and_why_and_its_sibling_is_well() -> None:
    left_out = ListStatus(vendor="v", account="1", list="12", door="left-out", door_code="http-404", left_out_s=3600.0, next_try_s=40.0)
    probed = ListStatus(vendor="v", account="1", list="13", door="probing", left_out_s=7.0)
    lists = (ListStatus(vendor="v", account="1", list="11"), left_out, probed)
    shown = sheet(Status(lists=lists, upstreams=(GateStatus(name="1", kind="makeas"),)), now=0.0)

    assert [row(shown, number)[-1] for number in range(3)] == [
        Cell("open", "good"),
        Cell("left out for 1 h (http-404), next try in 40 s", "bad"),
        Cell("left out for 7 s, being tried now", "mild"),
    ]
    assert Cell("2 lists left out, refusing everybody: v 12, v 13", "bad") in shown.lines


def test_while_none_is_left_out_nothing_is_said_of_it() -> None:
    shown = sheet(Status(lists=(ListStatus(vendor="v", account="1", list="11"),)), now=0.0)

    assert not any("left out" in line.text for line in shown.lines)


def test_each_cell_stands_below_its_head() -> None:
    table = Table(title="t", heads=("name", "times#"), rows=((Cell("a"), Cell("1")),), empty="")

    assert [list(row) for row in table.placed] == [
        [(Column("name", is_number=False), Cell("a")), (Column("times", is_number=True), Cell("1"))]
    ]


def test_a_row_that_lacks_a_cell_is_not_drawn_aslant() -> None:
    with pytest.raises(ValueError, match="shorter"):
        list(Table(title="t", heads=("name", "times#"), rows=((Cell("a"),),), empty="").placed)
