"""Each promise of the schedule, by example."""

from math import inf

from consumer.core.model import Door
from tests.fakes.schedule import (
    ANN,
    BOB,
    EVE,
    REFUSED,
    RETRY,
    SKIPPED,
    A,
    B,
    Bench,
    reopened,
)

# ---- Debounce ----


def test_a_burst_is_one_run_after_the_last_event_was_quiet(bench: Bench) -> None:
    assert [bench.event(ANN, at) for at in (0, 1, 2.5)] == [True, False, False]
    assert bench.idle(4.4)
    assert bench.take(4.5).accounts == (A, B)
    assert bench.idle(100)


def test_a_user_who_never_rests_runs_after_the_longest_wait(bench: Bench) -> None:
    for tenth in range(100):
        bench.event(ANN, tenth / 10)
        assert bench.idle(tenth / 10)
    assert bench.take(10).started_at == 10


def test_it_says_when_somebody_is_due(bench: Bench) -> None:
    assert bench.schedule.next_at() == inf
    bench.event(ANN, 1)
    assert bench.schedule.next_at() == 3


# ---- Tokens ----


def test_a_run_closes_the_tokens_opened_before_it(bench: Bench) -> None:
    bench.event(ANN, 0)
    bench.event(ANN, 0, partition=1)
    assert bench.end(bench.take(2), 3).closed == ((0, 0), (1, 1))
    assert len(bench.schedule) == 0


def test_a_run_that_ends_owing_keeps_its_tokens_and_they_cover_the_newer_ones(bench: Bench) -> None:
    bench.event(ANN, 0)
    job = bench.take(2)
    bench.event(ANN, 2)
    bench.event(ANN, 2, partition=1)
    ended = bench.end(job, 3, b=RETRY)
    assert (ended.closed, ended.owed) == (((0, 1),), (B,))
    assert set(bench.end(bench.take(4), 5).closed) == {(0, 0), (1, 2)}


# ---- Debts ----


def test_a_retry_is_neither_brought_forward_nor_put_off_by_events() -> None:
    bench = Bench(max_attempts=9)
    bench.event(ANN, 0)
    now = 2.0
    for attempt in range(1, 5):
        bench.end(bench.take(now), now, b=RETRY, uniform=1.0 - 2**-20)
        now += 2 ** (attempt - 1)
    at = now
    bench.event(ANN, at - 4)
    job = bench.take(at - 2)
    assert job.accounts == (A,)
    bench.end(job, at - 2)
    bench.event(ANN, at - 0.5)
    assert bench.take(at).accounts == (B,)


def test_a_skipped_user_owes_nothing_anywhere(bench: Bench) -> None:
    bench.event(ANN, 0)
    bench.end(bench.take(2), 2, b=RETRY)
    assert bench.end(bench.take(3), 3, sesamy=SKIPPED).closed == ((0, 0),)
    assert len(bench.schedule) == 0


def test_a_run_that_was_cut_off_is_owed_as_before(bench: Bench) -> None:
    bench.event(ANN, 0)
    assert bench.schedule.abandon(bench.take(2), now=3).closed == ()
    assert bench.end(bench.take(3), 4).closed == ((0, 0),)


# ---- Gates and fairness ----


def test_an_account_behind_a_shut_gate_stays_owed_and_stops_nobody(bench: Bench) -> None:
    bench.doors.states[B] = Door.SHUT
    bench.event(ANN, 0)
    job = bench.take(2)
    assert job.accounts == (A,)
    assert bench.end(job, 3).owed == (B,)
    assert bench.idle(60)
    bench.doors.states[B] = Door.OPEN
    assert bench.take(60).accounts == (B,)


def test_nobody_starts_before_a_shut_vendor(bench: Bench) -> None:
    bench.doors.states["v"] = Door.SHUT
    bench.event(ANN, 0)
    bench.event(EVE, 0)
    assert bench.take(2).user == EVE
    assert bench.idle(60)


def test_users_owed_to_nothing_but_what_is_out_are_parked(bench: Bench) -> None:
    bench.doors.states[B] = Door.SHUT
    bench.event(ANN, 0)
    bench.event(EVE, 0)
    for _ in range(2):
        bench.end(bench.take(2), 2)
    (ended,) = bench.schedule.park_held(lambda _: False, lambda account: account == B, bench.doors, now=900, most=10)
    (letter,) = ended.letters
    assert (letter.code, letter.account, letter.user) == ("held", B, ANN)
    assert bench.schedule.parked(ANN, now=901).closed == ((0, 0),)


def test_who_owes_to_an_open_account_too_is_not_parked(bench: Bench) -> None:
    bench.event(ANN, 0)
    assert bench.schedule.park_held(lambda _: False, lambda account: account == B, bench.doors, now=2, most=10) == []


def test_a_vendor_that_is_out_parks_its_users_whole(bench: Bench) -> None:
    bench.event(ANN, 0)
    bench.event(BOB, 0)
    ended = bench.schedule.park_held(lambda vendor: vendor == "v", lambda _: False, bench.doors, now=2, most=1)
    assert [(letter.account, letter.stage) for one in ended for letter in one.letters] == [(None, "sesamy")]


# ---- Rebalance ----


def test_what_comes_back_has_its_times_and_attempts(bench: Bench) -> None:
    bench.event(ANN, 0)
    bench.event(BOB, 1, partition=1)
    for now in (2.0, 12.0):
        bench.end(bench.take(now), now, b=RETRY) if now == 2.0 else None
    aside, closed, _ = bench.schedule.set_aside([0, 1], now=2.2)
    assert (len(bench.schedule), closed, bench.schedule.next_at()) == (0, (), inf)
    bench.schedule.restore(0, aside[0], now=2.3)
    assert bench.idle(2.4)
    job = bench.take(2.5)
    assert (job.user, job.accounts) == (ANN, (B,))
    bench.end(job, 3, b=RETRY)
    assert len(bench.end(bench.take(30), 30, b=RETRY).letters) == 1


def test_what_comes_back_is_owed_whole_where_a_letter_asked_for_less_meanwhile(bench: Bench) -> None:
    bench.event(ANN, 0)
    aside, _, _ = bench.schedule.set_aside([0], now=1)
    bench.schedule.reopen(reopened(ANN, B), now=1)
    bench.schedule.restore(0, aside[0], now=1)
    job = bench.take(2)
    assert (job.accounts, bench.end(job, 3).closed) == ((A, B), ((0, 0),))


def test_what_comes_back_during_the_run_of_a_letter_is_followed_by_a_run(bench: Bench) -> None:
    bench.event(ANN, 0)
    aside, _, _ = bench.schedule.set_aside([0], now=1)
    bench.schedule.reopen(reopened(ANN, B), now=1)
    job = bench.take(1)
    bench.schedule.restore(0, aside[0], now=1)
    assert (job.accounts, bench.end(job, 3).closed) == ((B,), ())
    job = bench.take(3)
    assert (job.accounts, bench.end(job, 4).closed) == ((A, B), ((0, 0),))


def test_tokens_of_a_log_that_is_gone_are_forgotten_and_the_user_stays_due(bench: Bench) -> None:
    bench.event(ANN, 0)
    bench.schedule.forget_tokens(0)
    assert bench.end(bench.take(2), 3).closed == ()


def test_whose_token_went_with_a_lost_range_is_parked_when_the_partition_goes(bench: Bench) -> None:
    """Its next owner could read nothing of it, and here it would be run beside the next owner's runs."""
    bench.event(ANN, 0, partition=1)
    bench.event(BOB, 0)
    bench.schedule.forget_tokens(1)
    aside, _, orphans = bench.schedule.set_aside([0, 1], now=1)

    (letter,) = orphans[0].letters
    assert (len(orphans), letter.user, letter.account, letter.code) == (1, ANN, None, "held")
    assert (letter.partition, letter.offset) == (1, -1)
    assert ([user.key for _, user in aside[0]], aside[1]) == ([BOB], [])
    assert bench.idle(60)
    assert bench.schedule.next_at() == inf
    assert bench.schedule.parked(ANN, now=60).closed == ()
    assert len(bench.schedule) == 0


def test_it_stays_parked_while_the_letter_can_not_be_written_and_an_event_then_makes_it_as_any_other(bench: Bench) -> None:
    bench.event(ANN, 0)
    bench.schedule.forget_tokens(0)
    for now in (1, 5, 9):
        _, _, orphans = bench.schedule.set_aside([0] if now == 1 else [], now=now)
        assert [letter.attempts for one in orphans for letter in one.letters] == [0]
        assert bench.idle(now + 3)
    assert bench.event(ANN, 10)
    aside, _, orphans = bench.schedule.set_aside([0], now=11)
    assert (len(aside[0]), orphans, len(bench.schedule)) == (1, (), 0)


def test_of_who_has_no_token_only_what_is_owed_is_parked(bench: Bench) -> None:
    bench.event(ANN, 0)
    bench.end(bench.take(2), 2, b=RETRY)
    bench.schedule.forget_tokens(0)
    (ended,) = bench.schedule.park_orphans(now=2.1)

    assert [(letter.account, letter.attempts, letter.partition, letter.offset) for letter in ended.letters] == [(B, 1, 0, -1)]
    assert bench.idle(60)


def test_who_has_a_token_elsewhere_or_has_been_run_is_not_parked_with_a_lost_range(bench: Bench) -> None:
    bench.event(BOB, -1)
    bench.event(ANN, 0)
    bench.event(ANN, 0, partition=1)
    bench.schedule.forget_tokens(0)
    assert bench.end(bench.take(2), 3).closed == ()
    aside, _, orphans = bench.schedule.set_aside([0, 1], now=4)
    assert ([user.key for _, user in aside[1]], orphans) == ([ANN], ())


def test_whose_token_is_lost_and_who_is_refused_has_a_letter_that_names_its_partition(bench: Bench) -> None:
    bench.event(ANN, 0, partition=1)
    bench.schedule.forget_tokens(1)
    assert [(one.partition, one.offset) for one in bench.end(bench.take(2), 2, a=REFUSED).letters] == [(1, -1)]


# ---- Looking ----


def test_an_odd_key_goes_into_the_letter(bench: Bench) -> None:
    bench.event(ANN, 0)
    bench.schedule.keep_key(ANN, b"odd")
    (letter,) = bench.end(bench.take(2), 2, b=REFUSED).letters
    assert letter.key == b"odd"
