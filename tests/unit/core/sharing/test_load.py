"""Which of those that wait go together."""

from hypothesis import given
from hypothesis import strategies as st

from consumer.core.sharing.load import Rows, load, union

MOST = 5


def loaded(*waiting: Rows, most: int = MOST) -> tuple[list[int], Rows]:
    """Return the places in the queue of those that go, and the rows."""
    going = load(range(len(waiting)), lambda one: waiting[one], most=most)
    return going, union(waiting[one] for one in going)


def test_all_that_fit_go_and_a_row_that_several_have_goes_once() -> None:
    assert loaded({"a": 1, "p": 9}, {"b": 2, "p": 9}, {"c": 3}) == ([0, 1, 2], {"a": 1, "p": 9, "b": 2, "c": 3})


def test_a_reader_is_never_split_and_a_smaller_one_behind_it_may_still_go() -> None:
    wide = {str(number): number for number in range(3)}
    assert loaded({"a": 1, "b": 2, "c": 3}, wide, {"d": 4}) == ([0, 2], {"a": 1, "b": 2, "c": 3, "d": 4})


def test_the_first_always_goes() -> None:
    wide = {str(number): number for number in range(MOST + 1)}
    assert loaded(wide, {"a": 1}) == ([0], wide)


def test_two_that_say_otherwise_of_one_row_do_not_go_together() -> None:
    assert loaded({"p": "old"}, {"p": "new"}, {"p": "old", "q": 1}) == ([0, 2], {"p": "old", "q": 1})
    assert loaded({"p": "new"}) == ([0], {"p": "new"}), "whoever waits first is first the next time"


@given(st.lists(st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 1), min_size=1, max_size=MOST), min_size=1, max_size=12))
def test_every_load_is_whole_small_and_of_one_mind_and_all_go_in_the_end(readers: list[dict[str, int]]) -> None:
    waiting, loads = list(range(len(readers))), 0
    while waiting:
        going = load(waiting, lambda one: readers[one], most=MOST)
        rows = union(readers[one] for one in going)
        assert going[0] == waiting[0]
        assert len(rows) <= MOST
        assert rows.keys() == {key for one in going for key in readers[one]}
        assert all(rows[key] == value for one in going for key, value in readers[one].items())
        waiting = [one for one in waiting if one not in going]
        loads += 1
    assert loads <= len(readers)
