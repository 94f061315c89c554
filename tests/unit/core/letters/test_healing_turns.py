"""Whose turn it is among many letters, and what a run that did part of one leaves."""

import pytest

from consumer.core.letters.record import Record
from consumer.core.model import Door, Event, Place, Result, Verdict
from tests.fakes.letters import HELD, REFUSED, A, B, Pod, user

ABSENT = Result(Verdict.ABSENT)


def event(pod: Pod, number: int, *, offset: int = 50) -> None:
    pod.schedule.submit(Event(user(number), "contract.1#update"), 1, offset, since_ms=0, now=0.0)


# ---- Turns ----


@pytest.mark.parametrize("before", [60, 600])
def test_no_partitions_letters_wait_for_anothers(before: int) -> None:
    """One partition may have thousands of them, another a reader who waits since an hour."""
    pod = Pod()
    for number in range(before):
        pod.letter(number, source_partition="1")
    for number in Place(5001, 5002):
        pod.letter(number, source_partition="2")

    assert {user(5001), user(5002)} <= set(pod.offered())
    assert len(pod.schedule) == 50


def test_no_partitions_letter_is_each_probe() -> None:
    """Its user may be refused by the account, which would stay shut for all others for ever."""
    pod = Pod()
    for number, partition in enumerate("123"):
        pod.letter(number, source_partition=partition)
    pod.doors.states["1"] = Door.PROBE
    tried = []
    for at in (10.0, 20.0, 30.0, 40.0):
        pod.offered(now=at)
        tried.append(pod.run(now=at + 1, a1=HELD)[0].user)
        pod.schedule.set_aside([], now=at + 2)

    assert (set(tried[:3]), tried[3]) == ({user(0), user(1), user(2)}, tried[0])


def test_letters_that_can_not_be_tried_now_keep_no_others_waiting_for_long() -> None:
    """Here they are all of one reader, whose run is under way."""
    pod = Pod()
    event(pod, 0)
    assert pod.schedule.take(pod.doors, now=2.0) is not None
    for _ in range(600):
        pod.letter(0)
    pod.letter(1)

    assert pod.offered() == [user(0)]
    assert pod.offered() == [user(0), user(1)]


def test_letters_are_sorted_some_in_each_round_and_none_is_forgotten() -> None:
    """All at once they would hold up the loop, and with it the heartbeat."""
    pod = Pod()
    for number in range(5000):
        pod.letter(number)
    left = []
    for _ in range(3):
        pod.offered()
        left.append(len(pod.healing._unsorted))

    assert left == [3000, 1000, 0]
    assert len(pod.healing.book) == 5000
    assert len(pod.waiting()) == 4950


def test_who_is_in_the_schedule_is_not_counted_among_those_who_wait_in_the_topic() -> None:
    """It would be counted twice."""
    pod = Pod(owned=(1,))
    pod.doors.states = {"1": Door.SHUT}
    for number in Place(0, 1):
        pod.letter(number)
    assert (pod.offered(), len(pod.waiting())) == ([], 2)

    event(pod, 0)
    assert [one.accounts for one in pod.waiting()] == [(A,)]
    pod.owned = [0, 2, 3]
    assert pod.waiting() == []


def test_who_asks_for_what_the_settings_do_not_know_is_told() -> None:
    pod, told = Pod(), list[bool]()
    read = pod.healing.read

    def heard(place: Place, record: Record) -> bool:
        told.append(read(place, record))
        return told[-1]

    pod.healing.read = heard  # type: ignore[method-assign]
    pod.letter(0)
    pod.letter(1, account="77")
    pod.letter(2, code="http-422", account="77")

    assert told == [True, False, True]
    assert pod.healing.unknown_accounts == 1


# ---- What is left ----


def test_a_letter_for_all_accounts_is_tried_again_for_those_alone_that_have_not_had_it() -> None:
    pod = Pod()
    pod.letter(account=None)
    pod.offered()
    first, _ = pod.run(a1=REFUSED)
    pod.schedule.parked(user(), now=3.0)
    pod.offered(now=3.0)
    second, _ = pod.run(now=4.0)

    assert (set(first.accounts), set(second.accounts)) == ({A, B}, {A})


def test_who_is_absent_is_owed_nothing_once_a_second_look_30_s_later_finds_nobody_either() -> None:
    """At the first look the reader may be too new to be found, and the letter would be closed unwritten."""
    pod = Pod()
    place = pod.letter()
    pod.offered()
    pod.run(now=2.0, sesamy=ABSENT)
    assert pod.done == []

    pod.run(now=40.0, sesamy=ABSENT)
    assert [one.place for one in pod.done] == [place]


def test_events_of_an_absent_user_keep_no_letter_open() -> None:
    """The letter is settled by the two looks made for it; each event has two of its own."""
    pod = Pod()
    place = pod.letter()
    pod.offered()
    for number, now in enumerate((2.0, 40.0, 80.0)):
        pod.run(now=now, sesamy=ABSENT)
        pod.schedule.submit(Event(user(), "contract.1#update"), 1, number, since_ms=1, now=now + 1)
    assert [one.place for one in pod.done] == [place]


def test_a_letter_read_between_two_looks_at_an_absent_user_waits_for_two_of_its_own() -> None:
    pod = Pod()
    pod.schedule.submit(Event(user(), "contract.1#update"), 1, 1, since_ms=1, now=0.0)
    pod.run(now=2.0, sesamy=ABSENT)
    place = pod.letter(now=3.0)
    pod.run(now=40.0, sesamy=ABSENT)
    assert pod.done == []

    assert pod.offered(now=200.0) == [user()]
    for now in (201.0, 240.0):
        pod.run(now=now, sesamy=ABSENT)
    assert [one.place for one in pod.done] == [place]


def test_a_run_that_parks_at_sesamy_closes_no_letter() -> None:
    pod = Pod()
    pod.letter(account=None)
    pod.offered()
    _, ended = pod.run(sesamy=REFUSED)

    assert [one.account for one in ended.letters] == [None]
    assert pod.done == []
