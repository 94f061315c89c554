"""Failures in a row."""

import pytest

from consumer.core.gates.probing.streak import Streak
from tests.unit.core.gates.test_gate import USERS


def test_the_fifth_user_says_it_whatever_the_reason() -> None:
    made = Streak(None)
    for user in USERS[:4] * 3:
        made.note(user, is_passing=False)
    assert not made.says_out
    made.note(USERS[4], is_passing=False)
    assert made.says_out


@pytest.mark.parametrize(("tries", "most"), [(1, 5), (5, 5), (8, 8)])
def test_so_do_as_many_passing_failures_as_a_user_has_tries_and_no_fewer_than_five(tries: int, most: int) -> None:
    made = Streak(tries)
    for _ in range(most - 1):
        made.note(USERS[0], is_passing=True)
    made.note(USERS[0], is_passing=False)
    assert not made.says_out
    made.note(USERS[0], is_passing=True)
    assert made.says_out
    made.clear()
    assert not made.says_out


def test_of_one_user_alone_nothing_is_said_where_only_users_count() -> None:
    made = Streak(None)
    for _ in range(99):
        made.note(USERS[0], is_passing=True)
    assert not made.says_out
