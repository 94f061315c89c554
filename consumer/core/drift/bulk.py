"""The readers as they were read in bulk, whole, so that those that are nowhere at Make.as can be written from it: a first load."""

from array import array
from collections.abc import Collection, Sequence
from typing import Any, Final, TypeVar

import msgspec
from msgspec import structs

from ..answers.snapshot import Contract, Entitlement, Origin, Payer, Profile, Snapshot
from ..model import UserKey

FRESH_S: Final = 3600.0
"""What was read longer ago is not written."""
_NO_ID: Final = "-"
_SIZE_BYTES: Final = 4
_OWN: Final = {
    Contract: (
        "id",
        "start_date",
        "created_at",
        "end_date",
        "canceled_at",
        "ended_at",
        "expires_at",
        "will_cancel_at",
        "payer",
        "payer_email",
    ),
    Entitlement: ("id",),
}
"""Fields that are of one row alone; the others, of many rows, are kept once."""

Row = TypeVar("Row", Contract, Entitlement)


class Bulk:
    """
    The readers of one vendor, as its lists gave them, in memory alone.

    It promises: a reader is given only whole, as read within the last hour, and never once an event of it has come; a row that came twice
    counts as it came last; memory is about 400 bytes a reader with its rows.
    """

    def __init__(self, vendor: str) -> None:
        """Begin with none."""
        self._vendor = vendor
        self._index: dict[str, int] = {}
        self._read_at = array("d")
        self._profiles: list[bytes] = []
        self._rows: list[bytes] = []
        self._shared: dict[bytes, int] = {}
        self._parts: list[Contract | Entitlement] = []

    def take_users(self, rows: Sequence[tuple[str, Profile]], *, now: float) -> None:
        """Take readers; `now`: when their page was asked for (s)."""
        for user, profile in rows:
            place = self._index.get(user)
            if place is None:
                place = self._index[user] = len(self._profiles)
                self._profiles.append(b"")
                self._rows.append(b"")
                self._read_at.append(now)
            self._profiles[place] = msgspec.msgpack.encode(list(_values(profile)))
            self._read_at[place] = min(self._read_at[place], now)

    def take_rows(self, rows: Sequence[Contract | Entitlement]) -> None:
        """Take contracts or entitlements that name a reader which was taken."""
        for row in rows:
            place = self._index.get(row.user_id or "")
            if place is not None:
                self._rows[place] += self._packed(row)

    def drop(self, user: str) -> None:
        """Forget a reader: an event of it has come, or it is at Make.as already."""
        place = self._index.pop(user, None)
        if place is not None:
            self._profiles[place] = self._rows[place] = b""

    def keep(self, users: Collection[str]) -> int:
        """Forget all but these; return how many of them there are."""
        for user in self._index.keys() - users:
            self.drop(user)
        return len(self._index)

    def clear(self) -> None:
        """Forget all."""
        for user in list(self._index):
            self.drop(user)

    def snapshot(self, user: str, *, now: float) -> Snapshot | None:
        """Return a reader as it was read; None: it was not, or too long ago."""
        place = self._index.get(user)
        if place is None or now - self._read_at[place] > FRESH_S:
            return None
        contracts, entitlements = dict[str, Contract](), dict[str, Entitlement]()
        unpacker = msgspec.msgpack.Decoder()
        rest = memoryview(self._rows[place])
        while rest:
            size, rest = int.from_bytes(rest[:_SIZE_BYTES], "big"), rest[_SIZE_BYTES:]
            number, *own = unpacker.decode(rest[:size])
            rest = rest[size:]
            row = _whole(self._parts[number], own, user)
            (contracts if isinstance(row, Contract) else entitlements)[row.id] = row
        values = msgspec.msgpack.decode(self._profiles[place])
        return Snapshot(
            user=UserKey(self._vendor, user),
            profile=Profile(**dict(zip(Profile.__struct_fields__, values, strict=False))),
            contracts=tuple(contracts.values()),
            entitlements=tuple(entitlements.values()),
        )

    def _packed(self, row: Contract | Entitlement) -> bytes:
        own = _OWN[type(row)]
        part = structs.replace(row, user_id=None, **{name: _NO_ID if name == "id" else None for name in own})
        values: list[Any] = [msgspec.to_builtins(getattr(row, name)) for name in own]
        if isinstance(row, Entitlement) and row.origin is not None:
            part = structs.replace(part, origin=Origin(type=row.origin.type))
            values.append(row.origin.contract_id)
        while values[-1] is None:
            values.pop()
        key = type(row).__name__.encode() + msgspec.msgpack.encode(part)
        number = self._shared.setdefault(key, len(self._parts))
        if number == len(self._parts):
            self._parts.append(part)
        packed = msgspec.msgpack.encode([number, *values])
        return len(packed).to_bytes(_SIZE_BYTES, "big") + packed


def _values(profile: Profile) -> tuple[object, ...]:
    values = tuple(getattr(profile, name) for name in Profile.__struct_fields__)
    last = max((place for place, value in enumerate(values) if value is not None), default=-1)
    return values[: last + 1]


def _whole(part: Row, own: Sequence[Any], user: str) -> Row:
    names = _OWN[type(part)]
    given = dict(zip(names, own, strict=False))
    if isinstance(part, Contract):
        if given.get("payer") is not None:
            given["payer"] = msgspec.convert(given["payer"], Payer)
        return structs.replace(part, user_id=user, **given)
    if len(own) > len(names) and part.origin is not None:
        given["origin"] = Origin(type=part.origin.type, contract_id=own[-1])
    return structs.replace(part, user_id=user, **given)
