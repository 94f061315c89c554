"""How many calls the upstream's answers say are left, and until when."""

import pytest

from consumer.core.gates.window import Odd, Said, Window, read


@pytest.mark.parametrize(
    ("reset", "odd", "ends_in_s"),
    [
        (1060.0, "", 60.0),
        (1120.0, "", 120.0),
        (1120.1, "far", None),
        (1_000_000.0, "far", None),
        (1000.2, "", 1.0),
        (995.0, "", 1.0),
        (994.9, "past", None),
        (60.0, "past", None),
        (0.0, "past", None),
        (None, "unreadable", None),
    ],
)
def test_what_a_reset_says(reset: float | None, odd: Odd, ends_in_s: float | None) -> None:
    said, found = read(100.0, 7.0, reset, answered_at=1000.0)
    assert found == odd
    assert (said and (said.limit, said.remaining, said.reset)) == (None if odd else (100.0, 7.0, reset))
    assert (None if said is None else said.ends_in_s) == ends_in_s


def window(*notes: tuple[float, float, float], needs: int = 3, part: float = 1.0, in_flight: int = 0) -> Window:
    """Return one that has been told (now, Reset, Remaining) each; the upstream's clock is the loop's and 1000."""
    made = Window(needs=needs, part=part)
    for now, reset, remaining in notes:
        made.note(Said(remaining=remaining, reset=reset, ends_in_s=min(120, reset - 1000 - now)), in_flight=in_flight, now=now)
    return made


def waits(made: Window, *, now: float) -> tuple[float, float, float]:
    """Return how long a call, a run and one that is inside wait."""
    return made.wait_s(1, now=now), made.wait_s(3, now=now), made.empty_s(now=now)


FREE = (0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("notes", "at_10_s"),
    [
        ([], FREE),
        ([(0, 1060, 3)], FREE),
        ([(0, 1060, 2)], (0, 50, 0)),  # A run is not begun that could not be ended.
        ([(0, 1060, 0)], (50, 50, 50)),
        ([(0, 1010, 0)], FREE),  # It is over.
        ([(0, 1060, 0), (1, 1060, 5)], (50, 50, 50)),  # Older: more was left.
        ([(0, 1060, 5), (1, 1060, 0)], (50, 50, 50)),
        ([(0, 1060, 0), (1, 1061, 5)], (50, 50, 50)),  # The same window: it was rounded.
        ([(0, 1060, 0), (1, 1000, 5)], (50, 50, 50)),  # An older window opens nothing,
        ([(0, 1060, 5), (1, 1000, 0)], FREE),  # and shuts nothing.
        ([(0, 1002, 0), (3, 1062, 9)], FREE),  # A newer one.
        ([(0, 1060, 9), (1, 1120, 0)], (110, 110, 110)),
        ([(0, 1060, 0), (1, 1120, 9)], FREE),
        ([(0, 1005, 5), (6, 1005, 0)], FREE),  # Of a window that is over: late.
        ([(0, 1060, 9), (1, 800, 0)], FREE),  # Its clock was put back, and what it says then is over.
    ],
)
def test_what_is_left_and_until_when(notes: list[tuple[float, float, float]], at_10_s: tuple[float, float, float]) -> None:
    assert waits(window(*notes), now=10.0) == at_10_s


def test_calls_that_were_not_counted_yet_are_taken_off() -> None:
    assert waits(window((0, 1060, 5), in_flight=3), now=0.0) == (0, 60, 0)


def test_what_was_taken_since_is_taken_off_and_can_be_given_back() -> None:
    made = window((0, 1060, 5))
    made.spend(3, now=1.0)
    assert waits(made, now=1.0) == (0, 59, 0)
    made.spend(-3, now=1.0)
    assert waits(made, now=1.0) == FREE
    made.spend(6, now=2.0)
    assert waits(made, now=2.0) == (58, 58, 0)
    assert waits(made, now=60.0) == FREE


def test_what_leaves_the_rest_to_others_takes_its_part_only() -> None:
    assert waits(window((0, 1060, 12), part=0.25), now=0.0) == FREE
    assert waits(window((0, 1060, 11), part=0.25), now=0.0) == (0, 60, 0)


def test_windows_that_follow_each_other_shut_for_no_longer_than_120_s_together() -> None:
    made = window((0, 1100, 0), (50, 1160, 0), (100, 1220, 0))
    assert made.empty_s(now=100.0) == 20
    made.note(Said(remaining=0, reset=1220, ends_in_s=100), in_flight=0, now=120.0)
    assert waits(made, now=120.0) == FREE
    made.note(Said(remaining=0, reset=1300, ends_in_s=100), in_flight=0, now=130.0)
    assert made.empty_s(now=130.0) == 100


def test_an_answer_that_does_not_say_what_is_left_changes_nothing() -> None:
    made = window((0, 1060, 0))
    made.note(Said(reset=1120, ends_in_s=120), in_flight=0, now=1.0)
    assert made.empty_s(now=1.0) == 59
