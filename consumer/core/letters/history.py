"""Every letter of the dead-letter topic, and what became of it. Pure."""

from collections.abc import Iterable, Sequence
from typing import Literal

from msgspec import Struct

from ..errors import Unreadable
from ..events import Ignored, decode
from .record import MARKED, Headers, Named, Place, fields, mark_of, origin_of, replaced

State = Literal["open", "requeued", "done", "replaced", "unreadable"]
"""`unreadable`: of a record, not of a user; nothing can close it."""


class Entry(Struct, kw_only=True):
    """One letter: ids only. What is not known is empty."""

    place: str
    """`P:N` in the dead-letter topic."""
    state: State = "open"
    vendor: str = ""
    user: str = ""
    type: str = ""
    account: str = ""
    """Make's user id; empty: owed to all accounts."""
    lists: str = ""
    code: str = ""
    stage: str = ""
    attempts: str = ""
    source: str = ""
    """`P:N` in the source topic."""
    source_topic: str = ""
    parked_at: str = ""
    requeued_at: str = ""
    closed_at: str = ""
    replaced_by: str = ""
    can_be_requeued: bool = False
    """False: it has no value, since its record could not be read."""

    @property
    def named(self) -> Named:
        """Return it as marks name it."""
        partition, _, offset = self.source.partition(":")
        said = {"source.partition": partition, "source.offset": offset, "parked_at": self.parked_at}
        return Named(place_of(self.place), None if "?" in self.source else origin_of(said))

    @property
    def is_open(self) -> bool:
        """Say whether something is still owed."""
        return self.state in {"open", "requeued", "unreadable"}


class Selection(Struct, frozen=True, kw_only=True):
    """Which letters; what is empty selects all. Times as ISO 8601 text, as `parked_at` has it."""

    places: tuple[Place, ...] = ()
    vendor: str = ""
    user: str = ""
    account: str = ""
    code: str = ""
    since: str = ""
    until: str = ""

    @property
    def is_everything(self) -> bool:
        """Say whether nothing was selected by name."""
        return self == Selection()

    def takes(self, entry: Entry) -> bool:
        """Say whether a letter is among them."""
        return (
            (not self.places or place_of(entry.place) in self.places)
            and all(not wanted or wanted == said for wanted, said in self._pairs(entry))
            and (not self.since or entry.parked_at >= self.since)
            and (not self.until or entry.parked_at < self.until)
        )

    def _pairs(self, entry: Entry) -> Iterable[tuple[str, str]]:
        return (self.vendor, entry.vendor), (self.user, entry.user), (self.account, entry.account), (self.code, entry.code)


class History:
    """
    All letters.

    It promises: the order in which partitions are read means nothing; a letter that a newer one took the place of
    says which; a mark of another letter, which stood at its place before the topic was made anew, is none of its own.
    """

    def __init__(self) -> None:
        self._entries: dict[Place, Entry] = {}
        # Of letters that are not read yet.
        self._ahead: dict[Place, list[tuple[Named, State, str, str]]] = {}

    def entries(self) -> Sequence[Entry]:
        """Return all, the oldest first."""
        return sorted(self._entries.values(), key=lambda entry: (entry.parked_at, place_of(entry.place)))

    def get(self, place: Place) -> Entry | None:
        """Return the letter at a place; None: none is there."""
        return self._entries.get(place)

    def read(self, place: Place, headers: Headers, value: bytes | None) -> None:
        """Take a record in."""
        said = fields(headers)
        if MARKED in said:
            mark = mark_of(said)
            if mark is not None:
                self._turn(mark.named, "done" if mark.state == "done" else "requeued", said.get("marked_at", ""), "")
            return
        if "error.code" not in said:
            return
        here = f"{place[0]}:{place[1]}"
        entry, taken = _entry(here, said, value), replaced(said)  # Whatever is wrong with a record, nothing has changed yet.
        for named in taken:
            self._turn(named, "replaced", entry.parked_at, here)
        self._entries[place] = entry
        for turned in self._ahead.pop(place, ()):
            self._turn(*turned)

    def _turn(self, named: Named, state: State, at: str, by: str) -> None:
        entry = self._entries.get(named.place)
        if entry is None:
            self._ahead.setdefault(named.place, []).append((named, state, at, by))
        elif not named.means(entry.named.origin):
            return
        elif state == "requeued":
            entry.requeued_at = at
            if entry.state == "open":
                entry.state = state
        elif entry.is_open:
            entry.state, entry.closed_at, entry.replaced_by = state, at, by


def _entry(here: str, said: dict[str, str], value: bytes | None) -> Entry:
    entry = Entry(
        place=here,
        account=said.get("makeas.account", ""),
        lists=said.get("makeas.lists", ""),
        code=said["error.code"],
        stage=said.get("error.stage", ""),
        attempts=said.get("attempts", ""),
        source=f"{said.get('source.partition', '?')}:{said.get('source.offset', '?')}",
        source_topic=said.get("source.topic", ""),
        parked_at=said.get("parked_at", ""),
    )
    try:
        event = decode(value) if value else None
    except Unreadable:
        event = None
    if event is not None and not isinstance(event, Ignored):
        entry.vendor, entry.user, entry.type, entry.can_be_requeued = event.user.vendor, event.user.user, event.type, True
    else:
        entry.state = "unreadable"
    return entry


def place_of(text: str) -> Place:
    """Return the place of `P:N`."""
    partition, _, offset = text.partition(":")
    return int(partition), int(offset)
