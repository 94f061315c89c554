"""What shuts a gate from outside."""

from math import inf

from consumer.core.gates.stops import Stops


def test_what_was_asked_for_before_a_stop_ended_is_doubted() -> None:
    made = Stops()
    assert not made.doubts(-1e9)
    made.stop("filter", now=10, held_until=20)
    assert made.doubts(5)
    assert made.doubts(15)
    made.release("filter", now=30)
    assert [made.doubts(taken_at) for taken_at in (5, 15, 29.9, 30, 31)] == [True, True, True, False, False]


def test_a_stop_that_stands_keeps_its_times_and_a_release_says_whether_it_stood() -> None:
    made = Stops()
    assert not made.release("filter", now=0)
    made.stop("filter", now=10, held_until=20)
    made.stop("filter", now=15, held_until=90)
    assert (made.shown(), made.held_until) == (("filter", 10), 20)
    assert made.release("filter", now=30)
    assert (made.shown(), made.held_until, bool(made)) == (("", inf), inf, False)


def test_the_first_verdict_ends_the_wait_for_it() -> None:
    made = Stops()
    made.await_verdict(now=3)
    assert (bool(made), made.any, made.held_until, made.shown()) == (True, False, inf, ("unproven", 3))
    assert made.release("filter", now=4)
    assert (bool(made), made.doubts(1)) == (False, False)
