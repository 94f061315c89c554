"""Sesamy's API in our nouns, against the stand-in and against servers with odd pages."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Literal

import msgspec
import pytest
from aiohttp import web

from consumer.core.errors import Denied, Forbidden, Refused, Retryable
from consumer.core.model import UserKey
from consumer.resync.http import exchange as http
from consumer.resync.http.token import Token
from consumer.resync.sesamy import REFUSES, Resource, Sesamy
from consumer.sandbox.stand_ins import sesamy as stand_in
from consumer.sandbox.stand_ins.faults import Fault
from consumer.sandbox.stand_ins.server import serving
from tests.raising import raising

ANN = UserKey("v", "email|ann")


class Permits:
    def __init__(self) -> None:
        self.taken = 0

    async def __call__(self) -> None:
        self.taken += 1


@asynccontextmanager
async def client(app: web.Application, *, secret: str = "s", timeout_s: float = 2.0, odd: list[str] | None = None) -> AsyncIterator[Sesamy]:
    noted: list[str] = [] if odd is None else odd
    async with serving(app) as url, http.session(connections=8) as session:
        api = http.Http(session, upstream="sesamy", base_url=url, timeout_s=timeout_s, refuses=REFUSES)
        tokens = http.Http(session, upstream="sesamy", base_url=f"{url}/oauth/token", timeout_s=timeout_s)
        yield Sesamy(api, Token(tokens, client_id="c", client_secret=lambda: secret), note_odd=noted.extend)


def world(
    *, contracts: int = 1, envelope: Literal["bare", "data", "resource"] = "bare", page_cap: int = 100, with_totals: bool = True
) -> stand_in.Sesamy:
    made = stand_in.Sesamy(envelope=envelope, page_cap=page_cap, with_totals=with_totals)
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
        (lambda offset: rows(offset, 37 if offset < 100 else 5 if offset < 120 else 0), 116),
    ],
)
async def test_the_end_of_a_list(reply: Callable[[int], Any], fetched: int) -> None:
    async with client(paged(reply)) as sesamy:
        snapshot = await sesamy.snapshot(ANN, permit=Permits())

    assert snapshot is not None
    assert fetched == len(snapshot.contracts)


@pytest.mark.parametrize("page_cap", [5, 12, 15, 24, 32, 40, 48])
@pytest.mark.parametrize("contracts", [1, 30, 48, 96])
@pytest.mark.parametrize("with_totals", [False, True])
async def test_no_cap_on_a_page_is_taken_for_the_end(page_cap: int, contracts: int, *, with_totals: bool) -> None:
    made = world(contracts=contracts, envelope="data", page_cap=page_cap, with_totals=with_totals)
    async with client(made.app()) as sesamy:
        snapshot = await sesamy.snapshot(ANN, permit=Permits())

    assert snapshot is not None
    assert [f"c{number}" for number in range(contracts)] == [one.id for one in snapshot.contracts]


async def test_a_small_user_costs_one_more_call_until_a_longer_page_was_seen() -> None:
    made, permits, costs = world(), Permits(), []
    made.users["v"]["many"] = {"profile": {"id": "many"}, "contracts": [{"id": f"m{number}"} for number in range(3)], "entitlements": []}
    async with client(made.app()) as sesamy:
        for user in (ANN, ANN, UserKey("v", "many"), ANN):
            before = made.calls.total()
            await sesamy.snapshot(user, permit=permits)
            costs.append(made.calls.total() - before)

    assert costs == [1 + 3 + 1, 3 + 1, 3 + 1, 3]
    assert permits.taken == 3


async def test_rows_that_moved_while_they_were_read_are_read_once_more() -> None:
    """The last of five is changed while they are read, and goes to the front; of what came twice the later row counts."""
    asked: list[int] = []

    def reply(offset: int) -> list[dict[str, str]]:
        asked.append(offset)
        there = "abcde" if len(asked) < 3 else "eabcd"
        return [{"id": one, "status": there} for one in there[offset : offset + 2]]

    permits = Permits()
    async with client(paged(reply)) as sesamy:
        snapshot = await sesamy.snapshot(ANN, permit=permits)

    assert snapshot is not None
    assert {one.id: one.status for one in snapshot.contracts} == dict.fromkeys("abcde", "eabcd")
    assert asked == [0, 2, 4, 0, 2, 4]
    assert permits.taken == 5


async def test_a_list_without_an_end_is_no_snapshot() -> None:
    async with client(paged(lambda offset: rows(offset, 1) if offset % 2 else rows(offset, 10))) as sesamy:
        with pytest.raises(Retryable) as caught:
            await sesamy.snapshot(ANN, permit=Permits())

    assert caught.value.code == "too-many-pages"


NOBODY = UserKey("v", "email|nobody")


async def test_an_unknown_user_without_rows_is_none() -> None:
    made = world()
    async with client(made.app()) as sesamy:
        assert await sesamy.snapshot(NOBODY, permit=Permits()) is None

    assert [made.calls["v", op] for op in ("user", "contracts", "entitlements")] == [1, 1, 1]


@pytest.mark.parametrize("resource", ["contracts", "entitlements"])
async def test_a_404_beside_rows_is_a_failed_try(resource: str) -> None:
    made = world(contracts=0)
    made.users["v"][ANN.user][resource] = [{"id": "1"}]
    made.knows_nobody = True
    async with client(made.app()) as sesamy:
        with pytest.raises(Retryable) as caught:
            await sesamy.snapshot(ANN, permit=Permits())

    assert caught.value.code == "user-missing"


@pytest.mark.parametrize("op", ["contracts", "entitlements"])
@pytest.mark.parametrize(("status", "code"), [(500, "http-500"), (404, "http-404"), (422, "http-422")])
async def test_a_404_beside_a_call_that_fails_is_that_failure(op: str, status: int, code: str) -> None:
    made = world()
    made.faults.add(Fault(kind="status", op=op, status=status))
    async with client(made.app()) as sesamy:
        with pytest.raises((Retryable, Refused)) as caught:
            await sesamy.snapshot(NOBODY, permit=Permits())

    assert caught.value.code == code


@pytest.mark.parametrize("body", [{}, {"error": {"code": "internal_error"}}, {"data": None, "errors": ["x"]}, [{"title": "no id"}]])
@pytest.mark.parametrize("op", ["contracts", "entitlements"])
async def test_a_200_that_says_nothing_is_no_proof_that_a_user_is_absent(op: str, body: object) -> None:
    made = world()
    made.odd[op] = lambda _: body
    async with client(made.app()) as sesamy:
        for user in (ANN, NOBODY):
            with pytest.raises(Retryable) as caught:
                await sesamy.snapshot(user, permit=Permits())
            assert caught.value.code == "wrong-shape"


@pytest.mark.parametrize("op", ["contracts", "entitlements"])
async def test_204_says_that_there_is_none(op: str) -> None:
    made = world()
    made.faults.add(Fault(kind="status", op=op, status=204))
    async with client(made.app()) as sesamy:
        snapshot = await sesamy.snapshot(ANN, permit=Permits())

    assert snapshot is not None
    assert getattr(snapshot, op) == ()


async def test_204_is_no_user() -> None:
    made = world()
    made.faults.add(Fault(kind="status", op="user", status=204))
    async with client(made.app()) as sesamy:
        with pytest.raises(Retryable) as caught:
            await sesamy.snapshot(ANN, permit=Permits())

    assert caught.value.code == "wrong-shape"


async def test_odd_fields_are_told_by_name_and_half_a_character_harms_nobody() -> None:
    made, odd = world(), list[str]()
    made.users["v"][ANN.user]["profile"] |= {"company": {"name": "X"}, "firstName": "A\ud83c"}
    made.users["v"][ANN.user]["entitlements"] = [{"id": "e1", "title": "\ud83c"}, {"title": "no id"}, {"id": "e2", "title": "T"}]
    made.odd["contracts"] = lambda page: b"\xef\xbb\xbf" + msgspec.json.encode(page)
    async with client(made.app(), odd=odd) as sesamy:
        snapshot = await sesamy.snapshot(ANN, permit=Permits())

    assert snapshot is not None
    assert (snapshot.profile.company, snapshot.profile.first_name) == (None, "A\ufffd")
    assert [one.title for one in snapshot.entitlements] == ["\ufffd", "T"]
    assert [one.id for one in snapshot.contracts] == ["c0"]
    assert sorted(odd) == ["entitlements", "user.company"]


@pytest.mark.parametrize("field", ["hasAccess", "type", "origin"])
async def test_an_answer_whose_access_cant_be_read_is_no_snapshot_and_told(field: str) -> None:
    made, odd = world(), list[str]()
    made.users["v"][ANN.user]["entitlements"] = [{"id": "e1", field: ["x"]}]
    async with client(made.app(), odd=odd) as sesamy:
        with pytest.raises(Retryable) as caught:
            await sesamy.snapshot(ANN, permit=Permits())

    assert (caught.value.code, odd) == ("wrong-shape", [f"entitlements.{field}"])


@pytest.mark.parametrize("resource", ["contracts", "entitlements"])
async def test_a_filter_is_obeyed_where_nobody_has_no_rows(resource: Resource) -> None:
    made, permits = world(), Permits()
    made.users["v"][ANN.user]["entitlements"] = [{"id": "e1"}]
    async with client(made.app()) as sesamy:
        assert await sesamy.obeys_filter(resource, NOBODY.user, permit=permits)
        made.unfiltered.add(resource)
        assert not await sesamy.obeys_filter(resource, NOBODY.user, permit=permits)
        # Rows that can't be read are rows.
        made.odd[resource] = lambda _: [{"what": "ever"}]
        assert not await sesamy.obeys_filter(resource, NOBODY.user, permit=permits)

    assert (made.calls["v", resource], permits.taken) == (3, 3)


@pytest.mark.parametrize("status", [204, 400, 404, 422])
async def test_who_refuses_an_id_that_nobody_has_obeys_the_filter(status: int) -> None:
    made = world()
    made.faults.add(Fault(kind="status", op="contracts", status=status))
    async with client(made.app()) as sesamy:
        assert await sesamy.obeys_filter("contracts", NOBODY.user, permit=Permits())


@pytest.mark.parametrize(("status", "code"), [(500, "http-500"), (429, "http-429"), (413, "http-413")])
async def test_a_filter_is_unproven_where_nobody_answers(status: int, code: str) -> None:
    made = world()
    made.faults.add(Fault(kind="status", op="contracts", status=status))
    async with client(made.app()) as sesamy:
        with pytest.raises((Retryable, Refused)) as caught:
            await sesamy.obeys_filter("contracts", NOBODY.user, permit=Permits())
        made.faults.clear()
        made.odd["contracts"] = lambda _: {"error": "no"}
        with pytest.raises(Retryable) as unusable:
            await sesamy.obeys_filter("contracts", NOBODY.user, permit=Permits())

    assert (caught.value.code, unusable.value.code) == (code, "wrong-shape")


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
        with raising(Forbidden, "http-403"):
            await sesamy.snapshot(ANN, permit=Permits())
        await sesamy.snapshot(ANN, permit=Permits())
        assert made.calls["v", "token"] == 1
        sesamy.renew()
        await sesamy.snapshot(ANN, permit=Permits())

    assert made.calls["v", "token"] == 2


async def test_refused_credentials_are_denied() -> None:
    async with client(world().app(), secret="wrong") as sesamy:
        with raising(Denied, "http-403"):
            await sesamy.snapshot(ANN, permit=Permits())


@pytest.mark.parametrize(
    "names", [{"userId": "email|bob"}, {"id": "email|bob"}, {"sub": "email|bob"}, {"userId": "email|bob", "id": ANN.user}]
)
async def test_an_answer_about_somebody_else_is_not_used(names: dict[str, str]) -> None:
    made = world()
    made.users["v"][ANN.user]["profile"] = {"email": "ann@example.com", **names}
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
        {"email": "ann@example.com"},
        {"data": None},
        {},
    ],
)
async def test_an_answer_that_says_nothing_of_a_user_is_no_user_without_address(reply: dict[str, object]) -> None:
    async with client(paged(lambda _: [], user=reply)) as sesamy:
        with pytest.raises(Retryable) as caught:
            await sesamy.snapshot(ANN, permit=Permits())

    assert caught.value.code == "wrong-shape"


@pytest.mark.parametrize(
    "reply", [{"userId": ANN.user}, {"data": {"id": ANN.user, "email": None}}, {"sub": ANN.user}, {"id": "5", "sub": ANN.user}]
)
async def test_an_answer_that_says_something_of_a_user_is_one(reply: dict[str, object]) -> None:
    async with client(paged(lambda _: [], user=reply)) as sesamy:
        assert await sesamy.snapshot(ANN, permit=Permits()) is not None
