"""Polled records: what each says, and where that goes: to its user, to the counts, or to the dead letters."""

import time
from collections.abc import Callable, Iterable, Sequence
from math import inf
from typing import Final

from ..core.backlog import Backlog
from ..core.errors import Unreadable
from ..core.events import Ignored, Unknown, decode
from ..core.letters.record import KEY_BYTES
from ..core.model import Event, Letter
from ..core.partitioner import usual_key
from ..core.unknown import UnknownTypes, UnknownVendors
from ..telemetry.fences import BUG
from ..telemetry.logs import log
from ..telemetry.metrics import Metrics
from ..telemetry.tracing import Traces
from .client.fetched import Record

_log = log(__name__)
_BELIEVED_MS: Final = 366 * 24 * 3600 * 1000
"""An event's time that is longer ago, or ahead of us, is wrong: seconds for milliseconds, none at all, a clock that is off."""
_SPLIT_EVERY_S: Final = 600.0
_SPLIT_CAUSE: Final = "two publishers with different keys or partitioners, or partitions were added while events waited"
_SPLIT_CURE: Final = (
    "let all publishers key by vendorId|userId and place by murmur2, as Sesamy's webhook receiver and Java's clients do; "
    "after partitions were added it ends by itself"
)


class Records:
    """
    Takes what was polled of a partition that is ours.

    It promises: each record makes its user dirty, is counted and passed over, or is parked; one that can't be read,
    be it by a fault of ours, costs no other; users with open events on two partitions are counted and said. What fails
    inside a change of the backlog is raised.
    """

    def __init__(
        self,
        backlog: Backlog,
        *,
        vendors: Iterable[str],
        unknown: UnknownVendors,
        unknown_types: UnknownTypes,
        metrics: Metrics,
        traces: Traces | None = None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """
        Take what it fills.

        Args:
            vendors: those that the settings know.
            wall_clock: seconds, for what may be an event's time.
        """
        self._backlog, self._metrics, self._traces = backlog, metrics, traces
        self._vendors, self._unknown, self._unknown_types = frozenset(vendors), unknown, unknown_types
        self._wall_clock = wall_clock
        # By vendor: when its users were last said to be split, and how many such events came since.
        self._split_said: dict[str, tuple[float, int]] = {}

    def take(self, partition: int, records: Sequence[Record], *, now: float) -> None:
        """Take a batch; what lies before our own next offset is ours already."""
        next_offset = self._backlog.ledger.next_offset(partition)
        submit, vendors = self._backlog.submit, self._vendors
        taken = opened = 0
        now_ms = since_ms = int(self._wall_clock() * 1000)
        said_ms: int | None = None
        for record in records:
            offset = record.offset
            if offset < next_offset:
                continue
            try:
                read = decode(record.value)
            except Exception as error:  # noqa: BLE001 - a fault of ours that one record shows must not end the pod: the others are innocent
                self._park(partition, record, error, now_ms)
                continue
            event = read if type(read) is Event and read.user.vendor in vendors else self._of_others(read, partition, record)
            if event is None:
                continue
            taken += 1
            if self._traces is not None:
                self._trace(self._traces, event, partition, record)
            if record.timestamp != said_ms:  # Equal times are one object.
                said_ms = record.timestamp
                since_ms = _believed(said_ms, now_ms)
            if submit(event, partition, offset, since_ms=since_ms, now=now):
                opened += 1
                if (key := _kept(record.key)) is not None and key != usual_key(event.user):
                    self._backlog.schedule.keep_key(event.user, key)
        self._metrics.records.labels(outcome="user").inc(taken)
        self._metrics.events_merged.inc(taken - opened)
        if self._backlog.schedule.splits.events:
            self._say_split(partition, now)
        self._backlog.read_to(partition, max(next_offset, records[-1].offset + 1))

    def _of_others(self, read: Event | Unknown | Ignored, partition: int, record: Record) -> Event | None:
        """Count what is no event of a type and a vendor that we know; return it where it makes its user dirty all the same."""
        if isinstance(read, Ignored):
            self._metrics.records.labels(outcome=read.reason).inc()
            return None
        if read.user.vendor not in self._vendors:
            self._pass_over(read.user.vendor, partition, record)
            return None
        return read if isinstance(read, Event) else self._of_unknown_type(read, partition, record)

    def _say_split(self, partition: int, now: float) -> None:
        """Count the events of users with an open one on another partition, and say so now and then: two pods may write them at once."""
        split = self._backlog.schedule.splits.events
        for vendor, events in split.items():
            self._metrics.split_events.labels(vendor).inc(events)
            last, held = self._split_said.get(vendor, (-inf, 0))
            held += events
            if now - last >= _SPLIT_EVERY_S:
                _log.warning(
                    "users split over partitions", vendor=vendor, partition=partition, count=held, cause=_SPLIT_CAUSE, cure=_SPLIT_CURE
                )
                last, held = now, 0
            self._split_said[vendor] = (last, held)
        split.clear()

    def _pass_over(self, vendor: str, partition: int, record: Record) -> None:
        self._metrics.records.labels(outcome="unknown_vendor").inc()
        news = self._unknown.note(vendor, partition, record.offset, at_ms=record.timestamp)
        if news == "first":
            _log.warning("unknown vendor", vendor=vendor, partition=partition, offset=record.offset)
        elif news == "full":
            _log.warning("more unknown vendors than are kept", partition=partition, offset=record.offset)

    def _of_unknown_type(self, event: Unknown, partition: int, record: Record) -> Event | None:
        name, news = self._unknown_types.note(event.type, partition, record.offset, at_ms=record.timestamp)
        if news == "first":
            _log.warning("unknown event type", type=name, partition=partition, offset=record.offset)
        elif news == "full":
            _log.warning("more unknown event types than are kept", partition=partition, offset=record.offset)
        if self._unknown_types.are_taken:
            return Event(event.user, name)
        self._metrics.records.labels(outcome="unknown_type").inc()
        return None

    def _trace(self, traces: Traces, event: Event, partition: int, record: Record) -> None:
        try:
            traces.event(event.user, record.headers, partition=partition, offset=record.offset)
        except Exception:  # noqa: BLE001 - a trace is lost, and no reader
            _log.error("headers not read: a bug", code="bug", partition=partition, offset=record.offset, exc_info=True)

    def _park(self, partition: int, record: Record, error: Exception, now_ms: int) -> None:
        code = error.code if isinstance(error, Unreadable) else BUG
        if code == BUG:
            self._metrics.bugs.labels(stage="intake").inc()
            _log.error("record not read: a bug", code=BUG, partition=partition, offset=record.offset, exc_info=error)
        self._metrics.records.labels(outcome="poison").inc()
        letter = Letter(code=code, stage="intake", partition=partition, offset=record.offset, key=_kept(record.key))
        self._backlog.park_record(letter, since_ms=_believed(record.timestamp, now_ms))


def _kept(key: bytes | None) -> bytes | None:
    """Return a record's key as its letter may have it."""
    return key if key is not None and len(key) <= KEY_BYTES else None


def _believed(said_ms: int, now_ms: int) -> int:
    """Return an event's time, or now, where what its record says can't be true."""
    return said_ms if now_ms - _BELIEVED_MS <= said_ms <= now_ms else now_ms
