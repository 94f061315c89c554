"""One dirty user: its tokens, its class, and how old it is."""

from consumer.core.model import Door
from consumer.core.users.counts import Owed
from consumer.core.users.user import Standing
from tests.fakes.schedule import ANN, BOB, PAID, REFUSED, RETRY, A, B, Bench, surveyed


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
    assert surveyed(bench).owed == {("v", A): Owed(1, 50_000), ("v", B): Owed(1, 1000, 1000)}
    bench.doors.states = {B: Door.SHUT}
    job = bench.take(60)
    assert job.since_ms == {A: 50_000}
    bench.end(job, 60)
    assert surveyed(bench).owed == {("v", B): Owed(1, 1000, 1000)}


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
