"""Readers of a vendor, as Sesamy's lists would give them."""

from collections.abc import Mapping, Sequence

from consumer.core.answers.snapshot import Contract, Entitlement, Profile
from consumer.core.drift.prints import Prints
from consumer.core.drift.readers import Readers
from consumer.core.drift.reduced import access, deal, known

PRINTS = Prints(b"key")


def settled(
    profiles: Mapping[str, Profile],
    contracts: Mapping[str, Sequence[Contract]] | None = None,
    entitlements: Mapping[str, Sequence[Entitlement]] | None = None,
    *,
    vendor: str = "v",
    prints: Prints = PRINTS,
    has_tags: bool = True,
) -> Readers:
    """Return readers with their rows, all read."""
    readers = Readers(vendor, prints)
    readers.take_users(known(user, profile, prints) for user, profile in profiles.items())
    for user, rows in (contracts or {}).items():
        number = readers.find(user)
        readers.take_contracts(deal(user, one, 0 if number is None else readers.address(number), prints) for one in rows)
    for user, accesses in (entitlements or {}).items():
        readers.take_entitlements(access(user, one, prints) for one in accesses)
    readers.settle(has_tags=has_tags)
    return readers
