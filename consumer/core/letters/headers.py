"""The headers of the dead-letter topic: their names, and how what they say is written and read."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, NamedTuple

from msgspec import Struct

from ..model import Place

Headers = Sequence[tuple[str, bytes | None]]
"""As Kafka has them."""

_DIGITS: Final = 19
"""Kafka counts in 64 bits."""
_MAX_HEADER_BYTES: Final = 16_384
"""Ours are far shorter; a longer one is not looked at, for a foreign writer to the topic may write a megabyte."""
KIND: Final = "kind"
"""Header of a record that is neither a letter nor a mark: what it is."""
CODE: Final = "error.code"
STAGE: Final = "error.stage"
ATTEMPTS: Final = "attempts"
ACCOUNT: Final = "makeas.account"
LISTS: Final = "makeas.lists"
SOURCE_TOPIC: Final = "source.topic"
MARKED_AT: Final = "marked_at"
REPLACES: Final = "replaces"
"""Header of a letter that takes the place of older ones: `P:N`, by commas."""
REPLACED: Final = "replaces.origins"
"""What those are, in the same order: `P:N@TIME`, source place and `parked_at`; empty where it is not known."""
MARKED: Final = "letter"
STATE: Final = "state"
SOURCE: Final = ("source.partition", "source.offset")
SOURCE_PARTITIONS: Final = "source.partitions"
"""Header of a letter: how many partitions the source topic had then."""
PARKED_AT: Final = "parked_at"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)


class Origin(Struct, frozen=True, gc=False):
    """What tells a letter from another at the same place, as there is once the dead-letter topic was made anew."""

    partition: int
    offset: int
    """Of the source; -1: none."""
    parked_ms: int

    def headers(self) -> dict[str, str]:
        """Return what a mark repeats of its letter."""
        return dict(zip(SOURCE, (str(self.partition), str(self.offset)), strict=True)) | {PARKED_AT: written_time(self.parked_ms)}


class Named(Struct, frozen=True):
    """A letter as other records name it."""

    place: Place
    origin: Origin | None = None
    """None: whichever letter is there."""

    def means(self, other: Origin | None) -> bool:
        """Say whether the letter with that origin, at this place, is the one."""
        return self.origin is None or self.origin == other


class Identity(NamedTuple):
    """
    What a letter says; two open ones with the same are one letter, written twice.

    A pod that is killed between a letter and its commit writes the letter again: of the same record, for the same lists.
    """

    topic: str
    source: Place
    vendor: str
    user: str
    account: str
    lists: str
    code: str


State = Literal["requeue", "done"]
_STATES: Final[Mapping[str, State]] = {"requeue": "requeue", "done": "done"}


class Mark(Struct, frozen=True):
    """A record that says something of a letter."""

    named: Named
    state: State


def fields(headers: Headers) -> dict[str, str]:
    """Return headers as text; Kafka lets one be without a value, and one that is far too long counts as such."""
    return {name: (value or b"").decode("utf-8", "replace") if len(value or b"") <= _MAX_HEADER_BYTES else "" for name, value in headers}


def places(text: str) -> tuple[Place, ...]:
    """Return the places of `P:N`, by commas; what is none is left out."""
    return tuple(place for part in text.split(",") if (place := Place.read(part)) is not None)


def number(text: str) -> int:
    """Return a number of Kafka's, -1: it is none."""
    return int(text) if text.isdecimal() and len(text) <= _DIGITS else -1


def origin_of(said: Mapping[str, str]) -> Origin | None:
    """Return where a letter comes from, as it says itself, or as a mark repeats it; None: part of that is not said."""
    parked_ms = read_time(said.get(PARKED_AT, ""))
    if parked_ms is None or not all(name in said for name in SOURCE):
        return None
    partition, offset = (number(said[name]) for name in SOURCE)
    return Origin(partition, offset, parked_ms)


def mark_of(said: Mapping[str, str]) -> Mark | None:
    """Return what a record says of a letter; None: it is none of ours."""
    place, state = Place.read(said.get(MARKED, "")), _STATES.get(said.get(STATE, ""))
    return None if place is None or state is None else Mark(Named(place, origin_of(said)), state)


def replaced(said: Mapping[str, str]) -> tuple[Named, ...]:
    """Return the letters whose place a letter takes."""
    named = said.get(REPLACES, "").split(",")
    origins = said[REPLACED].split(",") if REPLACED in said else []
    if len(origins) != len(named):  # It was written before there were any.
        origins = [""] * len(named)
    return tuple(
        Named(place, _origin(origin)) for text, origin in zip(named, origins, strict=True) if (place := Place.read(text)) is not None
    )


def replacing(letters: Sequence[Named]) -> dict[str, str]:
    """Return the headers of a letter that takes the place of others."""
    return {
        REPLACES: ",".join(str(one.place) for one in letters),
        REPLACED: ",".join(_written(one.origin) for one in letters),
    }


def _written(origin: Origin | None) -> str:
    return "" if origin is None else f"{Place(origin.partition, origin.offset)}@{written_time(origin.parked_ms)}"


def _origin(text: str) -> Origin | None:
    source, _, parked_at = text.partition("@")
    return origin_of(dict(zip(SOURCE, source.partition(":")[::2], strict=True)) | {PARKED_AT: parked_at})


def read_time(text: str) -> int | None:
    """Return a time (ms) as headers have it, UTC where no zone is said; None: it is none."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return ((at.replace(tzinfo=UTC) if at.tzinfo is None else at) - _EPOCH) // _MS


def written_time(at_ms: int) -> str:
    """Return a time (ms) as headers have it."""
    return (_EPOCH + at_ms * _MS).isoformat(timespec="milliseconds").replace("+00:00", "Z")
