"""What `check --online` says of whether it can be known who left a list."""

from typing import Any, Literal

import pytest
from msgspec import convert, structs

from consumer.commands.check.online import _consent, _questions, _tells_new
from consumer.core.errors import ConsumerError, Denied, Refused, Retryable
from consumer.core.mapping.consent import Row, Standing
from consumer.core.mapping.contact import Contact
from consumer.resync.clients import upstreams
from consumer.resync.registers.list_rows import Page
from consumer.telemetry.metrics import Metrics
from tests.fakes.sides import two_accounts

LEFT, BOUNCED, SILENT = Row(1, "a@b.no", Standing.LEFT), Row(2, "c@d.no", Standing.LEFT), Row(3, "e@f.no", Standing.UNREADABLE)
MEMBERS = (Row(4, "g@h.no", Standing.ACTIVE), Row(5, "i@j.no", Standing.ACTIVE))


class List:
    """A list's rows by status, and what its contacts say of themselves when each is asked for."""

    def __init__(self, *, contacts: tuple[str | None, ...] = ("active", "active")) -> None:
        self.rows: dict[str, tuple[Row, ...]] = {"unsubscribed": (LEFT,), "bounce": (BOUNCED,), "active": MEMBERS}
        self.error: ConsumerError | None = None
        self._contacts = dict(zip((row.email for row in MEMBERS), contacts, strict=True))
        self.asked: list[str] = []

    async def page(self, list_id: str, status: str, *, page: int, per_page: int) -> Page:
        assert (list_id, page, per_page) == ("7", 1, 20)
        self.asked.append(status)
        if self.error is not None:
            raise self.error
        return Page(rows=self.rows[status], server_at=None)

    async def contact(self, email: str, *, permit: Any) -> Contact | None:
        await permit()
        self.asked.append(email)
        said = self._contacts[email]
        return None if said == "nobody" else convert({"id": 1, "email": email, "email_status": said}, Contact)


async def said(of: List) -> tuple[str, str]:
    stand: Any = of
    found = await _consent("x", client=stand, rows=stand, list_id="7")
    return found.level, found.what


async def test_a_list_whose_rows_and_contacts_can_be_read_is_fine() -> None:
    of = List()

    assert await said(of) == ("fine", "who left can be read")
    assert of.asked == ["unsubscribed", "bounce", "active", "g@h.no"], "one contact that shows its status is enough"


@pytest.mark.parametrize("status", ["unsubscribed", "bounce"])
async def test_rows_that_do_not_say_that_they_left_are_warned_of_in_both_kinds(status: str) -> None:
    of = List()
    of.rows[status] = (SILENT,)
    level, what = await said(of)

    assert (level, what.endswith("consent hangs on email_status")) == ("warning", True)


@pytest.mark.parametrize(
    ("contacts", "level"),
    [
        ((None, None), "warning"),
        ((None, "active"), "fine"),
        (("nobody", None), "warning"),
        (("nobody", "nobody"), "fine"),
        ((None, "unsubscribed"), "fine"),
    ],
)
async def test_contacts_are_silent_where_some_are_there_and_none_shows_a_status(contacts: Any, level: str) -> None:
    found, what = await said(List(contacts=contacts))

    assert found == level
    assert (level == "fine") == (what == "who left can be read")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (Refused("no", code="http-422"), "http-422"),
        (Denied("no", code="http-401"), "http-401"),
        (Retryable("no", code="timeout"), "no answer in time"),
    ],
)
async def test_an_error_is_a_warning_with_its_code_or_in_words(error: ConsumerError, words: str) -> None:
    of = List()
    of.error = error
    level, what = await said(of)

    assert (level, f"({words})" in what) == ("warning", True)


# ---- Where addresses hide those that opted out ----


async def said_of_new(of: List) -> tuple[str, str]:
    stand: Any = of
    found = await _tells_new("x", rows=stand, lists=("7",))
    assert found.level == "fine" or found.cure
    return found.level, found.what


async def test_lists_that_tell_who_left_tell_who_is_new() -> None:
    assert (await said_of_new(List()))[0] == "fine"


@pytest.mark.parametrize(
    ("rows", "words"),
    [({"unsubscribed": (), "bounce": ()}, "nobody is seen to have left"), ({"bounce": (SILENT,)}, "can't be read of list 7 (silent)")],
)
async def test_lists_that_do_not_are_warned_of_with_what_it_costs(rows: dict[str, tuple[Row, ...]], words: str) -> None:
    of = List()
    of.rows |= rows
    level, what = await said_of_new(of)

    assert level == "warning"
    assert words in what
    assert "new readers are put on no list" in what


@pytest.mark.parametrize("error", [Refused("no", code="http-403"), Denied("no", code="http-401")])
async def test_lists_that_can_not_be_asked_are_warned_of(error: ConsumerError) -> None:
    of = List()
    of.error = error
    level, what = await said_of_new(of)

    assert (level, error.code in what, "new readers are put on no list" in what) == ("warning", True, True)


@pytest.mark.parametrize(("opted_out", "asked"), [("shown", 0), ("hidden", 1)])
async def test_it_is_asked_once_for_each_account_and_only_where_addresses_hide(opted_out: Literal["shown", "hidden"], asked: int) -> None:
    settings = two_accounts()
    settings = structs.replace(settings, makeas=structs.replace(settings.makeas, opted_out=opted_out))
    async with upstreams(settings, Metrics(settings)) as up:
        paths = [path for path, _ in _questions(settings, up) if path.endswith("who is new")]

    assert len(paths) == asked * len({one.id for one in settings.accounts})
    assert len({*paths}) == len(paths)
