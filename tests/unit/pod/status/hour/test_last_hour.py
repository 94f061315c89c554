"""The last hour: each minute once, a gap where nobody looked, and no more memory than sixty of them."""

from consumer.pod.status.hour.last_hour import LISTS, MINUTES, Look, Ring, look
from consumer.pod.status.hour.shapes import LastHour
from consumer.pod.status.tree import ListStatus, Status, UserCounts

NOON = 1_795_521_600.0
KEY = ("v", "1", "11")


def seen(events: int, *, resyncs: int = 0, dirty: int = 0, fresh: float | None = None) -> Look:
    return Look(events=events, resyncs=resyncs, dirty=dirty, fresh={KEY: fresh})


def hour(ring: Ring, at: float) -> LastHour:
    found = ring.seen(at=at)
    assert found is not None
    return found


def known(values: tuple[int | None, ...]) -> list[int | None]:
    """Return what is left once the minutes before the first known one are taken off."""
    first = next((number for number, value in enumerate(values) if value is not None), len(values))
    return list(values[first:])


def test_each_minute_has_what_came_in_it() -> None:
    ring = Ring()
    ring.note(seen(100, resyncs=10), at=NOON + 20)
    assert ring.seen(at=NOON + 59) is None
    ring.note(seen(130, resyncs=11, dirty=7, fresh=2.0), at=NOON + 60.1)
    ring.note(seen(130, resyncs=15, dirty=0), at=NOON + 120.1)

    found = hour(ring, NOON + 121)
    assert (known(found.events), known(found.resyncs), known(found.dirty)) == ([30, 0], [1, 4], [7, 0])
    assert {len(one) for one in (found.events, found.resyncs, found.dirty, found.lists[0].freshness_s)} == {MINUTES}
    assert found.lists[0].freshness_s[-2:] == (2.0, None)
    assert (found.lists[0].vendor, found.lists[0].account, found.lists[0].list) == KEY


def test_a_second_look_at_one_minute_counts_nothing_twice() -> None:
    ring = Ring()
    ring.note(seen(0), at=NOON)
    ring.note(seen(5), at=NOON + 60)
    ring.note(seen(6), at=NOON + 61)
    ring.note(seen(9), at=NOON + 120)

    assert known(hour(ring, NOON + 120).events) == [5, 4]


def test_minutes_that_nobody_saw_are_gaps_and_not_zeros_nor_a_peak() -> None:
    """The machine was suspended: what was counted before and after is of no minute that we know."""
    ring = Ring()
    ring.note(seen(0), at=NOON)
    ring.note(seen(5, dirty=1, fresh=1.0), at=NOON + 60)
    ring.note(seen(50, dirty=2, fresh=3.0), at=NOON + 240)
    ring.note(seen(57, dirty=3, fresh=4.0), at=NOON + 300)

    found = hour(ring, NOON + 300)
    assert known(found.events) == [5, None, None, None, 7]
    assert known(found.dirty) == [1, None, None, None, 3]
    assert found.lists[0].freshness_s[-5:] == (1.0, None, None, None, 4.0)


def test_a_look_that_comes_far_too_late_says_nothing_of_its_minute_nor_of_the_next() -> None:
    ring = Ring()
    ring.note(seen(0), at=NOON)
    ring.note(seen(8), at=NOON + 75)
    ring.note(seen(9), at=NOON + 120)
    ring.note(seen(11), at=NOON + 180)

    assert known(hour(ring, NOON + 180).events) == [2]


def test_what_is_shown_while_the_filling_stands_still_moves_on_as_gaps() -> None:
    ring = Ring()
    ring.note(seen(0), at=NOON)
    ring.note(seen(5, fresh=1.0), at=NOON + 60)

    assert known(hour(ring, NOON + 125).events) == [5]
    assert known(hour(ring, NOON + 195).events) == [5, None, None]
    assert hour(ring, NOON + 195).lists[0].freshness_s[-3:] == (1.0, None, None)
    assert known(hour(ring, NOON + 9000).events) == []


def test_a_clock_that_is_set_back_begins_anew() -> None:
    ring = Ring()
    ring.note(seen(0), at=NOON)
    ring.note(seen(5), at=NOON + 60)
    ring.note(seen(6), at=NOON - 3600)
    assert ring.seen(at=NOON - 3600) is None
    ring.note(seen(8), at=NOON - 3540)

    assert known(hour(ring, NOON - 3540).events) == [2]


def test_it_keeps_an_hour_and_the_lists_that_there_are() -> None:
    ring = Ring()
    for minute in range(200):
        ring.note(seen(minute * minute), at=NOON + 60 * minute)

    found = hour(ring, NOON + 60 * 199)
    assert found.events == tuple(2 * minute - 1 for minute in range(140, 200))
    ring.note(Look(events=0, resyncs=0, dirty=0, fresh={("v", "1", "12"): 1.0}), at=NOON + 60 * 200)
    assert [one.list for one in hour(ring, NOON + 60 * 200).lists] == ["12"]


def test_how_fresh_a_list_was_is_its_write_or_what_is_due_whichever_is_worse() -> None:
    lists = (
        ListStatus(vendor="v", account="1", list="written", last_write_at=NOON - 3, freshness_last_s=2.04, oldest_due_s=1.0),
        ListStatus(vendor="v", account="1", list="stuck", last_write_at=NOON - 3, freshness_last_s=2.0, oldest_due_s=900.0),
        ListStatus(vendor="v", account="1", list="quiet", last_write_at=NOON - 61, freshness_last_s=2.0),
        ListStatus(vendor="v", account="1", list="new"),
        ListStatus(vendor="v", account="1", list="paused", oldest_due_s=1.0, owed_users=3, paused=True),
        ListStatus(vendor="v", account="1", list="never", oldest_due_s=900.0, owed_users=3),
    )
    found = look(Status(at=NOON, lists=lists, users=UserCounts(dirty=4)), events=3, resyncs=2)

    never = dict.fromkeys(("new", "paused", "never"))
    assert {key[2]: value for key, value in found.fresh.items()} == {"written": 2.0, "stuck": 900.0, "quiet": None, **never}
    assert (found.events, found.resyncs, found.dirty) == (3, 2, 4)


def test_no_more_lists_are_kept_than_memory_was_promised_for() -> None:
    lists = tuple(ListStatus(vendor="v", account="1", list=str(number)) for number in range(LISTS + 50))

    assert len(look(Status(lists=lists), events=0, resyncs=0).fresh) == LISTS
