"""Every contact of a list is compared, whatever stands between them."""

from math import inf
from typing import Any, cast

from msgspec import convert

from consumer.core.answers.snapshot import Profile
from consumer.core.drift.contacts import Contacts
from consumer.core.gates.gate import Gate
from consumer.core.mapping.contact import Contact
from consumer.core.model import AccountId
from consumer.resync.listing.make_lists import MakeLists
from consumer.resync.listing.turns import Turns
from consumer.resync.registers.list_rows import ContactPage, ListRows, Status
from tests.clock import virtual
from tests.unit.core.drift.some_readers import settled

PAGE_ROWS = 3


class Rows:
    """A list's active rows, three a page; None: one that can't be read as a contact."""

    def __init__(self, *users: str | None) -> None:
        self._users = users

    async def contacts(self, _: str, status: Status, *, page: int) -> ContactPage:
        there = self._users[(page - 1) * PAGE_ROWS : page * PAGE_ROWS] if status == "active" else ()
        return ContactPage(tuple(_contact(user) for user in there if user), len(there))

    async def count(self, _: str) -> int | None:
        """Do not say."""


def _contact(user: str) -> Contact:
    row: dict[str, Any] = {"id": f"m-{user}", "external_id": user, "email": f"{user}@example.com", "email_status": "active"}
    return convert(row, Contact)


async def _read(contacts: Contacts, rows: Rows, *, firstname: str | None = None) -> None:
    """Read a list of one account; `firstname`: what each contact has, asked for singly."""

    async def by_id(contact: str) -> Contact:
        row: dict[str, Any] = {"id": contact, "email": "x@example.com", "firstname": firstname, "external_id": contact, "tags": []}
        return convert(row, Contact)

    turns = Turns("account 1", Gate(rate_per_s=100, burst=10, run_calls=1, hold_s=inf), renew=lambda: None)
    await MakeLists(cast(ListRows, rows), turns, contacts, by_id=by_id).read()


@virtual
async def test_a_row_that_can_not_be_read_does_not_end_a_list() -> None:
    users = ("a", "b", "c", "d", "e", "f", "g")
    readers = settled({user: Profile(email=f"{user}@example.com") for user in users})
    contacts = Contacts(AccountId("1"), {"7": ["v"]}, {"v": readers}, keep_single_purchase=True)
    await _read(contacts, Rows("a", "b", "c", None, "e", "f", "g"))
    assert [(one.kind, one.user) for one in contacts.findings()] == [("missing", "d")]


def _names_wanted() -> Contacts:
    readers = settled({user: Profile(email=f"{user}@example.com", first_name="N") for user in ("a", "b")})
    return Contacts(AccountId("1"), {"7": ["v"]}, {"v": readers}, keep_single_purchase=True)


@virtual
async def test_what_no_row_tells_and_a_contact_has_is_not_compared() -> None:
    contacts = _names_wanted()
    await _read(contacts, Rows("a", "b"), firstname="Ann")
    assert (list(contacts.findings()), "firstname" in contacts.not_told) == ([], True)


@virtual
async def test_what_no_row_tells_and_no_contact_has_differs() -> None:
    """Contacts that were there before us, with their address alone: else a first load would pass them by."""
    contacts = _names_wanted()
    await _read(contacts, Rows("a", "b"))
    assert [(one.kind, one.user) for one in contacts.findings()] == [("field", "a"), ("field", "b")]
    assert "firstname" not in contacts.not_told
