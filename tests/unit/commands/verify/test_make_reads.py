"""What Make.as shows without a write."""

from typing import Any

import pytest
from msgspec import structs

from consumer.commands.verify.make_reads import contact_of, contacts, opted_out, swapped, the_list
from consumer.commands.verify.question import Reply
from tests.unit.commands.verify.walks import KNOWN, asked, contact, no, ok, seen

ROW: Any = {"id": 3, "email": "C@x.no", "email_status": "unsubscribed"}


def test_a_list_that_is_not_there_is_bad() -> None:
    assert [(one.is_bad, one.is_answer) for reply in (ok({"id": 7}), no(404)) for one in seen(the_list, [reply])] == [
        (False, True),
        (True, True),
    ]


@pytest.mark.parametrize(
    ("tree", "is_one"),
    [({"id": 1}, True), ({"data": {"id": 1}}, True), ({"subscriber": {"id": 1}}, True), ({"data": []}, False), ([], False), (None, False)],
    ids=str,
)
def test_a_contact_bare_or_wrapped(tree: Any, *, is_one: bool) -> None:
    assert (contact_of(ok(tree), "a@x.no") is not None) is is_one
    assert contact_of(Reply(status=404, tree=tree), "a@x.no") is None


@pytest.mark.parametrize(("email", "is_it"), [("A@x.no", True), (None, True), ("reader@x.no", False)])
def test_a_contact_of_another_address_is_none(email: str | None, *, is_it: bool) -> None:
    assert (contact_of(contact(email=email), "a@x.no") is not None) is is_it


def test_a_contact_is_shown_by_the_names_of_its_fields() -> None:
    found = seen(contacts, [contact(tags=[{"id": 1, "title": "t"}], firstname="Ann"), no(404), contact()])

    assert [one.text for one in found] == [
        "email_status, firstname, id, lists, tags; its lists; email_status active",
        "as objects with a title",
        "no: both are one contact",
    ]


def test_where_only_the_second_is_known_it_is_the_one_that_is_looked_at() -> None:
    replies = iter([no(404), contact(id=2), contact(id=2)])
    calls, found = asked(contacts, lambda _: next(replies))

    assert calls[-1].body == {"email": "B@x.no"}
    assert all(one.is_answer for one in found)


def test_an_address_that_is_not_found_in_another_case_is_bad() -> None:
    assert [one.is_bad for one in seen(contacts, [contact(), contact(id=2), no(404)])] == [False, False, True]


def test_contacts_that_are_not_there_leave_all_unanswered() -> None:
    """Before they are written it is no failure."""
    wrote = structs.replace(KNOWN, has_written=True)

    assert [one.is_asked for one in seen(contacts, [no(404), no(404)])] == [False] * 3
    assert [(one.is_asked, one.is_answer) for one in seen(contacts, [no(404), no(404)], wrote)] == [(True, False)] * 3
    assert [(one.is_asked, one.is_answer) for one in seen(contacts, [no(404), no(403)])] == [(True, False)] * 3


def test_only_the_local_part_changes_its_case() -> None:
    assert swapped("Me+a@Test.example") == "mE+A@Test.example"


@pytest.mark.parametrize(
    ("replies", "value"),
    [
        ([contact(email_status="unsubscribed")], "shown"),
        ([no(404), ok([ROW])], "hidden"),
        ([no(404), ok({"data": [ROW]})], "hidden"),
        ([contact(email_status="active"), ok([ROW])], "shown"),
        ([no(404), ok([])], None),
        ([no(404), no(403)], None),
        ([contact(email_status="active"), ok([])], None),
        # Not found is what says that it is hidden: a refusal does not, nor does somebody else.
        ([no(403), ok([ROW])], None),
        ([contact(email="reader@x.no", email_status="unsubscribed"), ok([ROW])], None),
    ],
    ids=str,
)
def test_whether_one_that_opted_out_is_shown(replies: list[Reply], value: str | None) -> None:
    """What its address does not show, the rows of the list must: else nothing says that it opted out at all."""
    (one,) = seen(opted_out, replies)

    assert (one.value, one.is_answer) == (value, value is not None)


def test_a_list_is_looked_through_page_by_page_and_not_for_ever() -> None:
    calls, (one,) = asked(opted_out, lambda call: no(404) if call.op == "contact" else ok([{"id": 1, "email": "other@x.no"}]))

    assert [dict(call.query)["page"] for call in calls[1:]] == [str(page) for page in range(1, 51)]
    assert "can't be read" in one.text, "what was not looked through to its end says nothing of who is not on it"
