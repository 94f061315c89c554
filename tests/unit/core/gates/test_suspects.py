"""Whom an upstream forbids, and when that blames the key."""

from consumer.core.gates.suspects import Suspects
from consumer.core.model import UserKey
from tests.unit.core.gates.test_gate import ANN
from tests.unit.core.gates.test_gate_times import BO, CY


def test_two_users_forbidden_never_blame_the_key_and_the_third_does() -> None:
    made = Suspects()
    assert [made.forbid(user, begun=begun) for begun, user in enumerate((ANN, ANN, BO, BO, ANN, CY), 1)] == [False] * 5 + [True]
    made.new_row()
    assert [made.forbid(user, begun=9) for user in (ANN, BO)] == [False, False]


def test_only_the_success_of_a_run_that_began_after_the_first_403_clears_the_key() -> None:
    made = Suspects()
    for begun, user in ((4, ANN), (6, BO), (8, CY)):
        made.forbid(user, begun=begun)
    assert [made.clears_key(begun) for begun in (3, 4, 5, 9)] == [False, False, True, True]


def test_the_last_thousand_who_were_forbidden_are_kept() -> None:
    made = Suspects()
    users = [UserKey("v", f"f{number}") for number in range(1001)]
    for user in users:
        made.forbid(user, begun=1)
        made.new_row()
    made.succeeded(UserKey("v", "other"), begun=2)
    assert [made.is_own(user) for user in (users[0], users[1], users[-1])] == [False, True, True]
    made.succeeded(users[1], begun=3)
    assert not made.is_own(users[1])
