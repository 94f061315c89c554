"""The intake: polls the topic, hands its records in, pauses, and goes back after any error of a fetch."""

from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

import anyio
import anyio.lowlevel
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError, NoOffsetForPartitionError, OffsetOutOfRangeError
from msgspec import Struct

from ..core.backlog import Backlog
from ..telemetry.logs import log
from ..telemetry.metrics import Metrics
from .assignment import Assignment
from .client.clients import Member
from .client.failures import DAMAGED, cure
from .client.fetched import Record
from .client.words import said
from .records import Records

_log = log(__name__)
_POLL_MS: Final = 500
_MAX_RECORDS: Final = 2000
_ANSWER_S: Final = 1.0
"""A partition that is asked alone and gives no error for so long has answered: nothing is there."""
_FAILURES: Final = 3
_OUT_S: Final = 60.0
_UNPLACED_S: Final = 0.05
_ASK_LIMIT_S: Final = 30.0
_ENDS_S: Final = 5.0
"""From one asking for the ends of partitions that are not fetched to the next."""
_ENDS_LIMIT_S: Final = 2.0

Batches = Mapping[TopicPartition, list[Record]]


class _Suspect(Struct):
    """A partition that is to be asked alone."""

    failures: int = 0
    """In a row."""
    at_once: int = _MAX_RECORDS
    """How many records to ask for: a damaged batch takes what the same poll has read before it with it."""


class Intake:
    """
    Reads one consumer's partitions into the backlog.

    It promises: each record is handed out once or is not ours; after any fetch error every partition is
    sought to our own next offset, then asked alone until each has answered, in turn with those that have; one that
    fails three times at one place is left out and tried every minute, while the others go on; above the limit of dirty
    users nothing is fetched, and the heartbeats go on; how much waits in what is not fetched stays known.
    """

    def __init__(
        self,
        consumer: Member,
        assignment: Assignment,
        records: Records,
        backlog: Backlog,
        *,
        topic: str,
        max_dirty_users: int,
        metrics: Metrics,
    ) -> None:
        """Take a consumer that listens to `assignment`, what takes its records, and what those fill."""
        self._consumer, self._assignment, self._topic = consumer, assignment, topic
        self._records, self._backlog, self._ledger = records, backlog, backlog.ledger
        self._max_dirty_users, self._metrics = max_dirty_users, metrics
        self._paused = False
        self._stopped = False
        self.polled_at = anyio.current_time()
        # Partitions to be asked alone, and those left out, each with the time of the next try.
        self._suspects: OrderedDict[int, _Suspect] = OrderedDict()
        # The one that the last poll asked alone.
        self._alone: int | None = None
        self.out: dict[int, float] = {}
        self._ask_ends_at = 0.0

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
                epoch = self._assignment.epoch
                self._start_over()
            self._assignment.check()
            if lost := self._assignment.watch.lost(self._ledger.partitions):
                await self._begin_anew(lost)
                continue
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
            await self._ask_ends()
            await anyio.lowlevel.checkpoint()
        await anyio.sleep_forever()

    def stop(self) -> None:
        """Take no more records; the consumer stays a member until its end."""
        self._stopped = True

    # ---- Polling ----

    def _start_over(self) -> None:
        """Go back to where we are on every partition: what was polled meanwhile is forgotten here, but not by the client."""
        self._suspects.clear()
        self.out.clear()
        self._paused = False
        self._seek_all()

    async def _poll(self) -> Batches:
        now = anyio.current_time()
        for partition in [partition for partition, at in self.out.items() if at <= now]:
            del self.out[partition]
            self._consumer.resume(self._tp(partition))
            self._suspects[partition] = _Suspect(failures=_FAILURES - 1)
        apart = self.out.keys() | self._suspects.keys()
        others = [self._tp(partition) for partition in self._ledger.partitions if partition not in apart]
        # In turn with the others: one that answers now and fails then may be asked alone for long.
        self._alone = next(iter(self._suspects), None) if self._alone is None or not others else None
        if self._alone is not None:
            return await self._ask_alone(self._alone)
        if self.out and not others:
            await anyio.sleep(_POLL_MS / 1000)
            return {}
        wait_ms = 0 if self._suspects else _POLL_MS
        batches: Batches = await self._consumer.getmany(*(others if apart else ()), timeout_ms=wait_ms, max_records=_MAX_RECORDS)
        return batches

    async def _ask_alone(self, partition: int) -> Batches:
        one = self._suspects[partition]
        batches: Batches = await self._consumer.getmany(self._tp(partition), timeout_ms=int(_ANSWER_S * 1000), max_records=one.at_once)
        if batches and one.at_once < _MAX_RECORDS:
            one.failures, one.at_once = 0, min(one.at_once * 2, _MAX_RECORDS)
        else:
            self._suspects.pop(partition, None)
        return batches

    async def _suspect(self, error: Exception) -> None:
        """Go back to where we are on every partition, and ask one by one which is to blame."""
        self._metrics.fetch_errors.inc()
        if self._alone is not None:
            partition, one = self._alone, self._suspects[self._alone]
            one.failures, one.at_once = one.failures + 1, 1
            self._suspects.move_to_end(partition)
            if one.failures >= _FAILURES:
                del self._suspects[partition]
                self.out[partition] = anyio.current_time() + _OUT_S
                self._consumer.pause(self._tp(partition))
                _log.error(
                    "partition left out",
                    partition=partition,
                    next_offset=self._ledger.next_offset(partition),
                    error=said(error),
                    cause=cure(error),
                )
        else:
            _log.error("fetch failed", error=said(error))
            for partition in self._ledger.partitions:
                if partition not in self.out:
                    self._suspects.setdefault(partition, _Suspect())
        self._seek_all()
        await anyio.sleep(_POLL_MS / 1000)

    def _seek_all(self) -> None:
        for tp in self._mine():
            self._consumer.seek(tp, self._ledger.next_offset(tp.partition))

    async def _resume_at_earliest(self, lost: Mapping[TopicPartition, int]) -> None:
        """Go on at the first record there is, where our next one is gone."""
        found = await self._earliest(list(lost))
        if found is None:
            return
        for tp, earliest in found.items():
            gap = max(0, earliest - lost[tp])
            self._metrics.offset_gap_records.inc(gap)
            _log.error("offset out of range", partition=tp.partition, offset=lost[tp], next_offset=earliest, gap_records=gap)
            self._restart(tp.partition, earliest)
        self._seek_all()

    async def _begin_anew(self, lost: list[int]) -> None:
        """Read from the beginning what is another log than the one our offsets are of; it may have been filled past them."""
        found = await self._earliest([self._tp(partition) for partition in lost])
        if found is None:
            return
        for tp, earliest in found.items():
            offset = self._ledger.next_offset(tp.partition)
            _log.error("topic made anew: read from its beginning", partition=tp.partition, offset=offset, next_offset=earliest)
            self._restart(tp.partition, earliest)
        self._assignment.watch.accept(lost)
        self._suspects.clear()
        self.out.clear()  # `_regulate` resumes them.
        self._seek_all()

    async def _earliest(self, tps: list[TopicPartition]) -> Mapping[TopicPartition, int] | None:
        """Return where partitions of ours begin; None: they have gone or come meanwhile."""
        epoch = self._assignment.epoch
        with anyio.fail_after(_ASK_LIMIT_S):
            found: Mapping[TopicPartition, int] = await self._consumer.beginning_offsets(tps)
        return found if epoch == self._assignment.epoch else None

    def _restart(self, partition: int, earliest: int) -> None:
        self._metrics.offset_resets.inc()
        self._backlog.restart(partition, earliest)

    def _regulate(self) -> None:
        # No lower mark for going on: users that a shut gate holds, up to the limit, must not stop what is for others.
        self._paused = self._backlog.load > self._max_dirty_users
        mine = [tp for tp in self._mine() if tp.partition not in self.out]
        if self._paused:
            self._consumer.pause(*mine)
        elif self._consumer.paused():
            self._consumer.resume(*mine)

    async def _ask_ends(self) -> None:
        """See what waits in partitions that are not fetched: no fetch shows their ends, and what waits there must not look like nothing."""
        now, shut = anyio.current_time(), [tp for tp in self._mine() if self._paused or tp.partition in self.out]
        if shut and now < self._ask_ends_at:
            return
        # Only a number to look at: what is wrong with the brokers shows where they are needed.
        with suppress(KafkaError, OSError), anyio.move_on_after(_ENDS_LIMIT_S):
            await self._consumer.ask_ends(shut)
        self._ask_ends_at = anyio.current_time() + _ENDS_S

    @property
    def paused(self) -> bool:
        """Return whether nothing is fetched because too many users are dirty."""
        return self._paused

    # ---- Records ----

    def _take(self, batches: Batches) -> None:
        now = anyio.current_time()
        for tp, records in batches.items():
            if tp.partition in self._ledger.partitions:
                self._records.take(tp.partition, records, now=now)
        for tp in self._mine():
            # Behind the last record may stand control records, which are not handed out.
            position = self._consumer.position_now(tp)
            if position is not None and position > self._ledger.next_offset(tp.partition):
                self._backlog.read_to(tp.partition, position)
        if batches:
            self._backlog.on_work()

    def _mine(self) -> list[TopicPartition]:
        """Return what both the client and the ledger hold: during a rebalance they differ."""
        return [tp for tp in self._consumer.assignment() if tp.partition in self._ledger.partitions]

    def _tp(self, partition: int) -> TopicPartition:
        return TopicPartition(self._topic, partition)
