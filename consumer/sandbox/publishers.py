"""Believable readers of two publishers, and what happens to them: deterministic by seed."""

import json
import random
from collections.abc import Iterator
from typing import Any, Final

from msgspec import Struct

from .stand_ins.sesamy import Sesamy, User

FIRST: Final = ("Åse", "Bjørn", "Ingrid", "Lars", "Marit", "Ola", "Siv", "Tore", "Élise", "Zoë")
LAST: Final = ("Hansen", "Bråten", "Ødegård", "Lie", "Nordmann", "Åkesson", "O'Neill", "Müller")
_COMPANIES: Final = (None, None, "Fjord & Fjell AS", "Bø Trykkeri", "Lørdag Forlag")
_PRODUCTS: Final = (
    ("sid:fGb4GbMUclADQtBxoX1rl", "Morgenposten", ("month", "year")),
    ("sid:KqPl02xYw", "Børsmeldinger", ("month",)),
    ("papir-helg", "Helgeavisen på papir", ("quarter", "year")),
    ("arkiv", "Arkivet", ()),
)
_STATUS: Final = ("ACTIVE", "ACTIVE", "ACTIVE", "active", "CANCELLED", "CANCELED", "EXPIRED", "OVERDUE", "PENDING")
_TAGS: Final = ((), (), ("VIP",), ("Tidlig Fugl", "ærlig"))
_BURSTS: Final = (
    ("userVendor.1#new", "checkout.1#confirm", "contract.1#purchased", "entitlement.1#new", "contract.1#update", "userVendor.1#update"),
    ("contract.1#update",),
    ("contract#cancelRequest", "contract.1#update", "entitlement.1#update"),
    ("userVendor.1#update", "userVendor.1#update"),
)
_OPTIONS: Final = {"month": "Månedlig", "year": "Årlig", "quarter": "Kvartal"}


class Message(Struct, frozen=True):
    """A record for the topic."""

    key: bytes | None
    value: bytes | None


def populate(sesamy: Sesamy, vendor: str, users: int, chance: random.Random) -> None:
    """Give a vendor readers of all shapes."""
    for number in range(users):
        kind = ("email", "google-oauth2", "auth0")[number % 3]
        user = f"{kind}|{vendor}-{number:05d}" if number % 29 else f"guest|{vendor}-{number:05d}"
        sesamy.users[vendor][user] = reader(user, number, chance)


def crowd(sesamy: Sesamy, vendor: str, users: int, chance: random.Random) -> None:
    """
    Give a vendor very many readers that are to be written, in little time: one contract each and a second one of each three in ten.

    Each has two entitlements, so that there are 1.3 contracts and 2 entitlements a reader.
    """
    for number in range(users):
        user = f"auth0|{vendor}-{number:06d}"
        profile = {
            "userId": user,
            "email": f"leser.{number}.{vendor}@example.com",
            "firstName": chance.choice(FIRST),
            "lastName": chance.choice(LAST),
            "createdAt": "2024-03-01T08:00:00Z",
            "updatedAt": "2025-03-01T08:00:00Z",
            "tags": list(chance.choice(_TAGS)),
        }
        contracts = [_single(user, f"{user}-c{place}", chance) for place in range(2 if number % 10 < 3 else 1)]  # noqa: PLR2004 - three in ten
        rights = [next(entitlements(one, chance)) for one in contracts]
        if len(rights) == 1:
            rights.append(_external(f"{user}-x"))
        sesamy.users[vendor][user] = {"profile": profile, "contracts": contracts, "entitlements": rights}


def _single(user: str, contract_id: str, chance: random.Random) -> dict[str, Any]:
    """Make up a contract of one item."""
    made = contract(user, contract_id, chance)
    made["items"] = made["items"][:1] or [{"sku": "arkiv", "name": "Arkivet"}]
    return made


def reader(user: str, number: int, chance: random.Random) -> User:
    """Make up one reader."""
    profile = {
        "userId": user,
        "email": f"leser.{number}.{user.partition('-')[0].partition('|')[2]}@example.com",
        "firstName": chance.choice(FIRST),
        "lastName": chance.choice(LAST),
        "createdAt": "2024-03-01T08:00:00Z",
        "updatedAt": "2025-03-01T08:00:00Z",
        "tags": list(chance.choice(_TAGS)),
    }
    company = chance.choice(_COMPANIES)
    if company:
        profile["company"] = company
    if number % 31 == 7:  # noqa: PLR2004 - some have no address
        del profile["email"]
    contracts = [contract(user, f"{user}-c{place}", chance) for place in range(chance.choice([0, 1, 1, 1, 2, 3]))]
    return {"profile": profile, "contracts": contracts, "entitlements": [one for c in contracts for one in entitlements(c, chance)]}


def contract(user: str, contract_id: str, chance: random.Random) -> dict[str, Any]:
    """Make up one contract."""
    status = chance.choice(_STATUS)
    sku, title, options = chance.choice(_PRODUCTS)
    item: dict[str, Any] = {"sku": sku, "name": title}
    if options:
        option = chance.choice(options)
        item |= {"purchaseOptionId": f"po_{option}", "purchaseOptionName": _OPTIONS[option]}
    made: dict[str, Any] = {
        "id": contract_id,
        "userId": user,
        "status": status,
        "isActive": status.lower() == "active",
        "createdAt": f"2025-0{chance.randint(1, 9)}-1{chance.randint(0, 9)}T10:00:00Z",
        "contractDuration": chance.choice(["RECURRING", "RENEWABLE", "PERPETUAL"]) if options else "PERPETUAL",
        "items": [item, {"sku": "bonus", "name": "Bonus"}] if chance.random() < 0.1 else [item],  # noqa: PLR2004
    }
    if chance.random() < 0.05:  # noqa: PLR2004
        made["items"] = []
    if status.lower() not in {"active", "overdue"} and chance.random() < 0.8:  # noqa: PLR2004
        made["canceledAt"] = "2025-10-01T00:00:00Z"
    return made


def entitlements(made: dict[str, Any], chance: random.Random) -> Iterator[dict[str, Any]]:
    """Make up what a contract gives access to."""
    for place, item in enumerate(made["items"]):
        yield {
            "id": f"{made['id']}-e{place}",
            "sku": item["sku"],
            "title": item["name"],
            "purchaseOption": item.get("purchaseOptionId"),
            "type": chance.choice(["article", "pass", "bundle"]),
            "hasAccess": made["isActive"],
            "origin": {"type": "PAYMENTS", "contractId": made["id"]},
        }
    if chance.random() < 0.1:  # noqa: PLR2004
        yield _external(f"{made['id']}-x")


def _external(entitlement_id: str) -> dict[str, Any]:
    origin = {"type": "EXTERNAL", "id": "library", "listId": "1", "name": "Folkebiblioteket"}
    return {"id": entitlement_id, "sku": "arkiv", "title": "Arkivet", "type": "pass", "hasAccess": True, "origin": origin}


def happen(sesamy: Sesamy, vendor: str, user: str, chance: random.Random) -> list[Message]:
    """Let something happen to a reader; return the events of it."""
    burst = chance.choice(_BURSTS)
    found = sesamy.users[vendor].get(user)
    if found is not None:
        found["profile"]["lastName"] = chance.choice(LAST)
        if "checkout.1#confirm" in burst:
            new = contract(user, f"{user}-c{len(found['contracts'])}", chance)
            found["contracts"].append(new)
            found["entitlements"].extend(entitlements(new, chance))
        elif "contract#cancelRequest" in burst and found["contracts"]:
            cancelled = chance.choice(found["contracts"])
            cancelled |= {"status": "CANCELLED", "isActive": False, "canceledAt": "2025-11-01T00:00:00Z"}
            for one in found["entitlements"]:
                if one["origin"].get("contractId") == cancelled["id"]:
                    one["hasAccess"] = False
    return [event(vendor, user, type_) for type_ in burst]


def event(vendor: str, user: str, type_: str) -> Message:
    """Return one event as Sesamy writes it."""
    value = {"eventType": type_, "vendorId": vendor, "userId": user, "occured_at": "2025-11-10T12:00:00Z"}
    return Message(f"{vendor}|{user}".encode(), json.dumps(value).encode())


def poison() -> list[Message]:
    """Return one of each kind of record that can't be read."""
    good = b'{"eventType":"contract.1#update","vendorId":"v","userId":'
    values = (
        b"",
        b"null",
        b"{",
        b"[]",
        b"\xff\xfe\x00",
        b"\xef\xbb\xbf{}",
        b"\x00\x00\x00\x00\x07{}",
        b"[" * 60_000,
        b'{"x":' + b"[" * 60_000,
        good + b'"' + b"u" * 70_000 + b'"}',
        good + b'"' + b"u" * 300 + b'"}',
        good + b"7}",
        good + b'""}',
        good + b'"\\ud800"}',
        b'{"eventType":"contract.1#update","vendorId":"v"}',
    )
    return [Message(b"poison", value) for value in values]
