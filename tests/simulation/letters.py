"""The dead-letter topic of a simulated life: its producer and its reader."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from tests.history.letters import letter_op
from tests.history.operations import Leaked
from tests.simulation.world import LETTERS, Parked, World, is_personal


class FakeProducer:
    """The dead-letter topic, as one pod writes it."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def partitions_for(self, _: str) -> set[int]:
        return {0}

    async def send_and_wait(
        self, topic: str, value: bytes | None, key: bytes | None, headers: list[tuple[str, bytes]], partition: int | None
    ) -> Any:
        assert topic
        assert partition in {None, 0}
        assert key is not None, "a compacted topic takes no record without a key"
        assert value is not None, "nor is a letter a tombstone"
        world = self._world
        await anyio.sleep(world.chance.uniform(0.005, 0.05))
        if world.trouble.get("letters"):
            raise KafkaError("no")
        letter = Parked(len(world.letters), anyio.current_time(), headers, value, key=key)
        world.letters.append(letter)
        version = 0 if letter.user is None else world.versions.get(letter.user, 0)
        world.record(letter_op(letter.offset, letter.parked_at, key, value, letter.said, version=version))
        if is_personal(str((value, key, headers))):
            world.record(Leaked(at=letter.parked_at, where=f"letter {letter.offset}"))


@asynccontextmanager
async def producing(world: World) -> AsyncIterator[FakeProducer]:
    """Give a producer of the dead-letter topic."""
    yield FakeProducer(world)


class FakeReader:
    """The dead-letter topic, as it is read."""

    def __init__(self, world: World) -> None:
        self._world, self._next = world, 0

    def assign(self, partitions: list[TopicPartition]) -> None:
        pass

    def assignment(self) -> list[TopicPartition]:
        return [LETTERS]

    def seek(self, _: TopicPartition, offset: int) -> None:
        self._next = offset

    def position_now(self, _: TopicPartition) -> int:
        return self._next

    def last_poll_timestamp(self, _: TopicPartition) -> int:
        return int(anyio.current_time() * 1000)

    async def beginning_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, 0)

    async def end_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, len(self._world.letters))

    async def getmany(self, *_: TopicPartition, timeout_ms: int, max_records: int) -> dict[TopicPartition, list[Parked]]:
        await anyio.sleep(timeout_ms / 1000)
        if self._world.trouble.get("letters"):
            raise KafkaError("no")
        found = self._world.letters[self._next : self._next + max_records]
        self._next += len(found)
        return {LETTERS: found} if found else {}


@asynccontextmanager
async def reading(world: World) -> AsyncIterator[FakeReader]:
    """Give a reader of the dead-letter topic."""
    yield FakeReader(world)
