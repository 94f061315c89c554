"""What a user owes to whom, when it is tried again, and when it becomes a letter."""

import pytest

from consumer.core.model import Door, Result, Verdict
from tests.fakes.schedule import ABSENT, ANN, BOB, DONE, HELD, REFUSED, RETRY, A, B, Bench


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


def test_who_was_found_in_between_is_absent_anew(bench: Bench) -> None:
    """A user that Sesamy knows, then not: it is looked up again, however long ago it was absent before."""
    bench.event(ANN, 0)
    bench.end(bench.take(2), 2, sesamy=ABSENT)
    bench.end(bench.take(32), 32, b=RETRY)
    assert bench.end(bench.take(40), 40, sesamy=ABSENT).closed == ()
    assert bench.idle(69)
    assert bench.end(bench.take(70), 70, sesamy=ABSENT).closed == ((0, 0),)


def test_of_an_account_whose_other_lists_took_the_user_a_letter_for_each_code_names_the_lists(bench: Bench) -> None:
    bench.event(ANN, 0)
    lists = {"11": "http-404", "12": "held", "13": "http-404"}
    ended = bench.end(bench.take(2), 2, b=Result(Verdict.REFUSED, "http-404", lists=lists))

    assert [(one.account, one.code, one.lists, one.attempts) for one in ended.letters] == [
        (B, "http-404", ("11", "13"), 1),
        (B, "held", ("12",), 1),
    ]
    assert bench.schedule.parked(ANN, now=3).closed == ((0, 0),)
