"""
Spans by OpenTelemetry: one a resync, linked to its events, and one a call.

Importing this needs the extra `otel`; only `tracing` does, where a collector is named. A user is named by a keyed hash,
the same in every pod of one installation; keys, addresses and documents are in no span.
"""

import hashlib
import hmac
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider as SdkProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, StatusCode, TraceFlags, Tracer, TracerProvider, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from ..core.errors import Exit, Fatal, Retryable
from ..core.model import UserKey
from ..settings.model import Settings
from .fences import fenced

_SERVICE: Final = "sesamy-makeas"
# What the SDK raises at variables that it can't use: numbers out of range, a provider of credentials or of metrics that is not there.
_REFUSALS: Final = (ValueError, TypeError, RuntimeError, StopIteration)
_TRACEPARENT: Final = "traceparent"
_TRACEPARENT_BYTES: Final = 256
"""It has 55, and later versions may append. Not every OpenTelemetry bounds it, and none tells which event it was of."""
_LINKS: Final = 32
"""Of one user: the oldest are kept, the others only counted."""
_USERS: Final = 10_000
"""With events that are remembered; beyond that the longest-waiting are forgotten, and their spans have no links."""
_PARTITIONS: Final = 4
"""Of one user; more than one only where a publisher's keys, or the number of partitions, changed."""
_TRACE_BYTES, _SPAN_BYTES = 16, 8
_LINK_BYTES: Final = _TRACE_BYTES + _SPAN_BYTES + 1
_UNSAID: Final = "cut_off"
_ERRORS: Final = frozenset({"failed", "partial"})
_OWING: Final = _ERRORS | {_UNSAID}


class _Events:
    """One user's events that no run has covered: how many, and where the first came from."""

    __slots__ = ("count", "links", "read")

    def __init__(self) -> None:
        self.count = 0
        # Trace, span and flags, 25 bytes each: the SDK's objects take ten times as much.
        self.links = bytearray()
        # The next offset per partition: after a rebalance the same records are read again.
        self.read: dict[int, int] = {}

    def is_news(self, partition: int, offset: int) -> bool:
        """Return whether a record was not seen yet; from now on it was."""
        if offset < self.read.get(partition, 0):
            return False
        if partition not in self.read and len(self.read) >= _PARTITIONS:
            del self.read[next(iter(self.read))]
        self.read[partition] = offset + 1
        return True

    def take(self) -> tuple[int, bytearray]:
        """Return what waits, for a run; what comes meanwhile is the next one's."""
        taken = self.count, self.links
        self.count, self.links = 0, bytearray()
        return taken

    def put_back(self, count: int, links: bytearray) -> None:
        """Put what a run had taken before what came meanwhile."""
        self.count += count
        self.links = (links + self.links)[: _LINKS * _LINK_BYTES]


class Spans:
    """Makes spans of what it is told, as `tracing.Traces` says."""

    def __init__(self, provider: TracerProvider, settings: Settings) -> None:
        """Take what exports them."""
        self._tracer: Tracer = provider.get_tracer(_SERVICE)
        # A credential that all pods have and no reader of traces; what leaves is a hash with a hash of it.
        self._keys = {
            vendor.id: hashlib.sha256(b"sesamy-makeas traces " + vendor.sesamy.client_secret.read().encode()).digest()
            for vendor in settings.vendors
        }
        self._events: OrderedDict[UserKey, _Events] = OrderedDict()

    def user_ref(self, user: UserKey) -> str:
        """Return the name of a user in traces: 16 hexadecimal digits."""
        return hmac.new(self._keys[user.vendor], user.user.encode(), hashlib.sha256).hexdigest()[:16]

    def event(self, user: UserKey, headers: Sequence[tuple[str, bytes]], *, partition: int, offset: int) -> None:
        """Remember where an event came from, by its `traceparent` (W3C Trace Context); one that is read again is no other."""
        known = self._events.get(user)
        if known is None:
            known = self._events[user] = _Events()
            if len(self._events) > _USERS:
                self._events.popitem(last=False)
        if not known.is_news(partition, offset):
            return
        known.count += 1
        if len(known.links) >= _LINKS * _LINK_BYTES:
            return
        with suppress(Retryable), fenced("traceparent"):  # No header of others is worth a pod.
            carrier = {
                name: value.decode("ascii", "replace")
                for name, value in headers
                if name == _TRACEPARENT and value and len(value) <= _TRACEPARENT_BYTES
            }
            source = get_current_span(TraceContextTextMapPropagator().extract(carrier)).get_span_context()
            if source.is_valid:
                known.links += source.trace_id.to_bytes(_TRACE_BYTES) + source.span_id.to_bytes(_SPAN_BYTES) + bytes([source.trace_flags])

    @contextmanager
    def resync(self, user: UserKey) -> Iterator[Callable[[str], None]]:
        """
        Span one run; the calls within are its children.

        Gives what is to be told how it ended: one of `metrics.RESYNC_OUTCOMES`. A run that tells nothing was cut off;
        one that still owes something leaves its events to the next.
        """
        known = self._events.get(user) or _Events()
        count, links = known.take()
        outcome = _UNSAID

        def ended(said: str) -> None:
            nonlocal outcome
            outcome = said

        with self._started(user, count, links) as span:
            try:
                yield ended
            finally:
                span.set_attribute("sesamy.outcome", outcome)
                if outcome in _ERRORS:
                    span.set_status(StatusCode.ERROR)
                if outcome in _OWING:
                    known.put_back(count, links)
                elif not known.count and self._events.get(user) is known:
                    del self._events[user]

    def _started(self, user: UserKey, count: int, links: bytearray) -> AbstractContextManager[Span]:
        attributes: dict[str, str | int] = {
            "messaging.batch.message_count": count,
            "sesamy.vendor": user.vendor,
            "sesamy.user_ref": self.user_ref(user),
        }
        return self._tracer.start_as_current_span(
            "resync",
            kind=SpanKind.CONSUMER,
            links=_links(links),
            attributes=attributes,
            # The text of an exception may quote what must not be seen.
            record_exception=False,
            set_status_on_exception=False,
        )

    def call(self, upstream: str, op: str, code: str, seconds: float) -> None:
        """Record an HTTP exchange that has just ended as a span; `code`: its status, or our error's name."""
        ended_ns = time.time_ns()
        attributes: dict[str, str | int] = {"peer.service": upstream, "sesamy_makeas.op": op}
        attributes |= {"http.response.status_code": int(code)} if code.isdigit() else {"error.type": code}
        started_ns = ended_ns - int(seconds * 1e9)
        span = self._tracer.start_span(f"{upstream} {op}", kind=SpanKind.CLIENT, attributes=attributes, start_time=started_ns)
        if not code.startswith("2"):
            span.set_status(StatusCode.ERROR)
        span.end(end_time=ended_ns)


def _links(packed: bytearray) -> list[Link]:
    made = []
    for at in range(0, len(packed), _LINK_BYTES):
        trace, span = packed[at : at + _TRACE_BYTES], packed[at + _TRACE_BYTES : at + _LINK_BYTES - 1]
        flags = TraceFlags(packed[at + _LINK_BYTES - 1])
        made.append(Link(SpanContext(int.from_bytes(trace), int.from_bytes(span), is_remote=True, trace_flags=flags)))
    return made


def provider() -> SdkProvider:
    """
    Make what exports spans, with what OpenTelemetry itself reads from the environment.

    Raises:
        Fatal: OpenTelemetry refuses a variable (78).
    """
    try:
        # What is passed here would win over the environment.
        is_named = OTELResourceDetector().detect().attributes.get("service.name")
        service = Resource.create(None if is_named else {"service.name": _SERVICE})
        # Our own end is bounded; the SDK's at the exit of the process is not.
        made = SdkProvider(resource=service, shutdown_on_exit=False)
        made.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    except _REFUSALS:
        # Not chained: their texts quote values, and some of those are secrets.
        text = "OpenTelemetry refuses the value of a variable OTEL_*: correct it, or take it away (OTEL_SDK_DISABLED=true: no traces)"
        raise Fatal(text, code="otel-variable", status=Exit.SETTINGS) from None
    return made
