"""Whose an entitlement was."""

from consumer.core.answers.owners import Owners
from consumer.core.model import UserKey

ANN, BOB = UserKey("v", "ann"), UserKey("v", "bob")


def test_an_entitlement_of_two_users_is_noticed() -> None:
    owners = Owners()
    assert not owners.note(ANN, ["e1", "e2"])
    assert not owners.note(ANN, ["e1", "e2"])
    assert not owners.note(BOB, ["e3"])
    assert owners.note(BOB, ["e4", "e2", "e5"])


def test_another_vendors_entitlement_may_have_the_same_id() -> None:
    owners = Owners()
    assert not owners.note(ANN, ["e1"])
    assert not owners.note(UserKey("w", "bob"), ["e1"])


def test_the_ids_that_were_seen_last_are_kept() -> None:
    owners = Owners()
    owners.note(ANN, ["first", "seen again"])
    owners.note(ANN, [f"e{number}" for number in range(998)])
    owners.note(ANN, ["seen again", "one more"])
    assert not owners.note(BOB, ["first"])
    assert owners.note(BOB, ["seen again"])
