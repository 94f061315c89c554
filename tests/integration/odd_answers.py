"""
Odd answers of Sesamy's, one reader each: what goes over the wire, and what it means or why it means nothing.

What a reader has stands in the stand-in in plain form, so that the oracle knows it; the odd form is made of that.
"""

import json
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from aiohttp import web

from consumer.sandbox.stand_ins.sesamy import User

Row = dict[str, Any]
Odd = Callable[[Any], object]


class Shape(NamedTuple):
    """One odd answer."""

    op: str
    odd: Odd
    profile: Row = {}  # noqa: RUF012 - a table's default, which nobody changes
    contracts: tuple[Row, ...] = ()
    entitlements: tuple[Row, ...] = ()

    def reader(self, user: str) -> User:
        """Return its reader in plain form; ids are of this reader alone."""
        number = user.rpartition("-")[2]
        profile = {"userId": user, "email": f"odd.{number}@example.com", "firstName": "Åse", "tags": ["vip"], **self.profile}
        contracts = [{"userId": user, **one, "id": f"{user}-{one['id']}"} for one in self.contracts]
        entitlements = [{**one, "id": f"{user}-{one['id']}", "origin": dict(_FREE)} for one in self.entitlements]
        return {"profile": profile, "contracts": contracts, "entitlements": entitlements}


_FREE: Final[Row] = {"type": "EXTERNAL", "id": "library"}
_BOOK: Final[Row] = {"sku": "bok", "name": "Bok"}
_ACTIVE: Final[Row] = {"id": "c1", "status": "ACTIVE", "createdAt": "2025-01-01T00:00:00Z", "items": [_BOOK]}
_ACCESS: Final[Row] = {"id": "e1", "type": "pass", "sku": "arkiv", "title": "Arkivet", "hasAccess": True}


def _row(**odd: object) -> Odd:
    """Put odd fields into each row of a page."""
    return lambda body: {**body, "data": [{**row, **odd} for row in body["data"]]}


def _and(**row: object) -> Odd:
    """Put one more row onto a page."""
    return lambda body: {**body, "data": [*body["data"], row]}


def _user(**odd: object) -> Odd:
    return lambda body: {"data": {**body["data"], **odd}}


def _instead(answer: object) -> Odd:
    return lambda _: answer


def _no_content(_: object) -> web.Response:
    return web.Response(status=204)


def _with_bom(body: object) -> bytes:
    return b"\xef\xbb\xbf" + json.dumps(body).encode()


def _halved(body: object) -> bytes:
    """Cut a character in two, where the plain form has the sign for one that can't be shown."""
    return json.dumps(body).replace("\\ufffd", "\\ud800").encode()


def _same(body: object) -> object:
    return body


_BOTH: Final[Row] = {"contracts": (_ACTIVE,), "entitlements": (_ACCESS,)}
_CANCELLED: Final[Row] = {**_ACTIVE, "status": "CANCELLED"}
_NONE: Final[dict[str, Odd]] = {
    "null": _instead(None),
    "data null": _instead({"data": None}),
    "data empty": _instead({"data": []}),
    "204": _no_content,
}

MEANT: Final[dict[str, Shape]] = {
    "numbers for text": Shape(
        "contracts",
        _row(items=[{"sku": 9788202000001, "purchaseOptionId": 42, "name": "Bok"}]),
        contracts=({**_ACTIVE, "items": [{"sku": "9788202000001", "purchaseOptionId": "42", "name": "Bok"}]},),
    ),
    "seconds and milliseconds": Shape(
        "contracts",
        _row(createdAt=1735689600, canceledAt=1772323200500),
        contracts=({**_CANCELLED, "canceledAt": "2026-03-01T00:00:00.500Z"},),
    ),
    "seconds as text": Shape("contracts", _row(createdAt="1735689600"), contracts=(_ACTIVE,)),
    "a date of no kind": Shape(
        "contracts", _row(createdAt={"at": 1}), contracts=({name: one for name, one in _ACTIVE.items() if name != "createdAt"},)
    ),
    "first item without SKU, payer as text": Shape(
        "contracts",
        _row(payer="a@b.example", createdAt=1735689600),
        contracts=({**_CANCELLED, "canceledAt": "2026-03-01", "items": [{"name": "x"}, {"sku": "s", "name": "N"}]},),
    ),
    "items null": Shape("contracts", _row(items=None), contracts=({**_ACTIVE, "items": []},)),
    "half a character in one of two titles": Shape(
        "contracts", _halved, contracts=(_ACTIVE, {**_ACTIVE, "id": "c2", "items": [{"sku": "halv", "name": "Halv \ufffd"}]})
    ),
    "active as text": Shape(
        "contracts", _row(status=None, isActive="true"), contracts=({**_ACTIVE, "status": None, "isActive": True},), entitlements=(_ACCESS,)
    ),
    "a contract without id": Shape("contracts", _and(status="ACTIVE", items=[_BOOK]), contracts=(_ACTIVE,)),
    "an entitlement without id": Shape(
        "entitlements",
        _and(type="pass", sku="z", title="Z", hasAccess=True),
        entitlements=(_ACCESS, {**_ACCESS, "id": "e2", "sku": "papir", "title": "Papir"}),
    ),
    "access as text": Shape("entitlements", _row(hasAccess="true"), entitlements=(_ACCESS,)),
    "access as one": Shape("entitlements", _row(hasAccess=1), entitlements=(_ACCESS,)),
    "no access as text": Shape("entitlements", _row(hasAccess="false"), entitlements=({**_ACCESS, "hasAccess": False},)),
    "no access as zero": Shape("entitlements", _row(hasAccess=0), entitlements=({**_ACCESS, "hasAccess": False},)),
    "company as an object": Shape("user", _user(company={"name": "X"}), **_BOTH),
    "tags with null and numbers": Shape("user", _user(tags=["vip", None, 2024]), profile={"tags": ["vip", "2024"]}, **_BOTH),
    "a name as a number": Shape("user", _user(firstName=7), profile={"firstName": "7"}),
    "an address with a sign that nobody sees": Shape(
        "user", _user(email=" usynlig\u200b@example.com\ufeff"), profile={"email": "usynlig@example.com"}
    ),
    **{f"byte order mark, {op}": Shape(op, _with_bom, **_BOTH) for op in ("user", "contracts", "entitlements")},
    **{f"no contracts, {name}": Shape("contracts", odd, entitlements=(_ACCESS,)) for name, odd in _NONE.items()},
    **{f"no entitlements, {name}": Shape("entitlements", odd, contracts=(_ACTIVE,)) for name, odd in _NONE.items()},
    "no contracts, by name": Shape("contracts", _instead({"contracts": []}), entitlements=(_ACCESS,)),
    "no entitlements, by name": Shape("entitlements", _instead({"entitlements": []}), contracts=(_ACTIVE,)),
    "as it should be": Shape("user", _same, **_BOTH),
}
"""By name; each is written as its plain form says."""

UNUSABLE: Final[dict[str, tuple[Shape, str]]] = {
    **{
        f"{op} {name}": (Shape(op, _instead(answer), **_BOTH), "wrong-shape")
        for op in ("user", "contracts", "entitlements")
        for name, answer in (
            ("without a key", {}),
            ("with an error", {"error": {"code": "internal_error"}}),
            ("null beside an error", {"data": None, "error": {"code": "internal_error"}}),
        )
    },
    "user null": (Shape("user", _instead(None), **_BOTH), "wrong-shape"),
    "user 204": (Shape("user", _no_content, **_BOTH), "wrong-shape"),
    "another user": (Shape("user", _user(userId="email|another"), **_BOTH), "foreign-user"),
    "another's contract": (Shape("contracts", _row(userId="email|another"), **_BOTH), "foreign-contract"),
    "another's entitlement": (Shape("entitlements", _row(userId="email|another"), **_BOTH), "foreign-contract"),
    "access as an object": (Shape("entitlements", _row(hasAccess={"until": "2027"}), **_BOTH), "wrong-shape"),
    "access as a word": (Shape("entitlements", _row(hasAccess="maybe"), **_BOTH), "wrong-shape"),
    "status as an object": (Shape("contracts", _row(status={"is": "ACTIVE"}), **_BOTH), "wrong-shape"),
    "no row with an id": (Shape("contracts", _row(id=None), **_BOTH), "wrong-shape"),
    "half of it": (Shape("contracts", _instead(b'{"data": [{"id"'), **_BOTH), "not-json"),
}
"""By name, with the code; nothing is written of any."""
