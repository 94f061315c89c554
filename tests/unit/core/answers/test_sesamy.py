"""What answers of Sesamy's are read as."""

import json
from typing import Any

import msgspec
import pytest

from consumer.core.answers.sesamy import CONTRACTS, ENTITLEMENTS, ITEM, ORIGIN, PAYER, USER, listed, odd_names, profile, profiles, rows
from consumer.core.answers.shapes import Json, Shape, decoded
from consumer.core.answers.snapshot import Contract, Entitlement, Item, Origin, Payer, Profile
from consumer.core.errors import Retryable
from tests.raising import raising


def unusable(tree: object, *, of: str) -> bool:
    try:
        if of == "user":
            profile(Json(tree))
        else:
            listed(tree, of)
    except Retryable as error:
        assert error.code == "wrong-shape"  # noqa: PT017
        return True
    return False


def contract(**more: object) -> Contract:
    ((found,), _) = rows(Json([{"id": "c1", **more}]), CONTRACTS)
    return found


def entitlement(**more: object) -> Entitlement:
    ((found,), _) = rows(Json([{"id": "e1", **more}]), ENTITLEMENTS)
    return found


@pytest.mark.parametrize(
    ("shape", "noun"),
    [(USER, Profile), (CONTRACTS, Contract), (ITEM, Item), (PAYER, Payer), (ENTITLEMENTS, Entitlement), (ORIGIN, Origin)],
)
def test_a_table_has_each_field_that_has_a_type(shape: Shape[Any], noun: type) -> None:
    typed = {field.encode_name for field in msgspec.structs.fields(noun) if field.type is not object}

    assert typed == set(shape.kinds)
    assert shape.decides <= typed
    assert {f"{shape.name}.{field}" for field in typed} <= set(odd_names())


@pytest.mark.parametrize(
    "tree", [None, [], {"data": None}, {"data": []}, {"contracts": None}, {"contracts": []}, {"data": {}}, {"data": ""}]
)
def test_an_empty_answer_says_that_there_is_none(tree: object) -> None:
    assert listed(tree, "contracts") == []


@pytest.mark.parametrize(
    "tree",
    [
        {},
        {"error": {"code": "internal_error"}},
        {"message": "maintenance"},
        {"meta": {"total": 0}},
        {"entitlements": []},
        {"data": 0},
        {"data": False},
        {"data": "none"},
        {"data": {"id": "c1"}},
        {"data": None, "error": "no"},
        {"data": None, "errors": [{"message": "timeout"}]},
        {"data": [], "success": False},
        {"data": [], "status": 500},
        {"data": [], "statusCode": 503},
        {"data": None, "status_code": "500", "message": "upstream"},
        {"data": None, "status": "fail"},
        "[]",
        0,
        False,
        True,
    ],
)
def test_an_answer_that_says_nothing_of_contracts_is_not_none(tree: object) -> None:
    assert unusable(tree, of="contracts")


@pytest.mark.parametrize("tree", [[{"id": 1}], {"data": [{"id": 1}]}, {"contracts": [{"id": 1}]}, {"data": None, "contracts": [{"id": 1}]}])
def test_rows_are_bare_or_in_an_envelope(tree: object) -> None:
    assert listed(tree, "contracts") == [{"id": 1}]
    assert listed({"data": [{"id": 1}], "status": 200, "success": True, "errors": [], "error": None}, "contracts") == [{"id": 1}]


@pytest.mark.parametrize(
    "tree",
    [
        None,
        {},
        [],
        [{"id": "ann", "email": "ann@example.com"}],
        {"data": None},
        {"user": None},
        {"user": {}},
        {"email": "ann@example.com"},
        {"data": {"email": "ann@example.com"}},
        {"id": True, "email": "ann@example.com"},
        {"data": {"id": "ann"}, "error": "no"},
        {"id": "ann", "email": ["ann@example.com"]},
        {"id": "ann", "email": {}},
        {"id": "ann", "email": False},
        {"id": "ann", "tags": "vip"},
        {"id": "ann", "tags": [{}]},
        "ann",
    ],
)
def test_an_answer_that_names_no_user_or_spoils_what_decides_is_no_profile(tree: object) -> None:
    assert unusable(tree, of="user")


@pytest.mark.parametrize(
    ("tree", "named"),
    [
        ({"userId": "ann"}, {"ann"}),
        ({"userId": "ann", "id": "5", "sub": "s"}, {"ann"}),
        ({"id": "5", "sub": "ann"}, {"5", "ann"}),
        ({"sub": "ann", "id": None}, {"ann"}),
        ({"id": 5}, {"5"}),
        ({"data": {"sub": "ann"}}, {"ann"}),
        ({"user": {"id": "ann"}}, {"ann"}),
    ],
)
def test_a_profile_names_its_user(tree: object, named: set[str]) -> None:
    assert named == profile(Json(tree)).named


def test_an_odd_field_of_a_profile_counts_as_absent() -> None:
    said = Json({"id": "ann", "email": "a@example.no", "company": {"name": "X"}, "firstName": 7, "tags": ["vip", None, 2024]})
    found = profile(said)

    assert (found.email, found.company, found.first_name, found.tags) == ("a@example.no", None, "7", ["vip", "2024"])
    assert said.odd == ["user.company"]


def test_numbers_of_an_item_are_text() -> None:
    found = contract(items=[{"sku": 9788202000001, "purchaseOptionId": 42, "name": "Bok"}])

    assert found.items == [Item(sku="9788202000001", purchase_option_id="42", name="Bok")]


def test_a_contract_in_epoch_seconds_with_an_item_that_has_no_sku_and_a_payer_that_is_text() -> None:
    found = contract(
        status="CANCELLED",
        createdAt=1735689600,
        canceledAt="2026-03-01",
        items=[{"name": "x"}, {"sku": "s", "name": "N"}],
        payer="a@b.example",
    )

    assert (found.created_at, found.canceled_at, found.payer) == ("2025-01-01T00:00:00Z", "2026-03-01", None)
    assert [item.sku for item in found.items or ()] == [None, "s"]


def test_digits_are_a_date_where_all_else_is_well_typed() -> None:
    assert contract(createdAt="1735689600").created_at == "2025-01-01T00:00:00Z"
    assert contract(createdAt="20250101").created_at == "20250101"


def test_two_good_entitlements_count_beside_one_without_an_id() -> None:
    said = Json([{"id": "e1"}, {"title": "x"}, {"id": "e2"}])
    found, length = rows(said, ENTITLEMENTS)

    assert ([one.id for one in found], length, said.odd) == (["e1", "e2"], 3, ["entitlements"])


@pytest.mark.parametrize("user", [7, "7"])
def test_a_row_may_name_its_user(user: object) -> None:
    assert contract(userId=user).user_id == entitlement(userId=user).user_id == "7"


@pytest.mark.parametrize(
    ("said", "read"), [(True, True), ("true", True), (1, True), ("1", True), (False, False), ("False", False), (0, False), (None, None)]
)
def test_a_flag_may_be_written_otherwise(said: object, read: bool | None) -> None:
    assert entitlement(hasAccess=said).has_access is read
    assert contract(isActive=said).is_active is read


@pytest.mark.parametrize("odd", [[], {}, ["ACTIVE"], {"is": "ACTIVE"}])
@pytest.mark.parametrize("field", ["status", "isActive", "contractDuration", "recurringInterval"])
def test_what_decides_about_a_contract_is_never_absent_for_its_type(field: str, odd: object) -> None:
    with raising(Retryable, "wrong-shape"):
        contract(**{field: odd})


@pytest.mark.parametrize("odd", [[], ["PAYMENTS"], "PAYMENTS", {"type": {}}, {"type": []}, True])
def test_an_origin_is_never_absent_for_its_type(odd: object) -> None:
    with raising(Retryable, "wrong-shape"):
        entitlement(origin=odd)


@pytest.mark.parametrize(("field", "odd"), [("type", {}), ("type", ["article"]), ("hasAccess", "yes"), ("hasAccess", 2), ("hasAccess", [])])
def test_what_decides_about_an_entitlement_is_never_absent_for_its_type(field: str, odd: object) -> None:
    with raising(Retryable, "wrong-shape"):
        entitlement(**{field: odd})


@pytest.mark.parametrize("odd", [{"sku": "s"}, "s", 7, ["s"], [["s"]], [{"sku": "s", "purchaseType": {}}]])
def test_items_are_never_absent_for_their_type(odd: object) -> None:
    with raising(Retryable, "wrong-shape"):
        contract(items=odd)


def test_a_number_is_a_type_but_no_status_for_whatever_is_none_that_we_know_ends_a_subscription() -> None:
    for odd in (7, 1, 0.5):
        with raising(Retryable, "wrong-shape"):
            contract(status=odd)
    assert entitlement(type=7, origin={"type": 7}).origin == Origin(type="7")


def test_half_a_character_harms_no_other_row_and_no_write() -> None:
    body = json.dumps([{"id": "e1", "title": "Magasinet \ud83c"}, {"id": "e2\ud83c"}, {"id": "e3", "title": "Å"}]).encode()
    found, _ = rows(decoded(body), ENTITLEMENTS)
    assert [(one.id, one.title) for one in found] == [("e1", "Magasinet \ufffd"), ("e3", "Å")]


# ---- A page of users ----


@pytest.mark.parametrize(
    "tree",
    [
        [{"userId": "ann", "email": "a@b.no"}, {"id": "bob"}],
        {"data": [{"userId": "ann", "email": "a@b.no"}, {"sub": "bob"}]},
        {"users": [{"userId": "ann", "email": "a@b.no"}, {"userId": "bob"}], "total": 2},
    ],
)
def test_users_come_bare_or_in_an_envelope(tree: object) -> None:
    found, length = profiles(Json(tree))

    assert ([*map(sorted, (one.named for one in found))], found[0].email, length) == ([["ann"], ["bob"]], "a@b.no", 2)


@pytest.mark.parametrize("tree", [[], {"data": []}, {"users": None}, {"data": [], "users": []}])
def test_a_page_may_hold_no_user(tree: object) -> None:
    assert profiles(Json(tree)) == ([], 0)


def test_a_user_without_an_id_counts_as_a_row_alone() -> None:
    found, length = profiles(Json([{"email": "a@b.no"}, {"userId": "ann"}]))

    assert ([one.user_id for one in found], length) == (["ann"], 2)


@pytest.mark.parametrize(
    "tree",
    [
        [{"email": "a@b.no"}],
        {"rows": []},
        {"users": "none"},
        {"users": {"userId": "ann"}},
        {"users": [], "error": "no"},
        {"users": [], "status": 500},
        "users",
    ],
)
def test_what_names_no_user_is_no_page_of_users(tree: object) -> None:
    with raising(Retryable, "wrong-shape"):
        profiles(Json(tree))
