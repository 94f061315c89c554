"""Sesamy and two accounts of Make.as that answer from what a test put there, and keep what they were asked."""

from collections.abc import Collection
from typing import Any

import anyio
from msgspec import convert

from consumer.core.answers.snapshot import Profile, Snapshot
from consumer.core.errors import ConsumerError
from consumer.core.mapping.contact import Contact
from consumer.core.mapping.documents import Documents
from consumer.core.model import AccountId, UserKey
from consumer.resync.clients import Target, Upstreams, Vendor, gates
from consumer.settings.model import ListSettings, SesamyCredentials, Settings, VendorSettings
from consumer.settings.secret import Secret

MORNING, EVENING = AccountId("1001"), AccountId("2001")


class MakeAs:
    """One account."""

    hides_left = False

    def __init__(self) -> None:
        self.contacts: dict[str, dict[str, Any]] = {}
        self.hidden: dict[str, frozenset[str]] = {}
        self.error: ConsumerError | None = None
        self.asked: list[str] = []

    def add(self, email: str, user: str | None, **said: Any) -> None:
        self.contacts[email] = {"id": 1, "email": email, "external_id": user, "email_status": "active", **said}

    async def contact(self, email: str, *, permit: Any) -> Contact | None:
        await permit()
        self.asked.append(email)
        if self.error is not None:
            raise self.error
        found = self.contacts.get(email)
        return None if found is None else convert(found, Contact)

    def left(self, email: str) -> frozenset[str]:
        return self.hidden.get(email, frozenset())

    def wanted_tags(self, _: object, tags: tuple[str, ...]) -> tuple[str, ...]:
        return tags

    def dated(self, documents: Documents) -> Documents:
        return documents


class Sides:
    """Both sides of one vendor, `v`; each user has the address `USER@x.no`."""

    def __init__(self, *, paused: Collection[str] = (), vendor_paused: bool = False) -> None:
        self.sesamy_error: ConsumerError | None = None
        self.takes_s = 0.0
        self.absent: set[str] = set()
        self.emails: dict[str, str | None] = {}
        self.asked: list[str] = []
        self.settings = two_accounts(paused=paused, vendor_paused=vendor_paused)
        self.morning, self.evening = MakeAs(), MakeAs()
        self.gates = gates(self.settings)

    def up(self) -> Upstreams:
        stand: Any = self
        sides: Any = {MORNING: self.morning, EVENING: self.evening}
        targets = {one.id: Target(one, sides[one.id]) for one in self.settings.accounts}
        return Upstreams({"v": Vendor(stand, targets)}, self.gates)

    async def snapshot(self, user: UserKey, *, permit: Any) -> Snapshot | None:
        assert permit
        self.asked.append(user.user)
        await anyio.sleep(self.takes_s)
        if self.sesamy_error is not None:
            raise self.sesamy_error
        if user.user in self.absent:
            return None
        email = self.emails.get(user.user, f"{user.user}@x.no")
        return Snapshot(user=user, profile=Profile(user_id=user.user, email=email, first_name="Canaria"), contracts=(), entitlements=())


def two_accounts(*, paused: Collection[str] = (), vendor_paused: bool = False) -> Settings:
    """Give settings with two lists of one account, and one of another."""
    listed = (("1001", "1466"), ("1001", "1467"), ("2001", "2466"))
    lists = tuple(ListSettings(user_id=user_id, api_key=Secret("text", "k"), list_id=one, paused=one in paused) for user_id, one in listed)
    sesamy = SesamyCredentials(client_id="c", client_secret=Secret("text", "s"))
    return Settings(vendors=(VendorSettings(id="v", sesamy=sesamy, makeas=lists, paused=vendor_paused),))
