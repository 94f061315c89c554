"""What the dead-letter topic says: which letters are open, and what became of the others. Pure."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, Literal

from msgspec import Struct

from .errors import Unreadable
from .events import Ignored, decode
from .model import AccountId, UserKey
from .settings import Account

Place = tuple[int, int]
"""Partition and offset in the dead-letter topic."""
Headers = Sequence[tuple[str, bytes | None]]
_DIGITS: Final = 19
"""Kafka counts in 64 bits."""
HELD: Final = "held"
REPLACES: Final = "replaces"
"""Header of a letter that takes the place of older ones: `P:N`, by commas."""
MARKED: Final = "letter"
STATE: Final = "state"


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
    """Of the source."""
    parked_ms: int
    read_at: float
    """Loop's clock (s)."""
    requeued: bool = False


class Mark(Struct, frozen=True):
    """A record that says something of a letter."""

    place: Place
    state: Literal["requeue", "done"]


def fields(headers: Headers) -> dict[str, str]:
    """Return headers as text; Kafka lets one be without a value."""
    return {name: (value or b"").decode("utf-8", "replace") for name, value in headers}


def places(text: str) -> tuple[Place, ...]:
    """Return the places of `P:N`, by commas; what is none is left out."""
    found = []
    for part in text.split(","):
        partition, _, offset = part.partition(":")
        if partition.isdecimal() and offset.isdecimal() and max(len(partition), len(offset)) <= _DIGITS:
            found.append((int(partition), int(offset)))
    return tuple(found)


def mark_of(said: Mapping[str, str]) -> Mark | None:
    """Return what a record says of a letter; None: it is none of ours."""
    named, state = places(said.get(MARKED, "")), said.get(STATE, "")
    if len(named) != 1:
        return None
    return Mark(named[0], "done") if state == "done" else Mark(named[0], "requeue") if state == "requeue" else None


def letter_of(said: Mapping[str, str], value: bytes | None, *, timestamp_ms: int, now: float) -> OpenLetter | None:
    """Return a user's letter; None: it has no value, or is none of ours."""
    if not value or "error.code" not in said:
        return None
    try:
        event = decode(value)
        partition, offset = int(said.get("source.partition", "-1")), int(said.get("source.offset", "-1"))
    except (Unreadable, ValueError):
        return None
    if isinstance(event, Ignored):  # Of an unknown type it may well be, where those are resynced.
        return None
    return OpenLetter(
        user=event.user,
        type=event.type,
        account=said.get("makeas.account"),
        lists=said.get("makeas.lists", ""),
        held=said["error.code"] == HELD,
        partition=max(partition, 0),
        offset=offset,
        parked_ms=_parked_ms(said.get("parked_at", ""), timestamp_ms),
        read_at=now,
    )


def _parked_ms(text: str, otherwise: int) -> int:
    try:
        return round(datetime.fromisoformat(text).timestamp() * 1000)
    except ValueError:
        return otherwise


class Letterbook:
    """
    The open letters of users.

    It promises: memory is O(open letters); a letter is open until a `done` names it, or a newer letter that takes its
    place; the order of `done` and of what it names means nothing; a mark of a letter that is not known is let go.
    """

    def __init__(self) -> None:
        self._open: OrderedDict[Place, OpenLetter] = OrderedDict()
        self._by_user: dict[UserKey, tuple[Place, ...]] = {}
        # Partition -> the newest offset read; and what was closed before it was read.
        self._read_to: dict[int, int] = {}
        self._closed_ahead: set[Place] = set()

    def __len__(self) -> int:
        return len(self._open)

    def __contains__(self, place: Place) -> bool:
        return place in self._open

    def __getitem__(self, place: Place) -> OpenLetter:
        return self._open[place]

    def items(self) -> Iterable[tuple[Place, OpenLetter]]:
        """Return the open letters, the oldest of each partition first."""
        return self._open.items()

    def oldest_parked_ms(self) -> int | None:
        """Return when the oldest open letter was parked (ms); None: there is none; O(open letters)."""
        return min((letter.parked_ms for letter in self._open.values()), default=None)

    def of_user(self, user: UserKey) -> tuple[Place, ...]:
        """Return where a user's open letters are."""
        return self._by_user.get(user, ())

    def read(self, place: Place, headers: Headers, value: bytes | None, *, timestamp_ms: int, now: float) -> Place | None:
        """Take a record in; return the place of a letter that may be tried from now on."""
        said = fields(headers)
        self._read_to[place[0]] = place[1]
        if MARKED in said:
            return self._mark(mark_of(said))
        for replaced in places(said.get(REPLACES, "")):
            self.close(replaced)
        letter = letter_of(said, value, timestamp_ms=timestamp_ms, now=now)
        if place in self._closed_ahead:
            self._closed_ahead.remove(place)
            return None
        if letter is None:
            return None
        self._open[place] = letter
        self._by_user[letter.user] = (*self.of_user(letter.user), place)
        return place if letter.held else None

    def _mark(self, mark: Mark | None) -> Place | None:
        if mark is None:
            return None
        if mark.state == "done":
            self.close(mark.place)
        elif mark.place in self._open:
            self._open[mark.place].requeued = True
            return mark.place
        return None

    def close(self, place: Place) -> None:
        """Take a letter out, where it is open, or will be when it is read."""
        letter = self._open.pop(place, None)
        if letter is None:
            if place[1] > self._read_to.get(place[0], -1):
                self._closed_ahead.add(place)
            return
        left = tuple(one for one in self._by_user[letter.user] if one != place)
        if left:
            self._by_user[letter.user] = left
        else:
            del self._by_user[letter.user]

    def forget(self, partition: int) -> None:
        """Take out all of a partition, which begins anew: what comes has places of its own."""
        self.forget_before(partition, self._read_to.pop(partition, -1) + 1)
        self._closed_ahead = {place for place in self._closed_ahead if place[0] != partition}

    def forget_before(self, partition: int, offset: int) -> None:
        """Take out what retention has taken from the topic."""
        for place in [place for place in self._open if place[0] == partition and place[1] < offset]:
            self.close(place)


def account_of(letter: OpenLetter, accounts: Sequence[Account]) -> tuple[AccountId, ...]:
    """
    Return the accounts, among the vendor's, that a letter is about; none: the settings know it no longer.

    Where a user id has several keys, its lists tell which is meant.
    """
    if letter.account is None:
        return tuple(one.id for one in accounts)
    same = [one for one in accounts if one.user_id == letter.account]
    if len(same) > 1:
        lists = set(letter.lists.split(","))
        same = [one for one in same if lists & set(one.lists)]
    return tuple(one.id for one in same)
