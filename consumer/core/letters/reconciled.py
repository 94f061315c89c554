"""The result of a reconcile as a record of the dead-letter topic, both ways: one record for each list of a vendor."""

from collections.abc import Mapping
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from . import headers as names

RECONCILE: Final = "reconcile"
"""What the header `kind` says; such a record has neither `error.code` nor `letter`, so that releases that don't know it pass it by."""
_MAX_BYTES: Final = 4096
_KEPT: Final = 1000

_Id = Annotated[str, Meta(min_length=1, max_length=256)]
_Count = Annotated[int, Meta(ge=0)]
ListKey = tuple[str, str, str]
"""Vendor, account, list."""


class Reconciled(Struct, frozen=True, kw_only=True, gc=False):
    """How the last look at all readers of one list ended: ids of vendor and list, and counts."""

    vendor: _Id
    account: _Id
    list: _Id
    at_ms: _Count
    """When it ended (wall time)."""
    ended: Annotated[str, Meta(min_length=1, max_length=32)]
    """In the words of the report; a later release may have others."""
    readers: _Count
    """Readers of the vendor that were looked at."""
    repaired: _Count
    left: _Count
    """Differences that were there at its end."""

    @property
    def key(self) -> ListKey:
        """Return which list it is of."""
        return self.vendor, self.account, self.list


_decoder: Final = msgspec.json.Decoder(Reconciled)


def encode(one: Reconciled) -> bytes:
    """Return the value of its record."""
    return msgspec.json.encode(one)


def decode(said: Mapping[str, str], value: bytes | None, *, timestamp_ms: int) -> Reconciled | None:
    """
    Return what a record says of a reconcile; None: it is of another kind, or can't be made out.

    Args:
        said: its headers.
        timestamp_ms: when it was written: a time after that is not believed, for it would stand for ever.
    """
    if said.get(names.KIND) != RECONCILE or not value or len(value) > _MAX_BYTES:
        return None
    try:
        one = _decoder.decode(value)
    except msgspec.MsgspecError:
        return None
    return one if one.at_ms <= timestamp_ms else msgspec.structs.replace(one, at_ms=timestamp_ms)


class Reconciles:
    """
    The last reconcile of each list.

    It promises: the order in which records are read means nothing; memory is O(1,000 lists), of more those that were looked at last.
    """

    def __init__(self) -> None:
        """Begin with none."""
        self._last: dict[ListKey, Reconciled] = {}

    def __len__(self) -> int:
        return len(self._last)

    def read(self, one: Reconciled) -> None:
        """Take a result in."""
        known = self._last.get(one.key)
        if known is not None and known.at_ms > one.at_ms:
            return
        self._last[one.key] = one
        if len(self._last) > _KEPT:
            del self._last[min(self._last, key=lambda key: self._last[key].at_ms)]

    def get(self, vendor: str, account: str, list_id: str) -> Reconciled | None:
        """Return the last of a list; None: none is known."""
        return self._last.get((vendor, account, list_id))
