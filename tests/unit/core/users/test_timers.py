"""What the two heaps promise."""

from math import inf
from typing import Final

from consumer.core.model import AccountId, UserKey
from consumer.core.users.timers import Timers
from consumer.core.users.user import User

A: Final = AccountId("a")
TIMES: Final = (1.0, 5.0, 2.0, 6.0, 7.0, 3.0, 4.0)
"""Pushed in this order they stand so in the heap: without the first, it is none."""


def user_at(at: float) -> User:
    return User(at, UserKey("v", f"u{at}"), at, inf, 0, "contract.1#update", 0, 0)


def test_who_waits_comes_in_order_of_time_and_once() -> None:
    timers = Timers()
    for at in TIMES:
        timers.add(user_at(at))
    assert timers.next_at() == 1
    assert [user.due_at for user in timers.quiet(4)] == [1, 2, 3, 4]
    assert (list(timers.quiet(4)), timers.next_at()) == ([], 5)


def test_whose_time_was_put_off_waits_on() -> None:
    timers, user = Timers(), user_at(1)
    timers.add(user)
    user.due_at = 9
    assert (list(timers.quiet(8.9)), timers.next_at()) == ([], 9)
    assert list(timers.quiet(9)) == [user]


def test_who_waits_already_is_not_there_twice() -> None:
    timers, user = Timers(), user_at(1)
    timers.add(user)
    timers.arm(user)
    assert list(timers.quiet(2)) == [user]
    user.due_at = inf
    timers.arm(user)
    assert timers.next_at() == inf, "no events of the user wait"


def test_those_who_are_kept_are_still_woken_in_order_of_time() -> None:
    timers, users = Timers(), {at: user_at(at) for at in TIMES}
    for at, user in users.items():
        timers.add(user)
        timers.remind(at + 10, user.key, A)
    timers.keep({user.key for at, user in users.items() if at != 1})

    assert timers.next_at() == 2
    assert [user.due_at for user in timers.quiet(100)] == [2, 3, 4, 5, 6, 7]
    assert timers.next_at() == 12
    assert list(timers.reminded(14)) == [users[2.0].key, users[3.0].key, users[4.0].key]
    assert timers.next_at() == 15


def test_who_was_forgotten_can_wait_again() -> None:
    timers, user = Timers(), user_at(1)
    timers.add(user)
    timers.remind(2, user.key, A)
    timers.keep(())
    assert timers.next_at() == inf
    timers.arm(user)
    assert list(timers.quiet(1)) == [user]
    assert list(timers.reminded(99)) == []
