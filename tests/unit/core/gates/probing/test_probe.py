"""A Retry-After that one answer asked for and that is long: a user tries it out each minute."""

from math import inf

import pytest

from consumer.core.errors import Denied, Retryable
from consumer.core.gates.gate import Gate
from consumer.core.model import Door
from tests.unit.core.gates.test_gate import ANN, LATER, USERS, broken, gate, probe

BO = USERS[1]
HOUR = Retryable("wait", code="http-503", retry_after_s=3600)
TOO_MANY = Retryable("wait", code="http-429", retry_after_s=3600)


def doors(made: Gate, *times: float) -> list[Door]:
    return [made.door(now=at) for at in times]


def test_an_hour_that_a_503_asks_for_is_tried_out_by_one_user_after_a_minute() -> None:
    made = gate()
    assert not made.failed(ANN, HOUR, now=0), "it shuts the gate, so that the fault is not the user's"
    assert doors(made, 0, 59.9, 60) == [Door.SHUT, Door.SHUT, Door.PROBE]
    assert made.next_change(now=0) == 60
    made.enter(ANN, now=60)
    assert (made.admits(ANN, now=60), made.admits(BO, now=60), made.door(now=60)) == (True, False, Door.SHUT)


def test_a_probe_that_succeeds_opens_it_at_once() -> None:
    made = gate()
    made.failed(ANN, HOUR, now=0)
    probe(made, ANN, now=60)
    made.succeeded(ANN, now=61)
    assert (made.door(now=61), made.closed(now=61), made.state(now=61).cause) == (Door.OPEN, False, "")


@pytest.mark.parametrize("again", [HOUR, LATER, Retryable("wait", code="http-503", retry_after_s=5)])
def test_a_probe_that_fails_waits_a_minute_more(again: Retryable) -> None:
    made = gate()
    made.failed(ANN, HOUR, now=0)
    for at in (60, 121, 182):
        probe(made, ANN, now=at)
        made.failed(ANN, again, now=at + 1)
        made.leave(ANN, now=at + 1)
        assert doors(made, at + 60.9, at + 61) == [Door.SHUT, Door.PROBE]


def test_a_success_of_a_run_that_was_under_way_does_not_open_it() -> None:
    made = gate()
    made.failed(ANN, HOUR, now=0)
    made.succeeded(BO, now=1)
    assert doors(made, 1, 60) == [Door.SHUT, Door.PROBE]


def test_it_opens_by_itself_once_the_time_is_over() -> None:
    """A wish is no failure: where nobody waits, nobody would be the probe."""
    made = gate()
    made.failed(ANN, Retryable("wait", code="http-503", retry_after_s=90), now=0)
    assert (doors(made, 89.9, 90), made.next_change(now=60)) == ([Door.PROBE, Door.OPEN], 90)
    assert (made.out_for_long(now=89), made.out_for_long(now=90), made.closed(now=90)) == (True, False, False)
    made.enter(ANN, now=90)
    made.enter(BO, now=90)
    assert made.admits(ANN, now=90)
    assert made.failed(ANN, LATER, now=91), "it counts as ever"


def test_no_probe_waits_for_longer_than_the_wish() -> None:
    made = gate()
    made.failed(ANN, Retryable("wait", code="http-503", retry_after_s=90), now=0)
    probe(made, ANN, now=60)
    made.failed(ANN, LATER, now=61)
    assert (made.state(now=61).next_try_s, made.next_change(now=61), made.door(now=90)) == (29, 90, Door.OPEN)


def test_a_429_is_obeyed_as_it_is() -> None:
    made = gate()
    made.failed(ANN, TOO_MANY, now=0)
    assert doors(made, 60, 3599, 3600) == [Door.SHUT, Door.SHUT, Door.OPEN]
    made.failed(ANN, TOO_MANY, now=3600)
    made.failed(BO, HOUR, now=3601)
    assert doors(made, 3700, 7199, 7200) == [Door.SHUT, Door.SHUT, Door.PROBE]


def test_an_operator_sees_the_wish_and_the_next_try() -> None:
    made = gate()
    made.failed(ANN, HOUR, now=0)
    probe(made, ANN, now=70)
    made.failed(ANN, HOUR, now=80)
    state = made.state(now=100)
    assert (state.state, state.cause, state.closed_s, state.next_try_s) == ("closed", "retry-after", 100, 40)


def test_it_holds_users_for_as_long_as_ever() -> None:
    """Beyond the wish that shut it, however often it is asked again."""
    made = gate(hold_s=100)
    made.failed(ANN, HOUR, now=0)
    probe(made, ANN, now=3550)
    made.failed(ANN, HOUR, now=3551)
    assert [made.expired(now=at) for at in (3610, 3611, 3699)] == [False, False, False]
    probe(made, ANN, now=3690)
    assert [made.expired(now=at) for at in (3699, 3700)] == [False, True]


def test_behind_a_breaker_it_puts_the_probe_off_by_a_minute() -> None:
    made = broken()
    probe(made, ANN, now=5)
    made.failed(ANN, HOUR, now=6)
    assert (doors(made, 65, 66), made.state(now=67).cause) == ([Door.SHUT, Door.PROBE], "breaker")


def test_a_refused_key_says_more() -> None:
    made = gate()
    made.failed(ANN, HOUR, now=0)
    probe(made, ANN, now=60)
    made.failed(ANN, Denied("key", code="http-401"), now=61)
    assert (made.refuses_key, made.door(now=9000)) == (True, Door.PROBE)


def test_a_gate_that_forgets_waits_for_a_minute_alone() -> None:
    made = gate()
    made.failed(ANN, HOUR, now=0)
    made.forget()
    assert (doors(made, 59, 60), made.next_change(now=60)) == ([Door.SHUT, Door.OPEN], inf)


def test_a_wish_that_is_over_holds_nobody_later() -> None:
    made = gate(hold_s=100)
    made.failed(ANN, HOUR, now=0)
    probe(made, ANN, now=60)
    made.succeeded(ANN, now=61)
    for user in USERS[:5]:
        made.failed(user, LATER, now=70)
    assert [made.expired(now=at) for at in (72, 171)] == [False, False], "a probe is to be made"
    probe(made, ANN, now=171)
    assert made.expired(now=171)
