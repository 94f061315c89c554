"""What a resync would change."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from msgspec import convert, structs

from consumer.commands import diff as diffing
from consumer.commands.diff import _lines, diff, masked
from consumer.core.answers.snapshot import Profile, Snapshot
from consumer.core.errors import ConsumerError, Denied, Retryable
from consumer.core.mapping.contact import Change, Contact
from consumer.core.mapping.documents import Documents
from consumer.core.model import UserKey
from consumer.pod.reader.compare import AccountDiff, UserDiff
from consumer.resync.clients import Target, Upstreams, Vendor, gates
from consumer.settings.model import SesamySettings
from tests.clock import virtual
from tests.generated.metrics_table import one_of_each


def test_no_personal_value_is_shown_in_a_masked_diff() -> None:
    """An address, a name and a company: the ids of products and lists are no persons."""
    rows = [
        Change(field=one, action="change", now=f"old {one}", wanted=f"new {one}") for one in ("email", "firstname", "lastname", "company")
    ]
    rows += [Change(field="email", action="add", now=None, wanted="new"), Change(field="list", action="add", wanted="7")]
    one = UserDiff(vendor="v", user="u", outcome="drift", accounts=(AccountDiff(account="1", lists=("7",), changes=tuple(rows)),))
    shown = masked(one)

    assert [(row.now, row.wanted) for row in shown.accounts[0].changes] == [("•••", "•••")] * 4 + [(None, "•••"), (None, "7")]
    assert (shown.outcome, [row.action for row in shown.accounts[0].changes]) == ("drift", ["change"] * 4 + ["add"] * 2)


# ---- Users of one vendor ----


class Sides:
    """Sesamy and one account: what each says of a user, and when it was asked."""

    hides_left = is_unsure = False

    def __init__(self) -> None:
        self.contacts: dict[str, Contact | None] = {}
        self.absent: set[str] = set()
        self.error_at_sesamy: dict[str, ConsumerError] = {}
        self.error_at_makeas: ConsumerError | None = None
        self.asked: list[tuple[float, str]] = []

    async def snapshot(self, user: UserKey, *, permit: Any) -> Snapshot | None:
        assert permit
        self.asked.append((anyio.current_time(), user.user))
        if user.user in self.error_at_sesamy:
            raise self.error_at_sesamy[user.user]
        if user.user in self.absent:
            return None
        profile = Profile(user_id=user.user, email=f"{user.user}@x.no")
        return Snapshot(user=user, profile=profile, contracts=(), entitlements=())

    async def contact(self, email: str, *, permit: Any) -> Contact | None:
        await permit()
        if self.error_at_makeas is not None:
            raise self.error_at_makeas
        user = email.partition("@")[0]
        return self.contacts.get(user, convert({"id": 1, "email": email, "external_id": user, "lists": ["7"]}, Contact))

    async def as_written(self, _: str, *, permit: Any) -> tuple[Contact | None, bool]:
        await permit()
        return None, self.is_unsure

    def wanted_tags(self, _: object, tags: tuple[str, ...]) -> tuple[str, ...]:
        return tags

    def dated(self, documents: Documents) -> Documents:
        return documents

    def run(self, *users: str, shut: bool = False, paused: bool = False) -> tuple[int, list[UserDiff]]:
        """Return the exit status, and what was told of each user."""
        settings = structs.replace(one_of_each(), sesamy=SesamySettings(requests_per_minute=60, burst=3))
        limits, (account,), told = gates(settings), settings.accounts, list[UserDiff]()
        stand: Any = self
        up = Upstreams({"v": Vendor(stand, {account.id: Target(account, stand)})}, limits)
        status = 0

        @asynccontextmanager
        async def opened(*_: object) -> AsyncIterator[Upstreams]:
            yield up

        @virtual
        async def diffed() -> None:
            nonlocal status
            if paused:
                limits.vendors["v"].stop("paused", now=anyio.current_time())
            if shut:
                error = Retryable("no", code="http-429", retry_after_s=1e6)
                limits.accounts[account.id].failed(UserKey("v", "x"), error, now=anyio.current_time())
            status = await diff(settings, "v", users, report=told.append)

        module: Any = diffing
        before = module.upstreams
        module.upstreams = opened
        try:
            diffed()
        finally:
            module.upstreams = before
        return status, told


def test_its_status_says_whether_anything_would_change_and_first_whether_somebody_could_not_be_asked() -> None:
    sides = Sides()
    sides.contacts["bo"] = None
    sides.error_at_sesamy["cat"] = Retryable("no", code="timeout")
    sides.absent = {"dan"}

    assert [sides.run(*users)[0] for users in (("ann",), ("ann", "bo"), ("bo", "cat"), ("dan",))] == [0, 1, 69, 0]
    assert [(one.outcome, one.reason) for one in sides.run("ann", "bo", "cat", "dan", "guest|1", "ann")[1]] == [
        ("same", ""),
        ("drift", ""),
        ("failed", "timeout"),
        ("skipped", "absent"),
        ("skipped", "guest"),
    ]


def test_an_account_that_can_not_be_asked_is_named_and_is_no_sameness(capsys: pytest.CaptureFixture[str]) -> None:
    sides = Sides()
    sides.error_at_makeas = Denied("no", code="http-401")
    status, (one,) = sides.run("ann")

    assert (status, one.outcome, [(each.account, each.failed) for each in one.accounts]) == (77, "failed", [("1001", "http-401")])
    assert capsys.readouterr().err == "sesamy-makeas: Make.as refuses the key of account 1001: correct its userId and apiKey\n"


def test_a_refused_key_is_no_outage_and_counts_before_one(capsys: pytest.CaptureFixture[str]) -> None:
    sides = Sides()
    sides.error_at_sesamy = {"bo": Denied("no", code="http-400"), "cat": Retryable("no", code="timeout")}

    assert [sides.run(*users)[0] for users in (("cat",), ("ann", "bo"), ("bo", "cat"))] == [69, 77, 77]
    said = "sesamy-makeas: Sesamy refuses the client of v: correct its client_id and client_secret, or give it the right to read users\n"
    assert capsys.readouterr().err == said * 2


def test_a_user_of_a_paused_vendor_is_told_so_and_nothing_of_it_would_change() -> None:
    sides = Sides()
    status, (one,) = sides.run("ann", paused=True)

    assert (status, one.outcome, one.reason, sides.asked) == (0, "paused", "paused", [])
    assert [*diffing._lines(one)] == ["ann  paused"]


def test_a_paused_list_is_named_beside_its_account_and_its_row_says_so() -> None:
    row = Change(field="list", action="paused", wanted="8")
    account = AccountDiff(account="1", lists=("7", "8"), changes=(row,), paused=("8",))

    assert [*diffing._lines(UserDiff(vendor="v", user="u", outcome="same", accounts=(account,)))] == [
        "u  same",
        "  account 1, lists 7, 8 (paused: 8)",
        "    . list: 8  (paused)",
    ]


def test_it_keeps_to_sesamys_rate() -> None:
    """Three calls a user, of 60 a minute."""
    sides = Sides()
    sides.run("ann", "bo", "cat")
    began = sides.asked[0][0]

    assert [round(at - began) for at, _ in sides.asked] == [0, 3, 6]


def test_who_asked_us_to_wait_is_not_asked() -> None:
    status, (one,) = Sides().run("ann", shut=True)

    assert (status, [each.failed for each in one.accounts]) == (69, ["gate"])


def test_whether_the_contact_is_written_at_all_is_said() -> None:
    sides = Sides()
    sides.contacts["bo"] = convert({"id": 1, "email": "bo@x.no", "external_id": "bo", "lists": ["7"], "tags": []}, Contact)
    _, (ann, bo) = sides.run("ann", "bo")

    assert [one.outcome for one in (ann, bo)] == ["same", "same"]
    assert [one.accounts[0].is_spared for one in (ann, bo)] == [False, True], "of ann no tags are told"
    assert "    the contact is as it is to be: a resync does not write it" in diffing._lines(bo)
    assert not any("does not write it" in line for line in diffing._lines(ann))


# ---- Where addresses hide those that opted out ----


@pytest.mark.parametrize(("unsure", "outcome", "status"), [(True, "unknown", 1), (False, "drift", 1)])
def test_a_contact_that_may_have_left_unseen_is_no_error_and_no_promise(outcome: str, status: int, *, unsure: bool) -> None:
    sides = Sides()
    sides.contacts["bo"], sides.hides_left, sides.is_unsure = None, True, unsure
    ended, (found,) = sides.run("bo")

    assert (ended, found.outcome) == (status, outcome)
    assert any(change.is_drift for one in found.accounts for change in one.changes) is not unsure
    said = " ".join(_lines(found))
    assert ("a resync writes nothing of it" in said) is unsure
    assert "could not be asked" not in said


def test_of_several_the_gravest_counts() -> None:
    sides = Sides()
    sides.contacts["bo"], sides.hides_left, sides.is_unsure = None, True, True
    sides.error_at_sesamy["cat"] = Retryable("no", code="timeout")

    assert [sides.run(*users)[0] for users in (("ann",), ("ann", "bo"), ("bo", "cat"))] == [0, 1, 69]
