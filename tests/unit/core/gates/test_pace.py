"""How many calls in how long."""

import pytest

from consumer.core.gates.pace import Pace
from tests.unit.core.gates.test_gate import ANN, gate


@pytest.mark.parametrize("pause_s", [3.0, 3_600.0])
def test_after_a_pause_no_more_come_at_once_than_the_burst(pause_s: float) -> None:
    made = gate(rate=2.0, burst=6)
    assert [made.reserve(now=0.0) for _ in range(6)] == [0.0] * 6
    assert [made.reserve(now=pause_s) for _ in range(8)] == [0.0] * 6 + [0.5, 1.0]


def test_so_many_calls_in_so_long_whatever_the_share_does() -> None:
    """In any minute no more than the burst and the rate's: though the share comes and goes, and is paid for ahead."""
    made, given = Pace(rate_per_s=4.0, burst=8, run_calls=3), 0
    for step in range(600):
        now = step / 10
        made.set_share(0.25 if step % 100 < 50 else 1.0, now=now)
        while made.wait_s(1, now=now) == 0:
            made.reserve(1, now=now)
            given += 1
    assert 100 <= given <= 8 + 30 * 4.0 + 30 * 1.0


def test_what_was_given_back_of_a_promise_is_there_once() -> None:
    made = Pace(rate_per_s=1.0, burst=4, run_calls=3)
    made.promise(ANN, 4, now=0)
    made.pay(ANN, now=0)
    for _ in range(2):
        made.forgive(ANN)
    assert [made.wait_s(count, now=0) for count in (3, 4)] == [0.0, 1.0]
