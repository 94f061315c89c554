"""The topic: poll, decode, submit, pause, and seek back after any fetch error. The only room that knows the consumer."""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Final

import anyio
import anyio.lowlevel
from aiokafka import TopicPartition
from aiokafka.errors import NoOffsetForPartitionError, OffsetOutOfRangeError
from aiokafka.structs import ConsumerRecord

from .assignment import Assignment
from .clients import Member
from .deadletters import Parker, Poison
from .errors import Unreadable
from .events import Ignored, decode
from .kafka import DAMAGED
from .ledger import Ledger
from .letter_record import KEY_BYTES
from .model import Letter
from .partitioner import usual_key
from .schedule import Schedule
from .strangers import UnknownVendors
from .telemetry import Metrics, log
from .traces import Traces

_log = log(__name__)
_POLL_MS: Final = 500
_MAX_RECORDS: Final = 2000
_ANSWER_S: Final = 1.0
"""A partition that is asked alone and gives no error for so long has answered: nothing is there."""
_FAILURES: Final = 3
_OUT_S: Final = 60.0
_UNPLACED_S: Final = 0.05

_BELIEVED_MS: Final = 366 * 24 * 3600 * 1000
"""An event's time that is longer ago, or ahead of us, is wrong: seconds for milliseconds, none at all, a clock that is off."""


Batches = Mapping[TopicPartition, list[ConsumerRecord[bytes, bytes]]]


class Intake:
    """
    Reads one consumer's partitions into the schedule.

    It promises: each record is handed out once or belongs to nobody here; after any fetch error every partition is
    sought to our own next offset, then asked alone until each has answered; one that fails three times is left out
    and tried every minute, while the others go on; above the limit of dirty users nothing is fetched, and the
    heartbeats go on.
    """

    def __init__(
        self,
        consumer: Member,
        assignment: Assignment,
        *,
        topic: str,
        schedule: Schedule,
        ledger: Ledger,
        parker: Parker,
        vendors: Iterable[str],
        unknown: UnknownVendors,
        ring: Callable[[], None],
        max_dirty_users: int,
        metrics: Metrics,
        traces: Traces | None = None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """
        Take a consumer that listens to `assignment`, and what it fills.

        Args:
            ring: wakes the workers.
            wall_clock: seconds, for what may be an event's time.
        """
        self._consumer, self._assignment, self._topic = consumer, assignment, topic
        self._schedule, self._ledger, self._parker = schedule, ledger, parker
        self._vendors, self._unknown = frozenset(vendors), unknown
        self._ring, self._max_dirty_users, self._metrics, self._traces = ring, max_dirty_users, metrics, traces
        self._wall_clock = wall_clock
        self._paused = False
        self._stopped = False
        self.polled_at = anyio.current_time()
        # Partitions to be asked alone, each with its failures, and those left out, each with the time of the next try.
        self._suspects: OrderedDict[int, int] = OrderedDict()
        self.out: dict[int, float] = {}

    async def run(self) -> None:
        """
        Poll for ever.

        Raises:
            KafkaError: the consumer as a whole is of no use any more; build a new one.
        """
        epoch = -1
        while not self._stopped:
            self.polled_at = anyio.current_time()
            if epoch != self._assignment.epoch:
                # What was polled meanwhile is forgotten here, but not by the client: so go back.
                epoch = self._assignment.epoch
                self._suspects.clear()
                self.out.clear()
                self._paused = False
                self._seek_all()
            self._assignment.check()
            self._regulate()
            try:
                batches = await self._poll()
            except OffsetOutOfRangeError as error:
                if epoch == self._assignment.epoch:
                    await self._resume_at_earliest(error.args[0])
                continue
            except NoOffsetForPartitionError:
                # The client has looked for a position of its own before it was given ours.
                self._seek_all()
                await anyio.sleep(_UNPLACED_S)
                continue
            except DAMAGED as error:
                if epoch == self._assignment.epoch:
                    await self._suspect(error)
                continue
            if epoch == self._assignment.epoch and not self._stopped:
                self._take(batches)
            await anyio.lowlevel.checkpoint()
        await anyio.sleep_forever()

    def stop(self) -> None:
        """Take no more records; the consumer stays a member until its end."""
        self._stopped = True

    # ---- Polling ----

    async def _poll(self) -> Batches:
        now = anyio.current_time()
        for partition in [partition for partition, at in self.out.items() if at <= now]:
            del self.out[partition]
            self._consumer.resume(self._tp(partition))
            self._suspects[partition] = _FAILURES - 1
        if self._suspects:
            return await self._ask_alone(next(iter(self._suspects)))
        wanted = [self._tp(partition) for partition in self._ledger.partitions if partition not in self.out] if self.out else []
        if self.out and not wanted:
            await anyio.sleep(_POLL_MS / 1000)
            return {}
        batches: Batches = await self._consumer.getmany(*wanted, timeout_ms=_POLL_MS, max_records=_MAX_RECORDS)
        return batches

    async def _ask_alone(self, partition: int) -> Batches:
        batches: Batches = await self._consumer.getmany(self._tp(partition), timeout_ms=int(_ANSWER_S * 1000), max_records=_MAX_RECORDS)
        self._suspects.pop(partition, None)
        return batches

    async def _suspect(self, error: Exception) -> None:
        """Go back to where we are on every partition, and ask one by one who is to blame."""
        self._metrics.fetch_errors.inc()
        if self._suspects:
            partition, failures = next(iter(self._suspects.items()))
            self._suspects[partition] = failures + 1
            self._suspects.move_to_end(partition)
            if failures + 1 >= _FAILURES:
                del self._suspects[partition]
                self.out[partition] = anyio.current_time() + _OUT_S
                self._consumer.pause(self._tp(partition))
                _log.error(
                    "partition left out", partition=partition, error=type(error).__name__, next_offset=self._ledger.next_offset(partition)
                )
        else:
            _log.error("fetch failed", error=type(error).__name__)
            self._suspects.update((partition, 0) for partition in self._ledger.partitions if partition not in self.out)
        self._seek_all()
        await anyio.sleep(_POLL_MS / 1000)

    def _seek_all(self) -> None:
        for tp in self._mine():
            self._consumer.seek(tp, self._ledger.next_offset(tp.partition))

    async def _resume_at_earliest(self, lost: Mapping[TopicPartition, int]) -> None:
        for tp, wanted in lost.items():
            with anyio.fail_after(30):
                earliest = (await self._consumer.beginning_offsets([tp]))[tp]
            if tp.partition not in self._ledger.partitions:
                continue
            gap = max(0, earliest - wanted)
            self._metrics.offset_resets.inc()
            self._metrics.offset_gap_records.inc(gap)
            _log.error("offset out of range", partition=tp.partition, offset=wanted, next_offset=earliest, gap_records=gap)
            self._schedule.forget_tokens(tp.partition)
            self._parker.give_up_poison(tp.partition)
            self._ledger.begin(tp.partition, earliest)
        self._seek_all()

    def _regulate(self) -> None:
        load = len(self._schedule) + self._parker.poison_count
        # No lower mark for going on: users whom a shut gate holds, up to the limit, must not stop what is for others.
        self._paused = load > self._max_dirty_users
        mine = [tp for tp in self._mine() if tp.partition not in self.out]
        if self._paused:
            self._consumer.pause(*mine)
        elif self._consumer.paused():
            self._consumer.resume(*mine)

    @property
    def paused(self) -> bool:
        """Return whether nothing is fetched because too many users are dirty."""
        return self._paused

    # ---- Records ----

    def _take(self, batches: Batches) -> None:
        now = anyio.current_time()
        for tp, records in batches.items():
            if tp.partition in self._ledger.partitions:
                self._take_batch(tp.partition, records, now)
        for tp in self._mine():
            # Behind the last record may stand control records, which nobody hands out.
            position = self._consumer.position_now(tp)
            if position is not None and position > self._ledger.next_offset(tp.partition):
                self._ledger.read(tp.partition, position)
        if batches:
            self._ring()

    def _take_batch(self, partition: int, records: list[ConsumerRecord[bytes, bytes]], now: float) -> None:
        next_offset = self._ledger.next_offset(partition)
        submit, open_ = self._schedule.submit, self._ledger.open
        taken = opened = 0
        now_ms = since_ms = int(self._wall_clock() * 1000)
        said_ms: int | None = None
        for record in records:
            offset = record.offset
            if offset < next_offset:
                continue
            try:
                event = decode(record.value)
            except Unreadable as error:
                self._poison(partition, record, error, now_ms)
                continue
            if isinstance(event, Ignored):
                self._metrics.records.labels(outcome=event.reason.replace("-", "_")).inc()
            elif event.user.vendor not in self._vendors:
                self._metrics.records.labels(outcome="unknown_vendor").inc()
                self._unknown.note(event.user.vendor, partition, offset, at_ms=record.timestamp)
            else:
                taken += 1
                if self._traces is not None:
                    self._traces.event(event.user, record.headers, partition=partition, offset=offset)
                if record.timestamp != said_ms:  # Equal times are one object.
                    said_ms = record.timestamp
                    since_ms = _believed(said_ms, now_ms)
                if submit(event, partition, offset, since_ms=since_ms, now=now):
                    opened += 1
                    open_(partition, offset, since_ms=since_ms)
                    if (key := _kept(record.key)) is not None and key != usual_key(event.user):
                        self._schedule.keep_key(event.user, key)
        self._metrics.records.labels(outcome="user").inc(taken)
        self._metrics.events_merged.inc(taken - opened)
        self._ledger.read(partition, records[-1].offset + 1)

    def _poison(self, partition: int, record: ConsumerRecord[bytes, bytes], error: Unreadable, now_ms: int) -> None:
        self._metrics.records.labels(outcome="poison").inc()
        self._ledger.open(partition, record.offset, since_ms=_believed(record.timestamp, now_ms))
        letter = Letter(code=error.code, stage="intake", partition=partition, offset=record.offset)
        self._parker.put_poison(Poison(_kept(record.key), letter))

    def _mine(self) -> list[TopicPartition]:
        """Return what both the client and the ledger hold: during a rebalance they differ."""
        return [tp for tp in self._consumer.assignment() if tp.partition in self._ledger.partitions]

    def _tp(self, partition: int) -> TopicPartition:
        return TopicPartition(self._topic, partition)


def _kept(key: bytes | None) -> bytes | None:
    """Return a record's key as its letter may have it."""
    return key if key is not None and len(key) <= KEY_BYTES else None


def _believed(said_ms: int, now_ms: int) -> int:
    """Return an event's time, or now, where what its record says can't be true."""
    return said_ms if now_ms - _BELIEVED_MS <= said_ms <= now_ms else now_ms
