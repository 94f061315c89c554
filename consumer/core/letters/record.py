"""A record of the dead-letter topic, both ways: a letter, a mark that says something of one, or how a reconcile ended."""

import sys
from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from ..errors import Unreadable
from ..events import Ignored, decode, encode
from ..model import AccountId, Addressee, Event, Letter, Place, UserKey
from ..partitioner import partition_of, usual_key
from ..text import shown
from ..users.debts import HELD
from . import headers as names
from . import reconciled as reconciles
from .headers import (
    Headers,
    Identity,
    Mark,
    Named,
    Origin,
    fields,
    mark_of,
    number,
    origin_of,
    read_time,
    replaced,
    replacing,
    written_time,
)
from .reconciled import RECONCILE, Reconciled

KEY_BYTES: Final = 1024
"""A longer key is not kept: with one near Kafka's limit no letter could be written, and its offset never closed."""
_CODE_CHARS: Final = 64
"""Ours are shorter."""

# ---- Reading ----


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
    code: str = ""
    """Why it was parked; one text for all letters that have it."""
    topic: str = ""
    """Of the source; one text for all letters that have it."""

    @property
    def heals(self) -> bool:
        """Say whether it is tried again without anybody, or since somebody asked."""
        return self.held or self.requeued

    @property
    def identity(self) -> Identity | None:
        """Return what it says; None: its source is not known, so that no other is known to be the same."""
        if self.partition < 0 or self.offset < 0:
            return None
        source = Place(self.partition, self.offset)
        return Identity(self.topic, source, self.user.vendor, self.user.user, self.account or "", self.lists, self.code)

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


class Record(Struct, frozen=True):
    """What one record of the dead-letter topic says, where it says anything to a pod."""

    mark: Mark | None = None
    letter: OpenLetter | None = None
    replaces: tuple[Named, ...] = ()
    unreadable: str = ""
    """Code of a letter that holds no user's event, so that nobody can try it; empty: it is none."""
    source: Place | None = None
    """Of such a letter: the record that can't be read; None: not known."""
    reconciled: Reconciled | None = None
    """How a reconcile ended at one list."""


def parse(headers: Headers, value: bytes | None, key: bytes | None, *, timestamp_ms: int, now: float) -> Record:
    """
    Return what a record says.

    Args:
        timestamp_ms: when it was written.
        now: the loop's clock (s).
    """
    said = fields(headers)
    if names.MARKED in said:
        return Record(mark=mark_of(said))
    if names.KIND in said and names.CODE not in said:
        return Record(reconciled=reconciles.decode(said, value, timestamp_ms=timestamp_ms))
    letter = _letter(said, value, key, timestamp_ms=timestamp_ms, now=now)
    unreadable = _code(said) if letter is None and names.CODE in said else ""
    return Record(letter=letter, replaces=replaced(said), unreadable=unreadable, source=_source(said) if unreadable else None)


def _source(said: Mapping[str, str]) -> Place | None:
    return Place.read(":".join(said.get(name, "") for name in names.SOURCE))


def _code(said: Mapping[str, str]) -> str:
    return sys.intern(shown(said[names.CODE])) or "?"


def _letter(said: Mapping[str, str], value: bytes | None, key: bytes | None, *, timestamp_ms: int, now: float) -> OpenLetter | None:
    """Return a user's letter; None: it has no value, or is none of ours."""
    if not value or names.CODE not in said:
        return None
    try:
        event = decode(value)
    except Unreadable:
        return None
    if isinstance(event, Ignored):
        return None
    origin = origin_of(said)
    parked_ms = read_time(said.get(names.PARKED_AT, ""))
    is_usual = key is None or len(key) > KEY_BYTES or key == usual_key(event.user)
    return OpenLetter(
        user=event.user,
        type=event.type,
        account=said.get(names.ACCOUNT),
        lists=said.get(names.LISTS, ""),
        held=said[names.CODE] == HELD,
        partition=number(said.get(names.SOURCE[0], "")),
        offset=number(said.get(names.SOURCE[1], "")),
        partitions=max(0, number(said.get(names.SOURCE_PARTITIONS, ""))),
        parked_ms=timestamp_ms if parked_ms is None else parked_ms,
        read_at=now,
        key=None if is_usual else key,
        has_origin=origin is not None,
        code=_code(said),
        topic=sys.intern(said.get(names.SOURCE_TOPIC, "")),
    )


# ---- Writing ----


class ToWrite(Struct, frozen=True):
    """A record that is to be written to the dead-letter topic."""

    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...]
    partition: int | None = None
    """None: where its key belongs."""


class Writing(Struct, frozen=True):
    """How letters are put into words: what each says of its source and of its account."""

    source_topic: str
    addressees: Mapping[tuple[str, AccountId], Addressee]
    """By vendor and account."""

    def of_user(self, letters: Sequence[Letter], taken: Sequence[Named], *, partitions: int, now_ms: int) -> list[ToWrite]:
        """
        Return the letters of one user.

        Args:
            taken: open letters whose place they take; the last says so, for before it all others are there.
            partitions: of the source topic now; 0: not known.
            now_ms: wall time (ms).
        """
        said = [self._user_headers(letter, partitions=partitions, now_ms=now_ms) for letter in letters]
        if taken:
            said[-1] |= replacing(taken)
        return [_to_write(letter, headers) for letter, headers in zip(letters, said, strict=True)]

    def of_record(self, letter: Letter, *, partitions: int, now_ms: int) -> ToWrite:
        """Return the letter of a record that can't be read; neither its key nor its value is null, which Kafka might refuse."""
        key = str(Place(letter.partition, letter.offset)).encode() if letter.key is None else letter.key
        return ToWrite(key, b"", _as_bytes(self._headers(letter, partitions=partitions, now_ms=now_ms)))

    def _user_headers(self, letter: Letter, *, partitions: int, now_ms: int) -> dict[str, str]:
        assert letter.user is not None
        headers = self._headers(letter, partitions=partitions, now_ms=now_ms)
        headers[names.ATTEMPTS] = str(letter.attempts)
        if letter.account is not None:
            addressee = self.addressees[letter.user.vendor, letter.account]
            headers |= {names.ACCOUNT: addressee.user_id, names.LISTS: ",".join(letter.lists or addressee.lists)}
        return headers

    def _headers(self, letter: Letter, *, partitions: int, now_ms: int) -> dict[str, str]:
        headers = {
            names.CODE: letter.code,
            names.STAGE: letter.stage,
            names.SOURCE_TOPIC: self.source_topic,
            names.SOURCE[0]: str(letter.partition),
            names.SOURCE[1]: str(letter.offset),
            names.PARKED_AT: written_time(now_ms),
        }
        partitions = partitions if letter.partitions is None else letter.partitions
        return headers | ({names.SOURCE_PARTITIONS: str(partitions)} if partitions else {})


def mark(letter: Named, state: names.State, *, now_ms: int) -> ToWrite:
    """Return the record that says something of a letter; it goes behind the letter, into its partition."""
    headers = {names.MARKED: str(letter.place), names.STATE: state, names.MARKED_AT: written_time(now_ms)}
    if letter.origin is not None:
        headers |= letter.origin.headers()
    return ToWrite(headers[names.MARKED].encode(), b"", _as_bytes(headers), partition=letter.place.partition)


def reconciled(one: Reconciled) -> ToWrite:
    """Return the record that says how a reconcile ended at one list."""
    key = "/".join((RECONCILE, *one.key)).encode()
    return ToWrite(key, reconciles.encode(one), _as_bytes({names.KIND: RECONCILE}))


def _to_write(letter: Letter, headers: Mapping[str, str]) -> ToWrite:
    assert letter.user is not None
    key = letter.key if letter.key is not None else usual_key(letter.user)
    return ToWrite(key, encode(Event(letter.user, letter.type or "")), _as_bytes(headers))


def _as_bytes(headers: Mapping[str, str]) -> tuple[tuple[str, bytes], ...]:
    return tuple((name, value.encode()) for name, value in headers.items())
