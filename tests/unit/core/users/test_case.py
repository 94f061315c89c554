"""What comes while a user is in a run or is parked."""

from consumer.core.model import Door
from tests.fakes.schedule import ANN, HELD, REFUSED, RETRY, A, B, Bench
from tests.unit.core.users.test_schedule_letters import letter_of


def test_an_event_during_a_run_opens_its_own_token_and_is_followed_by_a_run(bench: Bench) -> None:
    bench.event(ANN, 0)
    job = bench.take(2)
    assert [bench.event(ANN, 2.5), bench.event(ANN, 2.6)] == [True, False]
    assert bench.idle(60)
    assert bench.end(job, 3).closed == ((0, 0),)
    assert bench.end(bench.take(5), 6).closed == ((0, 1),)


def test_a_run_of_a_debt_does_not_cover_events_that_wait_for_quiet(bench: Bench) -> None:
    bench.event(ANN, 0)
    bench.end(bench.take(2), 2, b=RETRY, uniform=0.9)
    bench.event(ANN, 2.5)
    job = bench.take(2.9)
    assert job.accounts == (B,)
    assert bench.end(job, 3).closed == ()
    assert bench.take(4.5).accounts == (A, B)


def test_an_event_while_parking_opens_a_token_and_is_followed_by_a_run(bench: Bench) -> None:
    bench.event(ANN, 0)
    bench.end(bench.take(2), 2, a=REFUSED, b=REFUSED)
    assert bench.event(ANN, 3)
    assert bench.idle(60)
    assert bench.schedule.parked(ANN, now=60).closed == ((0, 0),)
    assert bench.take(60).accounts == (A, B)


def test_a_parking_that_is_interrupted_is_owed_again_and_parked_at_the_next_failure(bench: Bench) -> None:
    """The tries before it still count: one more is the last, not the first of three."""
    bench.event(ANN, 0)
    for now in (2, 10, 20):
        ended = bench.end(bench.take(now), now, b=RETRY)
    assert len(ended.letters) == 1
    aside, _, _ = bench.schedule.set_aside([0], now=21)
    bench.schedule.restore(0, aside[0], now=22)
    job = bench.take(22)
    assert job.accounts == (B,)
    assert len(bench.end(job, 22, b=RETRY).letters) == 1


def test_an_event_during_a_letters_run_does_not_make_the_run_its_own(bench: Bench) -> None:
    bench.schedule.reopen(letter_of(ANN), now=0)
    job = bench.take(1)
    assert bench.event(ANN, 1.5, partition=1)
    (letter,) = bench.end(job, 2, b=REFUSED).letters
    assert (letter.partition, letter.offset) == (3, 7)
    assert bench.schedule.parked(ANN, now=3).closed == ()
    job = bench.take(4)
    assert (job.accounts, bench.end(job, 5).closed) == ((A, B), ((1, 0),))


def test_a_parking_of_an_older_debt_does_not_cover_events_that_wait(bench: Bench) -> None:
    bench.event(ANN, 0)
    bench.end(bench.take(2), 2, b=HELD)
    bench.doors.states = {B: Door.SHUT}
    bench.event(ANN, 900)
    (ended,) = bench.schedule.park_held(lambda _: False, lambda account: account == B, bench.doors, now=901, most=10)
    assert [letter.account for letter in ended.letters] == [B]
    assert bench.schedule.parked(ANN, now=901.5).closed == ()
    bench.doors.states = {}
    assert bench.idle(901.9)
    job = bench.take(902)
    assert (job.accounts, bench.end(job, 903).closed) == ((A, B), ((0, 0),))
