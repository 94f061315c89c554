"""What may be sent, and when; what the operator was told last is so, however little may be sent."""

from math import inf

import pytest

from consumer.pod.watch.conditions import Notice
from consumer.pod.watch.outbox import AGAIN_S, HOUR_S, PER_HOUR, PLACES, SAME_S, Outbox, Parcel


def notice(subject: str = "1", *, begins: bool = True, cause: str = "denied") -> Notice:
    event = "list-stopped" if begins else "list-runs"
    return Notice(event=event, begins=begins, kind="gate", subject=subject, cause=cause, text="t", runbook="r", since=0.0)


def sent(box: Outbox, *, now: float) -> Parcel | None:
    """Take a parcel out that arrives."""
    parcel = box.take(now=now)
    if parcel is not None:
        box.arrived(parcel, now=now)
    return parcel


def lost(box: Outbox, *, now: float, may_have_arrived: bool = False) -> Parcel:
    """Take a parcel out that fails."""
    parcel = box.take(now=now)
    assert parcel is not None
    box.failed(parcel, now=now, may_have_arrived=may_have_arrived)
    return parcel


def taken(parcel: Parcel | None) -> tuple[list[tuple[str, bool]], int] | None:
    return None if parcel is None else ([(one.subject, one.begins) for one in parcel.notices], parcel.held_back)


def test_a_notice_is_sent_at_once_and_an_empty_box_waits_for_ever() -> None:
    box = Outbox()
    assert (box.next_at(now=5.0), sent(box, now=5.0)) == (inf, None)
    box.put(notice())

    assert box.next_at(now=5.0) == 5.0
    assert taken(sent(box, now=5.0)) == ([("1", True)], 0)
    assert box.next_at(now=5.0) == inf


def test_the_same_event_of_a_subject_is_sent_once_in_ten_minutes_and_the_rest_is_counted() -> None:
    box = Outbox()
    for begins in (True, False):
        box.put(notice(begins=begins))
        sent(box, now=0.0)
    for _ in range(3):
        box.put(notice())
        box.put(notice(begins=False))
    assert (len(box), sent(box, now=1.0)) == (0, None)

    box.put(notice())
    assert (sent(box, now=SAME_S - 1), box.next_at(now=9.0)) == (None, SAME_S)
    assert taken(sent(box, now=SAME_S)) == ([("1", True)], 6)
    assert box.held_back == 0


def test_what_was_held_back_and_is_so_still_is_told_once_it_may() -> None:
    """A list that stops again within ten minutes: the operator believes that it runs, and hears of it."""
    box = Outbox()
    for begins in (True, False):
        box.put(notice(begins=begins))
        sent(box, now=0.0)
    box.put(notice())

    assert sent(box, now=100.0) is None
    assert taken(sent(box, now=SAME_S)) == ([("1", True)], 0)


def test_what_begins_and_ends_unsent_is_not_told() -> None:
    box = Outbox()
    box.put(notice())
    box.put(notice(begins=False))

    assert (len(box), box.held_back) == (0, 2)


def test_another_cause_of_what_is_told_is_another_notice() -> None:
    box = Outbox()
    box.put(notice(cause="breaker"))
    sent(box, now=0.0)
    box.put(notice(cause="denied"))

    assert taken(sent(box, now=SAME_S)) == ([("1", True)], 0)


def test_many_that_say_the_same_are_one_post() -> None:
    box = Outbox()
    for subject in "123":
        box.put(notice(subject, cause="other" if subject == "2" else "denied"))

    assert taken(sent(box, now=0.0)) == ([("1", True), ("3", True)], 0)
    assert taken(sent(box, now=0.0)) == ([("2", True)], 0)


def test_an_hour_has_so_many_posts_at_most() -> None:
    box = Outbox()
    for number in range(PER_HOUR + 1):
        box.put(notice(str(number), cause=str(number)))
    parcels = [sent(box, now=float(number)) for number in range(PER_HOUR)]

    assert None not in parcels
    assert (sent(box, now=HOUR_S - 1), box.next_at(now=100.0)) == (None, HOUR_S)
    assert taken(sent(box, now=HOUR_S)) == ([(str(PER_HOUR), True)], 0)


def test_the_box_is_bounded_and_the_oldest_goes() -> None:
    box = Outbox()
    for number in range(PLACES + 2):
        box.put(notice(str(number), cause=str(number)))

    assert (len(box), box.dropped, box.held_back) == (PLACES, 2, 2)
    assert taken(sent(box, now=0.0)) == ([("2", True)], 2)


# ---- A POST that fails ----


def test_what_did_not_arrive_is_sent_again_and_each_failure_doubles_the_wait() -> None:
    box = Outbox()
    box.put(notice())
    now, waits = 0.0, []
    for _ in range(6):
        lost(box, now=now)
        again_at = box.next_at(now=now)
        waits.append(again_at - now)
        assert box.take(now=again_at - 0.001) is None
        now = again_at

    assert waits == [AGAIN_S, 120.0, 240.0, 480.0, SAME_S, SAME_S]
    assert taken(sent(box, now=now)) == ([("1", True)], 0)
    assert (len(box), box.is_failing, box.passed_over) == (0, False, 0)


def test_the_first_that_arrives_lets_all_others_go_at_once() -> None:
    box = Outbox()
    for subject in "12":
        box.put(notice(subject, cause=subject))
    lost(box, now=0.0)
    box.put(notice("3", cause="3"))
    assert (box.is_failing, box.next_at(now=1.0)) == (True, AGAIN_S)

    # What failed goes behind what has not been tried.
    assert [taken(sent(box, now=AGAIN_S)) for _ in range(4)] == [([("2", True)], 0), ([("1", True)], 0), ([("3", True)], 0), None]


@pytest.mark.parametrize("may_have_arrived", [False, True])
@pytest.mark.parametrize("is_under_way", [False, True])
def test_an_end_is_told_only_where_its_beginning_may_have_been(*, may_have_arrived: bool, is_under_way: bool) -> None:
    box = Outbox()
    box.put(notice())
    parcel = box.take(now=0.0)
    assert parcel is not None
    if is_under_way:
        box.put(notice(begins=False))
    box.failed(parcel, now=0.0, may_have_arrived=may_have_arrived)
    if not is_under_way:
        box.put(notice(begins=False))

    wanted = ([("1", False)], 1) if may_have_arrived else None
    assert taken(sent(box, now=AGAIN_S)) == wanted
    assert (len(box), box.passed_over) == (0, 1 if may_have_arrived else 2)


def test_an_end_that_comes_while_its_beginning_is_under_way_is_told_once_that_arrived() -> None:
    box = Outbox()
    box.put(notice())
    parcel = box.take(now=0.0)
    assert parcel is not None
    box.put(notice(begins=False))
    box.arrived(parcel, now=0.0)

    assert taken(sent(box, now=1.0)) == ([("1", False)], 0)


def test_what_begins_anew_while_its_beginning_is_under_way_is_not_told_twice() -> None:
    box = Outbox()
    box.put(notice())
    parcel = box.take(now=0.0)
    assert parcel is not None
    box.put(notice(begins=False))
    box.put(notice())
    box.arrived(parcel, now=0.0)

    assert (len(box), box.held_back, box.passed_over) == (0, 2, 2)


def test_an_end_that_did_not_arrive_is_let_go_when_it_begins_anew() -> None:
    """The operator thinks still that it stands."""
    box = Outbox()
    box.put(notice())
    sent(box, now=0.0)
    box.put(notice(begins=False))
    lost(box, now=1.0)
    box.put(notice())

    assert (len(box), box.held_back) == (0, 2)


def test_posts_that_fail_count_into_the_hour_and_what_they_held_back_is_told_later() -> None:
    box = Outbox(again_s=0.0)
    box.put(notice())
    box.put(notice(cause="breaker"))
    for number in range(PER_HOUR):
        assert lost(box, now=float(number)).held_back == 1

    assert (box.take(now=HOUR_S - 1), box.next_at(now=100.0)) == (None, HOUR_S)
    assert taken(sent(box, now=HOUR_S)) == ([("1", True)], 1)


def test_what_fails_finds_the_box_full_and_the_oldest_goes() -> None:
    box = Outbox()
    box.put(notice("first"))
    parcel = box.take(now=0.0)
    assert parcel is not None
    for number in range(PLACES):
        box.put(notice(str(number), cause=str(number)))
    box.failed(parcel, now=0.0, may_have_arrived=False)

    assert (len(box), box.dropped, box.held_back) == (PLACES, 1, 1)
    assert taken(sent(box, now=AGAIN_S)) == ([("1", True)], 1)
