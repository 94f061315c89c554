"""How a pod goes on reading the dead-letter topic: after errors, after retention, and when the topic changes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from consumer.core.errors import Fatal
from consumer.core.events import encode
from consumer.core.model import Event
from consumer.kafka.letter_follower import LetterFollower
from tests.clock import virtual
from tests.simulation.world import LETTERS
from tests.unit.core.letters.test_healing import Pod, Reader, Row, following, user

OTHER = TopicPartition(LETTERS.topic, 1)


def rows(*numbers: int) -> list[Row]:
    """Return a partition's held letters of these users, from offset 0."""
    headers = [("error.code", b"held"), ("source.partition", b"1"), ("makeas.account", b"1")]
    return [Row(at, headers, encode(Event(user(number), "contract.1#update"))) for at, number in enumerate(numbers)]


class Topic(Reader):
    """A consumer that waits as long as it may; `first` is where partitions begin."""

    def __init__(self, **at: Any) -> None:
        super().__init__(**at)
        self.first: dict[TopicPartition, int] = {}

    async def beginning_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return {tp: self.first.get(tp, 0) for tp in partitions}

    async def getmany(self, *asked: TopicPartition, **limits: int) -> Any:
        await anyio.sleep(limits["timeout_ms"] / 1000)
        lost = {tp: self.next[tp] for tp in asked if isinstance(self.at[tp], list) and not self._holds(tp)}
        if lost:
            raise OffsetOutOfRangeError(lost)
        return await super().getmany(*asked, **limits)

    def _holds(self, tp: TopicPartition) -> bool:
        return self.first.get(tp, 0) <= self.next[tp] <= len(self.at[tp])


class Follow:
    """A follower at work, with the consumers it asks for; the last one stays."""

    def __init__(self, *consumers: Topic | Exception) -> None:
        self.pod, self.consumers = Pod(), list(consumers)
        self.asked_at: list[float] = []
        self.rung: list[int] = []
        last: Any = consumers[-1]
        self.follower: LetterFollower = following(self.pod, last)
        self.follower._reading = self._reading
        self.follower._backlog.on_work = lambda: self.rung.append(len(self.pod.schedule))

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[Any]:
        self.asked_at.append(anyio.current_time())
        one = self.consumers.pop(0) if len(self.consumers) > 1 else self.consumers[0]
        if isinstance(one, Exception):
            raise one
        yield one

    async def run_for(self, seconds: float) -> list[str]:
        """Follow so long with a new consumer; return whose letters are open then."""
        with anyio.move_on_after(seconds):
            await self.follower.run()
        return self.open()

    def open(self) -> list[str]:
        return sorted(letter.user.user for _, letter in self.pod.healing.book.items())


@virtual
async def test_after_any_error_a_new_consumer_follows_five_seconds_later() -> None:
    errors = [KafkaError("no"), TimeoutError(), ConnectionResetError(), Fatal("no topic", code="no-topic", status=69)]
    follow = Follow(*errors, Topic(p0=rows(0)))
    began = anyio.current_time()

    assert await follow.run_for(30) == ["u0"]
    assert [round(at - began) for at in follow.asked_at] == [0, 5, 10, 15, 20]


@virtual
async def test_the_workers_are_woken_once_letters_were_offered() -> None:
    follow = Follow(Topic(p0=rows(0, 1)))
    await follow.run_for(30)

    assert follow.rung == [2]


@virtual
async def test_a_partition_that_is_left_out_is_tried_again_after_a_minute() -> None:
    topic = Topic(p0=ValueError("does not unpack"), p1=rows(1))
    follow = Follow(topic)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(follow.run_for, 100)
        await anyio.sleep(20)
        assert follow.open() == ["u1"]
        topic.at[LETTERS] = rows(0)
        await anyio.sleep(30)
        assert follow.open() == ["u1"]
        assert anyio.current_time() - follow.follower.followed_at > 40
        await anyio.sleep(20)
        assert follow.open() == ["u0", "u1"]
        assert anyio.current_time() - follow.follower.followed_at < 2


@virtual
async def test_every_ten_minutes_it_is_seen_what_retention_took_and_what_partitions_there_are() -> None:
    topic = Topic(p0=rows(0, 1, 2))
    follow = Follow(topic)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(follow.run_for, 700)
        await anyio.sleep(100)
        assert follow.open() == ["u0", "u1", "u2"]
        topic.first[LETTERS] = 2
        topic.at[OTHER] = rows(7)
        await anyio.sleep(480)
        assert follow.open() == ["u0", "u1", "u2"]
        await anyio.sleep(60)
        assert follow.open() == ["u2", "u7"]


@virtual
async def test_where_our_position_is_gone_reading_goes_on_at_the_first_record_there_is() -> None:
    """And what was open before it is forgotten: the topic no longer has it."""
    topic = Topic(p0=rows(0, 1))
    follow = Follow(topic)
    assert await follow.run_for(10) == ["u0", "u1"]
    topic.at[LETTERS], topic.first[LETTERS] = rows(0, 1, 2, 3, 4, 5), 4

    assert await follow.run_for(10) == ["u4", "u5"]
    assert follow.follower._reader.at == {0: 6}


@virtual
async def test_a_topic_that_was_made_anew_takes_its_old_letters_along() -> None:
    topic = Topic(p0=rows(0, 1, 2))
    follow = Follow(topic)
    assert await follow.run_for(10) == ["u0", "u1", "u2"]
    topic.at[LETTERS] = rows(8)

    assert await follow.run_for(10) == ["u8"]
    assert follow.follower._reader.at == {0: 1}
