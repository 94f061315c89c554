"""The shapes of tables."""

import pytest

from consumer.pod.status.told.cells import Cell, Column, Table


def test_each_cell_stands_below_its_head() -> None:
    table = Table(title="t", heads=("name", "times#"), rows=((Cell("a"), Cell("1")),), empty="")

    assert [list(row) for row in table.placed] == [
        [(Column("name", is_number=False), Cell("a")), (Column("times", is_number=True), Cell("1"))]
    ]


def test_a_row_that_lacks_a_cell_is_not_drawn_aslant() -> None:
    with pytest.raises(ValueError, match="shorter"):
        list(Table(title="t", heads=("name", "times#"), rows=((Cell("a"),),), empty="").placed)
