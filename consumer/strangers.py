"""Vendors that events name and the settings don't: how many events, and since when."""

from typing import Final

from msgspec import Struct, field

from .telemetry import log

_log = log(__name__)
_KEPT: Final = 100


class Stranger(Struct):
    """A vendor that events name and the settings don't."""

    first: tuple[int, int]
    """Partition and offset of the first event seen."""
    since_ms: int
    """Time of the earliest event; below 0: records have no times."""
    events: int = 0
    read_to: dict[int, int] = field(default_factory=dict)
    """By partition, the last offset counted: after a rebalance some are read again."""


class UnknownVendors:
    """Vendors that the settings don't know: each event counts once. Bounded."""

    def __init__(self) -> None:
        self.seen: dict[str, Stranger] = {}
        self._is_full = False

    def note(self, vendor: str, partition: int, offset: int, *, at_ms: int) -> None:
        """Count one event; log a vendor's first."""
        one = self.seen.get(vendor)
        if one is None:
            if len(self.seen) >= _KEPT:
                if not self._is_full:
                    _log.warning("more unknown vendors than are kept", partition=partition, offset=offset)
                self._is_full = True
                return
            one = self.seen[vendor] = Stranger((partition, offset), at_ms)
            _log.warning("unknown vendor", vendor=vendor, partition=partition, offset=offset)
        if offset > one.read_to.get(partition, -1):
            one.read_to[partition] = offset
            one.events += 1
            one.since_ms = min(one.since_ms, at_ms)
