"""The walk through a list whose rows may move while it is read."""

from collections.abc import Callable

import pytest

from consumer.core.drift.walk import Walk
from consumer.core.errors import Refused
from tests.raising import raising

Server = Callable[[int], list[str]]


def rows(count: int) -> list[str]:
    return [f"r{number}" for number in range(count)]


def capped(there: list[str], cap: int) -> Server:
    return lambda offset: there[offset : offset + cap]


def read(server: Server, walk: Walk | None = None, *, said: object = None) -> tuple[set[str], int]:
    """Walk to the end; return what was seen, and the number of pages."""
    walk, seen = walk or Walk(), set[str]()
    for pages in range(1, 1000):
        page = server(walk.offset)
        seen.update(page)
        if not walk.take(page, length=len(page), said=said):
            return seen, pages
    raise AssertionError


@pytest.mark.parametrize(
    ("count", "cap", "pages"), [(0, 100, 1), (1, 100, 2), (100, 100, 2), (1000, 100, 12), (30, 10, 5), (3, 1, 4), (5, 2, 5)]
)
def test_a_list_that_stands_still_is_read_in_so_many_pages(count: int, cap: int, pages: int) -> None:
    assert read(capped(rows(count), cap)) == ({*rows(count)}, pages)


def test_the_next_page_begins_with_the_last_five_rows() -> None:
    walk = Walk()
    walk.take(rows(100), length=100, said=None)

    assert (walk.offset, walk.end, walk.tail) == (95, 100, tuple(rows(100)[95:]))


@pytest.mark.parametrize("moved", [1, 3, 40])
@pytest.mark.parametrize("at", [2, 3])
def test_rows_that_move_from_the_end_to_the_head_are_read_there(moved: int, at: int) -> None:
    there, asked = rows(300), 0

    def server(offset: int) -> list[str]:
        nonlocal asked, there
        asked += 1
        if asked in {at, 5}:
            there = there[-moved:] + there[:-moved]
        return there[offset : offset + 100]

    assert read(server)[0] == {*rows(300)}


@pytest.mark.parametrize("gone", [1, 4, 5, 6, 50, 100, 150])
def test_rows_that_go_before_the_place_hide_none(gone: int) -> None:
    there, asked = rows(300), 0

    def server(offset: int) -> list[str]:
        nonlocal asked
        asked += 1
        if asked == 3:
            del there[:gone]
        return there[offset : offset + 100]

    assert {*rows(300)[gone:]} <= read(server)[0]


def test_the_last_row_may_go_without_the_whole_being_read_again() -> None:
    """A short page overlaps by one row; where that is gone, its neighbours are known."""
    there, asked = rows(1006), 0

    def server(offset: int) -> list[str]:
        nonlocal asked
        asked += 1
        if len(there[offset:]) < 7:
            del there[1005:]
        return there[offset : offset + 100]

    assert {*rows(1005)} <= read(server)[0]
    assert asked < 15


def test_as_many_new_rows_as_a_page_has_do_not_end_it() -> None:
    there, asked = rows(30), 0

    def server(offset: int) -> list[str]:
        nonlocal asked
        asked += 1
        if asked == 2:
            there[:0] = [f"new{number}" for number in range(9)]
        return there[offset : offset + 10]

    assert {*rows(30)} <= read(server)[0]


def test_a_walk_that_was_cut_off_goes_on_where_it_was() -> None:
    there = rows(250)
    seen, pages = read(capped(there, 100), Walk(end=100, tail=there[95:100]))

    assert (seen, pages) == ({*there[95:]}, 3)


def test_a_walk_that_was_cut_off_sees_that_rows_went_meanwhile() -> None:
    there = rows(250)[20:]

    assert {*there[75:]} <= read(capped(there, 100), Walk(end=100, tail=rows(250)[95:100]))[0]


def test_a_walk_that_begins_anew_says_so_to_one_that_goes_on() -> None:
    """Cut off there, it must not go on behind rows that it looks for."""
    walk = Walk(end=1000, tail=["gone"])
    while walk.tail:
        walk.take([f"x{walk.offset}"], length=1, said=None)

    assert (walk.offset, walk.end) == (0, 0)


def test_rows_without_an_id_are_walked_over() -> None:
    walk = Walk()

    assert walk.take(["a", "b"], length=3, said=None)
    assert (walk.offset, walk.tail) == (3, ())
    assert walk.take(["c"], length=1, said=None)
    assert (walk.offset, walk.tail) == (4, ())
    assert not walk.take([], length=0, said=None)


def test_the_total_is_what_is_said_last() -> None:
    walk = Walk()
    walk.take(["a"], length=1, said={"total": 3})
    walk.take(["b"], length=1, said={"meta": {"total": 2}})
    walk.take([], length=0, said={})

    assert walk.total == 2


# ---- What is no list ----


def test_the_same_page_for_ever_is_refused() -> None:
    with raising(Refused, "repeats"):
        read(lambda _: rows(100))


@pytest.mark.parametrize("said", [{"hasMore": True}, {"total": 8}])
def test_more_that_is_said_and_never_comes_is_half(said: object) -> None:
    with raising(Refused, "half"):
        read(capped(rows(7), 100), said=said)


@pytest.mark.parametrize("from_", [100, 150, 900])
def test_a_server_that_gives_nothing_any_more_is_half(from_: int) -> None:
    """It is not the end: there were rows just here."""
    asked = 0

    def server(offset: int) -> list[str]:
        nonlocal asked
        asked += 1
        return [] if asked * 95 > from_ else rows(2000)[offset : offset + 100]

    with raising(Refused, "half"):
        read(server)


def test_a_list_that_never_stands_still_is_refused() -> None:
    asked = 0

    def server(_: int) -> list[str]:
        nonlocal asked
        asked += 1
        return [f"{asked}-{number}" for number in range(100)]

    with raising(Refused, "moves"):
        read(server)
