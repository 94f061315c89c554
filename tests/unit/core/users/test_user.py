"""One dirty user: its tokens, its class, and how old it is."""

import pytest

from consumer.core.model import Door
from consumer.core.users.counts import Owed
from consumer.core.users.user import Standing
from tests.fakes.schedule import ABSENT, ANN, BOB, PAID, REFUSED, RETRY, ROUTINE, A, B, Bench, counts_of, reopened


def test_a_merged_user_keeps_its_most_urgent_class_also_when_it_waits_already(bench: Bench) -> None:
    bench.event(ANN, 0)
    bench.event(BOB, 0)
    bench.doors.states["v"] = Door.SHUT
    assert bench.idle(3)
    bench.event(BOB, 3, type_=PAID)
    bench.event(BOB, 3)
    bench.doors.states.clear()
    assert bench.take(3).user == BOB


def test_a_user_with_a_token_elsewhere_stays(bench: Bench) -> None:
    bench.event(ANN, 0)
    bench.event(ANN, 0, partition=1)
    aside, _, _ = bench.schedule.set_aside([0], now=1)
    assert bench.end(bench.take(2), 3).closed == ((1, 1),)
    bench.schedule.restore(0, aside[0], now=4)
    assert bench.end(bench.take(4), 5).closed == ((0, 0),)


def test_an_event_that_is_lost_during_a_run_leaves_its_user_without_a_token(bench: Bench) -> None:
    bench.event(ANN, 0)
    job = bench.take(2)
    bench.event(ANN, 2.5)
    bench.schedule.forget_tokens(0)
    assert bench.schedule.park_orphans(now=2.6) == [], "it runs"
    assert bench.end(job, 3).closed == ()
    (ended,) = bench.schedule.park_orphans(now=3)
    assert [letter.partition for letter in ended.letters] == [0]


def test_an_event_after_the_loss_opens_a_token_though_one_before_it_came_in_the_same_run(bench: Bench) -> None:
    bench.event(ANN, 0)
    job = bench.take(2)
    bench.event(ANN, 2.5)
    bench.schedule.forget_tokens(0)
    assert bench.event(ANN, 2.6)
    assert bench.end(job, 3).closed == ()
    assert bench.schedule.park_orphans(now=3) == []
    assert bench.end(bench.take(10), 11).closed == ((0, 2),)


def test_what_one_account_is_owed_does_not_age_what_others_are(bench: Bench) -> None:
    """A user with an old debt at B: A, which has had everything, is owed the new event alone, and is as fresh as that."""
    bench.event(ANN, 1)
    job = bench.take(3)
    assert job.since_ms == {A: 1000, B: 1000}
    bench.end(job, 3, b=RETRY)
    bench.event(ANN, 50)
    bench.event(ANN, 51)
    assert counts_of(bench).owed == {("v", A): Owed(1, 50_000), ("v", B): Owed(1, 1000, 1000)}
    bench.doors.states = {B: Door.SHUT}
    job = bench.take(60)
    assert job.since_ms == {A: 50_000}
    bench.end(job, 60)
    assert counts_of(bench).owed == {("v", B): Owed(1, 1000, 1000)}


def test_an_event_during_a_run_that_leaves_a_debt_is_as_old_as_itself(bench: Bench) -> None:
    bench.event(ANN, 1)
    job = bench.take(3)
    bench.event(ANN, 4)
    bench.end(job, 5, b=RETRY)
    assert bench.take(20).since_ms == {A: 4000, B: 1000}


def test_once_the_debt_is_paid_the_event_that_waits_is_the_oldest(bench: Bench) -> None:
    bench.event(ANN, 1)
    bench.end(bench.take(3), 3, b=RETRY, uniform=0.1)
    bench.event(ANN, 3.05)
    job = bench.take(4)
    assert job.since_ms == {B: 1000}
    bench.end(job, 4)
    assert bench.schedule.users[ANN].since_ms == 3050
    assert bench.take(6).since_ms == {A: 3050, B: 3050}


def test_where_a_user_stands_has_one_name(bench: Bench) -> None:
    """The status, the counts and the explanation all ask for it."""

    def standing(now: float) -> Standing:
        return bench.schedule.users[ANN].standing(now)

    bench.event(ANN, 0)
    assert [standing(now) for now in (0, 1.9, 2)] == [Standing.QUIET, Standing.QUIET, Standing.DUE]
    bench.doors.states = {"v": Door.SHUT}
    assert bench.idle(2)
    assert standing(2) is Standing.DUE
    bench.doors.states = {}
    job = bench.take(2)
    assert standing(2) is Standing.RUNNING
    bench.end(job, 2, a=RETRY, b=RETRY)
    assert standing(2) is Standing.BACKOFF
    assert bench.idle(2.4)
    bench.event(ANN, 2.4)
    assert standing(2.4) is Standing.QUIET
    bench.end(bench.take(5), 5, a=REFUSED)
    assert standing(5) is Standing.PARKING


# ---- Two looks at a user that Sesamy does not know ----


def looked(bench: Bench, now: float) -> tuple[tuple[int, int], ...]:
    """Look at who is due, and find nobody; return what is closed by it."""
    return bench.end(bench.take(now), now, sesamy=ABSENT).closed


@pytest.mark.parametrize("came_at", [2.5, 4, 29])
def test_an_event_after_the_first_look_has_two_looks_of_its_own_and_the_older_one_is_settled_as_ever(bench: Bench, came_at: float) -> None:
    bench.event(ANN, 0)
    job = bench.take(2)
    opens = [bench.event(ANN, came_at)] if came_at < 3 else []
    bench.end(job, 3, sesamy=ABSENT)
    opens += [bench.event(ANN, came_at)] if came_at > 3 else []

    assert (opens, looked(bench, 33)) == ([True], ((0, 0),))
    assert bench.idle(62.9)
    assert (looked(bench, 63), len(bench.schedule)) == (((0, 1),), 0)


def test_an_event_during_the_second_look_has_two_looks_of_its_own(bench: Bench) -> None:
    bench.event(ANN, 0)
    looked(bench, 2)
    job = bench.take(32)
    assert bench.event(ANN, 33)
    assert bench.end(job, 34, sesamy=ABSENT).closed == ((0, 0),)
    assert looked(bench, 35) == ()
    assert bench.idle(64.9)
    assert looked(bench, 65) == ((0, 1),)


def test_a_steady_stream_of_events_keeps_none_owed_for_ever(bench: Bench) -> None:
    """Each look settles what the look before it has looked for: no event is open for longer than two take."""
    opened = dict[int, int]()
    for now in range(600):
        if bench.event(ANN, now):
            opened[bench.offset] = now
        job = bench.schedule.take(bench.doors, now=now)
        for _, offset in bench.end(job, now, sesamy=ABSENT).closed if job is not None else ():
            assert now - opened.pop(offset) <= 62
    assert min(opened.values()) >= 540


def test_a_user_that_is_found_at_the_second_look_has_had_what_came_before_it(bench: Bench) -> None:
    bench.event(ANN, 0)
    looked(bench, 2)
    bench.event(ANN, 3)
    bench.event(ANN, 4, partition=1)
    assert set(bench.end(bench.take(32), 33).closed) == {(0, 0), (0, 1), (1, 2)}
    assert len(bench.schedule) == 0


def test_what_came_since_the_first_look_is_covered_by_the_older_once_the_user_is_found_and_owed(bench: Bench) -> None:
    bench.event(ANN, 0)
    looked(bench, 2)
    bench.event(ANN, 3)
    bench.event(ANN, 4, partition=1)
    assert bench.end(bench.take(32), 33, b=RETRY).closed == ((0, 1),)
    assert set(bench.end(bench.take(40), 41).closed) == {(0, 0), (1, 2)}


def test_a_letter_covers_what_came_since_the_first_look(bench: Bench) -> None:
    """And who is absent after that is so anew."""
    bench.event(ANN, 0)
    looked(bench, 2)
    bench.event(ANN, 3)
    ended = bench.end(bench.take(32), 33, sesamy=REFUSED)
    assert ([letter.offset for letter in ended.letters], ended.closed) == ([0], ((0, 1),))
    bench.event(ANN, 34)
    assert bench.schedule.parked(ANN, now=35).closed == ((0, 0),)
    assert (looked(bench, 36), looked(bench, 66)) == ((), ((0, 2),))


def test_tries_for_the_older_events_are_none_for_those_that_came_since(bench: Bench) -> None:
    bench.event(ANN, 0)
    for now in (2, 10):
        bench.end(bench.take(now), now, sesamy=RETRY)
    looked(bench, 20)
    bench.event(ANN, 21)
    looked(bench, 50)
    for now in (80, 90):
        assert bench.end(bench.take(now), now, sesamy=RETRY).letters == ()
    (letter,) = bench.end(bench.take(100), 100, sesamy=RETRY).letters
    assert (letter.attempts, letter.offset) == (3, 1)


def test_what_came_since_the_first_look_is_as_old_and_as_urgent_as_itself(bench: Bench) -> None:
    bench.event(ANN, 0, type_=PAID)
    looked(bench, 2)
    bench.event(ANN, 3)
    looked(bench, 32)
    assert (bench.schedule.users[ANN].type, bench.take(62).since_ms) == (ROUTINE, {A: 3000, B: 3000})


def test_both_begin_their_looks_anew_where_a_partition_goes(bench: Bench) -> None:
    """What is set aside is one token a user and partition."""
    bench.event(ANN, 0)
    looked(bench, 2)
    bench.event(ANN, 3)
    aside, closed, _ = bench.schedule.set_aside([0], now=4)
    assert ([offset for offset, _ in aside[0]], closed) == ([0], ((0, 1),))
    bench.schedule.restore(0, aside[0], now=5)
    assert (looked(bench, 32), looked(bench, 62)) == ((), ((0, 0),))


def test_an_event_outlives_the_older_ones_whose_log_is_gone(bench: Bench) -> None:
    bench.event(ANN, 0)
    looked(bench, 2)
    bench.event(ANN, 3, partition=1)
    bench.schedule.forget_tokens(0)
    assert bench.schedule.park_orphans(now=4) == []
    assert (looked(bench, 32), looked(bench, 62)) == ((), ((1, 1),))


def test_an_event_since_the_first_look_that_is_lost_is_still_owed(bench: Bench) -> None:
    bench.event(ANN, 0)
    looked(bench, 2)
    bench.event(ANN, 3, partition=1)
    bench.schedule.forget_tokens(1)
    assert looked(bench, 32) == ((0, 0),)
    (ended,) = bench.schedule.park_orphans(now=33)
    assert [letter.partition for letter in ended.letters] == [1]


def test_an_event_of_a_user_that_a_letter_asked_for_begins_the_looks_anew(bench: Bench) -> None:
    bench.schedule.reopen(reopened(ANN, A), now=0)
    looked(bench, 1)
    assert bench.event(ANN, 20)
    assert (looked(bench, 31), looked(bench, 61)) == ((), ((0, 0),))
