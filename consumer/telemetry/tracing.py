"""The switch of traces: whether the environment names a collector; nothing of OpenTelemetry is imported where it does not."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Final, Protocol

from ..core.errors import Exit, Fatal
from ..core.model import UserKey
from ..settings.model import Settings

SWITCHES: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
LAST_SPANS_S: Final = 5.0
"""How long the end of the process waits for a collector."""


class Traces(Protocol):
    """What makes spans."""

    def event(self, user: UserKey, headers: Sequence[tuple[str, bytes]], *, partition: int, offset: int) -> None:
        """Remember where an event came from, by its `traceparent` (W3C Trace Context); one that is read again is no other."""

    def resync(self, user: UserKey) -> AbstractContextManager[Callable[[str], None]]:
        """
        Span one run; the calls within are its children.

        Gives what is to be told how it ended: one of `metrics.RESYNC_OUTCOMES`. A run that tells nothing was cut off;
        one that still owes something leaves its events to the next.
        """

    def call(self, upstream: str, op: str, code: str, seconds: float) -> None:
        """Span one HTTP exchange that has just ended; `code`: its status, or our error's name."""


@contextmanager
def tracing(settings: Settings, environ: Mapping[str, str]) -> Iterator[Traces | None]:
    """
    Give the traces, or None where the environment names no collector or wants none; at the end what is left is sent.

    Source: the OpenTelemetry specification's environment variables for the SDK and the OTLP exporter.

    Raises:
        Fatal: a collector is named, and the extra is not installed, or OpenTelemetry refuses a variable (78).
    """
    named = [name for name in SWITCHES if environ.get(name)]
    off = environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or environ.get("OTEL_TRACES_EXPORTER", "").strip().lower() == "none"
    if not named or off:
        yield None
        return
    try:
        from .traces import Spans, provider  # noqa: PLC0415 - an extra
    except ImportError:
        text = f"{named[0]} is set, but there is no OpenTelemetry here: install sesamy-makeas[otel], or take the variable away"
        raise Fatal(text, code="no-otel", status=Exit.SETTINGS) from None
    exports = provider()
    try:
        yield Spans(exports, settings)
    finally:
        last = threading.Thread(target=exports.shutdown, daemon=True)
        last.start()
        last.join(LAST_SPANS_S)
