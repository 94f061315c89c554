"""What a resync changes of a contact, and what it leaves."""

import pytest
from msgspec import convert, structs

from consumer.core.mapping.contact import (
    PERSONAL,
    Change,
    Contact,
    becomes,
    changes,
    comparable,
    fields,
    held_fields,
    is_as_wanted,
    tag_change,
)
from consumer.core.mapping.documents import Documents, Product, Subscriber, Subscription


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


def test_products_and_subscriptions_are_told_as_they_are_sent() -> None:
    """Without an end there is none to tell."""
    row = Subscription(external_id="c", product_external_id="p", start_date="2026-01-02", name="Paper", status="active")
    documents = structs.replace(wanted(), products=(Product("p", "Paper"),), subscriptions=(row,))

    assert [(one.field, one.action, one.wanted) for one in changes(None, documents, ())[-2:]] == [
        ("product p", "unknown", "Paper"),
        ("subscription c", "unknown", "product_external_id p, start_date 2026-01-02, name Paper, status active"),
    ]


def test_each_field_that_is_written_is_compared_and_is_personal_until_it_is_known_to_be_none() -> None:
    """Whoever adds a field to `Subscriber` has done so here, too; that Make.as has it as well is for `Contact` to say."""
    whole = Subscriber(**dict.fromkeys(Subscriber.__struct_fields__, "x"))
    contact = convert({"id": 1, **fields(whole)}, Contact)

    assert set(Subscriber.__struct_fields__) <= set(Contact.__struct_fields__)
    assert [one.action for one in changes(contact, structs.replace(wanted(), subscriber=whole), ())] == ["same"] * len(fields(whole))
    assert set(Subscriber.__struct_fields__) - PERSONAL == {"external_id"}


@pytest.mark.parametrize("field", ["email", "firstname", "lastname", "company"])
def test_a_personal_value_is_masked_and_its_absence_is_not(field: str) -> None:
    assert Change(field=field, action="add", wanted="x").masked() == Change(field=field, action="add", wanted="•••")
    assert Change(field=field, action="keep", now="x").masked() == Change(field=field, action="keep", now="•••")


@pytest.mark.parametrize("field", ["external_id", "tag", "list", "product p"])
def test_an_id_is_shown(field: str) -> None:
    change = Change(field=field, action="change", now="a", wanted="b")

    assert change.masked() == change


# ---- What is sent of its tags ----


@pytest.mark.parametrize(
    ("found", "wanted", "change"),
    [
        ([], ["sesamy_a"], ("merge", ["sesamy_a"])),
        ([], [], ("merge", [])),
        (["x"], ["sesamy_a"], ("merge", ["x", "sesamy_a"])),
        (["x"], [], ("merge", ["x"])),
        (["x", "sesamy_a"], ["sesamy_a", "sesamy_b"], ("merge", ["x", "sesamy_a", "sesamy_b"])),
        (["x", "sesamy_old"], ["sesamy_a"], ("replace", ["x", "sesamy_a"])),
        (["x", "sesamy_old"], [], ("replace", ["x"])),
        (["sesamy", "Sesam", "not_sesamy_x"], ["sesamy_a"], ("merge", ["sesamy", "Sesam", "not_sesamy_x", "sesamy_a"])),
        (
            ["x", "Sesamy_Active_Subscriber", "Sesamy_X"],
            ["sesamy_active_subscriber"],
            ("replace", ["x", "Sesamy_X", "sesamy_active_subscriber"]),
        ),
    ],
)
def test_tags_are_replaced_only_where_a_stale_one_must_go(found: list[str], wanted: list[str], change: tuple[str, list[str]]) -> None:
    assert change == tag_change(found, wanted)


# ---- In the form in which they are compared ----


@pytest.mark.parametrize(
    ("now", "wanted", "action"),
    [
        (None, None, "keep"),
        ("a", None, "keep"),
        ("a", "a", "same"),
        (None, "a", "add"),
        ("b", "a", "change"),
        ("", "a", "change"),
        (0, 1, "change"),
    ],
)
def test_what_becomes_of_a_field(now: str | int | None, wanted: str | int | None, action: str) -> None:
    assert becomes(now, wanted) == action


def test_only_an_address_has_spellings() -> None:
    assert comparable("email", " Ann@BØRS.no.") == "ann@xn--brs-0na.no"
    assert comparable("firstname", " Ann@BØRS.no.") == " Ann@BØRS.no."


def test_the_fields_that_a_contact_has_are_those_that_we_write_and_are_not_empty() -> None:
    contact = convert({"id": 1, "email": "a@b.no", "firstname": "", "lastname": None, "external_id": 0, "tags": ["x"]}, Contact)

    assert held_fields(contact) == {"email": "a@b.no", "external_id": "0"}


# ---- What need not be written ----

HELD = {"id": 1, "email": "ann@børs.no", "external_id": "u", "tags": ["Quiz", "sesamy_a"], "lists": [7, {"id": "8"}]}


@pytest.mark.parametrize(
    ("more", "lists", "answer"),
    [
        ({}, ("7", "8"), True),
        ({"firstname": "Ann"}, ("7",), True),
        ({"tags": [{"id": 3, "title": "sesamy_a"}]}, ("7",), True),
        ({"lists": [7]}, ("7", "8"), False),
        ({"lists": [7]}, (), True),
        ({"lists": None}, (), True),
        ({"lists": None}, ("7",), False),
        ({"lists": "7"}, ("7",), False),
        ({"tags": None}, ("7",), False),
        ({"tags": []}, ("7",), False),
        ({"tags": ["sesamy_A"]}, ("7",), False),
        ({"tags": ["sesamy_a", "sesamy_old"]}, ("7",), False),
        ({"external_id": None}, ("7",), False),
        ({"external_id": "U"}, ("7",), False),
        ({"email": "Ann@børs.no"}, ("7",), False),
        ({"email": None}, ("7",), False),
    ],
)
def test_what_is_stated_to_the_letter_need_not_be_written(more: dict[str, object], lists: tuple[str, ...], answer: bool) -> None:
    contact = convert(HELD | more, Contact)

    assert is_as_wanted(contact, wanted(tags=("sesamy_a",)), lists) is answer


def test_a_new_contact_is_written_and_a_number_is_its_digits() -> None:
    assert not is_as_wanted(None, wanted(), ())
    digits = Documents(subscriber=Subscriber(email="a@b.no", external_id="12"), tags=(), products=(), subscriptions=())
    assert is_as_wanted(convert({"id": 1, "email": "a@b.no", "external_id": 12, "tags": []}, Contact), digits, ())
