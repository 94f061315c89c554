"""What events name and we don't know, vendors and event types: how many events, and since when."""

from sys import intern
from typing import Final

from msgspec import Struct, field

from .status import shown
from .telemetry import log

_log = log(__name__)
_VENDORS_KEPT: Final = 100
TYPES_KEPT: Final = 50
OTHER: Final = "other"
"""What an event of a type that is not kept is called."""


class Stranger(Struct):
    """A vendor or type that events name and we don't know."""

    first: tuple[int, int]
    """Partition and offset of the first event seen."""
    since_ms: int
    """Time of the earliest event; below 0: records have no times."""
    events: int = 0
    read_to: dict[int, int] = field(default_factory=dict)
    """By partition, the last offset counted: after a rebalance some are read again."""


class _Strangers:
    """Names of one kind: each event counts once. Bounded."""

    def __init__(self, *, kept: int) -> None:
        self.seen: dict[str, Stranger] = {}
        self._kept, self._is_full = kept, False

    def _is_kept(self, name: str, partition: int, offset: int, *, at_ms: int) -> bool:
        """Count one event, say a name's first; return whether the name is kept."""
        one = self.seen.get(name)
        if one is None:
            if len(self.seen) >= self._kept:
                if not self._is_full:
                    self._say_full(partition, offset)
                self._is_full = True
                return False
            one = self.seen[name] = Stranger((partition, offset), at_ms)
            self._say_first(name, partition, offset)
        if offset > one.read_to.get(partition, -1):
            one.read_to[partition] = offset
            one.events += 1
            one.since_ms = min(one.since_ms, at_ms)
        return True

    def _say_first(self, name: str, partition: int, offset: int) -> None:
        raise NotImplementedError

    def _say_full(self, partition: int, offset: int) -> None:
        raise NotImplementedError


class UnknownVendors(_Strangers):
    """Vendors that the settings don't know."""

    def __init__(self) -> None:
        """Begin with none; at most 100 are kept."""
        super().__init__(kept=_VENDORS_KEPT)

    def note(self, vendor: str, partition: int, offset: int, *, at_ms: int) -> None:
        """Count one event; log a vendor's first."""
        self._is_kept(vendor, partition, offset, at_ms=at_ms)

    def _say_first(self, name: str, partition: int, offset: int) -> None:
        _log.warning("unknown vendor", vendor=name, partition=partition, offset=offset)

    def _say_full(self, partition: int, offset: int) -> None:
        _log.warning("more unknown vendors than are kept", partition=partition, offset=offset)


class UnknownTypes(_Strangers):
    """Event types that are none of the eight, of vendors that the settings know."""

    def __init__(self, *, are_taken: bool = False) -> None:
        """
        Begin with none; at most 50 are kept, each as it may be shown, of 64 characters at most.

        Args:
            are_taken: whether their users are resynced as by any event.
        """
        super().__init__(kept=TYPES_KEPT)
        self.are_taken = are_taken

    def note(self, type_: str, partition: int, offset: int, *, at_ms: int) -> str:
        """Count one event, log a type's first; return what to call the type: one of few strings."""
        name = intern(shown(type_))
        return name if self._is_kept(name, partition, offset, at_ms=at_ms) else OTHER

    def _say_first(self, name: str, partition: int, offset: int) -> None:
        _log.warning("unknown event type", type=name, partition=partition, offset=offset)

    def _say_full(self, partition: int, offset: int) -> None:
        _log.warning("more unknown event types than are kept", partition=partition, offset=offset)
