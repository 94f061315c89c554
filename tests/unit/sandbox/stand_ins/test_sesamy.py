"""Sesamy's stand-in: tokens, tenants, pages and limits as the documents have them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal
from urllib.parse import quote

import aiohttp
import pytest
from aiohttp import web

from consumer.sandbox.stand_ins.faults import Fault
from consumer.sandbox.stand_ins.server import serving
from consumer.sandbox.stand_ins.sesamy import Sesamy

ANN = "email|ann"
CONTRACTS = [{"id": f"c{number}", "userId": ANN} for number in range(7)]
FORM = {"grant_type": "client_credentials", "client_id": "a-client", "client_secret": "s"}


class There:
    """The stand-in and a plain client of it."""

    def __init__(self, sesamy: Sesamy, session: aiohttp.ClientSession, url: str) -> None:
        self.sesamy, self.session, self.url = sesamy, session, url
        self.token = ""

    async def log_in(self, **form: str) -> int:
        async with self.session.post(f"{self.url}/oauth/token", data=FORM | form) as answer:
            self.token = (await answer.json()).get("access_token", "")
            return answer.status

    async def get(self, path: str) -> tuple[int, Any]:
        async with self.session.get(f"{self.url}/management/{path}", headers={"Authorization": f"Bearer {self.token}"}) as answer:
            return answer.status, await answer.json()


@asynccontextmanager
async def serve(
    *, envelope: Literal["bare", "data", "resource"] = "bare", page_cap: int = 100, with_totals: bool = True
) -> AsyncIterator[There]:
    sesamy = Sesamy(envelope=envelope, page_cap=page_cap, with_totals=with_totals)
    for vendor in ("a", "b"):
        sesamy.add_vendor(vendor, client_id=f"{vendor}-client", secret="s")
    sesamy.users["a"][ANN] = {"profile": {"userId": ANN}, "contracts": list(CONTRACTS), "entitlements": []}
    async with serving(sesamy.app()) as url, aiohttp.ClientSession() as session:
        there = There(sesamy, session, url)
        assert await there.log_in() == 200
        yield there


@pytest.fixture
async def there() -> AsyncIterator[There]:
    async with serve() as there:
        yield there


@pytest.mark.parametrize("wrong", [{"client_secret": "x"}, {"client_id": "x"}, {"client_id": ""}, {"grant_type": "password"}])
async def test_a_wrong_secret_gets_no_token(there: There, wrong: dict[str, str]) -> None:
    assert await there.log_in(**wrong) == 403
    assert (await there.get(f"users/{quote(ANN)}"))[0] == 401


async def test_credentials_as_json_are_refused(there: There) -> None:
    async with there.session.post(f"{there.url}/oauth/token", json=FORM) as answer:
        assert answer.status == 403


async def test_a_revoked_token_is_no_good_and_the_next_one_is(there: There) -> None:
    assert await there.get(f"users/{quote(ANN)}") == (200, {"userId": ANN})
    there.sesamy.revoke_tokens()
    status, body = await there.get(f"users/{quote(ANN)}")
    assert (status, body["error"]["code"]) == (401, "authentication_required")
    await there.log_in()
    assert (await there.get(f"users/{quote(ANN)}"))[0] == 200


async def test_a_vendor_does_not_see_anothers_readers(there: There) -> None:
    await there.log_in(client_id="b-client")
    status, body = await there.get(f"users/{quote(ANN)}")
    assert (status, body["error"]["code"]) == (404, "resource_not_found")
    assert await there.get(f"contracts?userId={quote(ANN)}") == (200, [])


@pytest.mark.parametrize(
    ("query", "ids"),
    [("&limit=3", "012"), ("&limit=3&offset=6", "6"), ("&limit=3&offset=7", ""), ("&limit=100", "01234"), ("", "01234")],
)
async def test_a_page_is_what_was_asked_for_but_no_longer_than_the_cap(query: str, ids: str) -> None:
    async with serve(page_cap=5) as there:
        assert await there.get(f"contracts?userId={quote(ANN)}{query}") == (200, [CONTRACTS[int(one)] for one in ids])


@pytest.mark.parametrize("query", ["userId=", "limit=0", "offset=x", "userId=x&limit=0", "userId=x&limit=ten", "userId=x&offset=-1"])
async def test_a_question_that_makes_no_sense_is_refused(there: There, query: str) -> None:
    status, body = await there.get(f"entitlements?{query}")
    assert (status, body["error"]["code"]) == (400, "validation_error")


async def test_envelopes_are_the_documented_ones() -> None:
    async with serve(envelope="data") as there:
        pages = {"total": 7, "limit": 2, "offset": 4, "hasMore": True}
        assert await there.get(f"contracts?userId={quote(ANN)}&limit=2&offset=4") == (200, {"data": CONTRACTS[4:6], "pagination": pages})
        assert await there.get(f"users/{quote(ANN)}") == (200, {"data": {"userId": ANN}})
    async with serve(envelope="resource") as there:
        assert await there.get(f"contracts?userId={quote(ANN)}") == (200, {"contracts": CONTRACTS})


async def test_pages_may_say_nothing_of_what_follows() -> None:
    async with serve(envelope="data", with_totals=False) as there:
        assert await there.get(f"contracts?userId={quote(ANN)}&limit=2") == (200, {"data": CONTRACTS[:2]})


async def test_a_wrong_path_knows_nobody_and_the_others_go_on(there: There) -> None:
    there.sesamy.knows_nobody = True
    assert (await there.get(f"users/{quote(ANN)}"))[0] == 404
    assert await there.get(f"contracts?userId={quote(ANN)}") == (200, CONTRACTS[:7])


async def test_a_filter_that_is_ignored_gives_everybodys_rows_of_that_vendor_and_resource(there: There) -> None:
    there.sesamy.unfiltered.add("contracts")
    assert await there.get("contracts?userId=nobody") == (200, CONTRACTS)
    assert await there.get("entitlements?userId=nobody") == (200, [])
    await there.log_in(client_id="b-client")
    assert await there.get("contracts?userId=nobody") == (200, [])


async def test_a_body_may_be_made_odd(there: There) -> None:
    there.sesamy.odd = {"user": lambda profile: {**profile, "company": {}}, "contracts": lambda _: b"\xef\xbb\xbf[]"}
    assert await there.get(f"users/{quote(ANN)}") == (200, {"userId": ANN, "company": {}})
    async with there.session.get(
        f"{there.url}/management/contracts?userId=x", headers={"Authorization": f"Bearer {there.token}"}
    ) as answer:
        assert await answer.read() == b"\xef\xbb\xbf[]"


async def test_one_users_body_may_be_made_odd(there: There) -> None:
    there.sesamy.odd_of = {("user", ANN): lambda _: web.Response(status=204), ("contracts", ANN): lambda page: page[:1]}
    async with there.session.get(
        f"{there.url}/management/users/{quote(ANN)}", headers={"Authorization": f"Bearer {there.token}"}
    ) as answer:
        assert (answer.status, await answer.read()) == (204, b"")
    assert await there.get(f"contracts?userId={quote(ANN)}") == (200, CONTRACTS[:1])
    assert await there.get("contracts?userId=nobody") == (200, [])


async def test_what_goes_beyond_the_limit_gets_429_for_that_vendor_only(there: There) -> None:
    there.sesamy.limit("a", requests_per_minute=1, burst=2)
    answers = [await there.get(f"users/{quote(ANN)}") for _ in range(3)]
    assert [status for status, _ in answers] == [200, 200, 429]
    assert answers[2][1]["error"] == {"code": "rate_limit_exceeded", "message": "rate limit exceeded", "retry_after": 2}
    await there.log_in(client_id="b-client")
    assert (await there.get(f"users/{quote(ANN)}"))[0] == 404


def _told(headers: Any) -> list[str | None]:
    return [headers.get(f"X-RateLimit-{name}") for name in ("Limit", "Remaining", "Reset")]


async def test_each_answer_of_a_vendor_with_a_limit_tells_it(there: There) -> None:
    there.sesamy.now = lambda: 1_000.0
    there.sesamy.limit("a", requests_per_minute=100, burst=3)
    there.sesamy.faults.add(Fault(kind="status", status=500, times=1))
    told = []
    for _ in range(4):
        async with there.session.get(f"{there.url}/management/users", headers={"Authorization": f"Bearer {there.token}"}) as answer:
            told.append((answer.status, _told(answer.headers)))
    assert told == [(status, ["100", left, "1060"]) for status, left in ((500, "99"), (200, "98"), (200, "97"), (429, "96"))]


async def test_a_vendor_without_a_limit_tells_none(there: There) -> None:
    there.sesamy.limit("b", requests_per_minute=100, burst=3)
    async with there.session.get(f"{there.url}/management/users", headers={"Authorization": f"Bearer {there.token}"}) as answer:
        assert _told(answer.headers) == [None, None, None]


async def test_another_client_of_the_same_credentials_uses_the_same_limit(there: There) -> None:
    there.sesamy.now = lambda: 1_000.0
    there.sesamy.limit("a", requests_per_minute=100, burst=3, by_window=True)
    there.sesamy.spend("a", 99)
    assert [(await there.get("users"))[0] for _ in range(2)] == [200, 429]
    assert (await there.get("users"))[1]["error"]["retry_after"] == 60
    there.sesamy.now = lambda: 1_060.0
    assert (await there.get("users"))[0] == 200
