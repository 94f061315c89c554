"""Users whose open events lie on two partitions: which events count."""

import pytest

from tests.fakes.schedule import ABSENT, ANN, BOB, DONE, EVE, REFUSED, RETRY, Bench, letter_of


@pytest.mark.parametrize(
    ("before", "partition", "events"),
    [
        ("nothing", 0, 0),
        ("dirty on 0", 0, 0),
        ("dirty on 0", 1, 1),
        ("dirty on 0, then 1", 0, 1),
        ("dirty on 0, then 1", 1, 1),
        ("running of 0", 0, 0),
        ("running of 0", 1, 1),
        ("running of 0, 0 came", 0, 0),
        ("running of 0, 1 came", 0, 1),
        ("owing on 0", 0, 0),
        ("owing on 0", 1, 1),
        ("parked of 0", 1, 1),
        ("absent on 0", 0, 0),
        ("absent on 0", 1, 1),
        ("absent on 0, then 1", 0, 1),
        ("done on 0", 1, 0),
        ("done on 0, 1 came meanwhile", 1, 0),
        ("done on 0, 1 came meanwhile", 0, 1),
        ("lost on 0", 1, 0),
        ("lost on 0, 0 came, lost", 1, 0),
        ("given up on 0", 1, 0),
        ("asked for by a letter", 1, 0),
    ],
)
def test_an_event_of_a_user_that_has_an_open_one_on_another_partition_is_counted(
    bench: Bench, before: str, partition: int, events: int
) -> None:
    """Of its vendor; the times of others, and tokens that are closed, lost or given up, do not count."""
    bench.event(BOB, 0, partition=2)
    bench.end(bench.take(2), 2)
    if before == "asked for by a letter":
        bench.schedule.reopen(letter_of(ANN), now=2)
    elif before != "nothing":
        bench.event(ANN, 2)
    if before == "dirty on 0, then 1":
        bench.event(ANN, 2, partition=1)
    if before.startswith("absent"):
        bench.end(bench.take(4), 4, sesamy=ABSENT)
    if before == "absent on 0, then 1":
        bench.event(ANN, 4, partition=1)
    if before.startswith("lost"):
        bench.schedule.forget_tokens(0)
    if before == "given up on 0":
        bench.schedule.set_aside([0], now=2)
    elif before.startswith(("running", "owing", "parked", "done")) or before == "lost on 0, 0 came, lost":
        job = bench.take(4)
        if "came" in before:
            bench.event(ANN, 4, partition=1 if "1 came" in before else 0)
        if before.endswith("came, lost"):
            bench.schedule.forget_tokens(0)
        elif not before.startswith("running"):
            bench.end(job, 4, b=RETRY if before.startswith("owing") else REFUSED if before.startswith("parked") else DONE)
    bench.schedule.splits.events.clear()

    bench.event(EVE, 4, partition=3)
    bench.event(ANN, 4, partition=partition)

    assert bench.schedule.splits.events == ({"v": events} if events else {})


def test_split_events_are_counted_by_vendor_each_one(bench: Bench) -> None:
    for user, partition in ((ANN, 0), (EVE, 0), (ANN, 1), (ANN, 0), (ANN, 1), (EVE, 2), (BOB, 1), (BOB, 1)):
        bench.event(user, 0, partition=partition)
    assert bench.schedule.splits.events == {"v": 3, "w": 1}
