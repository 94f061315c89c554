"""The count of events of unknown type: what `check --online` says where they are resynced."""

import time
from typing import Final

import anyio

from ...core.errors import Fatal
from ...settings.findings import Finding, warning
from ...settings.model import Settings
from ..replay.plan import Asked
from ..replay.scan import resolve, scan

_LOOKED_AT_S: Final = 300
_LIMIT_S: Final = 30.0
_PATH: Final = "kafka.unknown_types"
_CURE: Final = "set it to ignore, unless these types say that a reader has changed"


async def rate(settings: Settings) -> Finding:
    """Return how many there were in the last five minutes, beside how many events in all; the topic is only read."""
    asked = Asked(from_ms=int((time.time() - _LOOKED_AT_S) * 1000))
    vendors = [vendor.id for vendor in settings.vendors]
    try:
        with anyio.fail_after(_LIMIT_S):
            ranges = await resolve(settings.kafka, asked)
            found = await scan(settings.kafka, ranges, vendors=vendors, asked=asked, progress=lambda *_: None)
    except (Fatal, TimeoutError):
        return warning(_PATH, "the topic could not be read for the rate of unknown types", _CURE)
    minutes = _LOOKED_AT_S / 60
    per_minute, of_all = sum(found.unknown_types.values()) / minutes, sum(found.records.values()) / minutes
    types = f", of {len(found.unknown_types)} types" if found.unknown_types else ""
    return warning(_PATH, f"{per_minute:,.1f} of {of_all:,.1f} events a minute are of unknown type{types}, each may cost a resync", _CURE)
