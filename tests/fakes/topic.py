"""A topic in memory as it is read outside the group, with the habits of aiokafka that lose data or tell nothing."""

import json
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
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
    headers: Any = ()
    key: bytes | None = b"k"
    timestamp: int = 0


class Part:
    """One partition: what it holds, and what is wrong with it."""

    def __init__(self, first: int = 0) -> None:
        self.first = self.end = first
        self.records: list[Record] = []
        self.damaged: dict[int, Exception] = {}
        """By offset, what reading there raises."""
        self.is_silent = False

    def add(self, value: bytes | None, headers: Any = ()) -> int:
        """Append a record; return its offset."""
        self.records.append(Record(self.end, value, headers))
        self.end += 1
        return self.end - 1

    def add_control(self, number: int = 1) -> None:
        """Append what takes an offset and is handed to nobody."""
        self.end += number

    def damage(self, offset: int, error: Exception | None = None) -> None:
        """Let nobody read the record at an offset, which is there or still to come."""
        self.damaged[offset] = error or CorruptRecordException()

    def lose(self, before: int) -> None:
        """Let retention take everything before an offset."""
        self.first, self.end = before, max(self.end, before)
        self.records = [one for one in self.records if one.offset >= before]


class Topic:
    """A topic, and every reader that was made of it."""

    def __init__(self, *parts: Part, name: str = TOPIC) -> None:
        self.parts, self.name = list(parts), name
        self.id: bytes | None = b"first"
        """What tells it from another of its name; None: the broker does not say."""
        self.start_errors: list[Exception] = []
        self.poll_errors: list[Exception] = []
        self.readers: list[Reader] = []
        self.options: list[dict[str, Any]] = []

    def tell(self, partition: int, *users: UserKey, type_: str = "contract.7#update") -> None:
        """Append an event of each user."""
        for user in users:
            self.parts[partition].add(json.dumps({"eventType": type_, "vendorId": user.vendor, "userId": user.user}).encode())

    @asynccontextmanager
    async def reading(self, settings: object, *, suffix: str, **options: Any) -> AsyncIterator["Reader"]:
        """Give a reader, as `connect.reading` does."""
        assert settings
        self.options.append({"suffix": suffix, **options})
        if self.start_errors:
            raise self.start_errors.pop(0)
        yield self.reader()

    def reader(self) -> "Reader":
        """Return a new reader, which stands nowhere yet."""
        self.readers.append(Reader(self))
        return self.readers[-1]


class Reader:
    """
    What our loops use of a consumer without a group.

    A poll that fails throws away what it has of other partitions, and all of them have moved on, as the client does it.
    """

    def __init__(self, topic: Topic) -> None:
        self._topic = topic
        self.known = len(topic.parts)
        self.positions: dict[TopicPartition, int | None] = {}
        self.paused: set[TopicPartition] = set()
        self.polled_at: dict[TopicPartition, float] = {}
        self.ends_take_s = 0.0

    def assign(self, partitions: Collection[TopicPartition]) -> None:
        self.positions = dict.fromkeys(partitions)

    def assignment(self) -> set[TopicPartition]:
        return set(self.positions)

    def partitions_for_topic(self, topic: str) -> set[int]:
        assert topic == self._topic.name
        return set(range(self.known))

    async def topic_id(self, topic: str) -> bytes | None:
        assert topic == self._topic.name
        return self._topic.id

    async def partitions_now(self, topic: str) -> set[int]:
        self.known = len(self._topic.parts)
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
        return {tp: self._topic.parts[tp.partition].first for tp in tps}

    async def end_offsets(self, tps: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        found = {tp: self._topic.parts[tp.partition].end for tp in tps}
        await anyio.sleep(self.ends_take_s or _TICK_S)
        return found

    async def offsets_for_times(self, times: Mapping[TopicPartition, int]) -> dict[TopicPartition, Any]:
        """Take an offset as the time at which it was written, in seconds."""
        found: dict[TopicPartition, Any] = {}
        for tp, at_ms in times.items():
            records = self._topic.parts[tp.partition].records
            found[tp] = next((one for one in records if one.offset * 1000 >= at_ms), None)
        return found

    async def getmany(self, *tps: TopicPartition, timeout_ms: int, max_records: int) -> dict[TopicPartition, list[Record]]:
        deadline = anyio.current_time() + timeout_ms / 1000
        while True:
            await anyio.sleep(timeout_ms / 10_000)
            if self._topic.poll_errors:
                raise self._topic.poll_errors.pop(0)
            found = self._drain(set(tps) or set(self.positions), max_records)
            if found or anyio.current_time() >= deadline:
                return found

    def _drain(self, wanted: set[TopicPartition], max_records: int) -> dict[TopicPartition, list[Record]]:
        found: dict[TopicPartition, list[Record]] = {}
        errors: list[Exception] = []
        for tp in sorted(wanted - self.paused):
            part, at = self._topic.parts[tp.partition], self.positions[tp]
            if part.is_silent or at is None:
                continue
            self.polled_at[tp] = anyio.current_time()
            if at < part.first or at > part.end:
                errors.append(OffsetOutOfRangeError({tp: at}))
                continue
            bad = min((offset for offset in part.damaged if at <= offset < part.end), default=part.end)
            records = [one for one in part.records if at <= one.offset < bad][:max_records]
            if bad < part.end and len(records) < max_records:  # What stands before it in the same answer goes with it.
                errors.append(part.damaged[bad])
                self.positions[tp] = bad + 1
            elif records:
                found[tp] = records
                self.positions[tp] = records[-1].offset + 1
            else:  # Nothing but control records is left.
                self.positions[tp] = part.end
        if errors:
            raise errors[0]
        return found
