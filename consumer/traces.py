"""
OpenTelemetry traces, where the environment names a collector: one span a resync, linked to its events, and one a call.

Nothing of OpenTelemetry is imported where it is off. A user is named by a keyed hash, the same in every pod of one
installation; keys, addresses and documents are in no span.
"""

import hashlib
import hmac
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from .errors import Fatal
from .model import UserKey
from .settings import Settings

if TYPE_CHECKING:
    from opentelemetry.trace import SpanContext, Tracer, TracerProvider

SWITCHES: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
LAST_SPANS_S: Final = 5.0
"""How long the end of the process waits for a collector."""
_SETTINGS: Final = 78
_TRACEPARENT: Final = "traceparent"
_LINKS: Final = 32
"""Of one user: the oldest are kept, the others only counted."""
_USERS: Final = 10_000
"""Whose events are remembered; beyond that the longest-waiting are forgotten, and their spans have no links."""


class Traces:
    """Makes spans."""

    def __init__(self, provider: "TracerProvider", settings: Settings) -> None:
        """Take what exports them."""
        self._tracer: Tracer = provider.get_tracer("sesamy-makeas")
        # A credential that all pods have and no reader of traces; what leaves is a hash with a hash of it.
        self._keys = {
            vendor.id: hashlib.sha256(b"sesamy-makeas traces " + vendor.sesamy.client_secret.read().encode()).digest()
            for vendor in settings.vendors
        }
        self._events: OrderedDict[UserKey, tuple[int, list[SpanContext]]] = OrderedDict()

    def user_ref(self, user: UserKey) -> str:
        """Return the name of a user in traces: 16 hexadecimal digits."""
        return hmac.new(self._keys[user.vendor], user.user.encode(), hashlib.sha256).hexdigest()[:16]

    def event(self, user: UserKey, headers: Sequence[tuple[str, bytes]]) -> None:
        """Remember where an event came from, by its `traceparent` (W3C Trace Context)."""
        from opentelemetry.trace import get_current_span  # noqa: PLC0415
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

        count, links = self._events.get(user, (0, []))
        carrier = {name: value.decode("ascii", "replace") for name, value in headers if name == _TRACEPARENT and value}
        source = get_current_span(TraceContextTextMapPropagator().extract(carrier)).get_span_context()
        if source.is_valid and len(links) < _LINKS:
            links.append(source)
        self._events[user] = count + 1, links
        if len(self._events) > _USERS:
            self._events.popitem(last=False)

    @contextmanager
    def resync(self, user: UserKey) -> Iterator[None]:
        """Span one run; the calls within are its children."""
        from opentelemetry.trace import Link, SpanKind  # noqa: PLC0415

        count, links = self._events.pop(user, (0, []))
        attributes: dict[str, str | int] = {
            "messaging.batch.message_count": count,
            "sesamy.vendor": user.vendor,
            "sesamy.user_ref": self.user_ref(user),
        }
        with self._tracer.start_as_current_span(
            "resync",
            kind=SpanKind.CONSUMER,
            links=[Link(one) for one in links],
            attributes=attributes,
            # The text of an exception may quote what must not be seen.
            record_exception=False,
            set_status_on_exception=False,
        ):
            yield

    def ended(self, outcome: str) -> None:
        """Note how the run of the current span ended: one of `telemetry.RESYNC_OUTCOMES`."""
        from opentelemetry.trace import StatusCode, get_current_span  # noqa: PLC0415

        span = get_current_span()
        span.set_attribute("sesamy.outcome", outcome)
        if outcome in {"failed", "partial"}:
            span.set_status(StatusCode.ERROR)

    def call(self, upstream: str, op: str, code: str, seconds: float) -> None:
        """Span one HTTP exchange that has just ended; `code`: its status, or our error's name."""
        from opentelemetry.trace import SpanKind, StatusCode  # noqa: PLC0415

        ended_ns = time.time_ns()
        attributes: dict[str, str | int] = {"peer.service": upstream, "sesamy_makeas.op": op}
        attributes |= {"http.response.status_code": int(code)} if code.isdigit() else {"error.type": code}
        started_ns = ended_ns - int(seconds * 1e9)
        span = self._tracer.start_span(f"{upstream} {op}", kind=SpanKind.CLIENT, attributes=attributes, start_time=started_ns)
        if not code.startswith("2"):
            span.set_status(StatusCode.ERROR)
        span.end(end_time=ended_ns)


@contextmanager
def tracing(settings: Settings, environ: Mapping[str, str]) -> Iterator[Traces | None]:
    """
    Give the traces, or None where the environment names no collector; at the end what is left is sent.

    Source: the OpenTelemetry specification's environment variables for the OTLP exporter.

    Raises:
        Fatal: a collector is named, and the extra is not installed (78).
    """
    named = [name for name in SWITCHES if environ.get(name)]
    if not named or environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        yield None
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError:
        text = f"{named[0]} is set, but there is no OpenTelemetry here: install sesamy-makeas[otel], or take the variable away"
        raise Fatal(text, code="no-otel", status=_SETTINGS) from None
    # Our own end is bounded; the SDK's at the exit of the process is not.
    service = Resource.create({"service.name": environ.get("OTEL_SERVICE_NAME", "sesamy-makeas")})
    provider = TracerProvider(resource=service, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    try:
        yield Traces(provider, settings)
    finally:
        last = threading.Thread(target=provider.shutdown, daemon=True)
        last.start()
        last.join(LAST_SPANS_S)
