"""A topic and a consumer group in memory, on the virtual clock, with the habits of aiokafka that lose data."""

import random
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import anyio
from aiokafka import TopicPartition
from aiokafka.errors import CommitFailedError, CorruptRecordException, IllegalStateError, KafkaError, UnknownMemberIdError
from anyio.abc import TaskGroup

from tests.history.operations import Committed, Operation, Owned

TOPIC = "events"


class Record(NamedTuple):
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


class Topic:
    """Append-only partitions; each begins at an offset of its own."""

    def __init__(self, partitions: int, *, first: Sequence[int] | None = None) -> None:
        self.first = list(first or [0] * partitions)
        self.partitions: list[list[Record]] = [[] for _ in range(partitions)]

    def append(self, partition: int, value: bytes | None, key: bytes | None = None) -> int:
        offset = self.end(partition)
        self.partitions[partition].append(Record(offset, int(anyio.current_time() * 1000), key, value))
        return offset

    def end(self, partition: int) -> int:
        """Return the offset that the next record will have."""
        return self.first[partition] + len(self.partitions[partition])

    def read(self, partition: int, position: int, count: int) -> list[Record]:
        """Return at most `count` records from an offset on."""
        start = position - self.first[partition]
        return self.partitions[partition][start : start + count]


class Group:
    """A consumer group with the eager protocol; `record` is told what it gives to whom, and each commit that it takes."""

    def __init__(self, topic: Topic, chance: random.Random, *, session_timeout_s: float, record: Callable[[Operation], None]) -> None:
        self.topic, self.chance, self.session_timeout_s, self.record = topic, chance, session_timeout_s, record
        self.offsets: dict[int, int] = {}
        self.slow_answers = 0.0
        """How likely a commit is answered late, though it was taken."""
        self.generation = 0
        self.members: list[Member] = []
        self._changed = anyio.Event()
        self.rebalances = 0

    def change(self) -> None:
        self._changed.set()

    async def pin(self, start_at: str) -> None:
        """Give a group without any offset its start, as a pod does before it joins."""
        await anyio.sleep(self.chance.random() * 0.02)
        if not self.offsets and not self.members:
            ends = {p: self.topic.end(p) for p in range(len(self.topic.partitions))}
            self.offsets = ends if start_at == "latest" else dict(enumerate(self.topic.first))

    def at_the_end(self) -> bool:
        """Say whether all of the topic is committed."""
        return all(self.offsets.get(p) == self.topic.end(p) for p in range(len(self.topic.partitions)))

    def take(self, partition: int, offset: int) -> None:
        """Take a commit."""
        before = self.offsets[partition]
        self.offsets[partition] = offset
        self.record(Committed(at=anyio.current_time(), partition=partition, offset=offset, before=before))

    async def run(self) -> None:
        """Rebalance whenever the members change."""
        while True:
            await self._changed.wait()
            self._changed = anyio.Event()
            for member in self.members:
                member.rejoin()
            await self._all_ready()
            self.generation += 1
            self.rebalances += 1
            self._assign()

    async def _all_ready(self) -> None:
        deadline = anyio.current_time() + 60
        while not all(member.ready for member in self.members):
            await anyio.sleep(0.05)
            if anyio.current_time() > deadline:
                self.members = [member for member in self.members if member.ready]

    def _assign(self) -> None:
        partitions = list(range(len(self.topic.partitions)))
        if self.chance.random() < 0.5:
            self.chance.shuffle(partitions)
        for index, member in enumerate(self.members):
            given = partitions[index :: len(self.members)]
            self.record(Owned(at=anyio.current_time(), pod=member.pod, partitions=tuple(given)))
            member.assigned(self.generation, given)

    async def expire(self) -> None:
        """Drop members that gave no sign of life for a session."""
        while True:
            await anyio.sleep(0.5)
            for member in list(self.members):
                silent = member.dead or member.cut
                if not silent:
                    member.alive_at = anyio.current_time()
                elif anyio.current_time() - member.alive_at > self.session_timeout_s:
                    self.members.remove(member)
                    self.change()


class Member:
    """What `Intake`, `Assignment` and `Service` use of a consumer."""

    def __init__(self, group: Group, listener: Any, pod: str = "p") -> None:
        self._group, self._listener, self.pod = group, listener, pod
        self.generation = -1
        self.ready = False
        self.dead = False
        self.cut = False
        self.closed = False
        self._asked = False
        self.alive_at = anyio.current_time()
        self._positions: dict[int, int] = {}
        self._paused: set[int] = set()
        self._rejoin = anyio.Event()
        self._given: list[int] | None = None
        self._got = anyio.Event()
        self.assigned_once = anyio.Event()
        self.fetch_errors = 0.0

    # ---- The group's side ----

    def rejoin(self) -> None:
        # One that is ready has joined already, unless it has just been given something: then that is to be given back.
        if not self.ready or self._got.is_set():
            self._asked = True
            self._rejoin.set()

    def assigned(self, generation: int, partitions: list[int]) -> None:
        self.generation, self._given = generation, partitions
        self.alive_at = anyio.current_time()  # It has just been heard, whatever was before.
        self._got.set()

    async def coordinate(self) -> None:
        """Revoke and assign, as often as the group wants."""
        while True:
            await self._rejoin.wait()
            while self.cut:
                await anyio.sleep(0.1)
            self._rejoin, self._got = anyio.Event(), anyio.Event()
            await self._listener.on_partitions_revoked([TopicPartition(TOPIC, p) for p in self._positions])
            self._positions = {}
            self._paused.clear()
            if self.closed:
                return
            if self not in self._group.members:
                self._group.members.append(self)
                self._asked = False
            if not self._asked:
                self._group.change()
            self._asked = False
            self.ready = True
            while not self._got.is_set() and self in self._group.members:
                await anyio.sleep(0.05)
            self.ready = False
            if not self._got.is_set():
                self._rejoin.set()
                continue
            given, self._given = self._given or [], None
            self._positions = {p: self._group.offsets.get(p, self._group.topic.first[p]) for p in given}
            await self._listener.on_partitions_assigned([TopicPartition(TOPIC, p) for p in given])
            self.assigned_once.set()

    # ---- The consumer's side ----

    def assignment(self) -> list[TopicPartition]:
        return [TopicPartition(TOPIC, p) for p in self._positions]

    def partitions_for_topic(self, topic: str) -> set[int]:
        assert topic == TOPIC
        return set(range(len(self._group.topic.partitions)))

    def position_now(self, tp: TopicPartition) -> int | None:
        return self._positions.get(tp.partition)

    def seek(self, tp: TopicPartition, offset: int) -> None:
        if tp.partition not in self._positions:
            raise IllegalStateError("not assigned")
        self._positions[tp.partition] = offset

    def pause(self, *tps: TopicPartition) -> None:
        self._paused |= {tp.partition for tp in tps}

    def resume(self, *tps: TopicPartition) -> None:
        self._paused -= {tp.partition for tp in tps}

    def paused(self) -> set[TopicPartition]:
        return {TopicPartition(TOPIC, p) for p in self._paused}

    async def _answer(self) -> None:
        await anyio.sleep(self._group.chance.random() * 0.02)
        while self.cut or self.dead:
            await anyio.sleep(0.1)

    async def committed_all(self, tps: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        await self._answer()
        return {tp: self._group.offsets[tp.partition] for tp in tps if tp.partition in self._group.offsets}

    async def topic_id(self, topic: str) -> bytes:
        await self._answer()
        return topic.encode()

    def highwater(self, tp: TopicPartition) -> int:
        return self._group.topic.end(tp.partition)

    def end_of(self, partition: int) -> int | None:
        return self._group.topic.end(partition) if partition in self._positions else None

    async def commit_offsets(self, offsets: Mapping[int, int]) -> None:
        await self.commit({TopicPartition(TOPIC, partition): offset for partition, offset in offsets.items()})

    async def ask_ends(self, tps: list[TopicPartition]) -> None:
        """Nothing: `highwater` is the end, fetched or not."""

    async def beginning_offsets(self, tps: list[TopicPartition]) -> dict[TopicPartition, int]:
        await self._answer()
        return {tp: self._group.topic.first[tp.partition] for tp in tps}

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        group, generation = self._group, self.generation
        if not {tp.partition for tp in offsets} <= self._positions.keys():
            raise IllegalStateError("not assigned")
        await self._answer()
        # Who is no member says so, and a group without members lets anybody commit.
        is_taken = not group.members if generation <= 0 else self in group.members and generation == group.generation
        if not is_taken:
            self.generation = -1
            self._rejoin.set()
            raise CommitFailedError from UnknownMemberIdError()
        for tp, offset in offsets.items():
            group.take(tp.partition, offset)
        # The answer is on its way, whatever is cut meanwhile.
        is_slow = group.chance.random() < group.slow_answers
        await anyio.sleep(group.chance.uniform(1.0, 9.0) if is_slow else group.chance.random() * 0.02)

    async def getmany(self, *tps: TopicPartition, timeout_ms: int, max_records: int) -> dict[TopicPartition, list[Record]]:
        deadline = anyio.current_time() + timeout_ms / 1000
        while True:
            await anyio.sleep(0.001)
            while not self._positions or not self.assigned_once.is_set():
                await anyio.sleep(0.05)
            drained = {} if self.cut or self.dead else self._drain({tp.partition for tp in tps}, max_records)
            if drained or anyio.current_time() >= deadline:
                return drained
            await anyio.sleep(0.1)

    def _drain(self, wanted: set[int], max_records: int) -> dict[TopicPartition, list[Record]]:
        drained: dict[TopicPartition, list[Record]] = {}
        for partition, position in list(self._positions.items()):
            if partition in self._paused or (wanted and partition not in wanted):
                continue
            records = self._group.topic.read(partition, position, self._group.chance.randint(1, max_records))
            if records:
                drained[TopicPartition(TOPIC, partition)] = records
                self._positions[partition] = records[-1].offset + 1
        if drained and self._group.chance.random() < self.fetch_errors:
            raise CorruptRecordException  # As the real client does: the positions have moved, the records are gone.
        return drained


@asynccontextmanager
async def joined(group: Group, tasks: TaskGroup, listener: Any, made: Callable[[Member], None], *, pod: str = "p") -> AsyncIterator[Member]:
    """Be a member of the group until the end; dying leaves without a word."""
    if group.chance.random() < 0.02:
        raise KafkaError("no broker")
    member = Member(group, listener, pod)
    made(member)
    member._rejoin.set()
    scope = anyio.CancelScope()

    async def coordinate() -> None:
        with scope:
            await member.coordinate()

    tasks.start_soon(coordinate)
    try:
        await member.assigned_once.wait()
        yield member
    finally:
        member.closed = True
        scope.cancel()
        if not member.dead and member in group.members:
            group.members.remove(member)
            group.change()
