"""Who is inside a gate, and who still holds a place."""

from consumer.core.gates.places import Places
from consumer.core.model import UserKey

ANN, BO, CAT = (UserKey("v", name) for name in ("ann", "bo", "cat"))


def test_it_is_full_when_as_many_hold_a_place_as_there_are() -> None:
    places = Places(2)
    places.enter(ANN)
    assert (places.in_use, places.is_full) == (1, False)
    places.enter(BO)
    assert (places.in_use, places.is_full) == (2, True)
    places.leave(ANN)
    assert not places.is_full


def test_who_steps_aside_is_inside_and_holds_no_place() -> None:
    places = Places(1)
    places.enter(ANN)
    places.step_aside(ANN)
    assert (places.in_use, places.is_full, places.number(ANN, 0)) == (0, False, 1)
    places.enter(BO)
    assert places.is_full
    places.leave(ANN)
    assert (places.in_use, places.number(ANN, 0)) == (1, 0), "it gives no place back that it has given back"
    places.enter(ANN)
    assert places.in_use == 2, "the next time it holds one again"


def test_who_is_not_inside_can_not_step_aside() -> None:
    places = Places(1)
    places.step_aside(CAT)
    assert places.in_use == 0


def test_runs_are_numbered_as_they_begin() -> None:
    places = Places(None)
    for user in (ANN, BO):
        places.enter(user)
    assert (places.number(ANN, 0), places.number(BO, 0), places.number(CAT, 9), places.begun) == (1, 2, 9, 2)
    assert not places.is_full


def test_a_user_that_comes_back_waits_for_a_place_and_gets_the_next_before_all_that_enter() -> None:
    made = Places(1)
    made.enter(ANN)
    made.step_aside(ANN)
    made.enter(BO)
    assert not made.come_back(ANN)
    made.leave(BO)
    assert (made.in_use, made.is_full) == (0, True), "the free place is kept"
    assert made.come_back(ANN)
    assert (made.in_use, made.is_full, made.number(ANN, 0)) == (1, True, 1)
    made.leave(ANN)
    assert not made.is_full


def test_a_user_that_leaves_while_it_waits_to_come_back_keeps_no_place() -> None:
    made = Places(1)
    made.enter(ANN)
    made.step_aside(ANN)
    made.enter(BO)
    made.come_back(ANN)
    made.leave(ANN)
    made.leave(BO)
    assert not made.is_full


def test_no_place_is_kept_for_a_user_that_has_given_up_to_come_back() -> None:
    made = Places(1)
    made.enter(ANN)
    made.step_aside(ANN)
    made.enter(BO)
    made.come_back(ANN)
    made.leave(BO)
    made.step_aside(ANN)
    assert not made.is_full
