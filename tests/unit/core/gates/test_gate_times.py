"""When a gate opens, holds and lets in a probe, where a Retry-After comes in between."""

from math import inf

import pytest

from consumer.core.errors import Retryable
from consumer.core.gates.gate import Gate
from consumer.core.gates.gates import Gates
from consumer.core.gates.pace import Pace
from consumer.core.gates.stops import Stops
from consumer.core.gates.suspects import Suspects
from consumer.core.model import AccountId, Door, UserKey
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


# ---- The pace ----


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


# ---- All gates of a process ----


def test_a_user_is_out_everywhere_and_takes_its_promises_along() -> None:
    one, other = AccountId("1"), AccountId("2")
    gates = Gates({"v": gate(places=1)}, {one: gate(places=1), other: gate(places=1)})
    gates.enter(ANN, [one, other], now=0)
    assert [gates.vendor("v", now=0), *(gates.account(account, now=0) for account in (one, other))] == [Door.SHUT] * 3
    gates.leave(ANN, [one, other], now=0)
    assert [gates.vendor("v", now=0), *(gates.account(account, now=0) for account in (one, other))] == [Door.OPEN] * 3


def test_a_run_waits_before_its_fetch_for_the_slowest_of_its_upstreams() -> None:
    one, other = AccountId("1"), AccountId("2")
    slow = gate(rate=0.5, burst=4)
    gates = Gates({"v": gate()}, {one: slow, other: gate()})
    assert gates.enter(ANN, [one, other], now=0) == 0.0
    assert [gates.account(account, now=0) for account in (one, other)] == [Door.OPEN, Door.OPEN], "within ten seconds"
    assert gates.enter(BO, [one, other], now=0) == 8.0
    assert gates.account(one, now=0) is Door.SHUT


def test_a_pods_part_is_of_every_limit() -> None:
    vendor, account = gate(), gate()
    Gates({"v": vendor}, {AccountId("1"): account}).set_share(0.25, now=0)
    assert (vendor.rate_per_s, account.rate_per_s) == (2.5, 2.5)


def test_who_has_no_users_any_more_begins_anew_at_every_gate() -> None:
    vendor, account = broken(), broken()
    Gates({"v": vendor}, {AccountId("1"): account}).forget()
    assert (vendor.door(now=0), account.door(now=0)) == (Door.OPEN, Door.OPEN)


def test_an_account_of_which_nobody_knows_who_left_lets_nobody_in_and_holds_users_no_longer_than_it_may() -> None:
    account, ready, late = AccountId("1"), set[AccountId](), set[AccountId]()
    gates = Gates({}, {account: gate()})
    gates.ready, gates.late = lambda one, _: one in ready, lambda one, _: one in late
    assert (gates.account(account, now=0), gates.account_expired(account, now=0)) == (Door.SHUT, False)
    late.add(account)
    assert gates.account_expired(account, now=0)
    ready.add(account)
    assert gates.account(account, now=0) is Door.OPEN


# ---- What is stopped from outside ----


def test_what_was_asked_for_before_a_stop_ended_is_doubted() -> None:
    made = Stops()
    assert not made.doubts(-1e9)
    made.stop("filter", now=10, held_until=20)
    assert made.doubts(5)
    assert made.doubts(15)
    made.release("filter", now=30)
    assert [made.doubts(taken_at) for taken_at in (5, 15, 29.9, 30, 31)] == [True, True, True, False, False]


def test_a_stop_that_stands_keeps_its_times_and_a_release_says_whether_it_stood() -> None:
    made = Stops()
    assert not made.release("filter", now=0)
    made.stop("filter", now=10, held_until=20)
    made.stop("filter", now=15, held_until=90)
    assert (made.shown(), made.held_until) == (("filter", 10), 20)
    assert made.release("filter", now=30)
    assert (made.shown(), made.held_until, bool(made)) == (("", inf), inf, False)


def test_the_first_verdict_ends_the_wait_for_it() -> None:
    made = Stops()
    made.await_verdict(now=3)
    assert (bool(made), made.any, made.held_until, made.shown()) == (True, False, inf, ("unproven", 3))
    assert made.release("filter", now=4)
    assert (bool(made), made.doubts(1)) == (False, False)


# ---- Whom an upstream forbids ----


def test_two_users_forbidden_never_blame_the_key_and_the_third_does() -> None:
    made = Suspects()
    assert [made.forbid(user, begun=begun) for begun, user in enumerate((ANN, ANN, BO, BO, ANN, CY), 1)] == [False] * 5 + [True]
    made.new_row()
    assert [made.forbid(user, begun=9) for user in (ANN, BO)] == [False, False]


def test_only_the_success_of_a_run_that_began_after_the_first_403_clears_the_key() -> None:
    made = Suspects()
    for begun, user in ((4, ANN), (6, BO), (8, CY)):
        made.forbid(user, begun=begun)
    assert [made.clears_key(begun) for begun in (3, 4, 5, 9)] == [False, False, True, True]


def test_the_last_thousand_who_were_forbidden_are_kept() -> None:
    made = Suspects()
    users = [UserKey("v", f"f{number}") for number in range(1001)]
    for user in users:
        made.forbid(user, begun=1)
        made.new_row()
    made.succeeded(UserKey("v", "other"), begun=2)
    assert [made.is_own(user) for user in (users[0], users[1], users[-1])] == [False, True, True]
    made.succeeded(users[1], begun=3)
    assert not made.is_own(users[1])


def test_a_gate_is_its_own_rate() -> None:
    made = Gate(rate_per_s=8.0, burst=8, run_calls=3)
    made.set_share(0.5, now=0)
    assert made.rate_per_s == 4.0
