"""When a gate opens, holds and lets in a probe, where a Retry-After comes in between."""

from consumer.core.errors import Retryable
from consumer.core.gates.gate import Gate
from consumer.core.model import Door
from tests.unit.core.gates.test_gate import ANN, LATER, USERS, broken, gate, probe

BO, CY = USERS[1:3]


def wait(seconds: float) -> Retryable:
    return Retryable("wait", code="http-429", retry_after_s=seconds)


# ---- A Retry-After and the breaker ----


def test_a_shorter_retry_after_does_not_shorten_the_one_in_force() -> None:
    made = gate()
    made.failed(ANN, wait(30), now=0)
    made.failed(BO, wait(5), now=1)
    assert (made.door(now=29.9), made.away_s(now=1), made.door(now=30)) == (Door.SHUT, 29.0, Door.OPEN)


def test_the_breaker_within_a_retry_after_changes_nothing_before_its_end() -> None:
    made = gate()
    made.failed(ANN, wait(50), now=0)
    for user in USERS[1:5]:
        made.failed(user, LATER, now=0)
    assert (made.next_change(now=0), made.door(now=49.9), made.door(now=50)) == (50.0, Door.SHUT, Door.PROBE)


def test_a_probe_within_a_retry_after_of_another_is_no_reason_to_hold_users_on() -> None:
    """One who was inside is told to wait; then the probe leaves without a verdict: the next can't be made before."""
    made = gate(hold_s=10)
    made.enter(CY, now=0)
    for user in USERS[3:8]:
        made.failed(user, LATER, now=0)
    probe(made, ANN, now=5)
    made.failed(CY, wait(100), now=6)
    made.leave(ANN, now=7)
    assert [made.door(now=at) for at in (7, 105.9, 106)] == [Door.SHUT, Door.SHUT, Door.PROBE]
    assert [made.expired(now=at) for at in (9.9, 10, 105.9, 106)] == [False, True, True, False]
    assert made.state(now=7).next_try_s == 99.0


def test_a_probe_that_is_told_to_wait_is_followed_by_none_before() -> None:
    made = broken()
    probe(made, ANN, now=5)
    assert not made.failed(ANN, wait(300), now=5)
    made.leave(ANN, now=5)
    assert [made.door(now=at) for at in (15, 304.9, 305)] == [Door.SHUT, Door.SHUT, Door.PROBE]
    assert made.next_change(now=5) == 305.0


def test_a_probe_makes_room_when_it_leaves_though_others_are_inside() -> None:
    made = gate()
    made.enter(CY, now=0)
    for user in USERS[3:8]:
        made.failed(user, LATER, now=0)
    probe(made, ANN, now=5)
    assert made.door(now=6) is Door.SHUT
    made.leave(ANN, now=6)
    assert made.door(now=6) is Door.PROBE


def test_the_time_that_it_may_hold_users_begins_behind_the_retry_after_then_in_force() -> None:
    made = gate(hold_s=100)
    made.failed(ANN, wait(50), now=0)
    for user in USERS[1:5]:
        made.failed(user, LATER, now=0)
    probe(made, ANN, now=51)
    assert [made.expired(now=at) for at in (51, 100, 149.9, 150)] == [False, False, False, True]


def test_a_gate_that_opened_and_shuts_again_probes_after_5_s() -> None:
    made = broken()
    for now in (5.0, 15.0):
        probe(made, ANN, now=now)
        made.failed(ANN, LATER, now=now)
        made.leave(ANN, now=now)
    probe(made, ANN, now=35)
    made.succeeded(ANN, now=35)
    made.leave(ANN, now=35)
    for user in USERS[:5]:
        made.failed(user, LATER, now=40)
    assert [made.door(now=at) for at in (44.9, 45)] == [Door.SHUT, Door.PROBE]


# ---- Whom an upstream forbids ----


def test_a_gate_is_its_own_rate() -> None:
    made = Gate(rate_per_s=8.0, burst=8, run_calls=3)
    made.pace.set_share(0.5, now=0)
    assert made.pace.rate_per_s == 4.0
