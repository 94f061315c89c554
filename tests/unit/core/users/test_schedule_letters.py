"""What stays owed after failures, partings and letters: the schedule's less usual turns, by example."""

from math import inf

from consumer.core.model import Door, Reopened, Result, UserKey, Verdict
from tests.fakes.schedule import ANN, BOB, CID, HELD, REFUSED, ROUTINE, A, B, Bench, reopened

# ---- Whom a letter asks for ----


def letter_of(user: UserKey) -> Reopened:
    return Reopened(user=user, type=ROUTINE, accounts=(B,), partition=3, offset=7, partitions=6, key=b"odd", since_ms=0, tried_at=-inf)


def test_a_letter_that_fails_again_keeps_its_source(bench: Bench) -> None:
    """Else another pod, which owns that partition, would take it for its own."""
    assert bench.schedule.reopen(letter_of(ANN), now=0)
    (letter,) = bench.end(bench.take(1), 1, b=REFUSED).letters
    assert (letter.partition, letter.offset, letter.partitions, letter.key) == (3, 7, 6, b"odd")


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


def test_a_letter_about_all_accounts_that_was_not_written_is_owed_to_all(bench: Bench) -> None:
    bench.event(ANN, 0)
    assert len(bench.end(bench.take(2), 2, sesamy=Result(Verdict.REFUSED, "http-422")).letters) == 1
    aside, _, _ = bench.schedule.set_aside([0], now=3)
    bench.schedule.restore(0, aside[0], now=4)
    job = bench.take(4)
    assert (job.accounts, bench.end(job, 5).closed) == ((A, B), ((0, 0),))
