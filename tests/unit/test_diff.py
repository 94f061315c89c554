"""What a resync would change."""

import pytest
from msgspec import convert

from consumer.diff import changes
from consumer.makeas import Contact
from consumer.model import Documents, Subscriber


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
