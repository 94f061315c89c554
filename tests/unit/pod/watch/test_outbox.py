"""What may be sent, and when; what the operator was told last is so, however little may be sent."""

from math import inf

from consumer.pod.watch.conditions import Notice
from consumer.pod.watch.outbox import HOUR_S, PER_HOUR, PLACES, SAME_S, Outbox, Parcel


def notice(subject: str = "1", *, begins: bool = True, cause: str = "denied") -> Notice:
    event = "list-stopped" if begins else "list-runs"
    return Notice(event=event, begins=begins, kind="gate", subject=subject, cause=cause, text="t", runbook="r", since=0.0)


def taken(parcel: Parcel | None) -> tuple[list[tuple[str, bool]], int] | None:
    return None if parcel is None else ([(one.subject, one.begins) for one in parcel.notices], parcel.held_back)


def test_a_notice_is_sent_at_once_and_an_empty_box_waits_for_ever() -> None:
    box = Outbox()
    assert (box.next_at(now=5.0), box.take(now=5.0)) == (inf, None)
    box.put(notice())

    assert box.next_at(now=5.0) == 5.0
    assert taken(box.take(now=5.0)) == ([("1", True)], 0)
    assert box.next_at(now=5.0) == inf


def test_the_same_event_of_a_subject_is_sent_once_in_ten_minutes_and_the_rest_is_counted() -> None:
    box = Outbox()
    for begins in (True, False):
        box.put(notice(begins=begins))
        box.take(now=0.0)
    for _ in range(3):
        box.put(notice())
        box.put(notice(begins=False))
    assert (len(box), box.take(now=1.0)) == (0, None)

    box.put(notice())
    assert (box.take(now=SAME_S - 1), box.next_at(now=9.0)) == (None, SAME_S)
    assert taken(box.take(now=SAME_S)) == ([("1", True)], 6)
    assert box.held_back == 0


def test_what_was_held_back_and_is_so_still_is_told_once_it_may() -> None:
    """A list that stops again within ten minutes: the operator believes that it runs, and hears of it."""
    box = Outbox()
    for begins in (True, False):
        box.put(notice(begins=begins))
        box.take(now=0.0)
    box.put(notice())

    assert box.take(now=100.0) is None
    assert taken(box.take(now=SAME_S)) == ([("1", True)], 0)


def test_what_begins_and_ends_unsent_is_not_told() -> None:
    box = Outbox()
    box.put(notice())
    box.put(notice(begins=False))

    assert (len(box), box.held_back) == (0, 2)


def test_another_cause_of_what_is_told_is_another_notice() -> None:
    box = Outbox()
    box.put(notice(cause="breaker"))
    box.take(now=0.0)
    box.put(notice(cause="denied"))

    assert taken(box.take(now=SAME_S)) == ([("1", True)], 0)


def test_many_that_say_the_same_are_one_post() -> None:
    box = Outbox()
    for subject in "123":
        box.put(notice(subject, cause="other" if subject == "2" else "denied"))

    assert taken(box.take(now=0.0)) == ([("1", True), ("3", True)], 0)
    assert taken(box.take(now=0.0)) == ([("2", True)], 0)


def test_an_hour_has_so_many_posts_at_most() -> None:
    box = Outbox()
    for number in range(PER_HOUR + 1):
        box.put(notice(str(number), cause=str(number)))
    sent = [box.take(now=float(number)) for number in range(PER_HOUR)]

    assert None not in sent
    assert (box.take(now=HOUR_S - 1), box.next_at(now=100.0)) == (None, HOUR_S)
    assert taken(box.take(now=HOUR_S)) == ([(str(PER_HOUR), True)], 0)


def test_the_box_is_bounded_and_the_oldest_goes() -> None:
    box = Outbox()
    for number in range(PLACES + 2):
        box.put(notice(str(number), cause=str(number)))

    assert (len(box), box.dropped, box.held_back) == (PLACES, 2, 2)
    assert taken(box.take(now=0.0)) == ([("2", True)], 2)
