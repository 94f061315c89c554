"""Readers who are made for a purpose."""

from typing import Any

from consumer.sandbox.town import VENDORS, Town


def reader_with(here: Town, vendor: str, rows: int, name: str) -> str:
    """Add a reader with so many contracts and entitlements; return the id."""
    user = f"email|{name}"
    here.sesamy.users[vendor][user] = {
        "profile": {"userId": user, "email": f"{name}@example.com"},
        "contracts": [
            {"id": f"{user}-c{one}", "userId": user, "status": "ACTIVE", "createdAt": "2025-01-01", "items": [{"sku": f"vare-{one}"}]}
            for one in range(rows)
        ],
        "entitlements": [
            {
                "id": f"{user}-e{one}",
                "type": "pass",
                "sku": f"vare-{one}",
                "title": f"Vare {one}",
                "hasAccess": True,
                "origin": {"type": "EXTERNAL"},
            }
            for one in range(rows)
        ],
    }
    return user


def add_article_readers(here: Town) -> dict[str, bool]:
    """Add two readers of single articles of each kind, without access and with; return whether the tag of a single purchase is theirs."""
    subscription = {"status": "ACTIVE", "contractDuration": "RECURRING", "createdAt": "2025-01-01", "items": [{"sku": "avis"}]}
    own = {"sku": "bok", "purchaseType": "OWN"}
    kinds: dict[str, tuple[list[dict[str, Any]], str, bool]] = {
        "article": ([], "gone", True),
        "beside": ([subscription], "gone", True),
        "within": ([subscription], "c0", False),
        "within-ended": ([{**subscription, "status": "EXPIRED"}], "c0", False),
        "perpetual": ([{**subscription, "contractDuration": "PERPETUAL"}], "c0", True),
        "own": ([{**subscription, "items": [own]}], "c0", True),
        "earlier": ([], "", False),
    }
    made = {}
    for kind, (contracts, contract, is_bought) in kinds.items():
        for number in range(2):
            user = f"email|{kind}-{number}"
            article = {"id": f"{user}-e", "type": "article", "sku": f"a{number}", "title": "En artikkel", "hasAccess": number == 1}
            origin = {"type": "PAYMENTS", "contractId": f"{user}-{contract}"}
            here.sesamy.users[VENDORS[0]][user] = {
                "profile": {"userId": user, "email": f"{kind}.{number}@example.com"},
                "contracts": [{**one, "id": f"{user}-c{place}", "userId": user} for place, one in enumerate(contracts)],
                "entitlements": [{**article, "origin": origin}] if contract else [],
            }
            made[user] = is_bought
    return made
