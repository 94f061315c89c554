"""A row of Sesamy's lists, reduced to what is kept of it."""

import msgspec
import pytest
from msgspec import structs

from consumer.core.answers.snapshot import Contract, Entitlement, Item, Origin, Payer, Profile
from consumer.core.drift.prints import NONE
from consumer.core.drift.reduced import FIELDS, Access, Deal, Known, access, deal, known
from consumer.core.mapping.documents import Subscriber

from .some_readers import PRINTS

MINE = PRINTS.of("ann@example.com")


def test_each_field_of_a_contact_is_kept_and_the_address_stands_first() -> None:
    assert {*FIELDS, "external_id"} == {*Subscriber.__struct_fields__}
    assert FIELDS[0] == "email"


def test_a_profile_becomes_prints() -> None:
    found = known("ann", Profile(email=" Ann@Example.com", last_name="Lee", tags=["VIP", ""]), PRINTS)

    assert found == Known("ann", "", (MINE, NONE, PRINTS.of("Lee"), NONE), ((PRINTS.of("sesamy_tag_vip"), PRINTS.of("sesamy_tag_vip")),))


@pytest.mark.parametrize(
    ("user", "profile", "reason"),
    [
        ("ann", Profile(), "no-email"),
        ("guest|1", Profile(email="a@b.no"), "guest"),
        ("ann", Profile(email="a@b.no", is_guest=True), "guest"),
    ],
)
def test_what_is_not_written_keeps_nothing_but_why(user: str, profile: Profile, reason: str) -> None:
    assert known(user, profile, PRINTS) == Known(user, reason, ())


@pytest.mark.parametrize(
    ("fields", "gift"),
    [
        ({}, None),
        ({"gift_mode": "EMAIL"}, True),
        ({"is_gift": 1}, True),
        ({"payer_email": "ANN@example.com"}, None),
        ({"payer_email": "bob@example.com"}, True),
        ({"payer": Payer(id="bob")}, True),
        ({"payer": Payer(id="ann")}, None),
        ({"payer": Payer(id="bob", email="ann@example.com")}, None),
        ({"payer": Payer(email="bob@example.com"), "payer_email": "ann@example.com"}, True),
    ],
)
def test_of_a_payer_only_that_it_is_another_is_kept(fields: dict[str, object], gift: bool | None) -> None:
    found = deal("ann", structs.replace(Contract(id="c1"), **fields), MINE, PRINTS)

    assert (found.fact.is_gift, found.fact.payer, found.fact.payer_email, found.fact.gift_mode) == (gift, None, None, None)


def test_the_facts_of_many_contracts_are_one() -> None:
    one, other = (
        deal("ann", Contract(id=name, status="ACTIVE", start_date=f"2020-01-0{name[1]}", items=[Item(sku=name)]), MINE, PRINTS)
        for name in ("c1", "c2")
    )

    assert one.fact == other.fact
    assert one.id != other.id


def test_an_access_keeps_the_print_of_its_contract() -> None:
    found = access("ann", Entitlement(id="e1", sku="s", origin=Origin(type="PAYMENTS", contract_id="c1")), PRINTS)

    assert (found.id, found.contract) == (PRINTS.of("e1"), PRINTS.of("c1"))
    assert found.fact.origin == Origin(type="PAYMENTS")
    assert access("ann", Entitlement(id="e1"), PRINTS).contract == NONE


@pytest.mark.parametrize(
    "row",
    [
        known("ann", Profile(email="a@b.no", tags=["x"]), PRINTS),
        known("guest|1", Profile(), PRINTS),
        deal("ann", Contract(id="c1", status="ACTIVE", items=[Item(purchase_type="OWN")], is_gift=True), MINE, PRINTS),
        access("ann", Entitlement(id="e1", has_access=True, origin=Origin(type="EXTERNAL")), PRINTS),
    ],
)
def test_a_row_comes_back_from_a_file_as_it_was(row: Known | Deal | Access) -> None:
    assert msgspec.json.decode(msgspec.json.encode(row), type=type(row)) == row
