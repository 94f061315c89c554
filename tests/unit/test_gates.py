"""Each promise of a gate."""

from math import inf

import pytest

from consumer.errors import Denied, Held, Refused, Retryable
from consumer.gates import Gate, Gates
from consumer.model import AccountId, Door, UserKey

USERS = [UserKey("v", f"u{number}") for number in range(20)]
ANN = USERS[0]
NO = Refused("no", code="http-422")
LATER = Retryable("later", code="http-500")


def gate(*, rate: float = 10.0, burst: float = 100.0, places: int | None = None, hold_s: float = 900.0, tries: int = 8) -> Gate:
    return Gate(rate_per_s=rate, burst=burst, run_calls=3, places=places, hold_s=hold_s, tries=tries)


def broken(now: float = 0.0, *, hold_s: float = 900.0) -> Gate:
    made = gate(hold_s=hold_s)
    for user in USERS[:5]:
        made.failed(user, LATER, now=now)
    return made


def probe(made: Gate, user: UserKey, *, now: float) -> None:
    assert made.door(now=now) is Door.PROBE
    made.enter(user, now=now)


def test_no_more_calls_than_the_bucket_holds() -> None:
    made = gate(rate=1.0, burst=3)

    assert made.door(now=0, permits=3) is Door.OPEN
    made.enter(ANN, now=0, permits=3)
    assert made.door(now=2.9, permits=3) is Door.SHUT
    assert made.next_change(now=1.0, permits=3) == 3.0
    assert made.door(now=3.0, permits=3) is Door.OPEN


def test_a_reservation_says_how_long_to_wait() -> None:
    made = gate(rate=2.0, burst=3)
    waits = [made.reserve(now=0.0) for _ in range(5)]

    assert waits == [0.0, 0.0, 0.0, 0.5, 1.0]


def test_a_pods_share_is_of_rate_and_burst_but_never_below_one_run() -> None:
    made = gate(rate=10.0, burst=100)
    made.set_share(0.01, now=0.0)

    assert [made.reserve(now=0.0) for _ in range(4)] == [0.0, 0.0, 0.0, pytest.approx(10.0)]
    assert made.state(now=0).share == 0.01


def test_places_bound_conversations() -> None:
    made = gate(places=2)
    made.enter(USERS[0], now=0)
    made.enter(USERS[1], now=0)
    assert made.door(now=0) is Door.SHUT
    assert not made.closed(now=0)
    made.leave(USERS[0], now=0)
    assert made.door(now=0) is Door.OPEN


def test_no_more_talk_at_once_than_the_rate_lets_end_before_a_snapshot_is_old() -> None:
    """At one call a second sixteen conversations of three calls would wait 48 s for their permits."""
    made = gate(rate=10.0, places=16)
    made.set_share(0.1, now=0)
    for user in USERS[:6]:
        assert made.door(now=0) is Door.OPEN
        made.enter(user, now=0)
    assert made.door(now=0) is Door.SHUT
    made.set_share(0.001, now=0)
    for user in USERS[:6]:
        made.leave(user, now=0)
    assert made.door(now=0) is Door.OPEN


def test_a_gate_that_forgets_is_open_but_for_a_retry_after() -> None:
    made = broken()
    made.forget()
    assert (made.door(now=0), made.state(now=0).cause) == (Door.OPEN, "")
    made.failed(ANN, Retryable("wait", code="http-429", retry_after_s=30), now=0)
    made.forget()
    assert made.door(now=29) is Door.SHUT


def test_while_an_upstream_asks_us_to_wait_that_is_the_cause() -> None:
    """Five who are told so at once trip the breaker, too; only a refused key says more."""
    made = gate()
    for user in USERS[:5]:
        made.failed(user, Retryable("wait", code="http-429", retry_after_s=30), now=0)
    assert [made.state(now=at).cause for at in (1, 31)] == ["retry-after", "breaker"]
    made.failed(ANN, Denied("key", code="http-401"), now=2)
    assert made.state(now=3).cause == "denied"


def test_a_retry_after_shuts_it_for_everybody_until_then() -> None:
    made = gate()
    assert made.failed(ANN, Retryable("wait", code="http-429", retry_after_s=30), now=0)
    assert made.door(now=29.9) is Door.SHUT
    assert not made.admits(ANN, now=29.9)
    assert made.next_change(now=0) == 30.0
    assert made.door(now=30) is Door.OPEN
    assert (made.state(now=10).state, made.state(now=10).cause, made.state(now=10).next_try_s) == ("closed", "retry-after", 20.0)


def test_a_failure_while_it_is_shut_counts_against_nobody() -> None:
    made = gate()
    made.failed(ANN, Retryable("wait", code="http-429", retry_after_s=30), now=0)

    assert not made.failed(USERS[1], LATER, now=1)


@pytest.mark.parametrize("error", [LATER, NO, Retryable("429", code="http-429")])
def test_five_users_in_a_row_shut_it_whatever_the_reason(error: Retryable) -> None:
    made = gate()
    counted = [made.failed(user, error, now=0) for user in USERS[:5]]

    assert counted == [True, True, True, True, False]
    assert made.door(now=4.9) is Door.SHUT
    assert made.state(now=0).cause == "breaker"


def test_as_many_passing_failures_in_a_row_as_a_user_has_tries_shut_it_be_they_of_one() -> None:
    """Where few come, five of them may never meet in an outage; the last try is not burnt, so nobody is parked for it."""
    made = gate(tries=8)
    assert [made.failed(ANN, LATER, now=0) for _ in range(8)] == [*[True] * 7, False]
    assert (made.door(now=1), made.state(now=1).cause) == (Door.SHUT, "breaker")


def test_one_user_alone_never_shuts_it_where_others_succeed_or_he_is_refused() -> None:
    made = gate(tries=8)
    for _ in range(50):
        assert made.failed(ANN, LATER, now=0)
        made.succeeded(USERS[1])
    for _ in range(50):
        assert made.failed(ANN, NO, now=0)
    assert made.door(now=0) is Door.OPEN


def test_where_nobody_is_tried_again_by_himself_only_five_users_shut_it() -> None:
    """As in `sync` and `replay`: what they can't write is theirs to report."""
    made = Gate(rate_per_s=10, burst=100, run_calls=3)
    assert all(made.failed(ANN, LATER, now=0) for _ in range(50))


def test_few_tries_do_not_make_it_shut_sooner_than_five_users_would() -> None:
    made = gate(tries=1)
    assert [made.failed(ANN, LATER, now=0) for _ in range(5)] == [True, True, True, True, False]


def test_a_success_in_between_begins_the_row_anew() -> None:
    made = gate()
    for user in USERS[:4]:
        made.failed(user, LATER, now=0)
    made.succeeded(USERS[9])
    for user in USERS[4:8]:
        made.failed(user, LATER, now=0)
    assert made.door(now=0) is Door.OPEN


def test_a_401_shuts_it_at_once() -> None:
    made = gate()

    assert not made.failed(ANN, Denied("key", code="http-401"), now=0)
    assert (made.door(now=1), made.state(now=1).cause) == (Door.SHUT, "denied")


def test_held_is_no_failure() -> None:
    made = gate()
    for user in USERS:
        assert not made.failed(user, Held("stop", code="lease"), now=0)
    assert made.door(now=0) is Door.OPEN


def test_probes_come_after_5_s_then_doubling_to_60_one_at_a_time() -> None:
    made, now, waits = broken(), 0.0, []
    for _ in range(6):
        at = made.next_change(now=now)
        waits.append(at - now)
        now = at
        probe(made, ANN, now=now)
        assert made.door(now=now) is Door.SHUT
        assert made.admits(ANN, now=now)
        assert not made.admits(USERS[1], now=now)
        assert not made.failed(ANN, LATER, now=now)
        made.leave(ANN, now=now)

    assert waits == [5.0, 10.0, 20.0, 40.0, 60.0, 60.0]


def test_only_the_probes_success_opens_it() -> None:
    made = broken()
    made.succeeded(USERS[7])
    assert made.door(now=1) is Door.SHUT
    probe(made, ANN, now=5)
    made.succeeded(ANN)
    assert made.door(now=5) is Door.OPEN
    assert made.next_change(now=5) == inf


def test_a_probe_that_leaves_without_a_verdict_makes_room_for_the_next() -> None:
    made = broken()
    probe(made, ANN, now=5)
    made.leave(ANN, now=6)
    assert made.door(now=6) is Door.PROBE


def test_a_probe_refused_for_its_key_says_so() -> None:
    made = broken()
    probe(made, ANN, now=5)
    made.failed(ANN, Denied("key", code="http-401"), now=5)
    assert made.state(now=6).cause == "denied"


def test_it_holds_users_for_so_long_beyond_a_retry_after() -> None:
    made = gate(hold_s=100)
    made.failed(ANN, Retryable("wait", code="http-429", retry_after_s=50), now=0)
    for user in USERS[1:5]:
        made.failed(user, LATER, now=0)
    made.failed(USERS[5], Denied("key", code="http-401"), now=0)
    assert not made.expired(now=149)
    probe(made, ANN, now=149)
    assert made.expired(now=150)


def test_expired_users_wait_where_a_probe_is_due() -> None:
    """Where nobody waits, the next to come is the probe before he may be parked."""
    made = broken(hold_s=1)
    assert made.expired(now=4)
    assert not made.expired(now=5)


def test_the_gates_of_a_process_answer_by_name() -> None:
    vendor, account = gate(rate=1, burst=3), gate(places=1)
    gates = Gates({"v": vendor}, {AccountId("1"): account})
    vendor.enter(ANN, now=0, permits=3)
    account.enter(ANN, now=0)

    assert (gates.vendor("v", now=0), gates.account(AccountId("1"), now=0)) == (Door.SHUT, Door.SHUT)
    assert gates.next_change(now=0) == 3.0
    assert (gates.vendor_expired("v", now=0), gates.account_expired(AccountId("1"), now=0)) == (False, False)
    gates.set_share(0.5, now=0)
    assert vendor.state(now=0).share == 0.5


def test_a_courteous_gate_halves_its_rate_and_stays_away_twice_as_long() -> None:
    gate = Gate(rate_per_s=8, burst=8, run_calls=3, courteous=True)
    too_many = Retryable("too many", code="http-429", retry_after_s=10)

    gate.failed(UserKey("v", "ann"), too_many, now=0)
    gate.failed(UserKey("v", "bo"), too_many, now=1)

    assert gate.state(now=1).share == 0.5
    assert not gate.admits(UserKey("v", "bo"), now=20.9)
    assert gate.admits(UserKey("v", "bo"), now=21.1)
    gate.failed(UserKey("v", "ann"), Retryable("too many", code="http-429"), now=30)
    assert gate.state(now=30).share == 0.25


def test_after_a_401_a_probe_that_is_refused_as_a_user_shows_that_the_key_is_good() -> None:
    gate = Gate(rate_per_s=100, burst=100, run_calls=3)
    ann, bo = UserKey("v", "ann"), UserKey("v", "bo")
    gate.failed(ann, Denied("no", code="http-401"), now=0)
    gate.enter(bo, now=5)

    assert gate.failed(bo, Refused("no such field", code="http-422"), now=6), "it counts against the user"
    assert gate.state(now=6).state == "open"
