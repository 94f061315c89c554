"""A webhook's body: one event, or several at once; what goes to the topic of each, and what is refused."""

import re
from typing import Final

import msgspec
from msgspec import Struct

from .errors import Unreadable
from .events import Ignored, Unknown, decode, encode
from .model import Event, UserKey
from .partitioner import usual_key

MAX_EVENTS: Final = 1000
"""In one body."""


class Accepted(Struct, frozen=True):
    """One event, as it goes to the topic: ids only, by the key that puts a user on one partition."""

    user: UserKey
    key: bytes
    value: bytes


class Refusal(Struct, frozen=True):
    """One event that can't be used: its place in the body, from 0 on, and why."""

    position: int
    code: str


class Body(Struct, frozen=True):
    """What a body holds, in its order."""

    accepted: tuple[Accepted, ...]
    refused: tuple[Refusal, ...]


class BadBody(Unreadable):
    """A body of which nothing can be used; `at_byte` is the place of the fault in it, where one is known."""

    def __init__(self, text: str, *, code: str, at_byte: int | None = None) -> None:
        """Take what is wrong, and where."""
        super().__init__(text, code=code)
        self.at_byte = at_byte


_split = msgspec.json.Decoder(list[msgspec.Raw]).decode
_whole = msgspec.json.Decoder(msgspec.Raw).decode
_AT: Final = re.compile(r"\(byte (\d+)\)")


def read(body: bytes) -> Body:
    """
    Read the body of a webhook: a JSON object, or an array of at most 1,000.

    Raises:
        BadBody: `not-json`; `too-many`, it has more events; `no-events`, it has none.
    """
    try:
        rows = _split(body) if body.lstrip(b" \t\r\n").startswith(b"[") else [_whole(body)]
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        # Not chained, and its text not kept: it may quote the body.
        at = _AT.search(str(error))
        at_byte = int(at[1]) if at else None
        raise BadBody("the body is no JSON", code="not-json", at_byte=at_byte) from None
    if len(rows) > MAX_EVENTS:
        raise BadBody(f"the body has more than {MAX_EVENTS} events", code="too-many")
    if not rows:
        raise BadBody("the body has no event", code="no-events")
    return _read([bytes(row) for row in rows])


def _read(rows: list[bytes]) -> Body:
    accepted, refused = list[Accepted](), list[Refusal]()
    for position, row in enumerate(rows):
        try:
            accepted.append(_accepted(row))
        except Unreadable as error:
            refused.append(Refusal(position, error.code))
    return Body(tuple(accepted), tuple(refused))


def _accepted(row: bytes) -> Accepted:
    found = decode(row)
    if isinstance(found, Ignored):  # Of bytes there is none.
        raise Unreadable("nothing is asked for", code="no-ids")
    event = Event(found.user, found.type) if isinstance(found, Unknown) else found
    key = usual_key(event.user)
    return Accepted(event.user, key, encode(event))
