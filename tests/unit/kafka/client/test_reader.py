"""What every loop outside the group is built on: which batch can't be unpacked, and when brokers count as silent."""

from gzip import BadGzipFile
from types import SimpleNamespace
from typing import Any

import anyio
import pytest
from aiokafka import TopicPartition
from aiokafka.errors import CorruptRecordException, KafkaConnectionError, OffsetOutOfRangeError

from consumer.core.model import UserKey
from consumer.kafka.client.reader import Answers, PartitionReader, Poll, damaged
from tests.clock import virtual
from tests.fakes.topic import TOPIC, Part, Topic

A, B, C = (TopicPartition("t", number) for number in range(3))
AT = {A: 5, B: 7, C: 9}


class Consumer:
    """Moves on where it reads, as aiokafka does, also of partitions that nobody asked for; some can't be read."""

    def __init__(self, errors: dict[TopicPartition, Exception]) -> None:
        self._errors = errors
        self.positions: dict[TopicPartition, int] = {}
        self.asked: list[tuple[TopicPartition, ...]] = []

    def seek(self, tp: TopicPartition, offset: int) -> None:
        self.positions[tp] = offset

    async def getmany(self, *tps: TopicPartition, timeout_ms: int, max_records: int) -> dict[TopicPartition, list[object]]:
        assert (timeout_ms, max_records) == (1000, 1)
        assert self.positions == AT, "it reads elsewhere"
        self.asked.append(tps)
        self.positions = {tp: offset + 1 for tp, offset in self.positions.items()}
        for tp in tps:
            if tp in self._errors:
                raise self._errors[tp]
        return {}


async def test_each_partition_is_asked_alone_and_all_stand_where_they_stood() -> None:
    error = CorruptRecordException()
    consumer: Any = Consumer({B: error})

    assert await damaged(consumer, AT) == {B: error}
    assert consumer.asked == [(A,), (B,), (C,)]
    assert consumer.positions == AT


async def test_an_offset_that_is_gone_is_no_damage() -> None:
    consumer: Any = Consumer({A: OffsetOutOfRangeError(), C: BadGzipFile()})

    assert list(await damaged(consumer, AT)) == [C]
    assert consumer.positions == AT


async def test_a_network_that_fails_is_no_damage_and_is_said() -> None:
    consumer: Any = Consumer({A: ConnectionResetError()})

    with pytest.raises(ConnectionResetError):
        await damaged(consumer, AT)


# ---- Silence ----

ONE, OTHER = TopicPartition("t", 0), TopicPartition("t", 1)


def polled(**at_ms: int | None) -> Any:
    """Return a consumer whose partitions were answered at these times."""
    return SimpleNamespace(last_poll_timestamp=lambda tp: at_ms[f"p{tp.partition}"])


def test_a_partition_that_has_not_answered_is_silence_though_the_other_has() -> None:
    answers = Answers(now=100)
    assert not answers.has_come(polled(p0=5, p1=None), [ONE, OTHER], now=101)
    assert not answers.any
    assert answers.has_come(polled(p0=6, p1=5), [ONE, OTHER], now=102)
    assert answers.any
    assert not answers.has_come(polled(p0=9, p1=5), [ONE, OTHER], now=103)


def test_half_a_minute_without_an_answer_is_an_error_and_each_answer_begins_it_anew() -> None:
    answers = Answers(now=100)
    assert not answers.has_come(polled(p0=0), [ONE], now=130)
    assert answers.has_come(polled(p0=7), [ONE], now=130)
    assert not answers.has_come(polled(p0=7), [ONE], now=160)
    with pytest.raises(KafkaConnectionError):
        answers.has_come(polled(p0=7), [ONE], now=160.1)


def test_who_has_never_answered_is_silent_too() -> None:
    with pytest.raises(KafkaConnectionError):
        Answers(now=100).has_come(polled(p0=None), [ONE], now=130.1)


class Answering:
    """Says when its partitions answered."""

    def __init__(self) -> None:
        self.at_ms: dict[TopicPartition, int | None] = {ONE: None, OTHER: None}

    def last_poll_timestamp(self, tp: TopicPartition) -> int | None:
        return self.at_ms[tp]


def test_a_reader_is_heard_once_all_partitions_answer_and_given_up_where_one_no_longer_does() -> None:
    reader, answers = Answering(), Answers(0.0)

    def heard(now: float) -> bool:
        return answers.has_come(reader, reader.at_ms, now=now)  # type: ignore[arg-type]

    assert (heard(1.0), answers.any) == (False, False)
    reader.at_ms[ONE] = 1000
    assert (heard(2.0), answers.any) == (False, False)
    reader.at_ms[OTHER] = 1100
    assert (heard(3.0), heard(4.0), answers.any) == (True, False, True)
    reader.at_ms[ONE] = 500  # A wall clock may go back.
    assert heard(5.0)
    reader.at_ms[OTHER] = 9000
    assert not heard(35.0)
    with pytest.raises(KafkaConnectionError):
        heard(35.5)


# ---- The loop ----

ANN, BO, CAT = (UserKey("v", name) for name in ("ann", "bo", "cat"))


class Hand:
    """Reads a whole topic, and keeps what it is handed; where a batch is damaged it does as the test says."""

    def __init__(self, topic: Topic, *, out_s: float | None = None) -> None:
        self.topic, self.out_s = topic, out_s
        self.polls: list[Poll] = []
        self.reader = PartitionReader(TOPIC, begin=self._begin, each=self._each, poll_ms=100, max_records=2)

    async def _begin(self) -> None:
        await self.reader.take_up(range(len(self.topic.parts)))

    async def _each(self, poll: Poll) -> None:
        self.polls.append(poll)
        for partition in poll.damaged:
            if self.out_s is not None:
                self.reader.leave_out(partition, for_s=self.out_s)
        for partition, first in poll.gone.items():
            self.reader.go_on(partition, first)

    async def live(self, seconds: float) -> None:
        with anyio.move_on_after(seconds):
            async with self.topic.reading(self, suffix="-x") as consumer:
                await self.reader.live(consumer)  # type: ignore[arg-type]

    def offsets(self, partition: int) -> list[int]:
        return [one.offset for poll in self.polls for one in poll.records.get(partition, ())]


@virtual
async def test_each_record_is_handed_out_once_over_several_consumers() -> None:
    topic = Topic(Part())
    topic.tell(0, ANN, BO, CAT)
    hand = Hand(topic)
    await hand.live(1)
    topic.tell(0, ANN)
    await hand.live(1)

    assert (hand.offsets(0), hand.reader.at) == ([0, 1, 2, 3], {0: 4})


@virtual
async def test_what_comes_with_the_end_of_all_patience_is_read_by_the_next_consumer() -> None:
    """Else it would count as read, and nobody would have seen it."""
    topic = Topic(Part(), Part())
    topic.parts[1].is_silent = True
    hand = Hand(topic)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(keep_telling, topic)
        with pytest.raises(KafkaConnectionError):
            await hand.live(60)
        tasks.cancel_scope.cancel()
    before = hand.offsets(0)
    assert before
    topic.parts[1].is_silent = False
    await hand.live(10)

    assert hand.offsets(0) == [one.offset for one in topic.parts[0].records]


async def keep_telling(topic: Topic) -> None:
    while True:
        topic.tell(0, ANN)
        await anyio.sleep(0.05)


@virtual
async def test_a_partition_that_is_left_out_holds_no_other_up_and_comes_back() -> None:
    topic = Topic(Part())
    topic.parts.append(Part())
    topic.parts[0].damage(0)
    topic.tell(0, ANN)
    topic.tell(1, BO)
    hand = Hand(topic, out_s=10)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(hand.live, 30)
        await anyio.sleep(5)
        assert (hand.offsets(1), hand.reader.asked, hand.reader.is_whole) == ([0], [1], False)
        topic.parts[0].damaged.clear()
        await anyio.sleep(10)
        assert (hand.offsets(0), hand.reader.is_whole) == ([0], True)


@virtual
async def test_good_records_before_a_damaged_batch_are_handed_out_though_the_client_drops_them_with_it() -> None:
    topic = Topic(Part())
    topic.tell(0, ANN, BO, CAT, ANN, BO)
    topic.parts[0].damage(3)
    hand = Hand(topic, out_s=60)
    hand.reader._max_records = hand.reader._at_once = 100
    await hand.live(10)

    assert hand.offsets(0) == [0, 1, 2]
    assert [(list(poll.damaged), hand.reader.at) for poll in hand.polls if poll.damaged] == [([0], {0: 3})]


@virtual
async def test_what_is_gone_is_told_with_the_first_record_that_there_is() -> None:
    topic = Topic(Part())
    topic.tell(0, ANN, BO, CAT)
    hand = Hand(topic)
    hand.reader.at[0] = 0
    topic.parts[0].lose(before=2)
    await hand.live(1)

    assert [poll.gone for poll in hand.polls if poll.gone] == [{0: 2}]
    assert hand.offsets(0) == [2]


@virtual
async def test_a_partition_that_is_no_more_is_told_and_a_new_one_begins_at_its_first_record_or_its_end() -> None:
    topic = Topic(Part(3), Part(5))
    topic.tell(1, ANN)
    hand = Hand(topic)
    await hand.live(1)
    assert hand.reader.at == {0: 3, 1: 6}

    async with topic.reading(hand, suffix="-x") as consumer:
        hand.reader._consumer = consumer  # type: ignore[assignment]
        assert await hand.reader.take_up([1]) == [0]
        assert hand.reader.at == {1: 6}
        assert await hand.reader.take_up([0, 1], at_end=True) == []
    assert hand.reader.at == {0: 3, 1: 6}


async def test_offsets_that_are_gone_are_no_damage() -> None:
    topic = Topic(Part(6), Part(5))
    topic.parts[1].damage(topic.parts[1].add(None), EOFError())
    reader: Any = topic.reader()
    gone, bad = (TopicPartition(TOPIC, number) for number in (0, 1))
    reader.assign([gone, bad])

    assert list(await damaged(reader, {gone: 5, bad: 5})) == [bad]
    assert reader.positions == {gone: 5, bad: 5}
