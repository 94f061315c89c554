"""What a resync would change."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from msgspec import convert, structs

from consumer.commands import diff as diffing
from consumer.commands.diff import AccountDiff, Change, UserDiff, changes, diff, masked
from consumer.core.answers.snapshot import Profile, Snapshot
from consumer.core.errors import ConsumerError, Denied, Retryable
from consumer.core.mapping.documents import Documents, Subscriber
from consumer.core.model import UserKey
from consumer.resync.clients import Upstreams, gates
from consumer.resync.makeas import Contact
from consumer.resync.run import Target, Vendor
from consumer.settings.model import SesamySettings
from tests.clock import virtual
from tests.metrics_table import one_of_each


def wanted(email: str = "ann@børs.no", tags: tuple[str, ...] = ()) -> Documents:
    return Documents(subscriber=Subscriber(email=email, external_id="u"), tags=tags, products=(), subscriptions=())


@pytest.mark.parametrize(
    ("held", "action"),
    [
        ("ann@børs.no", "same"),
        ("Ann@xn--brs-0na.no", "same"),
        ("bob@børs.no", "change"),
        (None, "add"),
    ],
)
def test_an_address_in_another_spelling_is_no_drift(held: str | None, action: str) -> None:
    contact = convert({"id": 1, "email": held}, Contact)

    assert [one.action for one in changes(contact, wanted(), []) if one.field == "email"] == [action]


@pytest.mark.parametrize(
    ("held", "asked", "actions"),
    [
        ("sesamy_a", "sesamy_a", ["same"]),
        ("sesamy_A", "sesamy_a", ["same"]),
        ("sesamy_b", "sesamy_a", ["add", "remove"]),
        ("Sesamy_VIP", "sesamy_a", ["add", "keep"]),
        ("SESAMY_TAG_VIP", "sesamy_a", ["add", "remove"]),
    ],
)
def test_what_becomes_of_a_tag(held: str, asked: str, actions: list[str]) -> None:
    contact = convert({"id": 1, "tags": [held]}, Contact)

    assert [one.action for one in changes(contact, wanted(tags=(asked,)), []) if one.field == "tag"] == actions


# ---- Fields and lists ----


def actions(contact: Contact | None, documents: Documents, lists: tuple[str, ...] = ()) -> dict[str, str]:
    return {one.field: one.action for one in changes(contact, documents, lists)}


def test_what_sesamy_does_not_know_is_left_as_it_is() -> None:
    contact = convert({"id": 1, "email": "ann@børs.no", "firstname": "Ann", "company": ""}, Contact)

    assert actions(contact, wanted()) == {"email": "same", "firstname": "keep", "external_id": "add"}


def test_a_contact_that_is_not_there_is_added_with_its_lists() -> None:
    assert actions(None, wanted(), ("7",)) == {"email": "add", "external_id": "add", "list": "add"}


@pytest.mark.parametrize(
    ("held", "status", "action"),
    [
        (["7"], "active", "same"),
        ([{"id": 7}], "active", "same"),
        ([], "active", "add"),
        (None, "active", "unknown"),
        ([], "unsubscribed", "keep"),
    ],
)
def test_who_left_is_kept_off_its_lists(held: object, status: str, action: str) -> None:
    contact = convert({"id": 1, "lists": held, "email_status": status}, Contact)

    assert [one.action for one in changes(contact, wanted(), ["7"]) if one.field == "list"] == [action]


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

    def wanted_tags(self, _: object, tags: tuple[str, ...]) -> tuple[str, ...]:
        return tags

    def run(self, *users: str, shut: bool = False) -> tuple[int, list[UserDiff]]:
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


def test_an_account_that_can_not_be_asked_is_named_and_is_no_sameness() -> None:
    sides = Sides()
    sides.error_at_makeas = Denied("no", code="http-401")
    status, (one,) = sides.run("ann")

    assert (status, one.outcome, [(each.account, each.failed) for each in one.accounts]) == (69, "failed", [("1001", "http-401")])


def test_it_keeps_to_sesamys_rate() -> None:
    """Three calls a user, of 60 a minute."""
    sides = Sides()
    sides.run("ann", "bo", "cat")
    began = sides.asked[0][0]

    assert [round(at - began) for at, _ in sides.asked] == [0, 3, 6]


def test_who_asked_us_to_wait_is_not_asked() -> None:
    status, (one,) = Sides().run("ann", shut=True)

    assert (status, [each.failed for each in one.accounts]) == (69, ["gate"])
