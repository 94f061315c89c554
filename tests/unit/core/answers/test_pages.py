"""When a list that comes in pages is whole."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.core.answers.pages import Listing, PageLengths, last, total

HOUR_S = 3600.0


@pytest.mark.parametrize(
    ("said", "received", "expected"),
    [
        ({"hasMore": False}, 100, True),
        ({"hasMore": True}, 7, False),
        ({"has_next_page": False}, 100, True),
        ({"hasNext": True, "hasPrevious": False}, 100, False),
        ({"hasPrevious": False, "hasNext": True}, 100, False),
        ({"hasPreviousPage": False, "hasNextPage": False}, 100, True),
        ({"hasPrevious": False}, 100, None),
        ({"hasPrevious": True}, 107, None),
        ({"hasPrevious": False, "total": 250}, 100, False),
        ({"hasPrevious": True, "total": 107}, 107, True),
        ({"hasErrors": False}, 100, None),
        ({"hasMore": False, "total": 250}, 100, False),
        ({"hasMore": False, "total": 100}, 100, True),
        ({"hasMore": False, "total": 3}, 100, True),
        ({"hasMore": True, "total": 100}, 100, False),
        ({"hasMore": "no"}, 100, None),
        ({"hasMore": "True"}, 7, False),
        ({"hasMore": 0}, 7, True),
        ({"hasMore": None}, 7, None),
        ({"total": 250}, 7, False),
        ({"total": 7}, 7, True),
        ({"total": 3}, 100, None),
        ({"total": True}, 1, None),
        ({"total": "7"}, 7, True),
        ({"total": "250"}, 7, False),
        ({"total": 250.0}, 7, False),
        ({"total": 10**400}, 7, None),
        ({"total": [7]}, 7, None),
        ({}, 100, None),
    ],
)
@pytest.mark.parametrize("place", ["", "meta", "pagination"])
def test_what_a_page_says_of_the_next(said: dict[str, object], received: int, expected: bool | None, place: str) -> None:
    tree = {"data": [], place: said} if place else {"data": [], **said}

    assert last(tree, received) is expected


def test_what_follows_may_be_said_in_two_places() -> None:
    assert last({"hasMore": False, "pagination": {"hasNext": True}}, 100) is False
    assert last({"total": 100, "meta": {"total": 250}}, 100) is False


def test_a_page_is_short_where_a_longer_one_of_its_resource_came_within_the_hour() -> None:
    lengths = PageLengths()
    assert not lengths.is_short("contracts", 24, now=0.0)
    assert not lengths.is_short("contracts", 24, now=1.0)
    assert lengths.is_short("contracts", 23, now=1.0 + HOUR_S)
    assert not lengths.is_short("entitlements", 23, now=2.0)


def test_a_long_page_is_forgotten_after_an_hour() -> None:
    """A server's cap may become smaller."""
    lengths = PageLengths()
    assert not lengths.is_short("contracts", 100, now=0.0)
    assert lengths.is_short("contracts", 24, now=HOUR_S)
    assert not lengths.is_short("contracts", 24, now=HOUR_S + 1)
    assert lengths.is_short("contracts", 23, now=HOUR_S + 2)


def read(page: Callable[[int], list[str]], *, lengths: PageLengths | None = None) -> tuple[list[str], int, bool]:
    """Read a list that says nothing of its end; return its ids, the number of requests, and whether rows moved."""
    lengths, listing, ids = lengths or PageLengths(), Listing(), dict[str, None]()
    for requests in range(1, 1000):
        rows = page(listing.received)
        ids |= dict.fromkeys(rows)
        is_short = lengths.is_short("contracts", len(rows), now=0.0)
        if listing.take(rows, rows=len(rows), said=rows, is_short=is_short):
            return list(ids), requests, listing.moved
    raise AssertionError


def capped(count: int, cap: int) -> Callable[[int], list[str]]:
    there = [f"c{number}" for number in range(count)]
    return lambda offset: there[offset : offset + cap]


@given(st.integers(0, 200), st.integers(1, 110))
def test_every_row_comes_whatever_the_cap(count: int, cap: int) -> None:
    ids, requests, moved = read(capped(count, cap))

    assert (count, False) == (len(ids), moved)
    assert requests <= count // cap + 2


def test_a_small_user_costs_one_more_request_until_a_longer_page_was_seen() -> None:
    lengths = PageLengths()
    assert [read(capped(count, 100), lengths=lengths)[1] for count in (1, 1, 2, 1, 0, 2, 250, 2, 99)] == [2, 2, 2, 1, 1, 2, 3, 1, 1]


def test_a_server_that_knows_no_offset_gives_one_page() -> None:
    assert read(lambda _: ["a", "b"]) == (["a", "b"], 2, False)


def test_rows_that_came_again_in_another_page_have_moved() -> None:
    """The last of five is changed while they are read, and so goes to the front: nobody has shown it."""
    pages = [["a", "b"], ["c", "d"], ["d"]]
    assert read(lambda offset: pages[offset // 2]) == (["a", "b", "c", "d"], 3, True)
    pages = [["a", "b"], ["b", "c"], []]
    assert read(lambda offset: pages[offset // 2]) == (["a", "b", "c"], 3, True)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"total": 7}, 7),
        ({"total": "7"}, 7),
        ({"total": 0}, 0),
        ({"meta": {"total": 7}}, 7),
        ({"pagination": {"total": 7}}, 7),
        ({"total": 3, "meta": {"total": 7}}, 7),
        ({"total": None}, None),
        ({"total": True}, None),
        ({"total": "many"}, None),
        ({"total": [7]}, None),
        ({"data": {"total": 7}}, None),
        ({}, None),
        ([], None),
        (None, None),
    ],
)
def test_how_many_rows_there_are_is_told_where_it_is_said(said: object, expected: int | None) -> None:
    assert total(said) == expected
