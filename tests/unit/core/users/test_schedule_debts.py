"""What stays owed after failures, partings and letters: the schedule's less usual turns, by example."""

from math import inf

import pytest

from consumer.core.model import Door, Reopened, Result, UserKey, Verdict
from tests.fakes.schedule import ANN, BOB, CID, DONE, EVE, HELD, REFUSED, RETRY, ROUTINE, A, B, Bench, reopened


@pytest.fixture
def bench() -> Bench:
    return Bench()


# ---- Attempts ----


def test_a_fetch_that_succeeds_sets_its_attempts_back(bench: Bench) -> None:
    """Else a user whom an account keeps dirty would be parked at Sesamy's first failure after it."""
    bench.event(ANN, 0)
    now = 2.0
    for sesamy in (RETRY, RETRY, DONE, RETRY, RETRY):
        assert bench.end(bench.take(now), now, sesamy=sesamy, b=HELD).letters == ()
        now += 10
    (letter,) = bench.end(bench.take(now), now, sesamy=RETRY).letters
    assert (letter.stage, letter.attempts) == ("sesamy", 3)


def test_an_event_forgives_no_attempt_of_an_account_that_can_not_join(bench: Bench) -> None:
    bench.event(ANN, 0)
    for now in (2, 10):
        bench.end(bench.take(now), now, b=RETRY)
    bench.event(ANN, 11)
    bench.doors.states = {B: Door.SHUT}
    job = bench.take(20)
    assert job.accounts == (A,)
    bench.end(job, 20)
    bench.doors.states = {}
    (letter,) = bench.end(bench.take(30), 30, b=RETRY).letters
    assert (letter.account, letter.attempts) == (B, 3)


def test_a_failure_at_one_account_burns_no_attempt_at_another(bench: Bench) -> None:
    bench.event(ANN, 0)
    bench.end(bench.take(2), 2, a=RETRY, b=RETRY)
    bench.end(bench.take(10), 10, a=HELD, b=RETRY)
    (letter,) = bench.end(bench.take(20), 20, a=RETRY, b=RETRY).letters
    assert (letter.account, letter.attempts) == (B, 3)


def test_a_backoff_doubles_up_to_its_longest() -> None:
    bench = Bench(max_attempts=99)
    bench.event(ANN, 0)
    now, waits = 2.0, list[float]()
    for _ in range(9):
        bench.end(bench.take(now), now, a=DONE, b=RETRY, uniform=0.5)
        waits.append(bench.schedule.next_at() - now)
        now = bench.schedule.next_at()
    assert waits == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]


# ---- Whom a letter asks for ----


def letter_of(user: UserKey) -> Reopened:
    return Reopened(user=user, type=ROUTINE, accounts=(B,), partition=3, offset=7, partitions=6, key=b"odd", since_ms=0, tried_at=-inf)


def test_a_letter_that_fails_again_keeps_its_source(bench: Bench) -> None:
    """Else another pod, which owns that partition, would take it for its own."""
    assert bench.schedule.reopen(letter_of(ANN), now=0)
    (letter,) = bench.end(bench.take(1), 1, b=REFUSED).letters
    assert (letter.partition, letter.offset, letter.partitions, letter.key) == (3, 7, 6, b"odd")


def test_an_event_during_a_letters_run_does_not_make_the_run_its_own(bench: Bench) -> None:
    bench.schedule.reopen(letter_of(ANN), now=0)
    job = bench.take(1)
    assert bench.event(ANN, 1.5, partition=1)
    (letter,) = bench.end(job, 2, b=REFUSED).letters
    assert (letter.partition, letter.offset) == (3, 7)
    assert bench.schedule.parked(ANN, now=3).closed == ()
    job = bench.take(4)
    assert (job.accounts, bench.end(job, 5).closed) == ((A, B), ((1, 0),))


def test_whom_an_event_asks_for_too_goes_as_any_other(bench: Bench) -> None:
    bench.schedule.reopen(letter_of(ANN), now=0)
    bench.schedule.reopen(letter_of(CID), now=0)
    bench.event(ANN, 1)
    bench.event(BOB, 1.5)
    assert [bench.take(5).user for _ in range(3)] == [ANN, BOB, CID]


def test_a_letter_waits_while_its_user_runs_or_is_parked(bench: Bench) -> None:
    bench.event(ANN, 0)
    job = bench.take(2)
    assert not bench.schedule.reopen(letter_of(ANN), now=3)
    bench.end(job, 4, a=REFUSED)
    assert not bench.schedule.reopen(letter_of(ANN), now=5)
    bench.schedule.parked(ANN, now=6)
    assert bench.schedule.reopen(letter_of(ANN), now=7)


def test_an_event_that_waits_covers_what_a_letter_asks_for(bench: Bench) -> None:
    bench.event(ANN, 0)
    assert bench.schedule.reopen(reopened(ANN, B), now=1)
    job = bench.take(2)
    assert (job.accounts, bench.end(job, 3).closed) == ((A, B), ((0, 0),))
    assert len(bench.schedule) == 0


def test_whom_only_a_letter_asks_for_is_let_go_where_gates_stay_shut(bench: Bench) -> None:
    """His letter is still open: another one would be the same again."""
    bench.doors.states = {B: Door.SHUT}
    bench.schedule.reopen(letter_of(ANN), now=0)
    bench.event(BOB, 0)
    bench.end(bench.take(2), 2)
    ended = bench.schedule.park_held(lambda _: False, lambda account: account == B, bench.doors, now=900, most=10)
    assert [one.letters[0].user for one in ended] == [BOB]
    assert ANN not in bench.schedule


def test_whom_only_a_letter_asks_for_goes_with_the_partitions(bench: Bench) -> None:
    """The letter's next owner asks for it: here it would run beside that."""
    bench.schedule.reopen(letter_of(ANN), now=0)
    aside, closed, orphans = bench.schedule.set_aside([0], now=1)
    assert (aside, closed, orphans, len(bench.schedule), bench.idle(60)) == ({0: []}, (), (), 0, True)


# ---- Parking ----


def test_of_who_is_held_for_one_account_the_rest_stays_owed(bench: Bench) -> None:
    bench.event(ANN, 0)
    bench.end(bench.take(2), 2, a=HELD, b=HELD)
    bench.doors.states = {A: Door.SHUT, B: Door.SHUT}
    assert bench.idle(3)
    (ended,) = bench.schedule.park_held(lambda _: False, lambda account: account == B, bench.doors, now=900, most=10)
    assert ([letter.account for letter in ended.letters], ended.owed) == ([B], (A,))
    assert bench.schedule.parked(ANN, now=901).closed == ()
    bench.doors.states = {}
    job = bench.take(902)
    assert (job.accounts, bench.end(job, 903).closed) == ((A,), ((0, 0),))


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


def test_a_letter_about_all_accounts_that_was_not_written_is_owed_to_all(bench: Bench) -> None:
    bench.event(ANN, 0)
    assert len(bench.end(bench.take(2), 2, sesamy=Result(Verdict.REFUSED, "http-422")).letters) == 1
    aside, _, _ = bench.schedule.set_aside([0], now=3)
    bench.schedule.restore(0, aside[0], now=4)
    job = bench.take(4)
    assert (job.accounts, bench.end(job, 5).closed) == ((A, B), ((0, 0),))


# ---- Places ----


def test_a_run_that_ends_makes_room_for_its_vendor() -> None:
    bench = Bench(concurrency=2)
    for user in (ANN, BOB, EVE):
        bench.event(user, 0)
    job = bench.take(2)
    assert (job.user, bench.take(2).user, bench.idle(2)) == (ANN, EVE, True)
    bench.end(job, 3)
    assert bench.take(3).user == BOB


def test_who_became_due_before_the_first_of_a_line_goes_before_him(bench: Bench) -> None:
    """ANN has waited longer than all, though she joins the line of those who owe to B alone last."""
    bench.event(ANN, 0)
    bench.event(BOB, 1)
    bench.doors.states = {"v": Door.SHUT}
    assert bench.idle(5)
    bench.doors.states = {B: Door.SHUT}
    jobs = [bench.take(5), bench.take(5)]
    for job in reversed(jobs):
        bench.end(job, 6)
    bench.doors.states = {}
    assert [bench.take(7).user for _ in range(2)] == [ANN, BOB]
