"""How many users wait for what, and what each list is owed, looked at all at once."""

from consumer.core.model import SESAMY, Door
from consumer.core.users.counts import CAUSES, Counts, Owed, Waiting
from tests.fakes.schedule import (
    ANN,
    BOB,
    EVE,
    REFUSED,
    RETRY,
    A,
    B,
    Bench,
    C,
    counts_of,
)


def test_counts_and_what_is_owed(bench: Bench) -> None:
    for user in (ANN, BOB, EVE):
        bench.event(user, 0)
    job = bench.take(2)
    bench.end(job, 2, a=REFUSED)
    assert ANN in bench.schedule
    assert bench.schedule.counts() == {"waiting": 0, "due": 2, "running": 0, "parking": 1}
    assert bench.schedule.due_by_account()["v", A] == 1
    assert counts_of(bench).owed["w", C] == Owed(1, 0, 0)


def causes_of(seen: Counts) -> dict[str, int]:
    assert tuple(seen.causes) == CAUSES
    return {cause: users for cause, users in seen.causes.items() if users}


def test_each_dirty_user_has_one_cause(bench: Bench) -> None:
    """A burst that goes on, a run, a wait after a failure, letters on their way; and nobody: nothing."""
    assert causes_of(counts_of(bench)) == {}
    bench.event(ANN, 0)
    assert causes_of(counts_of(bench)) == {"debounce": 1}
    job = bench.take(2)
    assert causes_of(counts_of(bench)) == {"running": 1}
    bench.end(job, 2, b=RETRY)
    seen = counts_of(bench)
    assert causes_of(seen) == {"backoff": 1}
    assert (seen.owed, seen.since_ms) == ({("v", B): Owed(1, 0, 0)}, {"backoff": 0})
    bench.event(EVE, 3)
    bench.end(bench.take(5), 5, c=REFUSED)
    seen = counts_of(bench)
    assert (seen.causes["parking"], seen.since_ms["parking"]) == (1, 3000)


def test_a_burst_is_pending_and_not_due_until_its_end(bench: Bench) -> None:
    """What a user in a burst is owed from before, is due all the same."""
    bench.event(ANN, 1)
    assert counts_of(bench).owed == {("v", A): Owed(1, 1000), ("v", B): Owed(1, 1000)}
    bench.end(bench.take(3), 3, b=RETRY)
    bench.event(ANN, 4)
    seen = counts_of(bench)
    assert causes_of(seen) == {"debounce": 1}
    assert seen.owed == {("v", A): Owed(1, 4000), ("v", B): Owed(1, 1000, 1000)}


def test_a_letter_that_will_be_tried_again_is_owed_as_a_user_is(bench: Bench) -> None:
    bench.event(EVE, 9)
    seen = counts_of(bench, letters=[Waiting("w", (C,), 7000), Waiting("v", {A}, 5000)])
    assert (seen.letters, causes_of(seen)) == (2, {"debounce": 1})
    assert seen.owed == {("w", C): Owed(2, 7000, 7000), ("v", A): Owed(1, 5000, 5000)}


def test_a_letter_about_some_lists_is_owed_by_no_other(bench: Bench) -> None:
    """Else an alert would say of a list that takes everybody that it stands still."""
    seen = counts_of(bench, letters=[Waiting("v", (A,), 5000, ("12",)), Waiting("v", (A,), 4000, ("12", "13")), Waiting("v", (A,), 6000)])

    assert seen.owed == {("v", A): Owed(1, 6000, 6000)}
    assert seen.owed_lists == {("v", A, "12"): Owed(2, 4000, 4000), ("v", A, "13"): Owed(1, 4000, 4000)}


def test_a_due_user_waits_for_a_worker_or_for_shut_gates_alone(bench: Bench) -> None:
    """Held is only a user kept by every gate that stands before it: with one open, it waits for a worker."""
    bench.event(ANN, 0)
    bench.event(EVE, 0)
    bench.doors.states = {"v": Door.SHUT, "w": Door.SHUT}
    assert bench.idle(9)

    assert causes_of(counts_of(bench)) == {"ready": 2}
    seen = counts_of(bench, out_accounts={A})
    assert (causes_of(seen), seen.held) == ({"ready": 2}, {})
    seen = counts_of(bench, out_accounts={A, B})
    assert (causes_of(seen), seen.held) == ({"ready": 1, "held": 1}, {("v", A): 1, ("v", B): 1})
    letters = [Waiting("w", (C,), 0), Waiting("w", (C,), 0), Waiting("v", (A,), 0)]
    seen = counts_of(bench, out_vendors={"v", "w"}, letters=letters)
    assert (causes_of(seen), seen.held) == ({"held": 2}, {("v", SESAMY): 2, ("w", SESAMY): 3})
    assert counts_of(bench, out_accounts={A, C}, letters=letters).held == {("v", A): 1, ("w", C): 3}
