"""How a pod goes on reading the dead-letter topic: after errors, after retention, and when the topic changes."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from math import inf
from typing import Any

import anyio
import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from consumer.core.backlog import Backlog
from consumer.core.errors import Fatal
from consumer.core.events import encode
from consumer.core.model import Event, Place
from consumer.kafka.client.reader import Poll
from consumer.kafka.letter_follower import LetterFollower
from consumer.telemetry.metrics import Metrics
from tests.clock import virtual
from tests.fakes.letters import Pod, user
from tests.fakes.reader import Reader, Row
from tests.generated.metrics_table import one_of_each
from tests.simulation.world import LETTERS

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


def following(pod: Pod, reader: Any) -> LetterFollower:
    nobody: Any = None
    metrics = Metrics(one_of_each())
    backlog = Backlog(pod.schedule, pod.healing)
    backlog.heals, backlog.topic_partitions = True, pod.of_topic
    for partition in pod.owned:
        backlog.begin(partition, 0)
    return LetterFollower(backlog, topic=LETTERS.topic, reading=nobody, partitions=reader.partitions, metrics=metrics)


async def live_until(follower: LetterFollower, reader: Any, is_so: Callable[[], bool]) -> None:
    """Follow with one consumer until something is so."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(follower._reader.live, reader)
        with anyio.fail_after(5):
            while not is_so():
                await anyio.sleep(0.001)
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize("error", [ConnectionResetError("the network"), AttributeError("ours")])
async def test_only_a_damaged_batch_is_left_out(error: Exception) -> None:
    reader: Any = Reader(p0=error)
    with pytest.raises(type(error)):
        await following(Pod(), reader)._reader.live(reader)


async def test_a_damaged_batch_keeps_no_other_partition_waiting(caplog: pytest.LogCaptureFixture) -> None:
    """Letters of the others are read and tried; the topic as a whole does not count as followed, and nothing spins."""
    pod = Pod()
    headers = [("error.code", b"held"), ("source.partition", b"1"), ("makeas.account", b"1")]
    reader: Any = Reader(p0=ValueError("does not unpack"), p1=[Row(0, headers, encode(Event(user(), "contract.1#update")))])
    follower = following(pod, reader)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(follower._reader.live, reader)
        with anyio.fail_after(5):
            while not len(pod.schedule):
                await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()

    assert (sorted(pod.schedule.users), follower.followed_at) == ([user()], inf)
    assert ["left out" in line.getMessage() for line in caplog.records] == [True]


async def test_what_nobody_expected_of_one_record_costs_that_record_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is counted and passed over; what is wrong in the book itself ends the pod."""
    pod = Pod()
    headers = [("error.code", b"held"), ("source.partition", b"1"), ("makeas.account", b"1")]
    good = Row(1, headers, encode(Event(user(), "contract.1#update")))
    reader: Any = Reader(p0=[Row(0, headers=7), good])
    follower = following(pod, reader)
    await live_until(follower, reader, lambda: len(pod.healing.book) == 1)

    assert [place for place, _ in pod.healing.book.items()] == [Place(0, 1)]
    assert (follower._metrics.bugs.labels(stage="letter")._value.get(), follower._reader.at) == (1, {0: 2})

    def torn(*_: object) -> None:
        raise KeyError

    monkeypatch.setattr(pod.healing.book, "read", torn)
    with pytest.raises(KeyError):
        await follower._take_poll(Poll(records={0: [Row(2, headers, good.value)]}))


async def test_letters_of_a_partition_that_is_gone_are_forgotten_and_a_new_consumer_goes_on_where_the_last_was() -> None:
    headers = [("error.code", b"held"), ("source.partition", b"1"), ("makeas.account", b"1")]
    rows = [Row(at, headers, encode(Event(user(at), "contract.1#update"))) for at in range(3)]
    pod = Pod()
    before: Any = Reader(p0=rows, p1=rows)
    follower = following(pod, before)
    await live_until(follower, before, lambda: len(pod.healing.book) == 6)

    after: Any = Reader(p0=rows)
    follower._partitions = after.partitions
    await live_until(follower, after, lambda: after.polls > 0)
    assert (after.next, len(pod.healing.book), follower._reader.at) == ({LETTERS: 3}, 3, {0: 3})


async def test_letters_are_offered_once_all_that_was_there_has_been_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a letter is tried whose `done` stands further on."""
    headers = [("error.code", b"held"), ("source.partition", b"1"), ("makeas.account", b"1")]
    done = [("letter", b"0:0"), ("state", b"done")]
    rows = [Row(0, headers, encode(Event(user(), "contract.1#update"))), Row(1, done, b"")]
    pod = Pod()
    reader: Any = Reader(p0=rows)
    offers: list[int] = []

    def offer(*_: object, **__: float) -> bool:
        offers.append(len(pod.healing.book))
        return False

    monkeypatch.setattr(pod.healing, "offer", offer)
    whole = reader.getmany

    async def by_one(*_: TopicPartition, **__: int) -> Any:
        start = reader.next[LETTERS]
        await whole()
        reader.next[LETTERS] = min(start + 1, 2)
        return {LETTERS: rows[start : start + 1]} if start < len(rows) else {}

    reader.getmany = by_one
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(following(pod, reader)._reader.live, reader)
        with anyio.fail_after(5):
            while not offers:
                await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()

    assert set(offers) == {0}
