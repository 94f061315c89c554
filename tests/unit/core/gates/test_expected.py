"""How many calls a run is expected to make."""

import pytest

from consumer.core.gates.expected import Expected


def after(runs: int, calls: int, *, most: int = 4) -> Expected:
    made = Expected(most)
    for _ in range(runs):
        made.called(calls)
        made.ended()
    return made


def test_it_begins_at_the_most_and_follows_what_the_runs_take() -> None:
    assert after(0, 0).calls == 4
    assert after(200, 1).calls == pytest.approx(1.0, abs=0.05)
    made = after(200, 1)
    for _ in range(200):
        made.called(4)
        made.ended()
    assert made.calls == pytest.approx(4.0, abs=0.05)


def test_it_is_never_below_one_nor_above_the_most() -> None:
    assert after(200, 0).calls == 1
    assert after(200, 9).calls == 4


def test_a_call_of_several_counts_once_for_all_of_them() -> None:
    made = Expected(4)
    for _ in range(200):
        made.called()
        for _ in range(10):
            made.called(2)
            made.ended()
    assert made.calls == pytest.approx(2.1, abs=0.05)


def test_what_was_given_back_does_not_count() -> None:
    made = Expected(4)
    for _ in range(200):
        made.called(2)
        made.called(-1)
        made.ended()
    assert made.calls == pytest.approx(1.0, abs=0.05)
