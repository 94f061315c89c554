"""Events: a record's bytes in, an event out. Only ids are kept; nothing of a record is quoted."""

from enum import Enum
from sys import intern
from typing import Annotated, Final, TypeGuard

import msgspec
from msgspec import Meta, Struct

from .errors import Unreadable
from .model import ID_CHARS, Event, UserKey

MAX_RECORD_BYTES: Final = 65_536
TYPES: Final = frozenset(
    {
        "userVendor.1#new",
        "userVendor.1#update",
        "contract.1#purchased",
        "contract.1#update",
        "contract#cancelRequest",
        "checkout.1#confirm",
        "entitlement.1#new",
        "entitlement.1#update",
    }
)
"""The eight standard events, as they are documented (Sesamy's webhook guide)."""
URGENT: Final = frozenset({"checkout.1#confirm", "contract.1#purchased", "userVendor.1#new"})
"""A reader that has just paid or registered waits for what follows."""


def _family_and_action(type_: str) -> tuple[str, str]:
    """Take the version out: `contract.1#update`, `contract.2#update` and `contract#update` are one."""
    name, _, action = type_.partition("#")
    family, dot, version = name.rpartition(".")
    return (family if dot and version.isascii() and version.isdecimal() else name), action


# One string object per type and vendor, however many users hold it.
_CANONICAL: Final = {one: one for one in TYPES}
_BY_WORDS: Final = {_family_and_action(one): one for one in TYPES}


class Ignored(Enum):
    """A record that asks for nothing: counted, and done."""

    TOMBSTONE = "tombstone"

    @property
    def reason(self) -> str:
        """Return it as a slug."""
        return self.value


class Unknown(Struct, frozen=True, gc=False):
    """An event of a type that is none of the eight: whether it counts is a setting, so it is no `Event`."""

    user: UserKey
    type: str
    """As it stands there: foreign, at most 256 characters."""


_Id = Annotated[str, Meta(min_length=1, max_length=ID_CHARS)]


class _Usable(Struct, gc=False):
    """What we read of an event; anything else in it is skipped, whatever it holds: the ids are all that a resync needs."""

    eventType: _Id  # noqa: N815 - the wire's name
    vendorId: _Id  # noqa: N815
    userId: _Id  # noqa: N815


class _Any(Struct, gc=False):
    """The same, whatever stands there: it tells a record without ids from one that is no JSON object."""

    eventType: object = None  # noqa: N815 - the wire's name
    vendorId: object = None  # noqa: N815
    userId: object = None  # noqa: N815


_decode_usable = msgspec.json.Decoder(_Usable).decode
_decode_any = msgspec.json.Decoder(_Any).decode


def decode(value: bytes | None) -> Event | Unknown | Ignored:
    """
    Return the event of a record's value, or why there is nothing to do.

    Of a type, family and action decide, the version does not; an event has one of the eight documented spellings.
    Of a key that stands twice, the last one counts.

    Raises:
        Unreadable: `too-large`, `not-json` (also JSON that is no object, or text that UTF-8 can't hold), or `no-ids`.
    """
    if value is None:
        return Ignored.TOMBSTONE
    if len(value) > MAX_RECORD_BYTES:
        raise Unreadable("record larger than 64 KiB", code="too-large")
    try:
        wire = _decode_usable(value)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        wire = _decode_again(value)
    key = UserKey(intern(wire.vendorId), wire.userId)
    known = _CANONICAL.get(wire.eventType) or _BY_WORDS.get(_family_and_action(wire.eventType))
    return Event(key, known) if known is not None else Unknown(key, wire.eventType)


def _decode_again(value: bytes) -> _Usable:
    """Decode what the quick way does not take: it may be usable yet, where a key stands twice; else say what is wrong."""
    try:
        wire = _decode_any(value)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        # Not chained: the decoder's text may quote the record.
        raise Unreadable("record is no JSON object", code="not-json") from None
    type_, vendor, user = wire.eventType, wire.vendorId, wire.userId
    if not (_is_id(type_) and _is_id(vendor) and _is_id(user)):
        raise Unreadable("eventType, vendorId or userId is missing or unusable", code="no-ids") from None
    return _Usable(type_, vendor, user)


def _is_id(value: object) -> TypeGuard[str]:
    return type(value) is str and 0 < len(value) <= ID_CHARS


def encode(event: Event) -> bytes:
    """Return the event as a dead letter's value: ids only."""
    return msgspec.json.encode({"eventType": event.type, "vendorId": event.user.vendor, "userId": event.user.user})
