"""Which due user comes next."""

from consumer.core.model import Door, UserKey
from tests.fakes.schedule import ANN, BOB, CID, DAN, DONE, EVE, HELD, PAID, RETRY, A, B, Bench, letter_of


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


def test_a_retry_goes_before_those_that_became_due_after_it(bench: Bench) -> None:
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
