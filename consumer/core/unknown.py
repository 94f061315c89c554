"""The unknown vendors and event types that events name: how many events, and since when."""

from sys import intern
from typing import Final, Literal

from msgspec import Struct, field

from .model import Place
from .text import shown

_VENDORS_KEPT: Final = 100
TYPES_KEPT: Final = 50
OTHER: Final = "other"
"""What an event of a type that is not kept is called."""
News = Literal["", "first", "full"]
"""What an event is news of: its name is seen for the first time, or one more name than is kept, for the first time; empty: of nothing."""


class Unknown(Struct):
    """A vendor or type that events name and we don't know."""

    first: Place
    """Of the first event seen."""
    since_ms: int
    """Time of the earliest event; below 0: records have no times."""
    events: int = 0
    read_to: dict[int, int] = field(default_factory=dict)
    """By partition, the last offset counted: after a rebalance some are read again."""


class _Names:
    """Names of one kind: each event counts once. Bounded."""

    def __init__(self, *, kept: int) -> None:
        self.seen: dict[str, Unknown] = {}
        self._kept, self._is_full = kept, False

    def _count(self, name: str, partition: int, offset: int, *, at_ms: int) -> News:
        """Count one event."""
        news: News = ""
        one = self.seen.get(name)
        if one is None:
            if len(self.seen) >= self._kept:
                was_full, self._is_full = self._is_full, True
                return "" if was_full else "full"
            one, news = self.seen.setdefault(name, Unknown(Place(partition, offset), at_ms)), "first"
        if offset > one.read_to.get(partition, -1):
            one.read_to[partition] = offset
            one.events += 1
            one.since_ms = min(one.since_ms, at_ms)
        return news


class UnknownVendors(_Names):
    """Vendors that the settings don't know."""

    def __init__(self) -> None:
        """Begin with none; at most 100 are kept."""
        super().__init__(kept=_VENDORS_KEPT)

    def note(self, vendor: str, partition: int, offset: int, *, at_ms: int) -> News:
        """Count one event; return what is to be said of it."""
        return self._count(vendor, partition, offset, at_ms=at_ms)


class UnknownTypes(_Names):
    """Event types that are none of the eight, of vendors that the settings know."""

    def __init__(self, *, are_taken: bool = False) -> None:
        """
        Begin with none; at most 50 are kept, each as it may be shown, of 64 characters at most.

        Args:
            are_taken: whether their users are resynced as by any event.
        """
        super().__init__(kept=TYPES_KEPT)
        self.are_taken = are_taken

    def note(self, type_: str, partition: int, offset: int, *, at_ms: int) -> tuple[str, News]:
        """Count one event; return what to call the type, one of few strings, and what is to be said of it."""
        name = intern(shown(type_))
        news = self._count(name, partition, offset, at_ms=at_ms)
        return (name if name in self.seen else OTHER), news
