"""How a pod goes on reading the dead-letter topic: after errors, after retention, and when the topic changes."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from math import inf
from typing import Any

import anyio
import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from consumer.core.backlog import Backlog
from consumer.core.errors import Fatal
from consumer.core.events import encode
from consumer.core.model import Event, Place
from consumer.kafka.client.connect import partitions_of
from consumer.kafka.client.reader import Poll
from consumer.kafka.client.unpacking import UnpacksTooLarge
from consumer.kafka.letter_follower import LetterFollower
from consumer.telemetry.metrics import Metrics
from tests.clock import virtual
from tests.fakes.letters import Pod, user
from tests.fakes.topic import Part, Record, Topic
from tests.generated.metrics_table import one_of_each
from tests.simulation.world import LETTERS

HEADERS = [("error.code", b"held"), ("source.partition", b"1"), ("makeas.account", b"1")]


def letters(*numbers: int) -> Part:
    """Return a partition with held letters of these users, from offset 0."""
    part = Part()
    for number in numbers:
        part.add(encode(Event(user(number), "contract.1#update")), HEADERS)
    return part


def torn(error: Exception) -> Part:
    """Return a partition whose first batch raises this."""
    part = letters(0)
    part.damage(0, error)
    return part


def topic_of(*parts: Part) -> Topic:
    return Topic(*parts, name=LETTERS.topic)


class Follow:
    """A follower at work on a topic."""

    def __init__(self, topic: Topic) -> None:
        self.pod, self.topic = Pod(), topic
        self.asked_at: list[float] = []
        self.rung: list[int] = []
        self.follower: LetterFollower = following(self.pod)
        self.follower._reading = self._reading
        self.follower._backlog.on_work = lambda: self.rung.append(len(self.pod.schedule))

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[Any]:
        self.asked_at.append(anyio.current_time())
        async with self.topic.reading(self, suffix="-x") as consumer:
            yield consumer

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
    topic = topic_of(letters(0))
    topic.start_errors = [*errors]
    follow = Follow(topic)
    began = anyio.current_time()

    assert await follow.run_for(30) == ["u0"]
    assert [round(at - began) for at in follow.asked_at] == [0, 5, 10, 15, 20]


@virtual
async def test_the_workers_are_woken_once_letters_were_offered() -> None:
    follow = Follow(topic_of(letters(0, 1)))
    await follow.run_for(30)

    assert follow.rung == [2]


@virtual
async def test_a_partition_that_is_left_out_is_tried_again_after_a_minute() -> None:
    topic = topic_of(torn(ValueError("does not unpack")), letters(1))
    follow = Follow(topic)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(follow.run_for, 100)
        await anyio.sleep(20)
        assert follow.open() == ["u1"]
        topic.parts[0].damaged.clear()
        await anyio.sleep(30)
        assert follow.open() == ["u1"]
        assert anyio.current_time() - follow.follower.followed_at > 40
        await anyio.sleep(20)
        assert follow.open() == ["u0", "u1"]
        assert anyio.current_time() - follow.follower.followed_at < 2


@virtual
async def test_every_ten_minutes_it_is_seen_what_retention_took_and_what_partitions_there_are() -> None:
    topic = topic_of(letters(0, 1, 2))
    follow = Follow(topic)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(follow.run_for, 700)
        await anyio.sleep(100)
        assert follow.open() == ["u0", "u1", "u2"]
        topic.parts[0].lose(before=2)
        topic.parts.append(letters(7))
        await anyio.sleep(480)
        assert follow.open() == ["u0", "u1", "u2"]
        await anyio.sleep(60)
        assert follow.open() == ["u2", "u7"]


@virtual
async def test_where_our_position_is_gone_reading_goes_on_at_the_first_record_there_is() -> None:
    """And what was open before it is forgotten: the topic no longer has it."""
    topic = topic_of(letters(0, 1))
    follow = Follow(topic)
    assert await follow.run_for(10) == ["u0", "u1"]
    topic.parts[0] = letters(0, 1, 2, 3, 4, 5)
    topic.parts[0].lose(before=4)

    assert await follow.run_for(10) == ["u4", "u5"]
    assert follow.follower._reader.at == {0: 6}


@virtual
async def test_a_topic_that_was_made_anew_takes_its_old_letters_along() -> None:
    topic = topic_of(letters(0, 1, 2))
    follow = Follow(topic)
    assert await follow.run_for(10) == ["u0", "u1", "u2"]
    topic.parts[0] = letters(8)

    assert await follow.run_for(10) == ["u8"]
    assert follow.follower._reader.at == {0: 1}


async def partitions(consumer: Any) -> list[TopicPartition]:
    return await partitions_of(consumer, LETTERS.topic)


def following(pod: Pod) -> LetterFollower:
    nobody: Any = None
    metrics = Metrics(one_of_each())
    backlog = Backlog(pod.schedule, pod.healing)
    backlog.heals, backlog.topic_partitions = True, pod.of_topic
    for partition in pod.owned:
        backlog.begin(partition, 0)
    return LetterFollower(backlog, topic=LETTERS.topic, reading=nobody, partitions=partitions, metrics=metrics)


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
    reader: Any = topic_of(torn(error)).reader()
    with pytest.raises(type(error)):
        await following(Pod())._reader.live(reader)


async def test_a_damaged_batch_keeps_no_other_partition_waiting(caplog: pytest.LogCaptureFixture) -> None:
    """Letters of the others are read and tried; the topic as a whole does not count as followed, and nothing spins."""
    pod = Pod()
    reader = topic_of(torn(ValueError("does not unpack")), letters(0)).reader()
    follower = following(pod)
    await live_until(follower, reader, lambda: len(pod.schedule) > 0)

    assert (sorted(pod.schedule.users), follower.followed_at) == ([user()], inf)
    assert ["left out" in line.getMessage() for line in caplog.records] == [True]


async def test_letters_that_unpack_too_large_are_left_out_with_what_to_do(caplog: pytest.LogCaptureFixture) -> None:
    pod = Pod()
    follower = following(pod)
    await live_until(follower, topic_of(torn(UnpacksTooLarge()), letters(0)).reader(), lambda: len(pod.schedule) > 0)

    assert ["more than 64 MiB: stop what writes" in line.getMessage() for line in caplog.records] == [True]


async def test_what_nobody_expected_of_one_record_costs_that_record_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is counted and passed over; what is wrong in the book itself ends the pod."""
    pod = Pod()
    part, value = Part(), encode(Event(user(), "contract.1#update"))
    part.add(value, headers=7)
    part.add(value, HEADERS)
    follower = following(pod)
    await live_until(follower, topic_of(part).reader(), lambda: len(pod.healing.book) == 1)

    assert [place for place, _ in pod.healing.book.items()] == [Place(0, 1)]
    assert (follower._metrics.bugs.labels(stage="letter")._value.get(), follower._reader.at) == (1, {0: 2})

    def fails(*_: object) -> None:
        raise KeyError

    monkeypatch.setattr(pod.healing.book, "read", fails)
    with pytest.raises(KeyError):
        await follower._take_poll(Poll(records={0: [Record(2, value, HEADERS)]}))


async def test_letters_of_a_partition_that_is_gone_are_forgotten_and_a_new_consumer_goes_on_where_the_last_was() -> None:
    pod = Pod()
    follower = following(pod)
    await live_until(follower, topic_of(letters(0, 1, 2), letters(0, 1, 2)).reader(), lambda: len(pod.healing.book) == 6)

    after = topic_of(letters(0, 1, 2)).reader()
    await live_until(follower, after, lambda: len(after.polled_at) > 0)
    assert (after.positions, len(pod.healing.book), follower._reader.at) == ({LETTERS: 3}, 3, {0: 3})


async def test_letters_are_offered_once_all_that_was_there_has_been_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a letter is tried whose `done` stands further on."""
    part = letters(0)
    part.add(b"", [("letter", b"0:0"), ("state", b"done")])
    pod = Pod()
    reader: Any = topic_of(part).reader()
    offers: list[int] = []

    def offer(*_: object, **__: float) -> bool:
        offers.append(len(pod.healing.book))
        return False

    monkeypatch.setattr(pod.healing, "offer", offer)
    whole = reader.getmany

    async def by_one(*asked: TopicPartition, timeout_ms: int, max_records: int) -> Any:
        assert max_records > 1
        return await whole(*asked, timeout_ms=timeout_ms, max_records=1)

    reader.getmany = by_one
    await live_until(following(pod), reader, lambda: len(offers) > 0)

    assert set(offers) == {0}
