"""Bytes a reader, where all readers of a vendor are read and compared."""

import gc
import tracemalloc
from collections.abc import Iterator

from msgspec import convert

from consumer.core.answers.snapshot import Contract, Entitlement, Item, Origin, Profile
from consumer.core.drift.contacts import Contacts
from consumer.core.drift.prints import Prints
from consumer.core.drift.readers import Readers
from consumer.core.drift.reduced import access, deal, known
from consumer.core.mapping.contact import Contact
from consumer.core.model import AccountId

READERS = 100_000
_CONTRACTS, _ENTITLEMENTS = 130_000, 200_000
_PRINTS = Prints(b"key")
_PAGE = 1000


def _user(number: int) -> str:
    return f"email|{number % READERS:024d}"


def _profile(number: int) -> Profile:
    return Profile(email=f"reader.{number}@example.com", first_name=f"First{number}", last_name=f"Last{number}")


def _contract(number: int) -> Contract:
    status = ("ACTIVE", "EXPIRED", "OVERDUE")[number % 3]
    item = Item(sku=f"sku-{number % 40}", purchase_type="RECURRING")
    return Contract(id=f"contract-{number:020d}", status=status, contract_duration="RECURRING", items=[item])


def _entitlement(number: int) -> Entitlement:
    origin = Origin(type="PAYMENTS", contract_id=f"contract-{number % _CONTRACTS:020d}")
    kind = "article" if number % 9 == 0 else "pass"
    return Entitlement(
        id=f"access-{number:020d}", sku=f"sku-{number % 40}", title=f"Title {number % 40}", type=kind, origin=origin, has_access=True
    )


def _contacts(numbers: range) -> Iterator[Contact]:
    for number in numbers:
        yield convert({"id": number, "email": f"reader.{number}@example.com", "external_id": _user(number), "tags": ["VIP"]}, Contact)


def filled() -> tuple[Readers, Contacts]:
    """Read all readers, and two lists on which each stands, page by page."""
    readers = Readers("vendor_123", _PRINTS)
    readers.take_users(known(_user(number), _profile(number), _PRINTS) for number in range(READERS))
    readers.take_contracts(
        deal(_user(number), _contract(number), readers.address(number % READERS), _PRINTS) for number in range(_CONTRACTS)
    )
    readers.take_entitlements(access(_user(number), _entitlement(number), _PRINTS) for number in range(_ENTITLEMENTS))
    readers.settle(has_tags=True)
    account = Contacts(AccountId("1"), {"7": ["vendor_123"], "8": ["vendor_123"]}, {"vendor_123": readers}, keep_single_purchase=True)
    for one in account.lists:
        for first in range(0, READERS, _PAGE):
            account.take(one, tuple(_contacts(range(first, first + _PAGE))), left=False)
    return readers, account


async def main() -> None:
    gc.collect()
    tracemalloc.start()
    kept = filled()
    stays, most = (one / READERS for one in tracemalloc.get_traced_memory())
    tracemalloc.stop()
    print(f"  {most:.0f} bytes a reader at most, {stays:.0f} that stay ({len(kept[0]):,} readers, {kept[0].rows:,} rows, two lists)")
