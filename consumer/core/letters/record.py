"""A record of the dead-letter topic as it is read: a letter, or a mark that says something of one. Pure."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from msgspec import Struct

from ..errors import Unreadable
from ..events import Ignored, decode
from ..model import UserKey
from ..partitioner import partition_of, usual_key

Place = tuple[int, int]
"""Partition and offset in the dead-letter topic."""
Headers = Sequence[tuple[str, bytes | None]]
_DIGITS: Final = 19
"""Kafka counts in 64 bits."""
_MAX_HEADER_BYTES: Final = 16_384
"""Ours are far shorter; a longer one is looked at by nobody, for whoever may write to the topic may write a megabyte."""
KEY_BYTES: Final = 1024
"""A longer key is not kept: with one near Kafka's limit no letter could be written, and its offset never closed."""
HELD: Final = "held"
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


class OpenLetter(Struct, gc=False):
    """What a pod keeps of an open letter of a user."""

    user: UserKey
    type: str
    account: str | None
    """Make's user id; None: owed to all accounts."""
    lists: str
    """By commas."""
    held: bool
    partition: int
    offset: int
    """Of the source; -1: none."""
    partitions: int
    """Of the source topic, when it was parked; 0: not said."""
    parked_ms: int
    read_at: float
    """Loop's clock (s)."""
    key: bytes | None = None
    """None: the usual one."""
    has_origin: bool = True
    """False: its headers don't say when it was parked, or of what."""
    requeued: bool = False

    @property
    def origin(self) -> Origin | None:
        """Return what marks repeat of it."""
        return Origin(self.partition, self.offset, self.parked_ms) if self.has_origin else None

    def home(self, partitions: int) -> int:
        """
        Return the source partition whose owner tries the letter again: all pods find the same one, by the letter alone.

        Args:
            partitions: how many the source topic has now.
        """
        if (self.partitions or partitions) == partitions and 0 <= self.partition < partitions:
            return self.partition
        return partition_of(usual_key(self.user) if self.key is None else self.key, partitions)


State = Literal["requeue", "done"]
_STATES: Final[Mapping[str, State]] = {"requeue": "requeue", "done": "done"}


class Mark(Struct, frozen=True):
    """A record that says something of a letter."""

    named: Named
    state: State


class Record(Struct, frozen=True):
    """What one record of the dead-letter topic says, where it says anything to a pod."""

    mark: Mark | None = None
    letter: OpenLetter | None = None
    replaces: tuple[Named, ...] = ()


def parse(headers: Headers, value: bytes | None, key: bytes | None, *, timestamp_ms: int, now: float) -> Record:
    """
    Return what a record says.

    Args:
        timestamp_ms: when it was written.
        now: the loop's clock (s).
    """
    said = fields(headers)
    if MARKED in said:
        return Record(mark=mark_of(said))
    return Record(letter=_letter(said, value, key, timestamp_ms=timestamp_ms, now=now), replaces=replaced(said))


def fields(headers: Headers) -> dict[str, str]:
    """Return headers as text; Kafka lets one be without a value, and one that is far too long counts as such."""
    return {name: (value or b"").decode("utf-8", "replace") if len(value or b"") <= _MAX_HEADER_BYTES else "" for name, value in headers}


def places(text: str) -> tuple[Place, ...]:
    """Return the places of `P:N`, by commas; what is none is left out."""
    return tuple(place for part in text.split(",") if (place := _place(part)) is not None)


def _place(text: str) -> Place | None:
    partition, offset = map(_number, text.partition(":")[::2])
    return (partition, offset) if partition >= 0 and offset >= 0 else None


def _number(text: str) -> int:
    """Return a number of Kafka's, -1: it is none."""
    return int(text) if text.isdecimal() and len(text) <= _DIGITS else -1


def origin_of(said: Mapping[str, str]) -> Origin | None:
    """Return where a letter comes from, as it says itself, or as a mark repeats it; None: part of that is not said."""
    parked_ms = read_time(said.get(PARKED_AT, ""))
    if parked_ms is None or not all(name in said for name in SOURCE):
        return None
    partition, offset = (_number(said[name]) for name in SOURCE)
    return Origin(partition, offset, parked_ms)


def mark_of(said: Mapping[str, str]) -> Mark | None:
    """Return what a record says of a letter; None: it is none of ours."""
    place, state = _place(said.get(MARKED, "")), _STATES.get(said.get(STATE, ""))
    return None if place is None or state is None else Mark(Named(place, origin_of(said)), state)


def replaced(said: Mapping[str, str]) -> tuple[Named, ...]:
    """Return the letters whose place a letter takes."""
    named = said.get(REPLACES, "").split(",")
    origins = said[REPLACED].split(",") if REPLACED in said else []
    if len(origins) != len(named):  # It was written before there were any.
        origins = [""] * len(named)
    return tuple(Named(place, _origin(origin)) for text, origin in zip(named, origins, strict=True) if (place := _place(text)) is not None)


def replacing(letters: Sequence[Named]) -> dict[str, str]:
    """Return the headers of a letter that takes the place of others."""
    return {
        REPLACES: ",".join(f"{one.place[0]}:{one.place[1]}" for one in letters),
        REPLACED: ",".join(_written(one.origin) for one in letters),
    }


def _written(origin: Origin | None) -> str:
    return "" if origin is None else f"{origin.partition}:{origin.offset}@{written_time(origin.parked_ms)}"


def _origin(text: str) -> Origin | None:
    source, _, parked_at = text.partition("@")
    return origin_of(dict(zip(SOURCE, source.partition(":")[::2], strict=True)) | {PARKED_AT: parked_at})


def _letter(said: Mapping[str, str], value: bytes | None, key: bytes | None, *, timestamp_ms: int, now: float) -> OpenLetter | None:
    """Return a user's letter; None: it has no value, or is none of ours."""
    if not value or "error.code" not in said:
        return None
    try:
        event = decode(value)
    except Unreadable:
        return None
    if isinstance(event, Ignored):
        return None
    origin = origin_of(said)
    parked_ms = read_time(said.get(PARKED_AT, ""))
    is_usual = key is None or len(key) > KEY_BYTES or key == usual_key(event.user)
    return OpenLetter(
        user=event.user,
        type=event.type,
        account=said.get("makeas.account"),
        lists=said.get("makeas.lists", ""),
        held=said["error.code"] == HELD,
        partition=_number(said.get(SOURCE[0], "")),
        offset=_number(said.get(SOURCE[1], "")),
        partitions=max(0, _number(said.get(SOURCE_PARTITIONS, ""))),
        parked_ms=timestamp_ms if parked_ms is None else parked_ms,
        read_at=now,
        key=None if is_usual else key,
        has_origin=origin is not None,
    )


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
