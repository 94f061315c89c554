"""Each promise of a gate."""

from math import inf

import pytest

from consumer.core.errors import ConsumerError, Denied, Forbidden, Held, Refused, Retryable
from consumer.core.gates.gate import Gate
from consumer.core.model import Door, UserKey

USERS = [UserKey("v", f"u{number}") for number in range(20)]
ANN = USERS[0]
NO = Refused("no", code="http-422")
LATER = Retryable("later", code="http-500")
KEY = Denied("key", code="http-401")
MINE = Forbidden("no", code="http-403")


def gate(*, rate: float = 10.0, burst: float = 100.0, places: int | None = None, hold_s: float = 900.0, tries: int = 8) -> Gate:
    return Gate(rate_per_s=rate, burst=burst, run_calls=3, places=places, hold_s=hold_s, tries=tries)


def broken(now: float = 0.0, *, hold_s: float = 900.0) -> Gate:
    made = gate(hold_s=hold_s)
    for user in USERS[:5]:
        made.failed(user, LATER, now=now)
    return made


def told(made: Gate, *errors: ConsumerError | None, now: float = 0.0, first: int = 0) -> list[bool]:
    """Let users run one after the other, each to its end as `errors` say (None: success); return whether each failure counts."""
    counted = []
    for user, error in zip(USERS[first:], errors, strict=False):
        made.enter(user, now=now)
        if error is None:
            made.succeeded(user, now=now)
        else:
            counted.append(made.failed(user, error, now=now))
        made.leave(user, now=now)
    return counted


def probe(made: Gate, user: UserKey, *, now: float) -> None:
    assert made.door(now=now) is Door.PROBE
    made.enter(user, now=now)


def test_no_more_calls_than_the_bucket_holds() -> None:
    made = gate(rate=1.0, burst=3)

    assert made.door(now=0, permits=3) is Door.OPEN
    assert made.enter(ANN, now=0, permits=3) == 0
    assert made.door(now=0, permits=3) is Door.SHUT, "what is promised is as good as gone"
    assert [made.pay(ANN, now=0) for _ in range(3)] == [0.0] * 3
    assert made.door(now=2.9, permits=3) is Door.SHUT
    assert made.next_change(now=1.0, permits=3) == 3.0
    assert made.door(now=3.0, permits=3) is Door.OPEN


def test_who_may_wait_is_let_in_early_and_told_for_how_long() -> None:
    made = gate(rate=0.125, burst=3)
    made.enter(ANN, now=0, permits=3)
    for _ in range(3):
        made.pay(ANN, now=0)

    assert made.door(now=13.9, permits=3, within_s=10) is Door.SHUT
    assert made.next_change(now=1.0, permits=3, within_s=10) == 14.0
    assert made.door(now=14.0, permits=3, within_s=10) is Door.OPEN
    assert made.enter(USERS[1], now=14.0, permits=3) == 10.0
    assert [made.pay(USERS[1], now=24.0) for _ in range(4)] == [0.0, 0.0, 0.0, 8.0], "the fourth was not promised"


def test_what_is_promised_is_there_though_others_come() -> None:
    made = gate(rate=1.0, burst=8)
    waits = [made.enter(user, now=0, permits=4) for user in USERS[:4]]

    assert waits == [0.0, 0.0, 4.0, 8.0]
    assert [made.pay(user, now=wait_s) for user, wait_s in zip(USERS[:4], waits, strict=True) for _ in range(4)] == [0.0] * 16


def test_what_was_promised_and_is_not_asked_for_goes_back() -> None:
    made = gate(rate=1.0, burst=4)
    made.enter(ANN, now=0, permits=4)
    made.pay(ANN, now=0)
    made.leave(ANN, now=0)

    assert made.door(now=0, permits=3) is Door.OPEN
    assert made.door(now=0, permits=4) is Door.SHUT


def test_a_reservation_says_how_long_to_wait() -> None:
    made = gate(rate=2.0, burst=3)
    waits = [made.pace.reserve(1, now=0.0) for _ in range(5)]

    assert waits == [0.0, 0.0, 0.0, 0.5, 1.0]


def test_a_pods_share_is_of_rate_and_burst_but_never_below_one_run() -> None:
    made = gate(rate=10.0, burst=100)
    made.pace.set_share(0.01, now=0.0)

    assert [made.pace.reserve(1, now=0.0) for _ in range(4)] == [0.0, 0.0, 0.0, pytest.approx(10.0)]
    assert made.state(now=0).share == 0.01


def test_places_bound_conversations() -> None:
    made = gate(places=2)
    made.enter(USERS[0], now=0)
    made.enter(USERS[1], now=0)
    assert made.door(now=0) is Door.SHUT
    assert not made.closed(now=0)
    made.leave(USERS[0], now=0)
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


def test_one_user_alone_never_shuts_it_where_others_succeed_or_it_is_refused() -> None:
    made = gate(tries=8)
    for _ in range(50):
        assert made.failed(ANN, LATER, now=0)
        made.succeeded(USERS[1], now=0)
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
    made.succeeded(USERS[9], now=0)
    for user in USERS[4:8]:
        made.failed(user, LATER, now=0)
    assert made.door(now=0) is Door.OPEN


def test_a_401_shuts_it_at_once() -> None:
    made = gate()

    assert not made.failed(ANN, Denied("key", code="http-401"), now=0)
    assert (made.door(now=1), made.state(now=1).cause) == (Door.SHUT, "denied")


def test_a_403_of_one_never_shuts_it_however_often() -> None:
    """Not even where nobody else comes, nor beside the failures of two others."""
    made = gate(tries=8)
    assert all(made.failed(ANN, MINE, now=now) for now in range(50))
    assert told(made, MINE, LATER, LATER, first=0) == [True] * 3
    assert made.door(now=50) is Door.OPEN


def test_three_different_users_forbidden_in_a_row_say_that_it_is_the_key() -> None:
    made = gate()
    assert told(made, MINE, LATER, MINE, MINE) == [True, True, True, False]
    assert (made.door(now=1), made.state(now=1).cause, made.refuses_key) == (Door.SHUT, "denied", True)


def test_a_success_between_403s_begins_their_row_anew() -> None:
    made = gate()
    assert all(told(made, MINE, MINE, None, MINE, MINE, None))
    assert made.door(now=0) is Door.OPEN


def test_who_was_forbidden_before_another_succeeded_counts_in_no_row_again() -> None:
    """With the good ones done, the few that are left fail one after the other: that is not the key, nor the upstream."""
    made = gate()
    told(made, MINE, MINE, None, MINE, MINE, None, MINE, MINE, None)
    forbidden = [user for number, user in enumerate(USERS[:8]) if number % 3 < 2]
    for _ in range(8):
        assert all(made.failed(user, MINE, now=0) for user in forbidden)
    assert made.door(now=0) is Door.OPEN


def test_a_success_that_was_begun_before_a_403_does_not_tell_whose_fault_it_is() -> None:
    """Its key may have been taken away in between; and who succeeds again is not suspected any more."""
    made = gate()
    made.enter(USERS[9], now=0)
    told(made, MINE, MINE)
    made.succeeded(USERS[9], now=0)
    assert told(made, MINE, MINE, MINE) == [True, True, False]

    made = gate()
    told(made, MINE, None, MINE)
    made.succeeded(ANN, now=0)
    assert told(made, MINE, MINE, MINE) == [True, True, False]


def test_after_403s_any_success_that_was_begun_since_opens_it() -> None:
    made = gate()
    early, late = USERS[8:10]
    made.enter(early, now=0)
    told(made, MINE)
    made.enter(late, now=0)
    told(made, MINE, MINE, first=1)
    made.succeeded(early, now=1)
    assert made.door(now=1) is Door.SHUT
    made.succeeded(late, now=1)
    assert (made.door(now=1), made.refuses_key) == (Door.OPEN, False)


def test_after_a_401_no_success_but_the_probes_opens_it() -> None:
    made = gate()
    late = USERS[9]
    told(made, MINE)
    made.enter(late, now=0)
    told(made, MINE, MINE, first=1)
    made.failed(USERS[3], KEY, now=0)
    made.succeeded(late, now=1)
    assert made.door(now=1) is Door.SHUT
    probe(made, ANN, now=5)
    made.succeeded(ANN, now=5)
    assert made.door(now=5) is Door.OPEN


def test_a_probe_that_is_forbidden_makes_room_for_another_and_counts_once_the_fault_is_known_to_be_its_own() -> None:
    made, bad = gate(), USERS[4]
    told(made, MINE, MINE, MINE)
    probe(made, bad, now=5)
    assert not made.failed(bad, MINE, now=5)
    made.leave(bad, now=5)
    assert made.state(now=5).next_try_s == 10.0
    probe(made, USERS[5], now=15)
    made.succeeded(USERS[5], now=15)
    made.leave(USERS[5], now=15)

    assert made.failed(bad, MINE, now=16)
    told(made, *[LATER] * 5, now=16, first=6)
    probe(made, bad, now=21)
    assert made.failed(bad, MINE, now=21), "shut for another reason, it is a try all the same"
    assert made.state(now=21).next_try_s == 10.0


def test_after_a_401_a_probe_that_is_forbidden_shows_that_the_key_is_good() -> None:
    made = gate()
    told(made, KEY)
    probe(made, USERS[1], now=5)
    assert made.failed(USERS[1], MINE, now=5), "it counts against the user"
    assert made.door(now=5) is Door.OPEN
    assert told(made, MINE, MINE, now=6, first=2) == [True, False], "and is the first of the next three"


def test_403s_of_three_probes_say_that_it_is_the_key_and_no_longer_the_upstream() -> None:
    made, now = broken(), 5.0
    for user in USERS[:3]:
        assert made.state(now=now).cause == "breaker"
        probe(made, user, now=now)
        made.failed(user, MINE, now=now)
        made.leave(user, now=now)
        now += made.state(now=now).next_try_s
    assert made.state(now=now).cause == "denied"


def test_it_remembers_the_last_thousand_who_were_forbidden() -> None:
    made = gate()
    for number in range(1001):
        user = UserKey("v", f"f{number}")
        made.failed(user, MINE, now=0)
        told(made, None)
    assert [made.failed(UserKey("v", f"f{number}"), MINE, now=0) for number in (1, 2, 3)] == [True] * 3
    assert [made.failed(UserKey("v", name), MINE, now=0) for name in ("f0", "new", "newer")] == [True, True, False]


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
    made.succeeded(USERS[7], now=0)
    assert made.door(now=1) is Door.SHUT
    probe(made, ANN, now=5)
    made.succeeded(ANN, now=0)
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
    """Where nobody waits, the next to come is the probe before it may be parked."""
    made = broken(hold_s=1)
    assert made.expired(now=4)
    assert not made.expired(now=5)


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


def courteous() -> Gate:
    """A replay's quarter of five calls a second."""
    return Gate(rate_per_s=1.25, burst=2.5, run_calls=4, places=16, courteous=True)


def slowed(made: Gate, times: int, *, now: float = 0.0) -> Gate:
    for _ in range(times):
        made.enter(ANN, now=now)
        made.failed(ANN, Retryable("too many", code="http-429"), now=now)
        made.leave(ANN, now=now)
    return made


def test_a_courteous_share_doubles_after_each_calm_minute_up_to_the_whole() -> None:
    made = slowed(Gate(rate_per_s=8, burst=8, run_calls=3, courteous=True), 4)
    shares = []
    for now in (59, 60, 61, 119, 120, 180, 240, 300):
        made.succeeded(ANN, now=now)
        shares.append(made.state(now=now).share)

    assert shares == [1 / 16, 1 / 8, 1 / 8, 1 / 8, 1 / 4, 1 / 2, 1, 1]
    assert [made.pace.reserve(1, now=400) for _ in range(9)] == [0.0] * 8 + [0.125]


def test_the_calm_minute_begins_when_it_may_ask_again() -> None:
    made = Gate(rate_per_s=8, burst=8, run_calls=3, courteous=True)
    made.failed(ANN, Retryable("too many", code="http-429", retry_after_s=50), now=0)
    shares = []
    for now in (100, 159, 160):
        made.succeeded(ANN, now=now)
        shares.append(made.state(now=now).share)

    assert shares == [0.5, 0.5, 1.0]


def test_who_was_under_way_when_it_slowed_down_does_not_slow_it_again() -> None:
    made = Gate(rate_per_s=8, burst=100, run_calls=3, courteous=True)
    for user in USERS:
        made.enter(user, now=0)
    for user in USERS[:4]:
        made.failed(user, Retryable("too many", code="http-429"), now=0)
    assert made.state(now=0).share == 0.5


def test_however_slow_it_gets_a_conversation_can_begin_and_waits_before_it() -> None:
    """Else none would succeed, and the share would never come back."""
    made = slowed(courteous(), 10)
    while made.pace.reserve(1, now=0) == 0:
        pass
    opens_at = made.next_change(now=0, permits=4, within_s=10)

    assert made.door(now=opens_at, permits=4, within_s=10) is Door.OPEN
    assert made.enter(ANN, now=opens_at, permits=4) == pytest.approx(10.0)
    assert [made.pay(ANN, now=opens_at + 10) for _ in range(4)] == pytest.approx([0.0] * 4)
    for now in range(60, 421, 60):
        made.succeeded(ANN, now=opens_at + now)
    assert made.state(now=opens_at + 420).share == 1.0


def test_a_pod_asks_as_before_after_a_429() -> None:
    made = gate()
    made.failed(ANN, Retryable("too many", code="http-429"), now=0)
    assert made.state(now=0).share == 1.0


# ---- Users whom nobody knows ----


def unknown(made: Gate, users: list[UserKey], *, now: float = 0.0) -> list[bool]:
    """Let users be unknown, one after the other; return whether each is believed to be."""
    believed = []
    for user in users:
        made.enter(user, now=now)
        believed.append(made.absent(user, now=now))
        made.leave(user, now=now)
    return believed


def test_twenty_different_users_unknown_in_a_row_shut_it_and_the_twentieth_is_not_believed() -> None:
    made = gate()
    assert unknown(made, [*USERS[:19], *USERS[:19]]) == [True] * 38
    assert made.door(now=0) is Door.OPEN
    assert unknown(made, USERS[19:]) == [False]
    assert (made.door(now=4.9), made.state(now=1).cause, made.next_change(now=0)) == (Door.SHUT, "absent", 5.0)


def test_one_user_that_is_known_begins_the_row_of_the_unknown_anew() -> None:
    made = gate()
    assert all(unknown(made, USERS[:19]))
    made.succeeded(ANN, now=0)
    assert all(unknown(made, USERS[1:]))
    assert made.door(now=0) is Door.OPEN


def test_shut_for_unknown_users_nobody_is_believed_to_be_unknown_and_one_known_opens_it() -> None:
    made, now, waits = gate(), 0.0, []
    late = UserKey("v", "late")
    made.enter(late, now=0)
    unknown(made, USERS)
    assert not made.absent(late, now=1)
    for user in USERS[:5]:
        at = made.next_change(now=now)
        waits.append(at - now)
        now = at
        probe(made, user, now=now)
        assert not made.absent(user, now=now)
        made.leave(user, now=now)
    assert waits == [5.0, 10.0, 20.0, 40.0, 60.0]
    assert not made.expired(now=899)
    assert made.expired(now=900) is (now + 60 > 900)

    made.succeeded(late, now=now)
    assert (made.door(now=now), made.absent(ANN, now=now)) == (Door.OPEN, True)


def test_it_holds_users_that_it_does_not_know_no_longer_than_others() -> None:
    made = gate(hold_s=1)
    unknown(made, USERS)
    assert made.expired(now=4)


def test_an_unknown_user_is_neither_a_success_nor_a_failure() -> None:
    made = gate()
    for user in USERS[:4]:
        made.failed(user, LATER, now=0)
    made.absent(USERS[5], now=0)
    made.failed(USERS[4], LATER, now=0)
    assert made.state(now=0).cause == "breaker"
    made = gate()
    for user in USERS[:4]:
        made.failed(user, LATER, now=0)
    assert all(unknown(made, USERS[4:10]))
    assert made.door(now=0) is Door.OPEN


@pytest.mark.parametrize("error", [KEY, LATER])
def test_a_probe_that_is_unknown_shows_that_the_upstream_answers_and_takes_our_key(error: ConsumerError) -> None:
    made = gate()
    told(made, *[error] * (1 if error is KEY else 5))
    probe(made, USERS[9], now=5)
    assert made.absent(USERS[9], now=5)
    assert made.door(now=5) is Door.OPEN


def test_the_twentieth_that_is_unknown_may_be_the_probe_after_another_trouble() -> None:
    made = gate()
    unknown(made, USERS[:19])
    told(made, KEY)
    probe(made, USERS[19], now=5)
    assert not made.absent(USERS[19], now=5)
    assert (made.state(now=5).cause, made.state(now=5).next_try_s) == ("absent", 10.0)
    made.failed(ANN, KEY, now=6)
    assert made.state(now=6).cause == "denied"


def test_a_gate_that_forgets_counts_the_unknown_anew() -> None:
    made = gate()
    unknown(made, USERS[:19])
    made.forget()
    assert unknown(made, USERS[19:]) == [True]


# ---- Verdicts from outside ----


def test_what_is_stopped_lets_nobody_in_until_that_cause_is_released() -> None:
    made = gate(hold_s=900)
    made.enter(ANN, now=0)
    made.stop("filter", now=1)
    made.stop("filter", now=100)
    assert (made.door(now=101), made.admits(ANN, now=101), made.closed(now=101)) == (Door.SHUT, False, True)
    assert (made.state(now=101).state, made.state(now=101).cause, made.state(now=101).closed_s) == ("closed", "filter", 100.0)
    assert not made.failed(ANN, LATER, now=101), "counts against nobody"
    made.succeeded(ANN, now=101)
    made.forget()
    assert made.door(now=101) is Door.SHUT
    made.release("filter", now=102)
    assert (made.door(now=102), made.admits(ANN, now=102), made.state(now=102).cause) == (Door.OPEN, True, "")


def test_what_is_stopped_holds_users_for_so_long_beyond_a_retry_after() -> None:
    made = gate(rate=0.001, burst=3, hold_s=100)
    made.failed(ANN, Retryable("wait", code="http-429", retry_after_s=50), now=0)
    made.enter(ANN, now=0, permits=3)
    made.stop("filter", now=10)
    assert [made.next_change(now=at, permits=3) for at in (10, 50, 150)] == [50, 150, inf]
    assert [made.expired(now=at) for at in (149, 150)] == [False, True]


def test_behind_a_stop_there_is_no_probe_and_after_it_one_has_its_time() -> None:
    made = broken(hold_s=100)
    made.stop("filter", now=50)
    assert (made.door(now=60), made.state(now=60).cause) == (Door.SHUT, "filter")
    assert not made.expired(now=99)
    assert made.expired(now=100), "no probe is possible"
    made.release("filter", now=120)
    assert (made.door(now=120), made.state(now=120).cause, made.expired(now=120)) == (Door.PROBE, "breaker", False)
    probe(made, ANN, now=120)
    assert [made.expired(now=at) for at in (219, 220)] == [False, True]


def test_what_awaits_a_verdict_is_shut_but_holds_nobody_and_is_not_held_to_be_out() -> None:
    made = gate(rate=1, burst=3, hold_s=10)
    made.stops.await_verdict(now=0)
    made.pace.reserve(3, now=0)
    assert (made.door(now=5), made.closed(now=5), made.expired(now=1e6)) == (Door.SHUT, False, False)
    assert made.next_change(now=0, permits=3) == inf, "time alone does not open it"
    assert (made.state(now=5).state, made.state(now=5).cause, made.state(now=5).closed_s) == ("closed", "unproven", 5.0)
    made.forget()
    assert made.door(now=5) is Door.SHUT
    made.stop("filter", now=6)
    assert (made.state(now=7).cause, made.closed(now=7)) == ("filter", True)
    made.release("filter", now=8)
    assert (made.door(now=8), made.state(now=8).state) == (Door.OPEN, "open")


def test_where_a_refused_key_is_tried_so_often_nobody_is_held_any_longer() -> None:
    for error, is_over in ((Denied("401", code="http-401"), True), (Retryable("500", code="http-500"), False)):
        made = Gate(rate_per_s=10, burst=100, run_calls=3, hold_s=900, key_tries=2)
        for user in USERS[:5]:
            made.failed(user, error, now=0)
        for at in (5, 15):
            assert not made.expired(now=at)
            made.enter(ANN, now=at)
            made.failed(ANN, error, now=at)
            made.leave(ANN, now=at)
        assert made.expired(now=15) == is_over


def test_a_key_that_was_good_meanwhile_is_tried_as_often_again() -> None:
    made = Gate(rate_per_s=10, burst=100, run_calls=3, hold_s=900, key_tries=1)
    for began in (0, 100):
        made.failed(ANN, Denied("401", code="http-401"), now=began)
        assert not made.expired(now=began)
        made.enter(ANN, now=began + 5)
        if not began:
            made.failed(ANN, Denied("401", code="http-401"), now=began + 5)
            assert made.expired(now=began + 5)
            made.enter(ANN, now=began + 15)
        made.succeeded(ANN, now=began + 15)
