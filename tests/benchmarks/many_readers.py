"""Both remote sides with 100,000 readers, each page made as it is asked for, so that none is held: prints its address."""

import asyncio
import random
from functools import lru_cache
from typing import Any, Final

import msgspec
from aiohttp import web

from consumer.core.answers import sesamy as answers
from consumer.core.answers.sesamy import CONTRACTS, ENTITLEMENTS
from consumer.core.answers.shapes import Json
from consumer.core.answers.snapshot import Snapshot
from consumer.core.mapping.documents import Documents, documents
from consumer.core.model import UserKey
from consumer.sandbox.publishers import FIRST, LAST, contract
from tests.benchmarks.servers import serve

READERS: Final = 100_000
VENDOR: Final = "vendor_123"
# Of each ten readers three have a second contract, so that there are 13; a reader has two entitlements.
_TEN, _OF_TEN, _RIGHTS = 10, 13, 2
CONTRACTS_, ENTITLEMENTS_ = READERS // _TEN * _OF_TEN, READERS * _RIGHTS
_FEW: Final = 300
_EMPTY, _DIFFER = "empty", "differ"
MODES: Final = ("few", _DIFFER, _EMPTY)
"""What stands at Make.as, as the first part of each path: all but every 300th reader agree; each differs; nobody is there."""

Row = dict[str, Any]


class Served:
    """What was asked for."""

    pages = 0
    writes = 0


@lru_cache(maxsize=4096)
def reader(number: int) -> tuple[Row, list[Row], list[Row]]:
    """Make up a reader, always the same one: its profile, contracts and entitlements."""
    chance, user = random.Random(number), f"auth0|6f1c{number:020d}"
    profile = {
        "userId": user,
        "email": f"leser.{number}@example.com",
        "firstName": chance.choice(FIRST),
        "lastName": chance.choice(LAST),
        "createdAt": "2024-03-01T08:00:00Z",
        "updatedAt": "2025-03-01T08:00:00Z",
        "tags": ["VIP"] if number % 4 == 0 else [],
    }
    contracts = [contract(user, f"{user}-c{place}", chance) for place in range(2 if number % _TEN < _OF_TEN - _TEN else 1)]
    return profile, contracts, [_right(user, contracts[place % len(contracts)], place) for place in range(_RIGHTS)]


def _right(user: str, of: Row, place: int) -> Row:
    origin = {"type": "PAYMENTS", "contractId": of["id"]}
    made = {"id": f"{user}-e{place}", "userId": user, "sku": "arkiv", "title": "Arkivet", "type": "pass"}
    return made | {"hasAccess": of["isActive"], "origin": origin}


def _users(number: int) -> Row:
    return reader(number)[0]


def _contracts(number: int) -> Row:
    group, place = divmod(number, _OF_TEN)
    return reader(group * _TEN + place % _TEN)[1][place // _TEN]


def _entitlements(number: int) -> Row:
    return reader(number // _RIGHTS)[2][number % _RIGHTS]


_LISTS: Final = {"users": (READERS, _users), "contracts": (CONTRACTS_, _contracts), "entitlements": (ENTITLEMENTS_, _entitlements)}


def _contact(number: int, mode: str, list_id: str) -> Row:
    """Return a contact as a resync writes it, spoilt where it is to differ."""
    profile, contracts, rights = reader(number)
    snapshot = Snapshot(
        user=UserKey(VENDOR, profile["userId"]),
        profile=answers.profile(Json(profile)),
        contracts=tuple(answers.rows(Json(contracts), CONTRACTS)[0]),
        entitlements=tuple(answers.rows(Json(rights), ENTITLEMENTS)[0]),
    )
    made = documents(snapshot)
    assert isinstance(made, Documents)
    fields = {name: value for name, value in msgspec.to_builtins(made.subscriber).items() if value is not None}
    row = {"id": number + 1, **fields, "tags": list(made.tags), "email_status": "active", "lists": [list_id]}
    return row | {"tags": ["sesamy_old"], "firstname": "X"} if mode == _DIFFER or number % _FEW == 0 else row


async def _sesamy(request: web.Request) -> web.Response:
    Served.pages += 1
    resource, query = request.match_info["resource"], request.query
    of, row = _LISTS[resource]
    if "userId" in query:  # Nobody has one: who asks wants to know whether this is heeded.
        return _said({"data": [], "pagination": {"total": 0}})
    offset, limit = int(query.get("offset", "0")), min(int(query.get("limit", "100")), 100)
    return _said({"data": [row(one) for one in range(offset, min(offset + limit, of))], "pagination": {"total": of}})


async def _by_list(request: web.Request) -> web.Response:
    mode, query = request.match_info["mode"], request.query
    if mode == _EMPTY or query.get("status") != "active":
        return _said([])
    Served.pages += 1
    page, per_page = int(query["page"]), int(query["per_page"])
    numbers = range((page - 1) * per_page, min(page * per_page, READERS))
    return _said([_contact(one, mode, query["list_id"]) for one in numbers])


async def _list(request: web.Request) -> web.Response:
    return _said({"id": request.match_info["list"], "subscriber_emails": 0 if request.match_info["mode"] == _EMPTY else READERS})


async def _by_id(request: web.Request) -> web.Response:
    return _said(_contact(int(request.match_info["id"]) - 1, request.match_info["mode"], "1466"))


async def _no_contact(_: web.Request) -> web.Response:
    return web.json_response({"message": "no such contact"}, status=404)


async def _written(request: web.Request) -> web.Response:
    await request.read()
    Served.writes += request.path.endswith("/subscribers")
    return _said({"id": 1})


async def _token(_: web.Request) -> web.Response:
    return _said({"access_token": "t", "expires_in": 86400})


async def _served(_: web.Request) -> web.Response:
    return _said({"pages": Served.pages, "writes": Served.writes})


def _said(tree: object) -> web.Response:
    return web.Response(body=msgspec.json.encode(tree), content_type="application/json")


async def main() -> None:
    app = web.Application()
    routes = app.router
    routes.add_get("/served", _served)
    routes.add_post("/{mode}/oauth/token", _token)
    routes.add_get("/{mode}/management/{resource}", _sesamy)
    routes.add_get("/{mode}/make/subscribers/by_list", _by_list)
    routes.add_post("/{mode}/make/subscribers/by_email", _no_contact)
    routes.add_get("/{mode}/make/subscribers/{id}", _by_id)
    routes.add_get("/{mode}/make/subscriberlists/{list}", _list)
    routes.add_post("/{mode}/make/{tail:.*}", _written)
    await serve(app)


if __name__ == "__main__":
    asyncio.run(main())
