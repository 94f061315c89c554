"""What is written for a user, by tables of examples."""

from typing import Any

import pytest
from msgspec import convert, structs

from consumer.core.answers.snapshot import Contract, Entitlement, Profile, Snapshot
from consumer.core.errors import Retryable
from consumer.core.mapping.documents import Documents, Product, Skip, Subscriber, Subscription, documents, is_guest_id
from consumer.core.model import UserKey
from tests.raising import raising

ANN = "email|84cccf985de28a2a84824786"
ITEM = {"sku": "sid:abc", "name": "Magazine", "purchaseOptionId": "po1", "purchaseOptionName": "Monthly"}
START, END = "2024-03-01T08:00:00.000Z", "2025-03-01T08:00:00.000Z"


def contract(number: int = 1, **fields: Any) -> dict[str, Any]:
    return {"id": f"c{number}", "status": "ACTIVE", "createdAt": START, "items": [ITEM]} | fields


def snapshot(
    *contracts: dict[str, Any],
    entitlements: tuple[dict[str, Any], ...] = (),
    profile: dict[str, Any] | None = None,
    user: str = ANN,
    vendor: str = "vendor_123",
) -> Snapshot:
    """Make a snapshot of what Sesamy would write as JSON."""
    return Snapshot(
        user=UserKey(vendor, user),
        profile=convert({"userId": user, "email": "ann@example.com"} | (profile or {}), Profile),
        contracts=convert(contracts, tuple[Contract, ...]),
        entitlements=convert([{"id": "e"} | one for one in entitlements], tuple[Entitlement, ...]),
    )


def written(*contracts: dict[str, Any], **more: Any) -> Documents:
    found = documents(snapshot(*contracts, **more))
    assert isinstance(found, Documents)
    return found


def only(*contracts: dict[str, Any]) -> Subscription:
    (subscription,) = written(*contracts).subscriptions
    return subscription


def catalogue(*contracts: dict[str, Any]) -> dict[str, str]:
    products = written(*contracts).products
    names = {one.external_id: one.name for one in products}
    assert len(names) == len(products)
    return names


def test_a_user_whole() -> None:
    found = documents(
        snapshot(
            contract(1),
            contract(2, status="EXPIRED", endDate=END, items=[{"sku": "book", "name": "Book"}]),
            entitlements=({"sku": "sid:abc", "title": "Magazine", "hasAccess": True, "origin": {"type": "PAYMENTS", "contractId": "c1"}},),
            profile={"firstName": "Ann", "lastName": "Ås", "company": "Fjord AS", "tags": ["VIP"]},
        )
    )

    assert found == Documents(
        subscriber=Subscriber(email="ann@example.com", firstname="Ann", lastname="Ås", company="Fjord AS", external_id=ANN),
        tags=("sesamy_active_entitlement_magazine", "sesamy_active_sku_sid-abc", "sesamy_active_subscriber", "sesamy_tag_vip"),
        products=(Product("book", "Book"), Product("sid:abc|po1", "Magazine - Monthly")),
        subscriptions=(
            Subscription(external_id="c1", product_external_id="sid:abc|po1", start_date=START, name="Magazine - Monthly", status="active"),
            Subscription(external_id="c2", product_external_id="book", start_date=START, end_date=END, name="Book", status="cancelled"),
        ),
    )


def test_a_user_without_contracts_is_written_all_the_same() -> None:
    found = written()

    assert found.subscriber == Subscriber(email="ann@example.com", external_id=ANN)
    assert (found.tags, found.products, found.subscriptions, found.skipped_contracts) == ((), (), (), 0)


@pytest.mark.parametrize("user", [ANN, "google-oauth2|117", "a:b", "a/b/../c", "auth|Bjørn Ærlig Åse", "guest", "x|guest|y"])
def test_the_external_id_is_the_users_id_as_it_is(user: str) -> None:
    assert written(user=user).subscriber.external_id == user


def test_the_events_user_id_counts_whatever_the_profile_says() -> None:
    assert written(profile={"userId": None, "id": "other"}).subscriber.external_id == ANN


def test_two_vendors_with_one_user_id_have_each_their_own() -> None:
    one = written(contract(1), vendor="v1", profile={"email": "ann@one.example"})
    other = written(contract(2, status="EXPIRED"), vendor="v2", profile={"email": "ann@two.example"})

    assert [one.subscriber.external_id, other.subscriber.external_id] == [ANN, ANN]
    assert [one.subscriber.email, other.subscriber.email] == ["ann@one.example", "ann@two.example"]
    assert [one.subscriptions[0].external_id, other.subscriptions[0].external_id] == ["c1", "c2"]


@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        ({"firstName": "Ann", "given_name": "Other"}, {"firstname": "Ann"}),
        ({"given_name": "Ann"}, {"firstname": "Ann"}),
        ({"givenName": "Ann"}, {"firstname": "Ann"}),
        ({"firstName": "", "given_name": "Ann", "givenName": "Other"}, {"firstname": "Ann"}),
        ({"firstName": " ", "lastName": None, "family_name": "Ås"}, {"lastname": "Ås"}),
        ({"lastName": "", "familyName": "Ås"}, {"lastname": "Ås"}),
        ({"lastName": "Ås", "family_name": "Other", "familyName": "Other"}, {"lastname": "Ås"}),
        ({"firstName": " Ann "}, {"firstname": " Ann "}),
        ({"company": "Fjord AS"}, {"company": "Fjord AS"}),
        ({"company": ""}, {}),
        ({"email": " ann@example.com\n"}, {}),
        ({"email": "\ufeffann\u200b@exam\u00adple.com\u200f "}, {}),
        ({"email": "Ann@Example.com"}, {"email": "Ann@Example.com"}),
        ({"email": "ann@BA\u030agen.no"}, {"email": "ann@BÅgen.no"}),
        ({"email": "ann@xn--brs-0na.no"}, {"email": "ann@xn--brs-0na.no"}),
    ],
)
def test_subscriber_fields(profile: dict[str, Any], expected: dict[str, str]) -> None:
    assert written(profile=profile).subscriber == structs.replace(Subscriber(email="ann@example.com", external_id=ANN), **expected)


@pytest.mark.parametrize(
    "email", [None, "", "  ", "\t\n", "\u200b\ufeff", "a" * 243 + "@example.com", "ann@example.com" + " " * 1002, "ann\ud800@example.com"]
)
def test_without_an_address_nothing_is_written(email: str | None) -> None:
    assert documents(snapshot(contract(), profile={"email": email})) == Skip("no-email")


@pytest.mark.parametrize("name", ["isGuest", "is_guest", "guest"])
@pytest.mark.parametrize("flag", [True, 1, "1", "true", " TRUE "])
def test_a_guest_is_skipped(name: str, flag: object) -> None:
    assert documents(snapshot(contract(), profile={name: flag})) == Skip("guest")


@pytest.mark.parametrize("profile", [{"isGuest": False}, {"is_guest": None}, {"guest": "no"}, {"guest": {"a": 1}}, {"isGuest": "false"}])
def test_other_words_make_no_guest(profile: dict[str, Any]) -> None:
    assert isinstance(documents(snapshot(contract(), profile=profile)), Documents)


@pytest.mark.parametrize(("user", "guest"), [("guest|17", True), ("guest|", True), ("guest", False), ("Guest|17", False), (ANN, False)])
def test_a_guests_id(user: str, guest: bool) -> None:
    assert is_guest_id(user) is guest
    assert (documents(snapshot(user=user)) == Skip("guest")) is guest


def test_an_address_that_is_not_verified_makes_no_guest() -> None:
    assert isinstance(documents(snapshot(profile={"emailVerified": False})), Documents)


@pytest.mark.parametrize(
    ("item", "product", "name"),
    [
        (ITEM, "sid:abc|po1", "Magazine - Monthly"),
        ({**ITEM, "listPriceId": "lp1"}, "sid:abc|lp1", "Magazine - Monthly"),
        ({**ITEM, "listPriceId": ""}, "sid:abc|po1", "Magazine - Monthly"),
        ({**ITEM, "title": "The Magazine"}, "sid:abc|po1", "The Magazine - Monthly"),
        ({**ITEM, "title": ""}, "sid:abc|po1", "Magazine - Monthly"),
        ({**ITEM, "optionTitle": "A month"}, "sid:abc|po1", "Magazine - A month"),
        ({**ITEM, "optionTitle": " "}, "sid:abc|po1", "Magazine - Monthly"),
        ({**ITEM, "name": None}, "sid:abc|po1", "sid:abc - Monthly"),
        ({"sku": "s", "name": "Book"}, "s", "Book"),
        ({"sku": "s", "name": "Book", "purchaseOptionId": "", "purchaseOptionName": ""}, "s", "Book"),
        ({"sku": "s", "name": "Book", "purchaseOptionId": " ", "purchaseOptionName": " "}, "s", "Book"),
        ({"sku": "s", "name": "Book", "purchaseOptionId": "po"}, "s|po", "Book"),
        ({"sku": "s", "name": "Book", "purchaseOptionName": "Paper"}, "s", "Book - Paper"),
        ({"sku": "s"}, "s", "s"),
        ({"sku": "a|b", "name": "Børs - Årbok", "purchaseOptionId": "c|d"}, "a|b|c|d", "Børs - Årbok"),
    ],
)
def test_product_and_name(item: dict[str, Any], product: str, name: str) -> None:
    assert catalogue(contract(items=[item])) == {product: name}
    assert (only(contract(items=[item])).product_external_id, only(contract(items=[item])).name) == (product, name)


@pytest.mark.parametrize(
    "items", [None, [], [{}], [{"name": "Magazine"}], [{"sku": ""}], [{"sku": " ", "name": "Magazine"}], [{"name": "Bag"}, {"sku": None}]]
)
def test_a_contract_without_an_sku_is_skipped_and_counted(items: list[dict[str, Any]] | None) -> None:
    found = written(contract(1, items=items), contract(2))

    assert [one.external_id for one in found.subscriptions] == ["c2"]
    assert [one.external_id for one in found.products] == ["sid:abc|po1"]
    assert found.skipped_contracts == 1
    assert "sesamy_active_subscriber" in found.tags


def test_of_several_items_the_first_is_subscribed_to_and_all_are_products() -> None:
    items = [ITEM, {"sku": "bag", "name": "Bag"}, {"name": "Nothing"}, {"sku": "cup", "name": "Cup", "purchaseOptionId": "red"}]

    assert only(contract(items=items)).product_external_id == "sid:abc|po1"
    assert catalogue(contract(items=items)) == {"bag": "Bag", "cup|red": "Cup", "sid:abc|po1": "Magazine - Monthly"}


def test_the_first_item_with_an_sku_is_subscribed_to() -> None:
    items = [{"name": "x"}, {"sku": " "}, {"sku": "s", "name": "N"}, ITEM]

    found = written(contract(id="c1", status="CANCELLED", createdAt="2025-01-01T00:00:00Z", canceledAt="2026-03-01", items=items))

    assert found.skipped_contracts == 0
    assert found.subscriptions == (
        Subscription(
            external_id="c1",
            product_external_id="s",
            start_date="2025-01-01T00:00:00Z",
            end_date="2026-03-01",
            name="N",
            status="cancelled",
        ),
    )
    assert [one.external_id for one in found.products] == ["s", "sid:abc|po1"]


def test_two_contracts_on_one_product_make_one_product() -> None:
    found = written(contract(1), contract(2, status="EXPIRED"))

    assert found.products == (Product("sid:abc|po1", "Magazine - Monthly"),)
    assert [one.product_external_id for one in found.subscriptions] == ["sid:abc|po1", "sid:abc|po1"]


def test_the_product_of_an_ended_contract_is_in_the_catalogue() -> None:
    assert catalogue(contract(status="CANCELLED")) == {"sid:abc|po1": "Magazine - Monthly"}


NAMED = {"status": "EXPIRED", "items": [{**ITEM, "name": "Old name"}]}


@pytest.mark.parametrize(
    ("one", "other", "name"),
    [
        ({"createdAt": "2020-01-01"}, {"createdAt": "2024-01-01", **NAMED}, "Magazine"),
        ({"status": "OVERDUE", "createdAt": "2020-01-01"}, {"createdAt": "2024-01-01", **NAMED}, "Old name"),
        ({"status": "EXPIRED", "createdAt": "2024-01-01"}, {"createdAt": "2020-01-01", **NAMED}, "Magazine"),
        ({"createdAt": "2024-01-01"}, {"createdAt": "2020-01-01", **NAMED, "status": "active"}, "Magazine"),
        ({"createdAt": None, "startDate": "2024-01-01"}, {"createdAt": "2020-01-01", **NAMED, "status": "ACTIVE"}, "Magazine"),
        ({"createdAt": "2020-01-01"}, {"createdAt": None, **NAMED, "status": "ACTIVE"}, "Magazine"),
        ({"id": "c9"}, {"id": "c3", **NAMED, "status": "ACTIVE"}, "Magazine"),
        ({"createdAt": "2024-01-01T00:30:00Z"}, {"createdAt": "2024-01-01T01:00:00+02:00", **NAMED, "status": "ACTIVE"}, "Magazine"),
        ({"createdAt": "2024-03-01T08:00:00Z"}, {"createdAt": "20240301T070000Z", **NAMED, "status": "ACTIVE"}, "Magazine"),
        ({"createdAt": "2024-03-01T08:00:00Z"}, {"createdAt": "2024-03-01T07:00:00.5", **NAMED, "status": "ACTIVE"}, "Magazine"),
        ({"createdAt": "2024-03-01"}, {"createdAt": "tomorrow", **NAMED, "status": "ACTIVE"}, "Magazine"),
        ({"createdAt": "2024-03-01"}, {"createdAt": "0001-01-01T00:00:00+14:00", **NAMED, "status": "ACTIVE"}, "Magazine"),
    ],
)
def test_of_two_names_an_active_contracts_wins_then_the_newest(one: dict[str, Any], other: dict[str, Any], name: str) -> None:
    for contracts in ((contract(1, **one), contract(2, **other)), (contract(2, **other), contract(1, **one))):
        assert catalogue(*contracts) == {"sid:abc|po1": f"{name} - Monthly"}


def test_a_subscription_keeps_its_own_name() -> None:
    found = written(contract(1), contract(2, **NAMED))

    assert [one.name for one in found.subscriptions] == ["Magazine - Monthly", "Old name - Monthly"]


@pytest.mark.parametrize(
    ("fields", "status", "ends"),
    [
        ({"status": "ACTIVE"}, "active", False),
        ({"status": "active"}, "active", False),
        ({"status": "OVERDUE"}, "cancelled", False),
        ({"status": "overdue", "isActive": True}, "cancelled", False),
        ({"status": "PENDING"}, "cancelled", False),
        ({"status": "paused"}, "cancelled", False),
        ({"status": "Trial", "isActive": True}, "cancelled", False),
        ({"status": "TRIALING"}, "cancelled", False),
        ({"status": "CANCELED"}, "cancelled", True),
        ({"status": "CANCELLED"}, "cancelled", True),
        ({"status": "expired"}, "cancelled", True),
        ({"status": "DELETED", "isActive": True}, "cancelled", True),
        ({"status": None, "isActive": True}, "active", False),
        ({"status": "", "isActive": False}, "cancelled", True),
        ({"status": None}, "cancelled", True),
    ],
)
def test_status_and_end_date(fields: dict[str, Any], status: str, ends: bool) -> None:
    subscription = only(contract(endDate=END, **fields))

    assert (subscription.status, subscription.end_date) == (status, END if ends else None)


@pytest.mark.parametrize(
    ("dates", "expected"),
    [
        ({"endDate": "1", "canceledAt": "2", "endedAt": "3", "expiresAt": "4", "willCancelAt": "5"}, "1"),
        ({"endDate": None, "canceledAt": "2", "endedAt": "3", "expiresAt": "4", "willCancelAt": "5"}, "2"),
        ({"endDate": "", "canceledAt": "", "endedAt": "3", "expiresAt": "4", "willCancelAt": "5"}, "3"),
        ({"expiresAt": "4", "willCancelAt": "5"}, "4"),
        ({"willCancelAt": "5"}, "5"),
        ({}, None),
    ],
)
def test_where_an_end_date_comes_from(dates: dict[str, Any], expected: str | None) -> None:
    assert only(contract(status="CANCELLED", **dates)).end_date == expected


@pytest.mark.parametrize(
    ("dates", "expected"),
    [
        ({"startDate": "2024-01-01T00:00:00+01:00"}, "2024-01-01T00:00:00+01:00"),
        ({"startDate": ""}, START),
        ({}, START),
        ({"createdAt": None}, None),
    ],
)
def test_where_a_start_date_comes_from(dates: dict[str, Any], expected: str | None) -> None:
    assert only(contract(**dates)).start_date == expected


def test_of_a_contract_that_came_twice_the_later_row_counts() -> None:
    found = written(contract(1), contract(2), contract(1, status="OVERDUE"), contract(2, status="EXPIRED"))

    assert [(one.external_id, one.status) for one in found.subscriptions] == [("c1", "cancelled"), ("c2", "cancelled")]
    assert found.tags == ("sesamy_overdue_contract",)


def test_1500_contracts() -> None:
    contracts = [
        contract(number, status="ACTIVE" if number % 3 else "EXPIRED", items=[{**ITEM, "purchaseOptionId": f"po{number % 7}"}])
        for number in range(1_500)
    ]

    found = written(*contracts)

    assert [one.external_id for one in found.subscriptions] == [f"c{number}" for number in range(1_500)]
    assert [one.external_id for one in found.products] == [f"sid:abc|po{number}" for number in range(7)]
    assert sum(one.status == "active" for one in found.subscriptions) == 1_000


def paid(number: int) -> dict[str, Any]:
    return {"sku": "s", "hasAccess": True, "origin": {"type": "PAYMENTS", "contractId": f"c{number}"}}


@pytest.mark.parametrize(
    ("contracts", "entitlements"),
    [
        ([contract(1, userId="email|bob")], ()),
        ([contract(1, userId=ANN), contract(2, userId="email|bob", items=[])], (paid(1),)),
        ([contract(1)], ({"userId": "email|bob"},)),
        ([], (paid(7), {"userId": ANN}, paid(8) | {"userId": "email|bob"})),
    ],
)
def test_an_answer_about_others_is_not_believed(contracts: list[dict[str, Any]], entitlements: tuple[dict[str, Any], ...]) -> None:
    with pytest.raises(Retryable) as caught:
        documents(snapshot(*contracts, entitlements=entitlements))

    assert caught.value.code == "foreign-contract"
    assert "bob" not in repr(caught.value)


@pytest.mark.parametrize(
    ("contracts", "entitlements"),
    [
        ([contract(1, userId=ANN)], (paid(1),)),
        ([contract(1, userId=None), contract(2, userId="")], (paid(1),)),
        ([contract(1)], (paid(1), paid(7))),
        ([contract(1)], ()),
        ([contract(1)], ({}, {"origin": {}}, {"origin": {"type": "PAYMENTS"}}, {"origin": {"type": "EXTERNAL", "contractId": "c7"}})),
        ([contract(1, items=[])], (paid(1),)),
        ([contract(1)], (paid(7),)),
        ([contract(1)], (paid(7), paid(8), {"origin": {"type": "EXTERNAL"}}, {})),
        ([], (paid(7), {"userId": ANN}, {"userId": ""}, {"userId": None})),
    ],
)
def test_an_answer_that_may_be_right_is_believed(contracts: list[dict[str, Any]], entitlements: tuple[dict[str, Any], ...]) -> None:
    assert isinstance(documents(snapshot(*contracts, entitlements=entitlements)), Documents)


def test_a_reader_of_single_articles_is_written_though_no_contract_is_listed() -> None:
    origin = {"type": "PAYMENTS", "contractId": "gone"}
    article = {"id": "e1", "type": "article", "sku": "a1", "title": "An article", "origin": origin, "hasAccess": False}

    assert written(entitlements=(article,)).tags == ("sesamy_made_single_purchase",)


@pytest.mark.parametrize("profile", [{"email": None}, {"isGuest": True}])
def test_a_foreign_answer_is_no_ground_for_a_skip(profile: dict[str, Any]) -> None:
    with raising(Retryable, "foreign-contract"):
        documents(snapshot(contract(userId="email|bob"), profile=profile))
