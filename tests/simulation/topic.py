"""A topic and a consumer group in memory, on the virtual clock, with the habits of aiokafka that lose data."""

import random
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import anyio
from aiokafka import TopicPartition
from aiokafka.errors import CommitFailedError, CorruptRecordException, IllegalStateError, KafkaError, UnknownMemberIdError
from anyio.abc import TaskGroup

TOPIC = "events"


class Record(NamedTuple):
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


class Topic:
    """Append-only partitions."""

    def __init__(self, partitions: int) -> None:
        self.partitions: list[list[Record]] = [[] for _ in range(partitions)]

    def append(self, partition: int, value: bytes | None, key: bytes | None = None) -> int:
        log = self.partitions[partition]
        log.append(Record(len(log), int(anyio.current_time() * 1000), key, value))
        return len(log) - 1


class Group:
    """A consumer group with the eager protocol; `on_commit` sees each commit that the broker takes."""

    def __init__(
        self, topic: Topic, chance: random.Random, *, session_timeout_s: float, on_commit: Callable[[int, int, int], None]
    ) -> None:
        self.topic, self.chance, self.session_timeout_s, self.on_commit = topic, chance, session_timeout_s, on_commit
        self.offsets: dict[int, int] = dict.fromkeys(range(len(topic.partitions)), 0)
        self.generation = 0
        self.members: list[Member] = []
        self._changed = anyio.Event()
        self.rebalances = 0

    def change(self) -> None:
        self._changed.set()

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
            member.assigned(self.generation, partitions[index :: len(self.members)])

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

    def __init__(self, group: Group, listener: Any) -> None:
        self._group, self._listener = group, listener
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
        if not self.ready:  # Else it has joined already, and waits for what it is given.
            self._asked = True
            self._rejoin.set()

    def assigned(self, generation: int, partitions: list[int]) -> None:
        self.generation, self._given = generation, partitions
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
            self._positions = {p: self._group.offsets[p] for p in given}
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
        return {tp: self._group.offsets[tp.partition] for tp in tps}

    async def topic_id(self, topic: str) -> bytes:
        await self._answer()
        return topic.encode()

    def highwater(self, tp: TopicPartition) -> int:
        return len(self._group.topic.partitions[tp.partition])

    async def beginning_offsets(self, tps: list[TopicPartition]) -> dict[TopicPartition, int]:
        await self._answer()
        return dict.fromkeys(tps, 0)

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        generation = self.generation
        await self._answer()
        if self not in self._group.members or generation != self._group.generation:
            self.generation = -1
            self._rejoin.set()
            raise CommitFailedError from UnknownMemberIdError()
        for tp, offset in offsets.items():
            if tp.partition not in self._positions:
                raise IllegalStateError("not assigned")
            before = self._group.offsets[tp.partition]
            self._group.offsets[tp.partition] = offset
            self._group.on_commit(tp.partition, before, offset)
        await anyio.sleep(self._group.chance.random() * 0.02)

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
            records = self._group.topic.partitions[partition][position : position + self._group.chance.randint(1, max_records)]
            if records:
                drained[TopicPartition(TOPIC, partition)] = records
                self._positions[partition] = records[-1].offset + 1
        if drained and self._group.chance.random() < self.fetch_errors:
            raise CorruptRecordException  # As the real client does: the positions have moved, the records are gone.
        return drained


@asynccontextmanager
async def joined(group: Group, tasks: TaskGroup, listener: Any, made: Callable[[Member], None]) -> AsyncIterator[Member]:
    """Be a member of the group until the end; dying leaves without a word."""
    if group.chance.random() < 0.02:
        raise KafkaError("no broker")
    member = Member(group, listener)
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
