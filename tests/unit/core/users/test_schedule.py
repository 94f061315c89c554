"""Each promise of the schedule, by example."""

from math import inf

import pytest

from consumer.core.model import Door, Result, UserKey, Verdict
from consumer.core.users.counts import Owed
from tests.fakes.schedule import (
    ABSENT,
    ANN,
    BOB,
    CID,
    DAN,
    DONE,
    EVE,
    HELD,
    PAID,
    REFUSED,
    RETRY,
    SKIPPED,
    A,
    B,
    Bench,
    letter_of,
    reopened,
    surveyed,
)


@pytest.fixture
def bench() -> Bench:
    return Bench()


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


def test_an_event_during_a_run_opens_its_own_token_and_is_followed_by_a_run(bench: Bench) -> None:
    bench.event(ANN, 0)
    job = bench.take(2)
    assert [bench.event(ANN, 2.5), bench.event(ANN, 2.6)] == [True, False]
    assert bench.idle(60)
    assert bench.end(job, 3).closed == ((0, 0),)
    assert bench.end(bench.take(5), 6).closed == ((0, 1),)


def test_a_run_that_ends_owing_keeps_its_tokens_and_they_cover_the_newer_ones(bench: Bench) -> None:
    bench.event(ANN, 0)
    job = bench.take(2)
    bench.event(ANN, 2)
    bench.event(ANN, 2, partition=1)
    ended = bench.end(job, 3, b=RETRY)
    assert (ended.closed, ended.owed) == (((0, 1),), (B,))
    assert set(bench.end(bench.take(4), 5).closed) == {(0, 0), (1, 2)}


def test_a_run_of_a_debt_does_not_cover_events_that_wait_for_quiet(bench: Bench) -> None:
    bench.event(ANN, 0)
    bench.end(bench.take(2), 2, b=RETRY, uniform=0.9)
    bench.event(ANN, 2.5)
    job = bench.take(2.9)
    assert job.accounts == (B,)
    assert bench.end(job, 3).closed == ()
    assert bench.take(4.5).accounts == (A, B)


# ---- Debts ----


@pytest.mark.parametrize(("delay_s", "due"), [(30.0, 32.0), (0.25, 2.5), (0.0, 2.5)])
def test_a_delay_that_the_upstream_asks_for_is_the_least_of_the_backoff(bench: Bench, delay_s: float, due: float) -> None:
    """It is that user's alone, at that account alone."""
    bench.event(ANN, 0)
    bench.event(BOB, 0)
    bench.end(bench.take(2), 2, b=Result(Verdict.RETRY, "http-500", delay_s=delay_s), uniform=0.5)
    assert bench.take(2).accounts == (A, B)
    assert bench.idle(due - 0.01)
    assert bench.take(due).accounts == (B,)


def test_only_the_accounts_still_owed_are_tried_again_after_the_backoff(bench: Bench) -> None:
    bench.event(ANN, 0)
    bench.end(bench.take(2), 2, b=RETRY, uniform=0.5)
    assert bench.idle(2.4)
    assert bench.take(2.5).accounts == (B,)


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


def test_attempts_used_up_are_parked_for_that_account_and_the_tokens_stay_until_the_letter_is_written(bench: Bench) -> None:
    bench.event(ANN, 0)
    now = 2.0
    for _ in range(2):
        assert bench.end(bench.take(now), now, b=RETRY).letters == ()
        now += 10
    ended = bench.end(bench.take(now), now, b=RETRY)
    (letter,) = ended.letters
    assert (letter.account, letter.attempts, letter.offset, letter.code, letter.stage, ended.closed) == (B, 3, 0, "x", "makeas", ())
    assert bench.idle(now + 60)
    assert bench.schedule.parked(ANN, now=now).closed == ((0, 0),)


def test_a_refused_user_is_parked_at_once(bench: Bench) -> None:
    bench.event(ANN, 0)
    assert [letter.account for letter in bench.end(bench.take(2), 2, a=REFUSED).letters] == [A]


def test_an_event_while_parking_opens_a_token_and_is_followed_by_a_run(bench: Bench) -> None:
    bench.event(ANN, 0)
    bench.end(bench.take(2), 2, a=REFUSED, b=REFUSED)
    assert bench.event(ANN, 3)
    assert bench.idle(60)
    assert bench.schedule.parked(ANN, now=60).closed == ((0, 0),)
    assert bench.take(60).accounts == (A, B)


def test_a_failed_fetch_is_a_debt_of_all_and_then_one_letter(bench: Bench) -> None:
    bench.event(ANN, 0)
    now = 2.0
    for _ in range(2):
        assert bench.end(bench.take(now), now, sesamy=RETRY).letters == ()
        bench.event(ANN, now)
        assert bench.idle(now + 0.4)
        now += 10
    (letter,) = bench.end(bench.take(now), now, sesamy=RETRY).letters
    assert (letter.account, letter.stage, letter.attempts) == (None, "sesamy", 3)
    assert bench.schedule.parked(ANN, now=now).closed == ((0, 0),)
    assert len(bench.schedule) == 0


def test_a_success_sets_the_attempts_back(bench: Bench) -> None:
    bench.event(ANN, 0)
    now = 2.0
    for _ in range(5):
        assert bench.end(bench.take(now), now, b=RETRY).letters == ()
        now += 5
        bench.end(bench.take(now), now)
        bench.event(ANN, now)
        now += 5


def test_held_burns_no_attempt_and_is_due_at_once(bench: Bench) -> None:
    bench.event(ANN, 0)
    for _ in range(10):
        assert bench.end(bench.take(2), 2, b=HELD).letters == ()
    assert bench.take(2).accounts == (B,)


def test_an_absent_user_is_looked_up_again_after_30_s_and_no_event_hurries_it(bench: Bench) -> None:
    bench.event(ANN, 0)
    assert bench.end(bench.take(2), 3, sesamy=ABSENT).closed == ()
    bench.event(ANN, 4)
    assert bench.idle(32.9)
    assert bench.end(bench.take(33), 34, sesamy=ABSENT).closed == ((0, 0),)
    assert len(bench.schedule) == 0


def test_who_was_found_in_between_is_absent_anew(bench: Bench) -> None:
    """A user whom Sesamy knows, then not: he is looked up again, however long ago he was absent before."""
    bench.event(ANN, 0)
    bench.end(bench.take(2), 2, sesamy=ABSENT)
    bench.end(bench.take(32), 32, b=RETRY)
    assert bench.end(bench.take(40), 40, sesamy=ABSENT).closed == ()
    assert bench.idle(69)
    assert bench.end(bench.take(70), 70, sesamy=ABSENT).closed == ((0, 0),)


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


def test_vendors_take_turns_and_one_has_half_of_the_workers_at_most() -> None:
    bench = Bench(concurrency=4)
    for user in (ANN, BOB, CID, DAN):
        bench.event(user, 0)
    bench.event(EVE, 1)
    assert [bench.take(3).user.vendor for _ in range(3)] == ["v", "w", "v"]
    assert bench.idle(3)


def test_who_has_just_paid_comes_first_but_every_fourth_is_the_longest_due(bench: Bench) -> None:
    bench.event(ANN, 0)
    for number in range(6):
        bench.event(UserKey("v", f"paid{number}"), 1 + number / 10, type_=PAID)
    assert [bench.take(5).user.user for _ in range(5)] == ["paid0", "paid1", "paid2", "ann", "paid3"]


def test_every_eighth_is_the_longest_due_of_all_also_where_only_a_letter_asks(bench: Bench) -> None:
    """A vendor at its rate always has somebody due; who is held in a letter must not wait for its quiet hour."""
    bench.event(ANN, 0)
    bench.schedule.reopen(letter_of(DAN), now=1.0)
    for number in range(20):
        bench.event(UserKey("v", f"paid{number}"), 1 + number / 10, type_=PAID)
    bench.schedule.reopen(letter_of(CID), now=1.0)
    taken = [bench.take(5).user.user for _ in range(16)]

    assert [place for place, user in enumerate(taken, 1) if not user.startswith("paid")] == [4, 8, 16]
    assert [taken[3], taken[7], taken[15]] == ["ann", "dan", "cid"]


def test_every_eighth_is_no_letter_where_an_event_is_due_for_longer(bench: Bench) -> None:
    for number in range(20):
        bench.event(UserKey("v", f"u{number}"), number / 10)
    bench.schedule.reopen(letter_of(DAN), now=2.95)
    taken = [bench.take(4).user.user for _ in range(16)]

    assert taken == [*(f"u{number}" for number in range(10)), *(f"u{number}" for number in range(10, 15)), "dan"]


def test_where_only_letters_ask_they_come_in_order(bench: Bench) -> None:
    for number in range(9):
        bench.schedule.reopen(letter_of(UserKey("v", f"u{number}")), now=number)
    assert [bench.take(20).user.user for _ in range(9)] == [f"u{number}" for number in range(9)]


def test_a_merged_user_keeps_his_most_urgent_class_also_when_he_waits_already(bench: Bench) -> None:
    bench.event(ANN, 0)
    bench.event(BOB, 0)
    bench.doors.states["v"] = Door.SHUT
    assert bench.idle(3)
    bench.event(BOB, 3, type_=PAID)
    bench.event(BOB, 3)
    bench.doors.states.clear()
    assert bench.take(3).user == BOB


def test_a_probe_is_who_was_never_tried_then_who_was_tried_longest_ago(bench: Bench) -> None:
    for user in (ANN, BOB, CID):
        bench.event(user, 0)
    for user, at in ((ANN, 3.0), (BOB, 2.5)):
        job = bench.take(2)
        assert job.user == user
        bench.end(job, at, a=DONE, b=HELD)
    bench.doors.states[B] = Door.PROBE
    bench.doors.states[A] = Door.SHUT
    probes = []
    for at in (4.0, 5.0, 6.0):
        job = bench.take(at)
        probes.append(job.user)
        bench.end(job, at, b=HELD)
    assert probes == [CID, BOB, ANN]


def test_a_vendors_probe_is_one_user(bench: Bench) -> None:
    bench.doors.states["v"] = Door.PROBE
    bench.event(ANN, 0)
    assert bench.take(2).accounts == (A, B)


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


def test_a_user_with_a_token_elsewhere_stays(bench: Bench) -> None:
    bench.event(ANN, 0)
    bench.event(ANN, 0, partition=1)
    aside, _, _ = bench.schedule.set_aside([0], now=1)
    assert bench.end(bench.take(2), 3).closed == ((1, 1),)
    bench.schedule.restore(0, aside[0], now=4)
    assert bench.end(bench.take(4), 5).closed == ((0, 0),)


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


def test_tokens_of_a_log_that_is_gone_are_forgotten_and_the_user_stays_due(bench: Bench) -> None:
    bench.event(ANN, 0)
    bench.schedule.forget_tokens(0)
    assert bench.end(bench.take(2), 3).closed == ()


def test_whose_token_went_with_a_lost_range_is_parked_when_the_partition_goes(bench: Bench) -> None:
    """Its next owner could read nothing of him, and here he would be run beside the next owner's runs."""
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


def test_he_stays_parked_while_the_letter_can_not_be_written_and_an_event_then_makes_him_as_any_other(bench: Bench) -> None:
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


def test_an_event_that_is_lost_during_a_run_leaves_its_user_without_a_token(bench: Bench) -> None:
    bench.event(ANN, 0)
    job = bench.take(2)
    bench.event(ANN, 2.5)
    bench.schedule.forget_tokens(0)
    assert bench.schedule.park_orphans(now=2.6) == [], "he runs"
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


def test_who_has_a_token_elsewhere_or_has_been_run_is_not_parked_with_a_lost_range(bench: Bench) -> None:
    bench.event(BOB, -1)
    bench.event(ANN, 0)
    bench.event(ANN, 0, partition=1)
    bench.schedule.forget_tokens(0)
    assert bench.end(bench.take(2), 3).closed == ()
    aside, _, orphans = bench.schedule.set_aside([0, 1], now=4)
    assert ([user.key for _, user in aside[1]], orphans) == ([ANN], ())


def test_whose_token_is_lost_and_who_is_refused_has_a_letter_that_names_his_partition(bench: Bench) -> None:
    bench.event(ANN, 0, partition=1)
    bench.schedule.forget_tokens(1)
    assert [(one.partition, one.offset) for one in bench.end(bench.take(2), 2, a=REFUSED).letters] == [(1, -1)]


def test_a_retry_goes_before_those_who_became_due_after_him(bench: Bench) -> None:
    bench.event(ANN, 0)
    job = bench.take(2)
    bench.event(BOB, 0.5)
    bench.end(job, 2.1, a=RETRY, uniform=0.5)
    bench.doors.states = {"v": Door.SHUT}
    assert bench.idle(9)
    bench.doors.states = {}
    assert [bench.take(9).user for _ in range(2)] == [ANN, BOB]


def test_a_vendor_is_probed_by_who_owes_to_an_account_that_wants_a_probe_too(bench: Bench) -> None:
    """Else the two gates would keep each other shut, though a third is open."""
    bench.event(ANN, 0)
    bench.end(bench.take(2), 2, a=RETRY)
    bench.doors.states = {"v": Door.PROBE, A: Door.PROBE, B: Door.OPEN}
    assert bench.take(60).accounts == (A,)


# ---- Since when ----


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


# ---- Looking ----


def test_of_an_account_whose_other_lists_took_the_user_a_letter_for_each_code_names_the_lists(bench: Bench) -> None:
    bench.event(ANN, 0)
    lists = {"11": "http-404", "12": "held", "13": "http-404"}
    ended = bench.end(bench.take(2), 2, b=Result(Verdict.REFUSED, "http-404", lists=lists))

    assert [(one.account, one.code, one.lists, one.attempts) for one in ended.letters] == [
        (B, "http-404", ("11", "13"), 1),
        (B, "held", ("12",), 1),
    ]
    assert bench.schedule.parked(ANN, now=3).closed == ((0, 0),)


def test_an_odd_key_goes_into_the_letter(bench: Bench) -> None:
    bench.event(ANN, 0)
    bench.schedule.keep_key(ANN, b"odd")
    (letter,) = bench.end(bench.take(2), 2, b=REFUSED).letters
    assert letter.key == b"odd"
