"""Where a user in the line stands: armed, reminded, or in the lane of the accounts whose time has come."""

from math import inf

import pytest

from consumer.core.model import AccountId, UserKey
from consumer.core.users.case import Phase
from consumer.core.users.debts import Debt
from consumer.core.users.lanes import Rank
from consumer.core.users.line import Line
from consumer.core.users.user import Standing, User

A, B = AccountId("a"), AccountId("b")
URGENT = "contract.1#purchased"


def line() -> Line:
    return Line({"v": (A, B)}, concurrency=2, urgent=[URGENT])


def joined(one: Line, *, due_at: float = 5.0, type_: str = "contract.1#update") -> User:
    """Let a user join whose burst ends at a time."""
    user = User(due_at, UserKey("v", f"at {due_at}"), due_at, inf, 0, type_, 0, 0)
    one.users[user.key] = user
    one.timers.add(user)
    return user


def test_a_user_stands_in_no_lane_before_its_burst_has_ended_and_then_in_that_of_all_accounts() -> None:
    one = line()
    user = joined(one)
    one.wake(4.9)
    assert (user.lane, user.standing(4.9)) == (None, Standing.QUIET)
    one.wake(5.0)
    assert (user.lane, user.standing(5.0)) == ((A, B), Standing.DUE)


def test_a_debt_in_backoff_is_reminded_of_and_its_account_alone_is_then_due() -> None:
    one = line()
    user = joined(one)
    one.wake(5.0)
    one.leave_lane(user)
    user.due_at = inf
    user.case.debts[B] = Debt(9.0)
    one.await_debts(user, [A, B], now=5.0)
    one.wait(user, now=5.0)
    one.wake(8.9)
    assert (user.lane, user.standing(8.9), one.timers.next_at()) == (None, Standing.BACKOFF, 9.0)
    one.wake(9.0)
    assert user.lane == (B,)


def test_a_reminder_of_a_user_that_has_left_is_passed_over() -> None:
    one = line()
    user = joined(one)
    one.wake(5.0)
    user.case.debts[A] = Debt(9.0)
    one.await_debts(user, [A], now=5.0)
    one.drop(user)
    one.wake(9.0)
    assert (one.users, len(one.lanes)) == ({}, 0)


def test_a_user_keeps_the_time_at_which_it_became_due_when_it_changes_lanes() -> None:
    one = line()
    user = joined(one)
    one.wake(5.0)
    user.case.debts[B] = Debt(20.0)
    one.place(user, now=7.0)
    assert user.lane == (A,)
    assert one.leave_lane(user) == 5.0


@pytest.mark.parametrize("phase", [Phase.RUNNING, Phase.PARKING])
def test_a_user_that_does_not_wait_stands_in_no_lane(phase: Phase) -> None:
    one = line()
    user = joined(one)
    user.case.phase = phase
    one.wake(5.0)
    assert user.lane is None


@pytest.mark.parametrize(("type_", "rank"), [(URGENT, Rank.URGENT), ("contract.1#update", Rank.ROUTINE)])
def test_a_user_has_the_rank_of_what_waits(type_: str, rank: Rank) -> None:
    one = line()
    user = joined(one)
    one.wake(5.0)
    user.type = type_
    one.rank_anew(user)
    assert user.lane is not None
    assert [*one.lanes._lanes["v"][user.lane].of(rank)] == [user.key]


def test_a_user_that_is_dropped_leaves_its_lane_too() -> None:
    one = line()
    user = joined(one)
    one.wake(5.0)
    one.drop(user)
    assert (one.users, len(one.lanes)) == ({}, 0)
