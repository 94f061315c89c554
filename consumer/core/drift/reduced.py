"""A row of Sesamy's lists, reduced to what is kept of it: ids, prints, and what makes tags; also how it stands in a file."""

from typing import Final

from msgspec import Struct

from ..answers.address import canonical
from ..answers.snapshot import Contract, Entitlement, Item, Origin, Profile
from ..mapping.contact import comparable, fields
from ..mapping.documents import Skip, Subscriber, subscriber
from ..mapping.tags import custom_tags, is_gifted
from .prints import NONE, Prints

FIELDS: Final = tuple(name for name in Subscriber.__struct_fields__ if name != "external_id")
"""Those of a contact that are kept as prints; the external id is the reader's own."""


class Known(Struct, frozen=True, array_like=True):
    """A reader."""

    id: str
    skip: str
    """Why nothing is written of it; empty: it is written."""
    values: tuple[int, ...]
    """The print of each of `FIELDS`."""
    tags: tuple[tuple[int, int], ...] = ()
    """The prints of the tags that its profile asks for: as they are, and without case."""


class Deal(Struct, frozen=True, array_like=True):
    """A contract."""

    user: str
    id: int
    """The print of its id."""
    fact: Contract
    """What of it makes tags; without an id."""


class Access(Struct, frozen=True, array_like=True):
    """An entitlement."""

    user: str
    id: int
    contract: int
    """The print of its contract's id; `NONE`: it names none."""
    fact: Entitlement


_ID: Final = "-"
"""Stands in a fact for the id, so that the facts of many rows are one."""


def known(user_id: str, profile: Profile, prints: Prints) -> Known:
    """Reduce a profile."""
    contact = subscriber(user_id, profile)
    if isinstance(contact, Skip):
        return Known(user_id, contact.reason, ())
    given = fields(contact)
    values = tuple(prints.of(comparable(name, str(given[name]))) if name in given else NONE for name in FIELDS)
    return Known(user_id, "", values, tuple((prints.of(tag), prints.of(tag.casefold())) for tag in custom_tags(profile)))


def deal(user_id: str, contract: Contract, email: int, prints: Prints) -> Deal:
    """
    Reduce a contract.

    Args:
        email: the print of its reader's address.
    """
    payer = contract.payer
    paid_by = canonical(payer.email if payer else None) or canonical(contract.payer_email)
    # Prints in the place of addresses: they are equal where those are.
    mine, theirs = f"{email}", f"{prints.of(paid_by)}" if paid_by else None
    asked = Contract(
        id=_ID, payer=payer and type(payer)(id=payer.id), payer_email=theirs, gift_mode=contract.gift_mode, is_gift=contract.is_gift
    )
    fact = Contract(
        id=_ID,
        status=contract.status,
        is_active=contract.is_active,
        contract_duration=contract.contract_duration,
        recurring_interval=contract.recurring_interval,
        items=[Item(purchase_type=one.purchase_type) for one in contract.items or ()] or None,
        is_gift=is_gifted(asked, user_id, mine) or None,
    )
    return Deal(user_id, prints.of(contract.id), fact)


def access(user_id: str, entitlement: Entitlement, prints: Prints) -> Access:
    """Reduce an entitlement."""
    origin = entitlement.origin
    contract = origin.contract_id if origin is not None else None
    fact = Entitlement(
        id=_ID,
        sku=entitlement.sku,
        purchase_option=entitlement.purchase_option,
        title=entitlement.title,
        type=entitlement.type,
        origin=Origin(type=origin.type) if origin is not None else None,
        has_access=entitlement.has_access,
    )
    return Access(user_id, prints.of(entitlement.id), prints.of(contract) if contract else NONE, fact)
