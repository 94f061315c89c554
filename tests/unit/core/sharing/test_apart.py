"""A refused call, taken apart."""

from collections.abc import Collection
from math import ceil, log2

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.core.errors import Refused
from consumer.core.sharing.apart import MOST_CALLS, Apart

NO = Refused("no", code="http-422")


def asked(readers: int, bad: Collection[int]) -> tuple[Apart[int], set[int], int]:
    """Take a call apart; return what is known in the end, who was taken, and how many calls that took."""
    apart, taken, calls = Apart(list(range(readers))), set[int](), 0
    while (group := apart.next()) is not None:
        calls += 1
        is_bad = any(one in bad for one in group)
        if not is_bad:
            taken |= set(group)
        apart.note(group, NO if is_bad else None)
    return apart, taken, calls


@pytest.mark.parametrize("readers", [2, 3, 5, 64, 500, 1000])
def test_one_bad_reader_is_found_wherever_it_stands_and_all_others_are_taken(readers: int) -> None:
    for bad in {0, 1, readers // 2, readers - 1}:
        apart, taken, calls = asked(readers, {bad})
        assert ([one for one, _ in apart.bad], apart.left, apart.is_of_account) == ([bad], [], False)
        assert taken == set(range(readers)) - {bad}
        assert calls <= 2 * ceil(log2(readers)) <= MOST_CALLS


def test_each_bad_one_has_its_own_error() -> None:
    mine = Refused("mine", code="http-409")
    apart = Apart(["ann", "bo"])
    assert apart.next() == ["ann"]
    apart.note(["ann"], mine)
    assert apart.next() == ["bo"]
    apart.note(["bo"], NO)
    assert apart.bad == [("ann", mine), ("bo", NO)]
    assert apart.next() is None


def test_no_more_calls_than_that_are_made_and_the_rest_is_left() -> None:
    apart, taken, calls = asked(500, set(range(0, 500, 25)))
    assert calls == MOST_CALLS
    assert apart.bad, "what was found need not be looked for again"
    assert sorted([*(one for one, _ in apart.bad), *taken, *apart.left]) == list(range(500))


@pytest.mark.parametrize("readers", [5, 64, 1000])
def test_where_of_five_none_is_taken_it_is_the_account(readers: int) -> None:
    apart, _, calls = asked(readers, range(readers))
    assert apart.is_of_account
    assert len(apart.bad) == 5
    assert calls < MOST_CALLS, "no more is asked of an account that takes nobody"


def test_where_one_is_taken_or_there_are_fewer_it_is_not() -> None:
    assert not asked(4, range(4))[0].is_of_account
    assert not asked(16, range(1, 16))[0].is_of_account


def test_those_that_may_not_go_any_more_are_no_more_of_it() -> None:
    apart = Apart([1, 2, 3, 4])
    assert apart.next() == [1, 2]
    apart.note([2], NO)
    assert [one for one, _ in apart.bad] == [2], "it went alone"
    assert apart.next() == [3, 4]
    apart.note([], None)
    assert (apart.next(), apart.left) == (None, [])
    assert not apart._some_taken


@given(st.integers(2, 200), st.sets(st.integers(0, 199), max_size=30))
def test_nobody_is_bad_that_was_not_refused_alone_and_nobody_is_lost(readers: int, some: set[int]) -> None:
    bad = {one for one in some if one < readers}
    if not bad:
        return
    apart, taken, calls = asked(readers, bad)
    found = [one for one, _ in apart.bad]
    assert set(found) <= bad
    assert not taken & bad
    assert sorted([*found, *taken, *apart.left]) == list(range(readers))
    assert calls <= MOST_CALLS
    assert found, "each call that is taken apart leaves fewer of them"
