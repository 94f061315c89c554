"""What a screen takes: columns go before rows, what is fine before what is in trouble, and what is left out is counted."""

import io

import pytest
from msgspec import structs
from rich.console import Console
from rich.text import Text

from consumer.commands.status.fit import fitted
from consumer.commands.status.parts import Parts, parts
from consumer.pod.status.told.cells import Cell, Table
from consumer.pod.status.tree import Status
from tests.unit.pod.status.told.well import GATE, LIST, SESAMY, WELL, but


def screen(what: Parts, *, width: int = 80, height: int = 24, wrong: tuple[Text, ...] = ()) -> list[str]:
    on = Console(file=io.TextIOWrapper(io.BytesIO(), encoding="utf-8"), width=width, height=height)
    lines = fitted(what, wrong, on=on)
    assert len(lines) <= height
    assert max(line.cell_len for line in lines) <= width
    return [line.plain for line in lines]


def busy(stopped: int, fine: int) -> Status:
    lists = [
        structs.replace(LIST, list=str(number), name="", account="1001" if number < stopped else "1002") for number in range(stopped + fine)
    ]
    gates = (SESAMY, structs.replace(GATE, state="closed", cause="denied", closed_s=60.0), structs.replace(GATE, name="1002"))
    return but(lists=tuple(lists), upstreams=gates)


def test_on_a_usual_terminal_what_is_in_trouble_is_seen_and_the_rest_is_counted() -> None:
    lines = screen(parts({"http://a": busy(2, 40)}, (), is_ascii=False))

    assert lines[0].startswith("trouble: 2 of 42 lists stopped since 14:13 UTC (1 min), 0, 1: account 1001")
    assert any("1001" in line and "closed" in line for line in lines)
    rows = [line for line in lines if line.startswith("v ")]
    assert ["closed" in line for line in rows[:2]] == [True, True]
    assert f"+{40 - (len(rows) - 2)} fine" in lines


def test_more_in_trouble_than_a_screen_takes_is_counted_by_kind() -> None:
    lines = screen(parts({"http://a": busy(60, 3)}, (), is_ascii=False))

    (counted,) = [line for line in lines if "stopped, +3 fine" in line]
    assert int(counted.split("+")[1].split()[0]) + sum(line.startswith("v ") for line in lines) == 60


def test_of_tables_in_equal_trouble_the_first_keeps_its_rows() -> None:
    first, second = (
        Table(title=title, heads=("a",), rows=((Cell(f"{title} 1"),), (Cell(f"{title} 2"),)), empty="", kinds=("closed", "closed"))
        for title in ("first", "second")
    )
    lines = screen(Parts(points=(), lines=(), tables=(first, second)), height=5)

    assert [line.strip() for line in lines] == ["first", "a", "first 1", "first 2", "second: +2 closed"]


def test_columns_go_before_rows_and_the_least_needed_first() -> None:
    table = Table(title="t", heads=("a", "b", "c"), rows=((Cell("x" * 9), Cell("y" * 9), Cell("z" * 9)),), empty="", spare=(1, 0))

    def drawn(width: int) -> list[str]:
        return screen(Parts(points=(), lines=(), tables=(table,)), width=width)[-1].split()

    assert drawn(40) == ["x" * 9, "y" * 9, "z" * 9]
    assert drawn(25) == ["x" * 9, "z" * 9]
    assert drawn(12) == ["z" * 9]


@pytest.mark.parametrize("height", [1, 2, 3, 5, 8, 12])
@pytest.mark.parametrize("width", [1, 20, 60])
def test_on_any_screen_the_verdict_is_first(width: int, height: int) -> None:
    lines = screen(parts({"http://a": busy(60, 3), "http://b": WELL}, ("http://c",), is_ascii=False), width=width, height=height)

    assert lines[0].startswith("trouble:"[:width].rstrip())


def test_tables_that_do_not_fit_are_counted() -> None:
    tables = tuple(Table(title=f"t{number}", heads=("a",), rows=((Cell("x"),),) * 9, empty="", kinds=("late",) * 9) for number in range(9))
    lines = screen(Parts(points=(Text("p"),), lines=(Text("l"),), tables=tables), height=6)

    assert lines[:3] == ["p", "l", "t0: +9 late"]
    assert lines[-1] == "+6 tables: make the window higher"


def test_where_all_fits_nothing_is_counted() -> None:
    lines = screen(parts({"http://a": WELL}, (), is_ascii=False), height=60, width=200)

    assert not any(line.startswith("+") for line in lines)
    assert lines[-1] == "version ?, settings ?"


def rows_of(*kinds: str, title: str) -> Table:
    return Table(title=title, heads=("a",), rows=tuple((Cell(f"{title}-{kind}"),) for kind in kinds), empty="", kinds=kinds)


@pytest.mark.parametrize(
    ("height", "shown"),
    [
        (4, {"lists-late": 0, "gates-shut": 0, "parts-slow": 0}),
        (8, {"lists-late": 2, "gates-shut": 0, "parts-slow": 0}),
        (11, {"lists-late": 2, "gates-shut": 1, "parts-slow": 0}),
        (14, {"lists-late": 2, "gates-shut": 1, "parts-slow": 1}),
        (17, {"lists-late": 3, "gates-shut": 2, "parts-slow": 2}),
    ],
)
def test_trouble_has_a_fair_share_across_tables_before_anything_that_is_fine(height: int, shown: dict[str, int]) -> None:
    tables = (
        rows_of(*["late"] * 9, *["fine"] * 3, title="lists"),
        rows_of(*["shut"] * 9, title="gates"),
        rows_of(*["slow"] * 9, *["fine"] * 9, title="parts"),
    )
    lines = screen(Parts(points=(Text("p"),), lines=(), tables=tables), height=height)

    assert {name: lines.count(name) for name in shown} == shown
    assert not [line for line in lines if line.endswith("-fine")]
    assert len(lines) <= height


def test_one_table_of_trouble_is_whole_before_another_of_what_is_fine() -> None:
    def of(kind: str, rows: int) -> Table:
        return Table(title=kind, heads=("a",), rows=((Cell(kind),),) * rows, empty="", kinds=(kind,) * rows)

    lines = screen(Parts(points=(Text("p"),), lines=(Text("l"),), tables=(of("late", 8), of("fine", 4))), height=14)

    assert lines.count("late") == 9, "its title, and its rows"
    assert lines[-1] == "fine: +4 fine"
