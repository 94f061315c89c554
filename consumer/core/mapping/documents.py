"""The documents of a reader: contact, tags, products, subscriptions; and how they come from a snapshot."""

from collections.abc import Iterable
from datetime import UTC, datetime
from math import inf
from typing import Final, Literal

import msgspec
from msgspec import Struct

from ..answers import bounds
from ..answers.address import cleaned
from ..answers.snapshot import Contract, Entitlement, Item, Profile, Snapshot
from ..errors import Retryable
from .tags import has_ended, is_active, standard_tags

_GUEST_PREFIX: Final = "guest|"
_LONG_ROWS: Final = 500
"""So many rows take about 10 ms."""


# ---- What is written ----


class Subscriber(Struct, frozen=True, kw_only=True):
    """A Make contact's own fields; None: Sesamy has no value, so the key is left out."""

    email: str
    firstname: str | None = None
    lastname: str | None = None
    company: str | None = None
    external_id: str


class Product(Struct, frozen=True):
    """A row of the product catalogue."""

    external_id: str
    name: str


class Subscription(Struct, frozen=True, kw_only=True):
    """One contract, linked to a product of the catalogue."""

    external_id: str
    product_external_id: str
    start_date: str | None = None
    end_date: str | None = None
    name: str
    status: Literal["active", "cancelled"]


class Documents(Struct, frozen=True, kw_only=True):
    """All that one resync writes to an account."""

    subscriber: Subscriber
    tags: tuple[str, ...]
    """The wanted `sesamy_` tags, sorted; may be empty."""
    products: tuple[Product, ...]
    subscriptions: tuple[Subscription, ...]
    skipped_contracts: int = 0
    """Contracts without an item or a SKU, so that there is nothing to link to, or with an id that can be none."""
    only_new: bool = False
    """They were read in bulk: where a contact is there by now, another has written, and may know better."""


class Skip(Struct, frozen=True):
    """Nothing is to be written for this user; not an error."""

    reason: Literal["no-email", "guest", "absent"]


# ---- How it comes from a snapshot ----


def documents(snapshot: Snapshot) -> Documents | Skip:
    """
    Return all that a resync writes to an account, or why nothing is written.

    Raises:
        Retryable: `foreign-contract`, where the answer mixes users and can't be trusted.
    """
    _refuse_foreign(snapshot)
    contact = subscriber(snapshot.user.user, snapshot.profile)
    if isinstance(contact, Skip):
        return contact
    # Pages shift while they are read: of a contract that came twice, the later row is the younger state.
    contracts = tuple({contract.id: contract for contract in snapshot.contracts}.values())
    snapshot = msgspec.structs.replace(snapshot, contracts=contracts)
    linked = [contract for contract in contracts if _is_linked(contract)]
    return Documents(
        subscriber=contact,
        tags=standard_tags(snapshot),
        products=_catalogue(linked),
        subscriptions=tuple(_subscription(contract) for contract in linked),
        skipped_contracts=len(contracts) - len(linked),
    )


def subscriber(user_id: str, profile: Profile) -> Subscriber | Skip:
    """Return a contact's own fields, or why nothing is written of the user."""
    if is_guest_id(user_id) or any(_is_true(flag) for flag in (profile.is_guest, profile.is_guest_, profile.guest)):
        return Skip("guest")
    email = cleaned(profile.email)
    if not email:
        return Skip("no-email")
    return Subscriber(
        email=email,
        firstname=_text(profile.first_name, profile.given_name_, profile.given_name),
        lastname=_text(profile.last_name, profile.family_name_, profile.family_name),
        company=_text(profile.company),
        external_id=user_id,
    )


def is_long(snapshot: Snapshot) -> bool:
    """Say whether a snapshot has so many rows that the event loop should not wait for `documents`."""
    rows = len(snapshot.entitlements) + sum(1 + len(one.items or ()) for one in snapshot.contracts)
    return rows + len(snapshot.profile.tags or ()) > _LONG_ROWS


def is_guest_id(user_id: str) -> bool:
    """Say whether an id is a guest's. Assumption: by its prefix."""
    return user_id.startswith(_GUEST_PREFIX)


def has_foreign_rows(snapshot: Snapshot) -> bool:
    """
    Say whether a row names another user: the filter failed.

    An entitlement whose contract is not listed proves nothing: contracts of what was bought once leave the list.
    """
    user = snapshot.user.user
    rows: tuple[Contract | Entitlement, ...] = (*snapshot.contracts, *snapshot.entitlements)
    return any(row.user_id and row.user_id != user for row in rows)


def _refuse_foreign(snapshot: Snapshot) -> None:
    if has_foreign_rows(snapshot):
        raise Retryable("the answer holds rows of another user", code="foreign-contract")


def _is_linked(contract: Contract) -> bool:
    """Say whether a contract can be sent: it has an id, and its item names a product."""
    item = _main_item(contract)
    return item is not None and _product_id(item) is not None and bounds.identifier(contract.id) is not None


def _subscription(contract: Contract) -> Subscription:
    item = _main_item(contract)
    assert item is not None
    product_id = _product_id(item)
    assert product_id is not None
    return Subscription(
        external_id=contract.id,
        product_external_id=product_id,
        start_date=_date(contract.start_date, contract.created_at),
        end_date=_end_date(contract) if has_ended(contract) else None,
        name=_name(item),
        status="active" if is_active(contract) else "cancelled",
    )


def _end_date(contract: Contract) -> str | None:
    """Assumption: the first of these that is known, as Sesamy writes it."""
    return _date(contract.end_date, contract.canceled_at, contract.ended_at, contract.expires_at, contract.will_cancel_at)


def _catalogue(contracts: Iterable[Contract]) -> tuple[Product, ...]:
    """
    Return one product per id, of every contract that is sent, in order of id.

    Assumption: an ended contract's product is in the catalogue too, so that no link dangles.
    Where one id has two names, the name of an active contract wins, then of the newest.
    """
    names: dict[str, str] = {}
    for contract in sorted(contracts, key=_precedence, reverse=True):
        for item in contract.items or ():
            product_id = _product_id(item)
            if product_id is not None:
                names.setdefault(product_id, _name(item))
    return tuple(Product(product_id, name) for product_id, name in sorted(names.items()))


def _precedence(contract: Contract) -> tuple[bool, float, str, str]:
    # The text and the id keep the choice from flipping.
    date = _date(contract.created_at, contract.start_date) or ""
    return is_active(contract), _seconds(date), date, contract.id


def _seconds(date: str) -> float:
    """Return a date's time, however it is spelled (s). Assumption: without a zone it is UTC; what can't be read is before all others."""
    try:
        at = datetime.fromisoformat(date)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return -inf


def _main_item(contract: Contract) -> Item | None:
    """Assumption: a contract's first item with an SKU makes its subscription; without one there is nothing to link."""
    return next((item for item in contract.items or () if not bounds.is_blank(item.sku)), None)


def _product_id(item: Item) -> str | None:
    """
    Return the id of an item's product; None: it has none, or one that is too long to be an id.

    Assumption: a purchase option is what Make.as calls a list price; without one the SKU alone tells the product.
    """
    option = item.purchase_option_id if bounds.is_blank(item.list_price_id) else item.list_price_id
    sku = bounds.identifier(item.sku)
    if bounds.is_blank(option):
        return sku
    return f"{sku}|{option}" if sku and bounds.identifier(option) else None


def _name(item: Item) -> str:
    title, option = _text(item.title, item.name, item.sku) or "", _text(item.option_title, item.purchase_option_name)
    return f"{title} - {option}" if option else title


def _text(*values: str | None) -> str | None:
    """Return the first value that is there and is not empty or blank, as much of it as counts."""
    return next((short for value in values if (short := bounds.text(value)) and not short.isspace()), None)


def _date(*values: str | None) -> str | None:
    """Return the first value that may be a date."""
    return next((value for value in values if value and len(value) <= bounds.WORD_CHARS and not value.isspace()), None)


def _is_true(flag: object) -> bool:
    """Say whether a flag is set, as a boolean, a number or a text; whatever else stands there does no harm."""
    return flag is True or flag == 1 or (isinstance(flag, str) and bounds.word(flag) in {"true", "1"})
