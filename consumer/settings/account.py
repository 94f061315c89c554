"""An account: the lists of one vendor that share a credential, as the settings write them."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Final

from ..core.model import AccountId, Addressee
from .secret import Secret

_PLAIN: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Account(Addressee, frozen=True, kw_only=True):
    """
    The lists of one vendor that share a credential: one conversation serves them all.

    `id` names the credential, as the settings write it; vendors that use the very same share the id, and so the gate.
    """

    vendor: str
    api_key: Secret
    names: Mapping[str, str] = {}
    """List -> its name for people, where it has one."""
    paused: frozenset[str] = frozenset()
    """The lists that nothing is written to for now."""

    @property
    def is_paused(self) -> bool:
        """Say whether all of its lists are paused: nothing at all is written."""
        return self.paused.issuperset(self.lists)


def account_ids(credentials: Iterable[tuple[str, Secret]]) -> dict[tuple[str, Secret], AccountId]:
    """Name each credential by Make's user id, numbered where one has several keys: nothing else may tell two apart, consent is by it."""
    ids: dict[tuple[str, Secret], AccountId] = {}
    for credential in credentials:
        user_id = credential[0]
        if credential in ids:
            continue
        # The id becomes a metric label: an address in it must not.
        name = user_id if _PLAIN.fullmatch(user_id) else f"account-{hashlib.sha256(user_id.encode()).hexdigest()[:8]}"
        unique, number = AccountId(name), 1
        while unique in ids.values():
            number += 1
            unique = AccountId(f"{name}-{number}")
        ids[credential] = unique
    return ids
