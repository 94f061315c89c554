"""What holds of a walk through a list, whatever comes into it and goes from it between two pages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.core.drift.walk import Walk
from consumer.core.errors import Refused

# Where in the list (per thousand), and whether a row comes or goes there.
EDITS = st.lists(st.tuples(st.integers(0, 1000), st.booleans()), min_size=1, max_size=30)
MOMENTS = st.dictionaries(st.integers(1, 40), EDITS, max_size=2)
MANY_MOMENTS = st.dictionaries(st.integers(1, 60), EDITS, max_size=40)


class Moving:
    """A list that changes after some of its pages."""

    def __init__(self, count: int, cap: int, moments: dict[int, list[tuple[int, bool]]], *, says_total: bool) -> None:
        self.rows, self._cap, self._moments, self._says_total = [f"r{number}" for number in range(count)], cap, moments, says_total
        self.stayed, self.pages, self._made = {*self.rows}, 0, 0

    def page(self, offset: int) -> tuple[list[str], object]:
        for place, comes in self._moments.get(self.pages, ()):
            at = place * len(self.rows) // 1001
            if comes:
                self._made += 1
                self.rows.insert(at, f"new{self._made}")
            elif self.rows:
                self.stayed.discard(self.rows.pop(at))
        self.pages += 1
        return self.rows[offset : offset + self._cap], {"total": len(self.rows)} if self._says_total else None


def walked(server: Moving) -> set[str]:
    walk, seen = Walk(), set[str]()
    while True:
        page, said = server.page(walk.offset)
        seen.update(page)
        if not walk.take(page, length=len(page), said=said):
            return seen
        assert server.pages < 10_000, "it does not end"


@given(st.integers(0, 150), st.integers(2, 100), MOMENTS, st.booleans())
def test_every_row_that_stays_is_seen(count: int, cap: int, moments: dict[int, list[tuple[int, bool]]], says_total: bool) -> None:
    server = Moving(count, cap, moments, says_total=says_total)
    try:
        seen = walked(server)
    except Refused as error:
        assert (error.code, server.rows) == ("half", [])  # noqa: PT017 - all have gone
    else:
        assert server.stayed <= seen


@given(st.integers(0, 150), st.integers(2, 100), MANY_MOMENTS, st.booleans())
def test_it_ends_with_every_row_that_stays_or_says_why_not(
    count: int, cap: int, moments: dict[int, list[tuple[int, bool]]], says_total: bool
) -> None:
    server = Moving(count, cap, moments, says_total=says_total)
    try:
        seen = walked(server)
    except Refused as error:
        assert error.code in {"moves", "repeats", "half"}  # noqa: PT017
    else:
        assert server.stayed <= seen


@given(st.integers(0, 150), st.integers(1, 100), st.booleans(), st.integers(0, 20))
def test_a_walk_that_is_cut_off_anywhere_sees_the_rest(count: int, cap: int, says_total: bool, cut: int) -> None:
    """What it keeps is enough to go on, and a list that stands still is asked for about once."""
    server, walk, seen = Moving(count, cap, {}, says_total=says_total), Walk(), set[str]()
    goes_on = True
    while goes_on:
        page, said = server.page(walk.offset)
        seen.update(page)
        goes_on = walk.take(page, length=len(page), said=said)
        if server.pages == cut:
            walk = Walk(end=walk.end, tail=walk.tail)

    assert seen == server.stayed
    overlap = 5 if cap > 10 else min(1, cap - 1)
    assert server.pages <= count // (cap - overlap) + 5


@given(st.integers(2, 100), st.integers(1, 20))
def test_the_same_page_for_ever_never_passes_for_a_list(cap: int, after: int) -> None:
    rows, asked = [f"r{number}" for number in range(5000)], 0

    class Stuck(Moving):
        def page(self, offset: int) -> tuple[list[str], object]:
            nonlocal asked
            asked += 1
            start = offset if asked <= after else 0
            return rows[start : start + cap], None

    with pytest.raises(Refused):
        walked(Stuck(0, cap, {}, says_total=False))
