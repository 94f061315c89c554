"""Sesamy's API in our nouns, against the stand-in and against servers with odd pages."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Literal

import anyio
import pytest
from aiohttp import web

from consumer import http
from consumer.errors import ConsumerError, Denied, Forbidden, Refused, Retryable
from consumer.http import Answer
from consumer.model import UserKey
from consumer.sandbox import sesamy as stand_in
from consumer.sandbox.faults import Fault, Kind
from consumer.sandbox.server import serving
from consumer.sesamy import REFUSES, Sesamy, Token, _was_last
from tests.unit.test_intake import virtually

ANN = UserKey("v", "email|ann")


class Permits:
    def __init__(self) -> None:
        self.taken = 0

    async def __call__(self) -> None:
        self.taken += 1


@asynccontextmanager
async def client(app: web.Application, *, secret: str = "s", timeout_s: float = 2.0) -> AsyncIterator[Sesamy]:
    async with serving(app) as url, http.session(connections=8) as session:
        api = http.Http(session, upstream="sesamy", base_url=url, timeout_s=timeout_s, refuses=REFUSES)
        tokens = http.Http(session, upstream="sesamy", base_url=f"{url}/oauth/token", timeout_s=timeout_s)
        yield Sesamy(api, Token(tokens, client_id="c", client_secret=lambda: secret))


def world(*, contracts: int = 1, envelope: Literal["bare", "data", "resource"] = "bare", page_cap: int = 100) -> stand_in.Sesamy:
    made = stand_in.Sesamy(envelope=envelope, page_cap=page_cap)
    made.add_vendor("v", client_id="c", secret="s")
    rows = [{"id": f"c{number}", "userId": ANN.user, "status": "ACTIVE"} for number in range(contracts)]
    made.users["v"][ANN.user] = {"profile": {"userId": ANN.user, "email": "ann@example.com"}, "contracts": rows, "entitlements": []}
    return made


@pytest.mark.parametrize("envelope", ["bare", "data", "resource"])
@pytest.mark.parametrize(
    ("contracts", "page_cap"), [(0, 100), (1, 100), (100, 100), (101, 100), (250, 100), (60, 25), (120, 50), (1500, 100)]
)
async def test_every_row_of_every_page_is_fetched(envelope: Literal["bare", "data", "resource"], contracts: int, page_cap: int) -> None:
    permits = Permits()
    async with client(world(contracts=contracts, envelope=envelope, page_cap=page_cap).app()) as sesamy:
        snapshot = await sesamy.snapshot(ANN, permit=permits)

    assert snapshot is not None
    assert [f"c{number}" for number in range(contracts)] == [one.id for one in snapshot.contracts]
    assert permits.taken >= (contracts - 1) // page_cap


def paged(reply: Callable[[int], Any], *, user: dict[str, object] | None = None) -> web.Application:
    """Make an API whose contracts are what `reply` says for an offset."""
    profile = {"id": ANN.user, "email": "ann@example.com"} if user is None else user

    async def token(_: web.Request) -> web.Response:
        return web.json_response({"access_token": "t", "expires_in": 100})

    async def one(_: web.Request) -> web.Response:
        return web.json_response(profile)

    async def contracts(request: web.Request) -> web.Response:
        return web.json_response(reply(int(request.query["offset"])))

    async def entitlements(_: web.Request) -> web.Response:
        return web.json_response([])

    app = web.Application()
    app.router.add_post("/oauth/token", token)
    app.router.add_get("/management/users/{id}", one)
    app.router.add_get("/management/contracts", contracts)
    app.router.add_get("/management/entitlements", entitlements)
    return app


def rows(start: int, count: int) -> list[dict[str, str]]:
    return [{"id": f"c{number}"} for number in range(start, start + count)]


@pytest.mark.parametrize(
    ("reply", "fetched"),
    [
        (lambda _: rows(0, 100), 100),  # The server knows no offset: no new id ends it.
        (lambda offset: {"data": rows(offset, 40), "meta": {"total": 80}} if offset < 80 else {"data": rows(0, 0)}, 80),
        (lambda offset: {"data": rows(offset, 40), "hasMore": offset < 80}, 120),
        (lambda offset: {"data": rows(offset, 100 if offset < 200 else 7), "total": 3}, 207),  # A total below what came is not believed.
        (lambda offset: rows(offset, 25) if offset < 75 else rows(0, 0), 75),
        (lambda offset: rows(offset, 37), 37),
    ],
)
async def test_the_end_of_a_list(reply: Callable[[int], Any], fetched: int) -> None:
    async with client(paged(reply)) as sesamy:
        snapshot = await sesamy.snapshot(ANN, permit=Permits())

    assert snapshot is not None
    assert fetched == len(snapshot.contracts)


@pytest.mark.parametrize(
    ("said", "length", "received", "is_last"),
    [
        ({"hasMore": False}, 100, 100, True),
        ({"hasMore": True}, 7, 7, False),
        ({"has_next_page": False}, 100, 100, True),
        ({"hasNext": True, "hasPrevious": False}, 100, 100, False),
        ({"hasPrevious": False, "hasNext": True}, 100, 100, False),
        ({"hasPreviousPage": False, "hasNextPage": False}, 100, 100, True),
        ({"hasPrevious": False}, 100, 100, False),
        ({"hasPrevious": False}, 7, 7, True),
        ({"hasPrevious": True}, 7, 107, True),
        ({"hasPrevious": False, "total": 250}, 100, 100, False),
        ({"hasPrevious": True, "total": 107}, 7, 107, True),
        ({"hasErrors": False}, 100, 100, False),
        ({"hasMore": False, "total": 250}, 100, 100, False),
        ({"hasMore": False, "total": 100}, 100, 100, True),
        ({"hasMore": False, "total": 3}, 100, 100, True),
        ({"hasMore": True, "total": 100}, 100, 100, False),
        ({"hasMore": "no"}, 100, 100, False),
        ({"total": 250}, 7, 7, False),
        ({"total": 7}, 7, 7, True),
        ({"total": 3}, 100, 100, False),
        ({"total": True}, 100, 1, False),
        ({"total": "7"}, 7, 7, True),
        ({}, 100, 100, False),
        ({}, 50, 50, False),
        ({}, 7, 7, True),
    ],
)
@pytest.mark.parametrize("place", ["", "meta", "pagination"])
def test_what_a_page_says_of_the_next(said: dict[str, object], length: int, received: int, is_last: bool, place: str) -> None:
    tree = {"data": [], place: said} if place else {"data": [], **said}

    assert is_last == _was_last(tree, length, received)


def test_what_follows_may_be_said_in_two_places() -> None:
    assert not _was_last({"hasMore": False, "pagination": {"hasNext": True}}, 100, 100)
    assert not _was_last({"total": 100, "meta": {"total": 250}}, 100, 100)


async def test_a_list_without_an_end_is_no_snapshot() -> None:
    async with client(paged(lambda offset: rows(offset, 1) if offset % 2 else rows(offset, 10))) as sesamy:
        with pytest.raises(Retryable) as caught:
            await sesamy.snapshot(ANN, permit=Permits())

    assert caught.value.code == "too-many-pages"


async def test_an_unknown_user_is_none() -> None:
    async with client(world().app()) as sesamy:
        assert await sesamy.snapshot(UserKey("v", "email|nobody"), permit=Permits()) is None


async def test_a_revoked_token_is_renewed_once_for_all_three_calls() -> None:
    made = world()
    async with client(made.app()) as sesamy:
        await sesamy.snapshot(ANN, permit=Permits())
        made.revoke_tokens()
        snapshot = await sesamy.snapshot(ANN, permit=Permits())

    assert snapshot is not None
    assert made.calls["v", "token"] == 2


async def test_a_403_is_that_users_and_leaves_the_token_alone() -> None:
    made = world()
    made.faults.add(Fault(kind="status", op="contracts", status=403, times=1))
    async with client(made.app()) as sesamy:
        with pytest.raises(Forbidden):
            await sesamy.snapshot(ANN, permit=Permits())
        await sesamy.snapshot(ANN, permit=Permits())
        assert made.calls["v", "token"] == 1
        sesamy.renew()
        await sesamy.snapshot(ANN, permit=Permits())

    assert made.calls["v", "token"] == 2


async def test_refused_credentials_are_denied() -> None:
    async with client(world().app(), secret="wrong") as sesamy:
        with pytest.raises(Denied):
            await sesamy.snapshot(ANN, permit=Permits())


async def test_an_answer_about_somebody_else_is_not_used() -> None:
    made = world()
    made.users["v"][ANN.user]["profile"]["userId"] = "email|bob"
    async with client(made.app()) as sesamy:
        with pytest.raises(Retryable) as caught:
            await sesamy.snapshot(ANN, permit=Permits())

    assert caught.value.code == "foreign-user"


@pytest.mark.parametrize(
    "reply",
    [
        {"data": {"message": "maintenance"}},
        {"message": "maintenance"},
        {"data": {}},
        {"user": {"userId": None, "email": ""}},
        {"email": None},
        {},
    ],
)
async def test_an_answer_that_says_nothing_of_a_user_is_no_user_without_address(reply: dict[str, object]) -> None:
    async with client(paged(lambda _: [], user=reply)) as sesamy:
        with pytest.raises(Retryable) as caught:
            await sesamy.snapshot(ANN, permit=Permits())

    assert caught.value.code == "wrong-shape"


@pytest.mark.parametrize("reply", [{"userId": ANN.user}, {"data": {"id": ANN.user, "email": None}}, {"email": "ann@example.com"}])
async def test_an_answer_that_says_something_of_a_user_is_one(reply: dict[str, object]) -> None:
    async with client(paged(lambda _: [], user=reply)) as sesamy:
        assert await sesamy.snapshot(ANN, permit=Permits()) is not None


@pytest.mark.parametrize("op", ["user", "contracts", "entitlements", "token"])
@pytest.mark.parametrize("kind", ["html", "half-json", "shape", "cut", "gzip", "redirect", "hang", "huge"])
async def test_a_bad_answer_to_any_call_is_no_snapshot(op: str, kind: Kind) -> None:
    made = world()
    made.faults.add(Fault(kind=kind, op=op))
    async with client(made.app(), timeout_s=0.5) as sesamy:
        with pytest.raises(ConsumerError) as caught:
            await sesamy.snapshot(ANN, permit=Permits())

    assert isinstance(caught.value, Retryable)


class Endpoint:
    """A token endpoint, on a virtual clock: each call takes 15 s, and then ends as told, the last way again and again."""

    def __init__(self, *outcomes: Exception | Answer) -> None:
        self.outcomes, self.calls, self.going = list(outcomes), 0, 0

    async def exchange(self, *_: object, **__: object) -> Answer:
        self.calls, self.going = self.calls + 1, self.going + 1
        assert self.going == 1
        try:
            await anyio.sleep(15)
        finally:
            self.going -= 1
        outcome = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


GOOD = Answer(200, b'{"access_token":"t","expires_in":3600}')
HANGS = Retryable("token: timeout", code="timeout")


def token_of(endpoint: Endpoint) -> Token:
    api: Any = endpoint
    return Token(api, client_id="c", client_secret=lambda: "s")


async def ask(token: Token, said: list[tuple[float, str]]) -> None:
    try:
        code = await token.get()
    except ConsumerError as error:
        code = error.code
    said.append((anyio.current_time(), code))


@virtually
async def test_who_waited_for_a_refresh_that_failed_shares_its_error() -> None:
    """A token endpoint that hangs costs 32 runs one time limit, not 32 of them in a row."""
    endpoint, said = Endpoint(HANGS), list[tuple[float, str]]()
    token, started = token_of(endpoint), anyio.current_time()
    async with anyio.create_task_group() as tasks:
        for _ in range(32):
            tasks.start_soon(ask, token, said)
            await anyio.sleep(0.1)

    assert (1, 32, {(started + 15, "timeout")}) == (endpoint.calls, len(said), set(said))


@virtually
async def test_who_comes_after_a_failed_refresh_tries_anew() -> None:
    endpoint, said = Endpoint(HANGS, GOOD), list[tuple[float, str]]()
    token = token_of(endpoint)
    for _ in range(3):
        await ask(token, said)

    assert [code for _, code in said] == ["timeout", "t", "t"]
    assert endpoint.calls == 2


@virtually
async def test_whatever_the_token_endpoint_refuses_is_about_the_key() -> None:
    for refusal in (Denied, Forbidden, Refused):
        with pytest.raises(Denied):
            await token_of(Endpoint(refusal("no", code="http-4xx"))).get()


@virtually
async def test_refused_credentials_are_denied_to_all_who_waited_and_expire_once() -> None:
    endpoint, said, expired = Endpoint(Denied("no", code="http-401")), list[tuple[float, str]](), list[int]()
    api: Any = endpoint
    token = Token(api, client_id="c", client_secret=lambda: "s", expire_secret=lambda: expired.append(1))
    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(ask, token, said)

    assert [code for _, code in said] == ["http-401"] * 3
    assert (endpoint.calls, expired) == (1, [1])


@virtually
async def test_a_cancelled_refresh_is_taken_over_by_one_who_waited() -> None:
    endpoint, said = Endpoint(GOOD), list[tuple[float, str]]()
    token = token_of(endpoint)
    async with anyio.create_task_group() as tasks:
        with anyio.move_on_after(5):
            for _ in range(4):
                tasks.start_soon(ask, token, said)
            await token.get()
        assert said == []

    assert [code for _, code in said] == ["t"] * 4
    assert endpoint.calls == 2
