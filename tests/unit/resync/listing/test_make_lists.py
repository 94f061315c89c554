"""All contacts of one account's lists: every page of every status, and what can't be believed is an error."""

from collections.abc import Sequence
from math import inf
from typing import Any

from msgspec import convert

from consumer.core.answers.snapshot import Profile
from consumer.core.drift.contacts import Contacts
from consumer.core.errors import ConsumerError, Denied, Refused
from consumer.core.gates.gate import Gate
from consumer.core.mapping.contact import Contact
from consumer.core.model import AccountId
from consumer.resync.listing.make_lists import MakeLists
from consumer.resync.listing.turns import CantBeListed, Turns
from consumer.resync.registers.list_rows import ContactPage
from tests.clock import virtual
from tests.raising import raising
from tests.unit.core.drift.some_readers import settled

USERS = [f"user-{number}" for number in range(6)]


def contact(user: str, status: object = "active") -> Contact:
    return convert({"id": f"m-{user}", "external_id": user, "email": f"{user}@example.com", "email_status": status, "tags": []}, Contact)


class Rows:
    """One list, in pages of so many rows."""

    def __init__(
        self, active: Sequence[Contact] = (), left: Sequence[Contact] = (), *, said: int | None = None, per_page: int = 1000
    ) -> None:
        self.of: dict[str, Sequence[Contact]] = {"active": active, "unsubscribed": left, "bounce": ()}
        self.said, self.per_page = said, per_page
        self.asked: list[tuple[str, str, int]] = []
        self.fails: dict[tuple[str, int], ConsumerError] = {}
        self.ignores_page = self.ignores_status = False
        self.halves = 0
        """How many readings of those that are active give no more than a first row."""
        self.short_page = 0
        """The page of those that are active which gives no more than its first row."""
        self.clamps = False
        """Whether the last page is given in the place of one behind it."""

    async def count(self, list_id: str) -> int | None:
        assert list_id
        if self.said is None:
            raise Refused("no count", code="http-404")
        return self.said

    async def contacts(self, list_id: str, status: str, *, page: int) -> ContactPage:
        self.asked.append((list_id, status, page))
        if error := self.fails.get((status, page)):
            raise error
        rows = self.of["active" if self.ignores_status else status]
        start = 0 if self.ignores_page else (page - 1) * self.per_page
        if self.clamps and rows:
            start = min(start, (len(rows) - 1) // self.per_page * self.per_page)
        rows = rows[start : start + self.per_page]
        if status == "active" and self.halves:
            self.halves -= page == 1
            rows = rows[: page == 1]
        if status == "active" and page == self.short_page:
            rows = rows[:1]
        return ContactPage(tuple(rows), len(rows))


async def _by_id(contact: str) -> Contact:
    """Answer with a contact that has no more than its row."""
    return convert({"id": contact, "email_status": "active"}, Contact)


class Account:
    """An account with a list, 7, that is read."""

    def __init__(self, rows: Rows, *, users: Sequence[str] = USERS, may_be_empty: bool = False) -> None:
        self.readers = settled({user: Profile(email=f"{user}@example.com") for user in users})
        self.contacts = Contacts(AccountId("1"), {"7": ["v"]}, {"v": self.readers}, keep_single_purchase=True)
        turns = Turns("1", Gate(rate_per_s=100, burst=10, run_calls=1, hold_s=inf), renew=lambda: None)
        api: Any = rows
        self.lists = MakeLists(api, turns, self.contacts, by_id=_by_id, may_be_empty=("7",) if may_be_empty else ())

    @property
    def found(self) -> list[tuple[str, str]]:
        return [(one.kind, one.user) for one in self.contacts.findings()]


@virtual
async def test_every_page_of_every_status_is_compared() -> None:
    rows = Rows([contact(user) for user in USERS[:4]], [contact(USERS[4], "unsubscribed")], said=4, per_page=3)
    account = Account(rows)
    await account.lists.read()
    assert account.found == [("missing", USERS[5])]
    assert rows.asked == [("7", "active", 1), ("7", "active", 2), ("7", "unsubscribed", 1), ("7", "unsubscribed", 2), ("7", "bounce", 1)]
    assert account.contacts.rows == 5
    assert account.contacts.whole == {"7"}


@virtual
async def test_where_a_status_filter_is_ignored_all_are_read_and_who_left_is_not_known() -> None:
    rows = Rows([contact(user) for user in USERS[:5]])
    rows.ignores_status = True
    account = Account(rows)
    await account.lists.read()
    (missing,) = account.found
    assert (missing, account.contacts.whole) == (("missing", USERS[5]), set())


@virtual
async def test_rows_of_those_that_left_which_do_not_say_so_make_no_register() -> None:
    account = Account(Rows([contact(user) for user in USERS[:5]], [contact(USERS[5], None)]))
    await account.lists.read()
    assert (account.found, account.contacts.whole) == ([], set())


@virtual
async def test_a_list_that_is_refused_at_once_can_not_be_listed() -> None:
    rows = Rows()
    rows.fails["active", 1] = Refused("contacts: status 403", code="http-403")
    with raising(CantBeListed, "http-403"):
        await Account(rows).lists.read()


@virtual
async def test_a_list_that_is_refused_later_is_an_error() -> None:
    for where in (("active", 2), ("unsubscribed", 1)):
        rows = Rows([contact(user) for user in USERS], per_page=3)
        rows.fails[where] = Refused("contacts: status 403", code="http-403")
        with raising(Refused, "http-403"):
            await Account(rows).lists.read()


@virtual
async def test_a_key_that_is_refused_in_the_middle_is_an_error() -> None:
    rows = Rows([contact(user) for user in USERS], per_page=3)
    rows.fails["active", 2] = Denied("no", code="http-401")
    with raising(Denied, "http-401"):
        await Account(rows).lists.read()


@virtual
async def test_the_same_page_for_ever_is_an_error_and_not_the_end() -> None:
    rows = Rows([contact(user) for user in USERS], per_page=3)
    rows.ignores_page = True
    with raising(Refused, "repeats"):
        await Account(rows).lists.read()


@virtual
async def test_half_a_list_is_read_once_more_and_is_an_error_then() -> None:
    users = [f"user-{number}" for number in range(60)]
    many = [contact(user) for user in users]
    once = Rows(many, said=60)
    once.halves = 1
    account = Account(once, users=users)
    await account.lists.read()
    assert (account.found, len([one for one in once.asked if one[1:] == ("active", 1)])) == ([], 2)
    assert account.contacts.rows == 60
    always = Rows(many, said=60)
    always.halves = 9
    with raising(Refused, "half"):
        await Account(always, users=users).lists.read()
    assert len([one for one in always.asked if one[1:] == ("active", 1)]) == 2


@virtual
async def test_rows_of_a_reading_that_was_not_believed_count_once() -> None:
    nobody = [convert({"id": "m", "email": "somebody@example.com", "email_status": "active"}, Contact), contact("stranger")]
    rows = Rows([*nobody, *(contact(user) for user in USERS)], [contact("gone", "unsubscribed")], said=28)
    rows.halves = 1
    account = Account(rows)
    await account.lists.read()
    assert (account.contacts.rows, account.contacts.unknown_ids, account.contacts.no_account) == (9, 2, 1)


@virtual
async def test_a_page_behind_a_short_one_shows_that_there_are_more() -> None:
    """Where the count does not show it, the rows that are hidden could be as many as those that left."""
    users = [f"user-{number}" for number in range(90)]
    left = [contact(f"gone-{number}", "unsubscribed") for number in range(59)]
    for said in (90, None):
        rows = Rows([contact(user) for user in users], left, said=said, per_page=30)
        rows.short_page = 2
        with raising(Refused, "half"):
            await Account(rows, users=users).lists.read()
        assert rows.asked.count(("7", "active", 3)) == 2


@virtual
async def test_a_count_with_those_that_left_makes_no_half_list_and_is_said() -> None:
    left = [contact(f"gone-{number}", "unsubscribed") for number in range(30)]
    rows = Rows([contact(user) for user in USERS], left, said=36, per_page=30)
    account = Account(rows)
    await account.lists.read()
    assert account.found == [("stranger", f"gone-{number}") for number in range(30)]
    assert account.contacts.doubts == ["whether list 7 gives all its active contacts: it gives 6, and 30 that are not; its count is 36"]
    assert ("7", "active", 2) in rows.asked


@virtual
async def test_who_left_does_not_stand_for_active_contacts_that_are_missing() -> None:
    left = [contact(f"gone-{number}", "unsubscribed") for number in range(90)]
    with raising(Refused, "half"):
        await Account(Rows([contact(user) for user in USERS], left, said=60)).lists.read()


@virtual
async def test_where_there_is_no_page_behind_the_last_there_is_no_more() -> None:
    rows = Rows([contact(user) for user in USERS])
    rows.fails["active", 3] = Refused("contacts: status 404", code="http-404")
    account = Account(rows)
    await account.lists.read()
    assert (account.found, account.contacts.doubts, rows.asked[-1]) == ([], [], ("7", "active", 3))


@virtual
async def test_the_last_page_once_more_is_no_row() -> None:
    """Else half a list, with its last page given twice, would be as long as its count."""
    rows = Rows([contact(f"user-{number}") for number in range(60)], said=90, per_page=30)
    rows.clamps = True
    with raising(Refused, "half"):
        await Account(rows).lists.read()


@virtual
async def test_an_empty_list_is_believed_only_where_it_may_be_and_its_count_says_so() -> None:
    for said, may_be_empty in ((0, False), (None, True), (None, False)):
        with raising(Refused, "empty"):
            await Account(Rows(said=said), may_be_empty=may_be_empty).lists.read()
    account = Account(Rows(said=0), may_be_empty=True)
    await account.lists.read()
    assert account.found == [("missing", user) for user in USERS]
