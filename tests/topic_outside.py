"""A topic in memory as commands outside the group read it, with the habits of aiokafka that lose data or tell nothing."""

import json
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from math import inf
from typing import Any, NamedTuple

import anyio
from aiokafka import TopicPartition
from aiokafka.errors import CorruptRecordException, OffsetOutOfRangeError

from consumer.core.model import UserKey

TOPIC = "sesamy.events"
_TICK_S = 0.01


class Record(NamedTuple):
    offset: int
    value: bytes | None


class Part:
    """One partition: what it holds, and what is wrong with it."""

    def __init__(self, first: int = 0) -> None:
        self.first = self.end = first
        self.records: list[Record] = []
        self.damaged: set[int] = set()
        self.is_silent = False

    def add(self, value: bytes | None) -> int:
        """Append a record; return its offset."""
        self.records.append(Record(self.end, value))
        self.end += 1
        return self.end - 1

    def add_control(self, number: int = 1) -> None:
        """Append what takes an offset and is handed to nobody."""
        self.end += number

    def lose(self, before: int) -> None:
        """Let retention take everything before an offset."""
        self.first, self.end = before, max(self.end, before)
        self.records = [one for one in self.records if one.offset >= before]


class Log:
    """A topic, and every reader that was made of it."""

    def __init__(self, *firsts: int) -> None:
        self.parts = [Part(first) for first in firsts or (0,)]
        self.start_errors: list[Exception] = []
        self.poll_errors: list[Exception] = []
        self.readers: list[LogReader] = []
        self.options: list[dict[str, Any]] = []

    def tell(self, partition: int, *users: UserKey, type_: str = "contract.7#update") -> None:
        """Append an event of each user."""
        for user in users:
            self.parts[partition].add(json.dumps({"eventType": type_, "vendorId": user.vendor, "userId": user.user}).encode())

    @asynccontextmanager
    async def reading(self, settings: object, *, suffix: str, **options: Any) -> AsyncIterator["LogReader"]:
        """Give a reader, as `kafka.reading` does."""
        assert settings
        self.options.append({"suffix": suffix, **options})
        if self.start_errors:
            raise self.start_errors.pop(0)
        self.readers.append(LogReader(self))
        yield self.readers[-1]


class LogReader:
    """What `Tail` and `scan` use of a consumer."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self.known = len(log.parts)
        self.positions: dict[TopicPartition, int | None] = {}
        self.paused: set[TopicPartition] = set()
        self.polled_at: dict[TopicPartition, float] = {}
        self.polls: list[tuple[int, ...]] = []
        self.ends_take_s = 0.0

    def assign(self, partitions: Collection[TopicPartition]) -> None:
        self.positions = dict.fromkeys(partitions)

    def assignment(self) -> set[TopicPartition]:
        return set(self.positions)

    def partitions_for_topic(self, topic: str) -> set[int]:
        assert topic == TOPIC
        return set(range(self.known))

    async def partitions_now(self, topic: str) -> set[int]:
        self.known = len(self._log.parts)
        return self.partitions_for_topic(topic)

    def seek(self, tp: TopicPartition, offset: int) -> None:
        assert tp in self.positions
        self.positions[tp] = offset

    def pause(self, *tps: TopicPartition) -> None:
        self.paused |= set(tps)

    def position_now(self, tp: TopicPartition) -> int | None:
        return self.positions.get(tp)

    def last_poll_timestamp(self, tp: TopicPartition) -> int | None:
        at = self.polled_at.get(tp)
        return None if at is None else int(at * 1000)

    async def beginning_offsets(self, tps: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        await anyio.sleep(_TICK_S)
        return {tp: self._log.parts[tp.partition].first for tp in tps}

    async def end_offsets(self, tps: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        found = {tp: self._log.parts[tp.partition].end for tp in tps}
        await anyio.sleep(self.ends_take_s or _TICK_S)
        return found

    async def offsets_for_times(self, times: Mapping[TopicPartition, int]) -> dict[TopicPartition, Any]:
        """Take an offset as the time at which it was written, in seconds."""
        found: dict[TopicPartition, Any] = {}
        for tp, at_ms in times.items():
            records = self._log.parts[tp.partition].records
            found[tp] = next((one for one in records if one.offset * 1000 >= at_ms), None)
        return found

    async def getmany(self, *tps: TopicPartition, timeout_ms: int, max_records: int) -> dict[TopicPartition, list[Record]]:
        self.polls.append(tuple(sorted(tp.partition for tp in tps)))
        deadline = anyio.current_time() + timeout_ms / 1000
        while True:
            await anyio.sleep(_TICK_S)
            if self._log.poll_errors:
                raise self._log.poll_errors.pop(0)
            found = self._drain(set(tps) or set(self.positions), max_records)
            if found or anyio.current_time() >= deadline:
                return found

    def _drain(self, wanted: set[TopicPartition], max_records: int) -> dict[TopicPartition, list[Record]]:
        found: dict[TopicPartition, list[Record]] = {}
        for tp in sorted(wanted - self.paused):
            part, at = self._log.parts[tp.partition], self.positions[tp]
            if part.is_silent or at is None:
                continue
            self.polled_at[tp] = anyio.current_time()
            if at < part.first or at > part.end:
                raise OffsetOutOfRangeError({tp: at})
            if at in part.damaged:
                raise CorruptRecordException
            up_to = min((offset for offset in part.damaged if offset > at), default=inf)
            records = [one for one in part.records if at <= one.offset < up_to][:max_records]
            if up_to < part.end and len(records) < max_records:  # What stands before it in the same answer goes with it.
                raise CorruptRecordException
            if records:
                found[tp] = records
                self.positions[tp] = records[-1].offset + 1
            elif up_to == inf:  # Nothing but control records is left.
                self.positions[tp] = part.end
        return found
