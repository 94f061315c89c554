"""The events that were passed over, and the rows taken for what they are not, each with the command that makes good for it."""

import time
from datetime import UTC, datetime
from shlex import quote
from typing import TYPE_CHECKING

from ...core.text import shown
from ...core.unknown import Unknown
from .tree import IgnoredFilter, UnknownType, UnknownVendor

if TYPE_CHECKING:
    from ..service import Service


def unknown_vendors(service: "Service") -> tuple[UnknownVendor, ...]:
    """Return the vendors that events name and the settings don't."""
    return tuple(
        UnknownVendor(
            vendor=shown(vendor),
            events=one.events,
            first_offset=str(one.first),
            replay=f"sesamy-makeas replay --vendor {quote(shown(vendor))} {_from(one)}",
        )
        for vendor, one in service.unknown.seen.items()
    )


def unknown_types(service: "Service") -> tuple[UnknownType, ...]:
    """Return the event types that are none of the eight."""
    types = service.unknown_types
    return tuple(
        UnknownType(
            type=name,
            events=one.events,
            first_offset=str(one.first),
            replay="" if types.are_taken else f"sesamy-makeas replay --unknown-types {_from(one)}",
        )
        for name, one in types.seen.items()
    )


def ignored_filters(service: "Service") -> tuple[IgnoredFilter, ...]:
    """Return each time that Sesamy gave rows whichever user it was asked for."""
    return tuple(
        IgnoredFilter(vendor=one.vendor, resource=one.resource, found_at=one.found_at, obeyed_at=one.obeyed_at, replay=one.replay)
        for one in service.up.filters.findings()
    )


def _from(one: Unknown) -> str:
    """Return where to begin, on every partition: other pods have seen events of theirs."""
    if one.since_ms < 0:
        return f"--from-offset {one.first}"
    at = datetime.fromtimestamp(min(one.since_ms / 1000, time.time()), tz=UTC)
    return f"--from-time {at.isoformat(timespec='milliseconds').replace('+00:00', 'Z')}"
