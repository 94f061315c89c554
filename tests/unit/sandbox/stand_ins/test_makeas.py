"""Make.as' stand-in: it refuses what the API would refuse, and sees what must never happen."""

from base64 import b64encode
from collections.abc import AsyncIterator
from typing import Any, Literal

import aiohttp
import pytest

from consumer.sandbox.stand_ins.makeas import Account, MakeAs
from consumer.sandbox.stand_ins.server import serving

ANN = "Ann@example.com"
CONTACT = {"email": ANN, "firstname": "Ann", "tags": ["sesamy_a"]}
ROW = {"email": ANN, "external_id": "c1", "product_external_id": "p1", "start_date": "2025-01-01", "name": "P", "status": "active"}
PRODUCTS, SUBSCRIPTIONS = "/subscribers/subscriptions/products/bulkinsert", "/subscribers/subscriptions/bulkinsert"


class There:
    """The stand-in and a plain client of it."""

    def __init__(self, makeas: MakeAs, account: Account, session: aiohttp.ClientSession, url: str) -> None:
        self.makeas, self.account, self._session, self._url = makeas, account, session, url
        self.key = "k"

    async def call(self, method: str, path: str, body: object = None, *, data: bytes | None = None) -> tuple[int, Any]:
        auth = {"Authorization": "Basic " + b64encode(f"1001:{self.key}".encode()).decode()}
        sent: dict[str, Any] = {"data": data} if data is not None else {"json": body}
        async with self._session.request(method, f"{self._url}/api/public/v2{path}", headers=auth, **sent) as answer:
            return answer.status, None if answer.status == 204 else await answer.json()


@pytest.fixture
async def there() -> AsyncIterator[There]:
    makeas = MakeAs()
    account = makeas.add_account("1001", key="k", lists={"1", "2"})
    async with serving(makeas.app()) as url, aiohttp.ClientSession() as session:
        yield There(makeas, account, session, url)


async def test_a_contact_is_made_and_found_whatever_the_case_of_its_address(there: There) -> None:
    status, _ = await there.call("POST", "/subscribers?subscriber_list_id[]=1&subscriber_list_id[]=2&tag=merge", CONTACT)
    found = await there.call("POST", "/subscribers/by_email", {"email": ANN.upper()})
    assert (status, found[0]) == (200, 200)
    assert found[1].pop("date_updated").endswith("Z")
    assert found[1] == {"id": 1, "lists": ["1", "2"], "email_status": "active", **CONTACT}
    assert (await there.call("POST", "/subscribers/by_email", {"email": "bo@example.com"}))[0] == 404
    assert there.makeas.calls["1001", "contact"] == 2


@pytest.mark.parametrize(("query", "left"), [("&tag=merge", ["x", "sesamy_a"]), ("&tag=replace", ["sesamy_a"]), ("", ["sesamy_a"])])
async def test_tags_are_replaced_unless_merged(there: There, query: str, left: list[str]) -> None:
    contact = there.account.contact(ANN, tags=["x"])
    await there.call("POST", f"/subscribers?subscriber_list_id[]=1{query}", CONTACT)
    assert contact["tags"] == left


@pytest.mark.parametrize(("always", "left"), [("replace", ["sesamy_a"]), ("merge", ["x", "sesamy_a"])])
@pytest.mark.parametrize("mode", ["tag=replace", "tag=merge"])
@pytest.mark.parametrize("call", ["POST /subscribers?subscriber_list_id[]=1&", "PATCH /subscribers/1?"])
async def test_a_server_may_not_heed_the_mode(
    there: There, always: Literal["replace", "merge"], left: list[str], mode: str, call: str
) -> None:
    there.account.always = always
    contact = there.account.contact(ANN, tags=["x"])
    method, path = call.split()
    await there.call(method, path + mode, CONTACT)
    assert contact["tags"] == left


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/subscribers/by_email", []),
        ("/subscribers/by_email", {"email": 7}),
        ("/subscribers?subscriber_list_id[]=1", {}),
        ("/subscribers?subscriber_list_id[]=1", {"email": "nobody"}),
        ("/subscribers?subscriber_list_id[]=1", {**CONTACT, "tags": "sesamy_a"}),
        ("/subscribers?subscriber_list_id[]=1", {**CONTACT, "tags": [1]}),
        ("/subscribers?subscriber_list_id[]=1", {**CONTACT, "company": None}),
        ("/subscribers?subscriber_list_id[]=1&tag=add", CONTACT),
        ("/subscribers?subscriber_list_id[]=9", CONTACT),
        ("/subscribers", CONTACT),
        (PRODUCTS, {"products": []}),
        (PRODUCTS, []),
        (PRODUCTS, [{"external_id": "p1"}]),
        (PRODUCTS, [{"external_id": "p1", "name": ""}]),
        (PRODUCTS, [{"external_id": f"p{number}", "name": "P"} for number in range(1001)]),
        (SUBSCRIPTIONS, [{**ROW, "status": "ACTIVE"}]),
        (SUBSCRIPTIONS, [{**ROW, "end_date": None}]),
        (SUBSCRIPTIONS, [{**ROW, "colour": "red"}]),
        (SUBSCRIPTIONS, [{key: value for key, value in ROW.items() if key != "email"}]),
    ],
)
async def test_what_is_malformed_is_refused_and_changes_nothing(there: There, path: str, body: object) -> None:
    status, answer = await there.call("POST", path, body)
    assert (status, "message" in answer) == (422, True)
    assert not there.account.contacts
    assert not there.account.products
    assert not there.account.subscriptions


async def test_a_body_that_is_no_json_is_refused(there: There) -> None:
    assert (await there.call("POST", "/subscribers/by_email", data=b"{"))[0] == 400


async def test_a_key_is_good_until_it_is_rotated(there: There) -> None:
    assert (await there.call("GET", "/subscriberlists/1"))[0] == 200
    there.account.key = "rotated"
    assert (await there.call("GET", "/subscriberlists/1"))[0] == 401
    assert there.makeas.calls["1001", "401"] == 1
    there.key = "rotated"
    assert (await there.call("GET", "/subscriberlists/9"))[0] == 404


@pytest.mark.parametrize(("method", "path"), [("POST", "/subscribers?"), ("PATCH", "/subscribers/1?")])
async def test_who_left_and_is_put_on_a_list_is_a_violation_whichever_way(there: There, method: str, path: str) -> None:
    there.account.contact(ANN, email_status="unsubscribed")
    await there.call(method, f"{path}subscriber_list_id[]=1", CONTACT)
    assert there.account.violations == ["contact 1 had left and was put on lists ['1']"]


async def test_who_left_is_updated_without_lists_and_that_is_none(there: There) -> None:
    contact = there.account.contact(ANN, email_status="bounce", lists=["2"])
    assert (await there.call("PATCH", "/subscribers/1?tag=merge", CONTACT))[0] == 200
    assert (contact["firstname"], contact["lists"], there.account.violations) == ("Ann", ["2"], [])
    assert (await there.call("PATCH", "/subscribers/2", CONTACT))[0] == 404


async def test_a_status_that_is_sent_is_a_violation(there: There) -> None:
    await there.call("POST", "/subscribers?subscriber_list_id[]=1&status=active", CONTACT)
    assert there.account.violations == ["status was sent for contact 1"]


async def test_a_subscription_needs_its_contact_and_its_product(there: There) -> None:
    dangling = await there.call("POST", SUBSCRIPTIONS, [ROW])
    there.account.contact(ANN)
    still = await there.call("POST", SUBSCRIPTIONS, [ROW])
    assert (await there.call("POST", PRODUCTS, [{"external_id": "p1", "name": "P"}]))[0] == 200
    linked = await there.call("POST", SUBSCRIPTIONS, [ROW])
    assert [bool(answer.get("errors")) for _, answer in (dangling, still, linked)] == [True, True, False]
    assert there.account.subscriptions == {"c1": ROW}


async def test_accounts_do_not_see_each_other(there: There) -> None:
    there.makeas.add_account("1002", key="other", lists={"5"}).contact(ANN)
    assert (await there.call("POST", "/subscribers/by_email", {"email": ANN}))[0] == 404
    assert (await there.call("GET", "/subscriberlists/5"))[0] == 404


async def test_all_tags_are_taken_by_a_replacement_with_none(there: There) -> None:
    contact = there.account.contact(ANN, tags=["x", "sesamy_a"], firstname="Ann")
    assert (await there.call("PATCH", "/subscribers/1?tag=merge", {"tags": []}))[0] == 200
    assert contact["tags"] == ["x", "sesamy_a"]
    assert (await there.call("PATCH", "/subscribers/1?tag=replace", {"tags": []}))[0] == 200
    assert (contact["tags"], contact["firstname"], contact["lists"]) == ([], "Ann", [])


async def test_a_contact_that_a_person_deletes_is_gone_and_its_id_is_nobodys(there: There) -> None:
    for email in (ANN, "bo@example.com"):
        there.account.contact(email, tags=["x", "sesamy_made_single_purchase"])
    there.account.leave(ANN, list_id="1")
    there.account.remove(ANN)
    assert [(await there.call("GET", f"/subscribers/{number}"))[0] for number in (1, 2)] == [404, 200]
    assert (there.account.left_lists(ANN), ANN.lower() in there.account.by_hand, there.account.bought_once) == (
        set(),
        False,
        {"bo@example.com"},
    )
    assert there.account.contact(ANN)["id"] == 3


async def test_a_contact_that_a_person_moves_keeps_all_but_its_address(there: There) -> None:
    there.account.contact(ANN, tags=["x", "sesamy_made_single_purchase"], lists=["1"], external_id="u")
    there.account.leave(ANN, list_id="1")
    there.account.move(ANN, "New@example.com")
    assert (await there.call("POST", "/subscribers/by_email", {"email": ANN}))[0] == 404
    found = (await there.call("POST", "/subscribers/by_email", {"email": "new@example.com"}))[1]
    assert (found["id"], found["email"], found["external_id"], found["lists"]) == (1, "New@example.com", "u", ["1"])
    assert (await there.call("GET", "/subscribers/1"))[1] == found
    assert there.account.left_lists("new@example.com") == {"1"}
    assert (there.account.by_hand["new@example.com"], there.account.bought_once) == ({"x"}, {"new@example.com"})


async def test_a_contact_that_left_may_be_put_on_a_list_where_it_is_there_to_try_that(there: There) -> None:
    for email, violations in (("trial@example.com", 0), (ANN, 1)):
        there.account.trials = {"trial@example.com"}
        there.account.contact(email, email_status="unsubscribed")
        await there.call("POST", "/subscribers?subscriber_list_id[]=1", {"email": email})
        assert len(there.account.violations) == violations
