"""Every letter of the dead-letter topic, and what became of it."""

from collections.abc import Iterable, Sequence
from typing import Literal

from msgspec import Struct

from ..errors import Unreadable
from ..events import Ignored, decode
from ..model import Place
from . import headers as names
from .headers import Headers, Identity, Named, fields, mark_of, origin_of, replaced

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
        said = {**dict(zip(names.SOURCE, self.source.partition(":")[::2], strict=True)), names.PARKED_AT: self.parked_at}
        return Named(self.at, None if "?" in self.source else origin_of(said))

    @property
    def at(self) -> Place:
        """Return its place."""
        place = Place.read(self.place)
        assert place is not None
        return place

    @property
    def identity(self) -> Identity | None:
        """Return what it says; None: its source is not known, so that no other is known to be the same."""
        source = Place.read(self.source)
        if source is None:
            return None
        return Identity(self.source_topic, source, self.vendor, self.user, self.account, self.lists, self.code)

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
            (not self.places or entry.at in self.places)
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
        return sorted(self._entries.values(), key=lambda entry: (entry.parked_at, entry.at))

    def get(self, place: Place) -> Entry | None:
        """Return the letter at a place; None: none is there."""
        return self._entries.get(place)

    def read(self, place: Place, headers: Headers, value: bytes | None) -> None:
        """Take a record in."""
        said = fields(headers)
        if names.MARKED in said:
            mark = mark_of(said)
            if mark is not None:
                self._turn(mark.named, "done" if mark.state == "done" else "requeued", said.get(names.MARKED_AT, ""), "")
            return
        if names.CODE not in said:
            return
        here = str(Place(*place))
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
        account=said.get(names.ACCOUNT, ""),
        lists=said.get(names.LISTS, ""),
        code=said[names.CODE],
        stage=said.get(names.STAGE, ""),
        attempts=said.get(names.ATTEMPTS, ""),
        source=":".join(said.get(name, "?") for name in names.SOURCE),
        source_topic=said.get(names.SOURCE_TOPIC, ""),
        parked_at=said.get(names.PARKED_AT, ""),
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
