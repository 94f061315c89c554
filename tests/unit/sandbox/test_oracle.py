"""The referee sees each thing that can be wrong, and nothing else."""

from collections.abc import Callable
from typing import Any

import pytest

from consumer.sandbox.oracle import differences, wanted
from consumer.sandbox.stand_ins.makeas import Account
from consumer.sandbox.stand_ins.sesamy import User

ANN, EMAIL = "email|ann", "Ann@example.com"


def reader(**profile: Any) -> User:
    item = {"sku": "sid:A", "name": "Avisen", "purchaseOptionId": "po_m", "purchaseOptionName": "Månedlig"}
    active = {"id": "c1", "status": "ACTIVE", "createdAt": "2025-01-01", "contractDuration": "RECURRING", "items": [item]}
    ended = active | {"id": "c2", "status": "Expired", "endedAt": "2025-02-01", "items": [{"sku": "B"}]}
    pays = {"type": "PAYMENTS", "contractId": "c1"}
    access = {"sku": "sid:A", "title": "Avisen", "purchaseOption": "po_m", "type": "pass", "hasAccess": True, "origin": pays}
    return {
        "profile": {"userId": ANN, "email": EMAIL, "firstName": "Ann", "tags": ["Tidlig Fugl", "!!"], **profile},
        "contracts": [active, ended],
        "entitlements": [access],
    }


def account() -> Account:
    """Return an account that agrees with the reader, written out by hand."""
    made = Account("1001", "k", {"1", "2"})
    tags = [
        "sesamy_active_entitlement_avisen",
        "sesamy_active_sku_po_sid-a-po-m",
        "sesamy_active_sku_sid-a",
        "sesamy_active_subscriber",
        "sesamy_tag_tidlig-fugl",
        "vip",
    ]
    made.contact(EMAIL, firstname="Ann", external_id=ANN, tags=tags, lists=["1", "2"])
    made.products = {
        "sid:A|po_m": {"external_id": "sid:A|po_m", "name": "Avisen - Månedlig"},
        "B": {"external_id": "B", "name": "B"},
    }
    first = {"email": EMAIL, "external_id": "c1", "product_external_id": "sid:A|po_m", "start_date": "2025-01-01"}
    second = {"email": EMAIL, "external_id": "c2", "product_external_id": "B", "start_date": "2025-01-01", "end_date": "2025-02-01"}
    made.subscriptions = {
        "c1": {**first, "name": "Avisen - Månedlig", "status": "active"},
        "c2": {**second, "name": "B", "status": "cancelled"},
    }
    return made


def compare(made: Account, user: User | None = None) -> list[str]:
    return differences({ANN: user or reader()}, {ANN}, made, {"1", "2"}).get(ANN, [])


def test_what_agrees_agrees() -> None:
    assert compare(account()) == []


CHANGES: dict[str, Callable[[Account], object]] = {
    "no contact": lambda made: made.contacts.clear(),
    "firstname differs": lambda made: made.contacts[EMAIL.lower()].update(firstname="Bo"),
    "tags: missing ['sesamy_tag_tidlig-fugl'], stale []": lambda made: made.contacts[EMAIL.lower()]["tags"].remove(
        "sesamy_tag_tidlig-fugl"
    ),
    "tags: missing [], stale ['sesamy_old']": lambda made: made.contacts[EMAIL.lower()]["tags"].append("sesamy_old"),
    "tags of others lost: ['vip']": lambda made: made.contacts[EMAIL.lower()]["tags"].remove("vip"),
    "not on every list": lambda made: made.contacts[EMAIL.lower()].update(lists=["1"]),
    "product B missing": lambda made: made.products.pop("B"),
    "product B misnamed": lambda made: made.products["B"].update(name="A"),
    "subscription c2 differs": lambda made: made.subscriptions["c2"].pop("end_date"),
}


@pytest.mark.parametrize("says", CHANGES)
def test_each_difference_is_seen(says: str) -> None:
    made = account()
    CHANGES[says](made)
    assert compare(made) == [says]


def test_a_tag_that_another_tool_adds_later_must_stay_too() -> None:
    made = account()
    made.add_tag(EMAIL, "autumn")
    assert compare(made) == []
    made.contacts[EMAIL.lower()]["tags"].remove("autumn")
    assert compare(made) == ["tags of others lost: ['autumn']"]


def test_who_left_need_not_be_on_a_list() -> None:
    made = account()
    made.contacts[EMAIL.lower()].update(lists=[], email_status="unsubscribed")
    assert compare(made) == []


def test_who_left_one_list_need_not_be_on_that_one() -> None:
    made = account()
    made.leave(EMAIL, list_id="2")
    made.contacts[EMAIL.lower()].update(lists=["1"])
    assert compare(made) == []
    made.contacts[EMAIL.lower()].update(lists=["2"])
    assert compare(made) == ["not on every list"]


def test_a_single_purchase_that_was_there_must_stay() -> None:
    made = account()
    tags = [*made.contacts[EMAIL.lower()]["tags"], "sesamy_made_single_purchase"]
    made.contact(EMAIL, firstname="Ann", external_id=ANN, tags=tags, lists=["1", "2"])
    assert compare(made) == []
    made.contacts[EMAIL.lower()]["tags"].remove("sesamy_made_single_purchase")
    assert compare(made) == ["tags: missing ['sesamy_made_single_purchase'], stale []"]


@pytest.mark.parametrize("profile", [{"email": None}, {"isGuest": True}, {"is_guest": True}, {"guest": True}])
def test_who_must_not_be_written_is_seen_if_written(profile: dict[str, Any]) -> None:
    assert compare(account(), reader(**profile)) == ["was written, but must not be"]
    assert wanted("guest|1", reader()) is None
    assert wanted(ANN, None) is None


@pytest.mark.parametrize(
    ("contract", "tag"),
    [
        ({"status": "overdue"}, "sesamy_overdue_contract"),
        ({"contractDuration": "PERPETUAL", "status": "EXPIRED"}, "sesamy_made_single_purchase"),
        ({"items": [{"sku": "x", "purchaseType": "single"}]}, "sesamy_made_single_purchase"),
        ({"items": [{"sku": "x", "purchaseType": "OWN"}]}, "sesamy_made_single_purchase"),
        ({"payerEmail": "mother@example.com"}, "sesamy_has_gifted_subscription"),
        ({"payer": {"id": "email|mother"}}, "sesamy_has_gifted_subscription"),
        ({"isGift": True}, "sesamy_has_gifted_subscription"),
        ({"status": None, "isActive": True}, "sesamy_active_subscriber"),
    ],
)
def test_a_contract_gives_its_tag(contract: dict[str, Any], tag: str) -> None:
    user = reader()
    user["contracts"] = [user["contracts"][0] | contract]
    want = wanted(ANN, user)
    assert want is not None
    assert tag in want["tags"]


@pytest.mark.parametrize(("contract_id", "bought"), [("c1", False), ("gone", True)])
def test_an_article_of_a_subscription_was_not_bought(contract_id: str, bought: bool) -> None:
    user = reader()
    user["entitlements"][0] |= {"type": "article", "origin": {"type": "PAYMENTS", "contractId": contract_id}}
    want = wanted(ANN, user)
    assert want is not None
    assert ("sesamy_made_single_purchase" in want["tags"]) is bought


@pytest.mark.parametrize("contract", [{"payerEmail": EMAIL.upper()}, {"payer": {"id": ANN}}, {"isGift": True, "status": "EXPIRED"}, {}])
def test_who_pays_himself_has_no_gift(contract: dict[str, Any]) -> None:
    user = reader()
    user["contracts"] = [user["contracts"][0] | contract]
    want = wanted(ANN, user)
    assert want is not None
    assert "sesamy_has_gifted_subscription" not in want["tags"]
