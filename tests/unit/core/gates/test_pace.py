"""How many calls in how long."""

import pytest

from consumer.core.gates.pace import Pace
from consumer.core.gates.window import Said
from consumer.core.model import UserKey
from tests.unit.core.gates.test_gate import USERS, gate

ANN, BO = USERS[:2]


@pytest.mark.parametrize("pause_s", [3.0, 3_600.0])
def test_after_a_pause_no_more_come_at_once_than_the_burst(pause_s: float) -> None:
    made = gate(rate=2.0, burst=6)
    assert [made.pace.reserve(1, now=0.0) for _ in range(6)] == [0.0] * 6
    assert [made.pace.reserve(1, now=pause_s) for _ in range(8)] == [0.0] * 6 + [0.5, 1.0]


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


# ---- Late calls ----


def late(made: Pace, *users: UserKey, until: float, urgent: float = -1.0, routine: float = -1.0) -> list[tuple[float, str]]:
    """Ask for late calls until then, each user as often as it is told to; return when each got one. Runs wait until `urgent`, `routine`."""
    got, asks_at = list[tuple[float, str]](), dict.fromkeys(users, 0.0)
    while (now := min(asks_at.values())) < until:
        if now < max(urgent, routine):
            made.want(urgent=now < urgent, now=now)
        user = min(asks_at, key=asks_at.__getitem__)
        wait_s = made.take_late(user, now=now)
        got += [] if wait_s else [(round(now, 3), user.user)]
        asks_at[user] = now + (wait_s or 0.001)  # Its call is answered at once.
    return got


def empty(rate: float = 1.0) -> Pace:
    made = Pace(rate_per_s=rate, burst=3, run_calls=3)
    made.reserve(3, now=0.0)
    return made


def test_late_calls_have_all_permits_while_nobody_waits() -> None:
    assert [at for at, _ in late(empty(), ANN, until=6.5)] == [1, 2, 3, 4, 5, 6]
    assert [at for at, _ in late(empty(0.01), ANN, until=401)] == [100, 200, 300, 400]


def test_while_runs_wait_they_have_half_and_a_run_finds_its_permits_in_the_end() -> None:
    made = empty()
    assert [at for at, _ in late(made, ANN, until=9, routine=9)] == [1, 2, 3, 5, 7], "what nobody took before, then each second one"
    assert made.wait_s(3, now=8.9) == 0


def test_none_goes_before_an_urgent_run_that_waits() -> None:
    assert late(empty(), ANN, until=300, urgent=301) == []
    assert late(empty(), ANN, until=10, urgent=4)[0][0] == 5, "two seconds after it asked last"


def test_once_the_urgent_run_has_begun_late_calls_go_on() -> None:
    made = empty()
    made.want(urgent=True, now=3)
    made.promise(BO, 3, now=3)
    for _ in range(3):
        made.pay(BO, now=3)
    assert made.take_late(ANN, now=3.9) == pytest.approx(0.1)
    assert made.take_late(ANN, now=4) == 0


def test_late_calls_take_nothing_that_is_promised() -> None:
    made = Pace(rate_per_s=1.0, burst=4, run_calls=3)
    made.promise(BO, 4, now=0)
    assert made.take_late(ANN, now=0) == 1
    made.forgive(BO)
    assert made.take_late(ANN, now=0) == 0


def test_late_calls_of_the_user_that_began_go_first_and_others_while_it_waits_for_an_answer() -> None:
    made = empty()
    assert (made.take_late(ANN, now=0), made.take_late(BO, now=0.5)) == (1, 1)
    assert (made.take_late(ANN, now=1), made.take_late(BO, now=2)) == (0, 0)
    assert made.take_late(BO, now=2.125) > 0
    assert made.take_late(ANN, now=2.5) == 0.5
    assert (made.take_late(BO, now=3), made.take_late(ANN, now=3)) == (1, 0)
    assert made.take_late(ANN, now=3.125) > 0
    assert made.take_late(BO, now=5.25) == 0, "it has not asked again"
    assert [user for _, user in late(empty(), ANN, BO, until=6.5)] == [ANN.user] * 6


def test_a_user_that_leaves_stands_before_nobody() -> None:
    made = empty()
    assert made.take_late(ANN, now=0) > 0
    made.forgive(ANN)
    assert made.take_late(BO, now=1) == 0


def test_late_calls_wait_for_the_upstreams_window() -> None:
    made = Pace(rate_per_s=10.0, burst=10, run_calls=3)
    made.window.note(Said(limit=10, remaining=0, reset=30, ends_in_s=30), in_flight=0, now=0)
    assert made.take_late(ANN, now=29) == 1
    assert made.take_late(ANN, now=30) == 0
