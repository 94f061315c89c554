"""Sesamy's answers in our nouns: the tables of its fields, and what an answer without any means."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Final, TypeVar

from .shapes import Json, Kind, Odd, Shape, date, each, flag, number, text, unusable, word
from .snapshot import Contract, Entitlement, Item, Origin, Payer, Profile

Row = TypeVar("Row", Contract, Entitlement)

USERS: Final = "users"
_FAILED: Final = 400
_STATUSES: Final = ("status", "statusCode", "status_code")
_FAILURES: Final = frozenset({"error", "fail", "failed", "failure"})


def _all(kind: Kind, *names: str) -> dict[str, Kind]:
    return dict.fromkeys(names, kind)


def _status(value: object, said: Json) -> str:
    """Read a status: each word that we don't know means an end, but what a number means is not known."""
    if not isinstance(value, str):
        raise Odd
    return word(value, said)


# Assumption: what decides is what says whether there is access, a status or an address, and each list from which a tag or a
# subscription may come; a name of something that can't be read is left out alone.
USER: Final = Shape(
    Profile,
    "user",
    {
        **_all(word, "userId", "id", "sub", "email"),
        **_all(text, "firstName", "lastName", "givenName", "familyName", "given_name", "family_name", "company"),
        "tags": each(text, "user.tags"),
    },
    decides=("email", "tags"),
)
ITEM: Final = Shape(
    Item,
    "contracts.items",
    {
        **_all(text, "sku", "name", "title", "listPriceId", "purchaseOptionId", "purchaseOptionName", "optionTitle"),
        "purchaseType": word,
    },
    decides=("purchaseType",),
)
PAYER: Final = Shape(Payer, "contracts.payer", _all(text, "id", "email"))
CONTRACTS: Final = Shape(
    Contract,
    "contracts",
    {
        **_all(word, "id", "userId", "contractDuration", "recurringInterval"),
        "status": _status,
        "isActive": flag,
        **_all(date, "startDate", "createdAt", "endDate", "canceledAt", "endedAt", "expiresAt", "willCancelAt"),
        "items": each(ITEM.mend, "contracts.items"),
        "payer": PAYER.mend,
        "payerEmail": text,
    },
    identifies="id",
    decides=("status", "isActive", "contractDuration", "recurringInterval", "items"),
)
ORIGIN: Final = Shape(Origin, "entitlements.origin", _all(word, "type", "contractId"), decides=("type",))
ENTITLEMENTS: Final = Shape(
    Entitlement,
    "entitlements",
    {
        **_all(word, "id", "userId", "type"),
        **_all(text, "sku", "purchaseOption", "title"),
        "origin": ORIGIN.mend,
        "hasAccess": flag,
    },
    identifies="id",
    decides=("type", "origin", "hasAccess"),
)


def odd_names() -> Iterator[str]:
    """Give every name that reading may note as odd, sorted."""
    fields = {f"{shape.name}.{field}" for shape in (USER, CONTRACTS, ITEM, PAYER, ENTITLEMENTS, ORIGIN) for field in shape.kinds}
    yield from sorted(fields | {CONTRACTS.name, ENTITLEMENTS.name})


def profile(said: Json) -> Profile:
    """
    Return the profile of an answer: bare, or in an envelope.

    Raises:
        Retryable: `wrong-shape`: it names no user, says that it failed, or can't be read.
    """
    tree = said.tree
    _refuse_failure(tree, USER.name)
    parts = [tree, tree.get("data"), tree.get("user")] if isinstance(tree, dict) else []
    for part in parts:
        with suppress(Odd):
            if isinstance(part, dict) and (found := USER.one(part, said)).named:
                return found
    raise unusable(USER.name)


def rows(said: Json, shape: Shape[Row]) -> tuple[list[Row], int]:
    """
    Return the rows of a page that can be used, and how many it has.

    Raises:
        Retryable: `wrong-shape`: no row can be used, or one has a field that decides and can't be read; and as `listed`.
    """
    trees = listed(said.tree, shape.name)
    return shape.rows(trees, said), len(trees)


def profiles(said: Json) -> tuple[list[Profile], int]:
    """
    Return the profiles of a page of users that name their user, and how many rows it has.

    Raises:
        Retryable: `wrong-shape`: no row names a user; and as `listed`.
    """
    trees = listed(said.tree, USERS)
    found = [one for one in USER.rows(trees, said) if one.named]
    if trees and not found:
        raise unusable(USERS)
    return found, len(trees)


def listed(tree: object, resource: str) -> list[object]:
    """
    Take a page's rows out of their envelope: bare, `data`, or named as the resource.

    Raises:
        Retryable: `wrong-shape`: no such key, it holds no list, or the answer says that it failed.
    """
    if isinstance(tree, dict):
        _refuse_failure(tree, resource)
        there = [tree[key] for key in ("data", resource) if key in tree]
        if not there:
            raise unusable(resource)
        tree = next((one for one in there if one not in (None, [], {}, "")), None)
    if tree is None:
        return []
    if not isinstance(tree, list):
        raise unusable(resource)
    return tree


def _refuse_failure(tree: object, what: str) -> None:
    """Beside words of failure, null or an empty list says nothing of what there is."""
    if not isinstance(tree, dict):
        return
    status = tree.get("status")
    failed = isinstance(status, str) and status.strip().lower() in _FAILURES
    failed = failed or any((number(tree.get(name)) or 0) >= _FAILED for name in _STATUSES)
    if failed or tree.get("error") or tree.get("errors") or tree.get("success") in (False, "false"):
        raise unusable(what)
