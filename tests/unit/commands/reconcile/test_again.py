"""The look again at readers that were repaired."""

from typing import Any, Final

import anyio
import pytest

from consumer.commands.reconcile import again
from consumer.commands.reconcile.again import MOST, Again, chosen, look_again
from consumer.core.drift.contacts import Finding, Kind
from consumer.core.mapping.contact import Change
from consumer.core.model import AccountId, UserKey
from consumer.pod.reader.compare import AccountDiff, UserDiff
from tests.clock import virtual

A, B = AccountId("a"), AccountId("b")


def finding(kind: Kind, user: str, account: AccountId = A, *, repairs: bool = True) -> Finding:
    return Finding(kind=kind, vendor="v", user=user, account=account, repairs=repairs)


def keys(*users: str) -> list[UserKey]:
    return [UserKey("v", one) for one in users]


def test_one_of_each_kind_and_account_comes_before_a_second_of_any() -> None:
    found = [finding("tags", f"t{number}") for number in range(50)] + [
        finding("field", "f"),
        finding("tags", "b", B),
        finding("list", "t1"),
    ]
    users = chosen(found, {UserKey("v", one.user) for one in found})

    assert users[:4] == keys("t0", "f", "b", "t1")
    assert len(users) == len(set(users)) == MOST


def test_only_those_that_were_resynced_are_chosen() -> None:
    found = [
        finding("tags", "done"),
        finding("tags", "failed"),
        finding("moved", "done", repairs=False),
        finding("doubled", "two", repairs=False),
    ]

    assert chosen(found, set(keys("done", "two"))) == keys("done")


class Answers:
    """Answers comparisons, each user's in turn; the last stays."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **of: tuple[UserDiff, ...]) -> None:
        self._of = {user: list(some) for user, some in of.items()}
        self.asked: list[tuple[str, float]] = []
        monkeypatch.setattr(again, "compared", self._compared)

    async def _compared(self, _: object, user: UserKey) -> UserDiff:
        self.asked.append((user.user, anyio.current_time()))
        left = self._of[user.user]
        return left.pop(0) if len(left) > 1 else left[0]

    def looked(self) -> Again:
        """Look again at all of them, on a clock that jumps."""
        seen: list[Again] = []
        nothing: Any = None

        @virtual
        async def run() -> None:
            seen.append(await look_again(nothing, keys(*self._of), (A,), after_s=30, told=lambda _done, _of: None))

        run()
        return seen[0]


def diff(outcome: Any, *accounts: AccountDiff) -> UserDiff:
    return UserDiff(vendor="v", user="u", outcome=outcome, accounts=accounts)


def of_account(account: str, *, failed: str = "", drifts: bool = True) -> AccountDiff:
    there = Change(field="email", action="same", now="x", wanted="x")
    changes = (there, Change(field="tag", action="add", wanted="sesamy_x")) if drifts else (there,)
    return AccountDiff(account=account, lists=("1",), changes=() if failed else changes, failed=failed)


SAME: Final = diff("same", of_account("a", drifts=False))
DRIFT: Final = diff("drift", of_account("a"))


def test_what_agrees_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = Answers(monkeypatch, x=(SAME,), y=(SAME,))

    assert answers.looked() == Again(looked=2)
    assert [user for user, _ in answers.asked] == ["x", "y"]


def test_what_an_event_changed_meanwhile_agrees_once_a_pod_has_written_it(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = Answers(monkeypatch, x=(DRIFT, SAME), y=(SAME,))

    assert answers.looked() == Again(looked=2)
    (_, first), (_, _), (again_of, second) = answers.asked
    assert (again_of, second - first >= 30) == ("x", True)


def test_what_still_differs_is_told_and_of_accounts_that_were_looked_at_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = Answers(monkeypatch, x=(DRIFT,), y=(diff("drift", of_account("b")),))
    seen = answers.looked()

    assert (seen.looked, [(one.kind, one.user, one.account) for one in seen.still]) == (2, [("tags", "u", "a")])
    assert seen.users == set(keys("u"))


def test_what_can_not_be_asked_is_neither_same_nor_different(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = Answers(monkeypatch, x=(diff("failed"),), y=(diff("failed", of_account("a", failed="gate")),), z=(SAME,))

    assert answers.looked() == Again(looked=1, unasked=frozenset(keys("x", "y")))


def test_a_difference_at_one_account_counts_though_another_can_not_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = Answers(monkeypatch, x=(diff("failed", of_account("b", failed="gate"), of_account("a")),))
    seen = answers.looked()

    assert (seen.looked, len(seen.unasked), len(seen.still)) == (1, 0, 1)


def test_a_difference_that_was_seen_stands_where_the_second_look_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = Answers(monkeypatch, x=(DRIFT, diff("failed"))).looked()

    assert (seen.looked, len(seen.unasked), len(seen.still)) == (1, 0, 1)


def test_what_could_not_be_looked_at_is_not_known_to_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Answers(monkeypatch, x=(diff("failed"),)).looked().users == set(keys("x"))
