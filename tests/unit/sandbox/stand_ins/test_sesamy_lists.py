"""Sesamy's stand-in, asked for a whole vendor: each row once, in pages; and each switch changes one thing."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from consumer.sandbox.stand_ins.sesamy_lists import RESOURCES, Lists, Resource
from tests.unit.sandbox.stand_ins.test_sesamy import There, serve

USERS = 7


def row(resource: str, number: int) -> dict[str, Any]:
    """Return what the stand-in has; entitlements name no user."""
    return {"id": f"{resource[0]}{number}"} | ({"userId": f"u{number // 2}"} if resource == "contracts" else {})


@pytest.fixture
async def there() -> AsyncIterator[There]:
    async with serve(envelope="data") as there:
        there.sesamy.users["a"] = {
            f"u{number}": {
                "profile": {"userId": f"u{number}", "email": f"Reader{number}@example.com"},
                "contracts": [row("contracts", 2 * number + place) for place in range(2)],
                "entitlements": [row("entitlements", 2 * number + place) for place in range(2)],
            }
            for number in range(USERS)
        }
        yield there


async def page(there: There, resource: str, **query: object) -> tuple[list[str], Any]:
    """Return the ids of a page, and what it tells of the others."""
    status, body = await there.get(f"{resource}?" + "&".join(f"{name}={value}" for name, value in query.items()))
    assert status == 200
    return [str(one.get("id", one.get("userId"))) for one in body["data"]], body.get("pagination")


async def pages(there: There, resource: str, *, limit: int = 4) -> list[list[str]]:
    """Return the ids of each page up to the first that is empty, at most ten."""
    found: list[list[str]] = []
    while len(found) < 10 and (not found or found[-1]):
        found.append((await page(there, resource, limit=limit, offset=limit * len(found)))[0])
    return found


def ids(resource: str) -> list[str]:
    return [f"u{number}" for number in range(USERS)] if resource == "users" else [f"{resource[0]}{number}" for number in range(2 * USERS)]


@pytest.mark.parametrize("resource", RESOURCES)
async def test_a_vendor_is_listed_whole_in_order_and_in_pages(there: There, resource: str) -> None:
    assert [one for some in await pages(there, resource) for one in some] == ids(resource)
    total = len(ids(resource))
    assert await page(there, resource, limit=3, offset=total - 3) == (
        ids(resource)[-3:],
        {"total": total, "limit": 3, "offset": total - 3, "hasMore": False},
    )
    assert (await page(there, resource, limit=3))[1]["hasMore"] is True
    assert (there.sesamy.calls["a", f"all-{resource}"], there.sesamy.calls["a", resource]) == (total // 4 + 2 + 2, 0)


async def test_a_vendor_is_not_listed_for_another(there: There) -> None:
    await there.log_in(client_id="b-client")
    assert [(await page(there, resource))[0] for resource in RESOURCES] == [[], [], []]
    there.token = "no such token"
    assert [(await there.get(resource))[0] for resource in RESOURCES] == [401, 401, 401]


async def test_one_users_rows_are_listed_alone(there: There) -> None:
    there.sesamy.lists = Lists(refuses=dict.fromkeys(RESOURCES, 403), page_cap=1, naming=frozenset({"entitlements"}), total_off=5)
    assert await page(there, "contracts", userId="u2") == (["c4", "c5"], {"total": 2, "limit": 20, "offset": 0, "hasMore": False})
    assert (await there.get("contracts?userId=u2"))[1]["data"] == [row("contracts", 4), row("contracts", 5)]
    assert (await there.get("entitlements?userId=u2"))[1]["data"] == [row("entitlements", 4), row("entitlements", 5)]


@pytest.mark.parametrize(("search", "found"), [("READER3", ["u3"]), ("u6", ["u6"]), ("nobody", []), ("", ids("users"))])
async def test_users_are_searched_by_what_they_are_called(there: There, search: str, found: list[str]) -> None:
    told, meta = await page(there, "users", search=search)
    assert (told, meta["total"]) == (found, len(found))


@pytest.mark.parametrize("resource", ["contracts", "entitlements"])
async def test_rows_name_their_user_or_not(there: There, resource: Resource) -> None:
    there.sesamy.lists.naming = frozenset({resource})
    assert [one["userId"] for one in (await there.get(resource))[1]["data"]] == [f"u{number // 2}" for number in range(2 * USERS)]
    there.sesamy.lists.naming = frozenset()
    assert not any("userId" in one for one in (await there.get(resource))[1]["data"])


@pytest.mark.parametrize("cap", [2, 5])
async def test_a_page_has_a_cap_of_its_own(there: There, cap: int) -> None:
    there.sesamy.lists.page_cap = cap
    told, meta = await page(there, "users", limit=100)
    assert (told, meta) == (ids("users")[:cap], {"total": USERS, "limit": cap, "offset": 0, "hasMore": True})


async def test_a_total_may_be_missing_or_a_lie(there: There) -> None:
    lists = there.sesamy.lists
    lists.total_off = -3
    assert (await page(there, "users"))[1]["total"] == USERS - 3
    lists.totals = False
    assert (await page(there, "users")) == (ids("users"), None)
    assert (await page(there, "contracts", userId="u2"))[1]["total"] == 2


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, "validation_error"), (403, "insufficient_permissions"), (404, "resource_not_found"), (405, "method_not_allowed")],
)
async def test_one_resource_may_be_refused(there: There, status: int, code: str) -> None:
    there.sesamy.lists.refuses = {"contracts": status}
    told, body = await there.get("contracts")
    assert (told, body["error"]["code"]) == (status, code)
    assert [(await there.get(one))[0] for one in ("users", "entitlements", "users/u1")] == [200, 200, 200]


async def test_rows_that_come_to_the_head_are_seen_twice_and_others_never(there: There) -> None:
    there.sesamy.lists = Lists(shift=1, shifts=1)
    assert await pages(there, "users") == [["u0", "u1", "u2", "u3"], ["u3", "u4", "u5"], []]
    # When it is read again, what was never seen stands at the head.
    assert await pages(there, "users") == [["u6", "u0", "u1", "u2"], ["u3", "u4", "u5"], []]


async def test_rows_that_are_gone_from_the_head_hide_others_and_lessen_the_total(there: There) -> None:
    there.sesamy.lists = Lists(shift=-2)
    assert await pages(there, "users") == [["u0", "u1", "u2", "u3"], ["u6"], []]
    assert (await page(there, "users", offset=4))[1]["total"] == USERS - 6
    assert (await page(there, "users"))[1]["total"] == USERS


async def test_a_page_may_come_for_ever(there: There) -> None:
    there.sesamy.lists.stuck = frozenset({"users"})
    assert await pages(there, "users") == [["u0", "u1", "u2", "u3"]] * 10
    assert (await page(there, "users", limit=4, offset=400))[1]["hasMore"] is True


async def test_a_page_of_the_middle_may_come_empty(there: There) -> None:
    there.sesamy.lists.hollow = {"contracts": 5}
    told = [(await page(there, "contracts", limit=4, offset=offset))[0] for offset in (0, 4, 8)]
    assert told == [ids("contracts")[:4], [], ids("contracts")[8:12]]
    assert (await page(there, "contracts", limit=4, offset=4))[1] == {"total": 14, "limit": 4, "offset": 4, "hasMore": True}


@pytest.mark.parametrize("resource", RESOURCES)
async def test_rows_may_have_no_id(there: There, resource: Resource) -> None:
    there.sesamy.lists.without_id = frozenset({resource})
    rows = (await there.get(f"{resource}?limit=3"))[1]["data"]
    name = "userId" if resource == "users" else "id"
    assert [name in one for one in rows] == [False, True, True]
    there.sesamy.lists = Lists()
    assert (await page(there, resource))[0] == ids(resource)


async def test_rows_that_change_are_seen_unless_the_lists_stand_still(there: There) -> None:
    lists, profile = there.sesamy.lists, {"userId": "new"}
    lists.still = True
    assert (await page(there, "users"))[1]["total"] == USERS
    there.sesamy.users["a"]["new"] = {"profile": profile, "contracts": [], "entitlements": []}
    assert (await page(there, "users"))[0] == ids("users")
    lists.still = False
    assert (await page(there, "users"))[0] == [*ids("users"), "new"]
    lists.still = True
    assert (await page(there, "users"))[1]["total"] == USERS + 1
