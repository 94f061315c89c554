"""
The referee: what every list must hold, worked out from Sesamy's wire data alone.

It shares no code with the consumer. What it wants stands in the README's and the Make.as integration's words: the
subscriber, the standard tags, the catalogue, one subscription a contract.
"""

import re
import unicodedata
from datetime import UTC, datetime
from typing import Any

from .stand_ins.makeas import Account
from .stand_ins.sesamy import User

Wanted = dict[str, Any]


def wanted(user_id: str, user: User | None) -> Wanted | None:
    """Return what one reader must look like at Make.as; None: nothing may be written of it."""
    if user is None or user_id.startswith("guest|") or not user["profile"].get("email"):
        return None
    if any(user["profile"].get(name) for name in ("isGuest", "is_guest", "guest")):
        return None
    profile, contracts = user["profile"], user["contracts"]
    fields = {"firstname": profile.get("firstName"), "lastname": profile.get("lastName"), "company": profile.get("company")}
    rows = [row for one in contracts if (row := _subscription(one, profile["email"])) is not None]
    products = {}
    for one in sorted(contracts, key=lambda one: (_is_active(one), one.get("createdAt") or "")):
        products.update({_id_of(item): _name_of(item) for item in one["items"] if item.get("sku")})
    return {
        "email": profile["email"],
        "fields": {name: value for name, value in fields.items() if value} | {"external_id": user_id},
        "tags": _tags(user_id, profile, contracts, user["entitlements"]),
        "products": products,
        "subscriptions": {row["external_id"]: row for row in rows},
    }


def differences(users: dict[str, User], user_ids: set[str], account: Account, lists: set[str]) -> dict[str, list[str]]:
    """Compare an account with what Sesamy says of `user_ids`; return what is wrong, by user id."""
    found: dict[str, list[str]] = {}
    names = _names(users)
    for user_id in user_ids:
        want = wanted(user_id, users.get(user_id))
        if want is None:
            writes = any(contact.get("external_id") == user_id for contact in account.contacts.values())
            wrong = ["was written, but must not be"] if writes else []
        else:
            wrong = list(_compare(want, account, lists, names))
        if wrong:
            found[user_id] = wrong
    return found


def _names(users: dict[str, User]) -> dict[str, set[str]]:
    """Return every name that a product may have: readers share the catalogue, and the last that was written named it."""
    names: dict[str, set[str]] = {}
    for user_id, user in users.items():
        for product, name in ((wanted(user_id, user) or {}).get("products") or {}).items():
            names.setdefault(product, set()).add(name)
    return names


def _compare(want: Wanted, account: Account, lists: set[str], names: dict[str, set[str]]) -> list[str]:
    contact = account.contacts.get(want["email"].lower())
    if contact is None:
        return ["no contact"]
    wrong = [f"{name} differs" for name, value in want["fields"].items() if contact.get(name) != value]
    ours = sorted(tag for tag in contact["tags"] if tag.startswith("sesamy_"))
    tags = want["tags"] | ({"sesamy_made_single_purchase"} if want["email"].lower() in account.bought_once else set())
    if ours != sorted(tags):
        wrong.append(f"tags: missing {sorted(tags - set(ours))}, stale {sorted(set(ours) - tags)}")
    lost = account.by_hand.get(want["email"].lower(), set()) - set(contact["tags"])
    if lost:
        wrong.append(f"tags of others lost: {sorted(lost)}")
    if contact["email_status"] == "active" and not lists - account.left_lists(want["email"]) <= set(contact["lists"]):
        wrong.append("not on every list")
    wrong += [f"product {one} missing" for one in want["products"] if one not in account.products]
    wrong += [
        f"product {one} misnamed" for one in want["products"] if one in account.products and account.products[one]["name"] not in names[one]
    ]
    rows = {one: _dated(row, account) for one, row in want["subscriptions"].items()}
    wrong += [f"subscription {one} differs" for one, row in rows.items() if account.subscriptions.get(one) != row]
    return wrong


def _dated(row: Wanted, account: Account) -> Wanted:
    """Return a subscription with its dates in the form that an account takes."""
    if account.ways.dates == "iso":
        return row
    dates = {name: datetime.fromisoformat(row[name]).astimezone(UTC) for name in ("start_date", "end_date") if name in row}
    return row | {name: date.strftime("%Y-%m-%d %H:%M:%S") for name, date in dates.items()}


def _is_active(contract: dict[str, Any]) -> bool:
    return bool(contract["status"].lower() == "active" if contract.get("status") else contract.get("isActive"))


def _is_running(contract: dict[str, Any]) -> bool:
    return _is_active(contract) or (contract.get("status") or "").lower() in {"overdue", "pending", "paused", "trial", "trialing"}


def _id_of(item: dict[str, Any]) -> str:
    option = item.get("listPriceId") or item.get("purchaseOptionId")
    return str(item["sku"]) + (f"|{option}" if option else "")


def _name_of(item: dict[str, Any]) -> str:
    option = item.get("optionTitle") or item.get("purchaseOptionName")
    return str(item.get("title") or item.get("name") or item["sku"]) + (f" - {option}" if option else "")


def _subscription(contract: dict[str, Any], email: str) -> dict[str, Any] | None:
    item = next((item for item in contract["items"] if item.get("sku")), None)
    if item is None:
        return None
    row = {
        "email": email,
        "external_id": contract["id"],
        "product_external_id": _id_of(item),
        "start_date": contract.get("startDate") or contract.get("createdAt"),
        "name": _name_of(item),
        "status": "active" if _is_active(contract) else "cancelled",
    }
    ends = [contract.get(name) for name in ("endDate", "canceledAt", "endedAt", "expiresAt", "willCancelAt")]
    if not _is_running(contract) and any(ends):
        row["end_date"] = next(end for end in ends if end)
    return {name: value for name, value in row.items() if value}


def _is_gift(user_id: str, profile: dict[str, Any], contract: dict[str, Any]) -> bool:
    if not _is_running(contract):
        return False
    payer = contract.get("payer") or {}
    email = payer.get("email") or contract.get("payerEmail")
    if contract.get("isGift") is True or contract.get("giftMode") is True:
        return True
    return bool(email.lower() != profile["email"].lower() if email else payer.get("id", user_id) != user_id)


def _tags(user_id: str, profile: dict[str, Any], contracts: list[dict[str, Any]], entitlements: list[dict[str, Any]]) -> set[str]:
    tags = _tags_of_contracts(contracts)
    subscribed = {one["id"] for one in contracts if _is_subscription(one) and not _was_bought_once(one)}
    if any(_is_gift(user_id, profile, contract) for contract in contracts):
        tags.add("sesamy_has_gifted_subscription")
    for one in entitlements:
        if one["type"] == "article" and one["origin"]["type"] == "PAYMENTS" and one["origin"].get("contractId") not in subscribed:
            tags.add("sesamy_made_single_purchase")
        if not one["hasAccess"]:
            continue
        if one["origin"]["type"] == "EXTERNAL":
            tags.add("sesamy_has_external_access")
        tags |= _tag("sesamy_active_entitlement_", one["title"]) | _tag("sesamy_active_sku_", one["sku"])
        if one.get("purchaseOption"):
            tags |= _tag("sesamy_active_sku_po_", f"{one['sku']}-{one['purchaseOption']}")
    return tags.union(*(_tag("sesamy_tag_", tag) for tag in profile.get("tags", [])))


def _tags_of_contracts(contracts: list[dict[str, Any]]) -> set[str]:
    tags = set()
    for contract in contracts:
        if _is_active(contract) and _is_subscription(contract):
            tags.add("sesamy_active_subscriber")
        if (contract.get("status") or "").lower() == "overdue":
            tags.add("sesamy_overdue_contract")
        if _was_bought_once(contract):
            tags.add("sesamy_made_single_purchase")
    return tags


def _is_subscription(contract: dict[str, Any]) -> bool:
    return contract.get("contractDuration") != "PERPETUAL" or bool(contract.get("recurringInterval"))


def _was_bought_once(contract: dict[str, Any]) -> bool:
    return contract.get("contractDuration") == "PERPETUAL" or any(
        item.get("purchaseType") in {"OWN", "single"} for item in contract["items"]
    )


def _tag(prefix: str, text: str) -> set[str]:
    """Return the tag; none, where nothing of the text is left."""
    plain = re.sub(r"[\W_]+", "-", unicodedata.normalize("NFC", text).lower()).strip("-")
    return {(prefix + plain)[:99].rstrip("-")} if plain else set()
