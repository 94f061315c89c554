"""The other ways of Make.as' stand-in: each takes its own form, and answers the other one as such a server would."""

from typing import Any

import pytest
from msgspec import structs

from .test_makeas import ANN, CONTACT, PRODUCTS, ROW, SUBSCRIPTIONS, There, there

__all__ = ["there"]

BY_ID = f"{SUBSCRIPTIONS}_by_external_id"
PRODUCT = {"external_id": "p1", "name": "P"}
NAMELESS = {name: value for name, value in ROW.items() if name != "email"}
BY_NAME = {**NAMELESS, "subscriber_email": ANN}
BY_EXTERNAL_ID = {**NAMELESS, "subscriber_external_id": "u1"}
DATED = {**ROW, "start_date": "2025-01-01 12:00:00"}
ISO = {**ROW, "start_date": "2025-01-01T12:00:00Z"}


async def _ready(there: There, **ways: Any) -> None:
    there.account.ways = structs.replace(there.account.ways, **ways)
    there.account.contact(ANN, external_id="u1")
    there.account.products["p1"] = PRODUCT


@pytest.mark.parametrize(
    ("ways", "path", "row", "taken"),
    [
        ({}, SUBSCRIPTIONS, ROW, True),
        ({}, SUBSCRIPTIONS, BY_NAME, False),
        ({}, BY_ID, BY_EXTERNAL_ID, False),
        ({"subscriber_key": "subscriber_email"}, SUBSCRIPTIONS, BY_NAME, True),
        ({"subscriber_key": "subscriber_email"}, SUBSCRIPTIONS, ROW, False),
        ({"subscriber_key": "subscriber_external_id"}, BY_ID, BY_EXTERNAL_ID, True),
        ({"subscriber_key": "subscriber_external_id"}, BY_ID, {**BY_EXTERNAL_ID, "subscriber_external_id": "u2"}, False),
        ({"subscriber_key": "subscriber_external_id"}, SUBSCRIPTIONS, ROW, False),
        ({}, SUBSCRIPTIONS, ISO, True),
        ({}, SUBSCRIPTIONS, DATED, False),
        ({}, SUBSCRIPTIONS, {**ROW, "start_date": "2025-13-01"}, False),
        ({}, SUBSCRIPTIONS, {**ROW, "start_date": "sesamy_verify"}, False),
        ({}, SUBSCRIPTIONS, {**ROW, "start_date": "2025-01-01T10:00:00.123+02:00"}, True),
        ({"dates": "date_time"}, SUBSCRIPTIONS, DATED, True),
        ({"dates": "date_time"}, SUBSCRIPTIONS, ISO, False),
        ({"dates": "date_time"}, SUBSCRIPTIONS, {**ROW, "start_date": "2025-13-01 12:00:00"}, False),
        ({"dates": "date_time"}, SUBSCRIPTIONS, {**DATED, "end_date": "2025-01-01"}, False),
        ({"is_silent": True, "subscriber_key": "subscriber_email"}, SUBSCRIPTIONS, BY_NAME, True),
    ],
)
async def test_a_row_is_taken_in_the_form_of_the_way(there: There, ways: dict[str, Any], path: str, row: Any, taken: bool) -> None:
    await _ready(there, **ways)
    status, said = await there.call("POST", path, [row])
    assert (status == 200 and "errors" not in said) is taken
    kept = {**NAMELESS, "email": ANN, "start_date": row["start_date"]}
    assert there.account.subscriptions == ({"c1": kept} if taken else {})


@pytest.mark.parametrize(
    ("ways", "row"),
    [({"subscriber_key": "subscriber_email"}, ROW), ({}, DATED), ({"dates": "date_time"}, ISO), ({"dates": "date_time"}, ROW)],
)
async def test_a_silent_server_drops_a_row_and_says_nothing(there: There, ways: dict[str, Any], row: Any) -> None:
    await _ready(there, is_silent=True, **ways)
    assert await there.call("POST", SUBSCRIPTIONS, [row]) == (200, {"status": "200 Success"})
    assert there.account.subscriptions == {}


@pytest.mark.parametrize(("path", "name", "row"), [(PRODUCTS, "products", PRODUCT), (SUBSCRIPTIONS, "subscriptions", ROW)])
async def test_a_bulk_call_takes_its_wrapper_or_rows_alone(there: There, path: str, name: str, row: Any) -> None:
    await _ready(there)
    assert (await there.call("POST", path, {name: [row]}))[0] == 422
    await _ready(there, bulk_body="wrapper")
    assert (await there.call("POST", path, [row]))[0] == 422
    assert (await there.call("POST", path, {"rows": [row]}))[0] == 422
    assert (await there.call("POST", path, {name: [row]}))[0] == 200


@pytest.mark.parametrize(
    ("way", "query", "lists"),
    [
        ("subscriber_list_id[]", "subscriber_list_id[]=1&subscriber_list_id[]=2", ["1", "2"]),
        ("subscriber_list_id[]", "subscriber_list_id=1", []),
        ("subscriber_list_id", "subscriber_list_id=1", ["1"]),
        ("subscriber_list_id", "subscriber_list_id=1&subscriber_list_id=2", ["2"]),
        ("subscriber_list_id", "subscriber_list_id[]=1", []),
    ],
)
async def test_a_list_is_named_as_the_way_says_the_other_name_has_no_effect(there: There, way: Any, query: str, lists: list[str]) -> None:
    there.account.ways.list_parameter = way
    assert (await there.call("POST", f"/subscribers?{query}", CONTACT))[0] == 200
    assert there.account.contacts[ANN.lower()]["lists"] == lists
    assert (await there.call("POST", "/subscribers", CONTACT))[0] == 422


async def test_a_contact_that_left_is_hidden_and_a_write_with_a_list_puts_it_back(there: There) -> None:
    await _ready(there, opted_out="hidden")
    there.account.leave(ANN)
    there.account.leave(ANN, list_id="2")
    assert (await there.call("POST", "/subscribers/by_email", {"email": ANN}))[0] == 404
    assert (await there.call("PATCH", "/subscribers/1", {"company": "A"}))[0] == 200
    assert there.account.contacts[ANN.lower()]["email_status"] == "unsubscribed"
    assert (await there.call("POST", "/subscribers?subscriber_list_id[]=2", CONTACT))[0] == 200
    assert there.account.contacts[ANN.lower()]["email_status"] == "active"
    assert there.account.left_lists(ANN) == set()
    assert len(there.account.violations) == 1


async def test_tags_by_id_are_those_of_the_catalogue_and_all_else_is_passed_over(there: There) -> None:
    there.account.ways.tags = "ids"
    there.account.contact("bo@example.com", tags=["vip"])
    status, made = await there.call("POST", "/subscriber_tags", {"title": "sesamy_a"})
    assert (status, made["title"]) == (201, "sesamy_a")
    assert (await there.call("POST", "/subscriber_tags", {"title": " "}))[0] == 422
    _, known = await there.call("GET", "/subscriber_tags")
    ids = {one["title"]: one["id"] for one in known}
    assert ids.keys() == {"vip", "sesamy_a"}
    pages = [await there.call("GET", f"/subscriber_tags?per_page=1&page={page}") for page in (1, 2, 3)]
    assert [len(rows) for _, rows in pages] == [1, 1, 0]
    sent = {"email": ANN, "tags": [ids["vip"], str(ids["sesamy_a"]), "sesamy_b", 7]}
    assert (await there.call("POST", "/subscribers?subscriber_list_id[]=1", sent))[0] == 200
    shown = (await there.call("POST", "/subscribers/by_email", {"email": ANN}))[1]
    assert shown["tags"] == [{"id": ids["vip"], "title": "vip"}, {"id": ids["sesamy_a"], "title": "sesamy_a"}]


async def test_a_tag_by_title_is_in_the_catalogue_too(there: There) -> None:
    await there.call("POST", "/subscribers?subscriber_list_id[]=1", CONTACT)
    assert [one["title"] for one in (await there.call("GET", "/subscriber_tags"))[1]] == ["sesamy_a"]


async def test_a_contact_is_taken_off_a_list_where_that_can_be(there: There) -> None:
    contact = there.account.contact(ANN, lists=["1", "2"])
    assert (await there.call("DELETE", f"/subscribers/{contact['id']}/subscriberlists/9"))[0] == 404
    assert (await there.call("DELETE", "/subscribers/99/subscriberlists/1"))[0] == 404
    there.account.ways.takes_off = False
    assert (await there.call("DELETE", f"/subscribers/{contact['id']}/subscriberlists/1"))[0] == 404
    assert contact["lists"] == ["1", "2"]
    there.account.ways.takes_off = True
    assert (await there.call("DELETE", f"/subscribers/{contact['id']}/subscriberlists/1"))[0] == 204
    assert contact["lists"] == ["2"]
