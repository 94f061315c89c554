"""A publisher: what it returns for is in the topic; where it raises, nothing is known."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from aiokafka.errors import (
    KafkaConnectionError,
    MessageSizeTooLargeError,
    OutOfOrderSequenceNumber,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)

from consumer.core.errors import Fatal
from consumer.kafka.client import publisher as module
from consumer.kafka.client.publisher import NotTaken, Publisher
from consumer.kafka.client.words import slug
from tests.clock import virtual

ONE = [(b"v|a", b"1")]
TWO = [(b"v|a", b"1"), (b"v|b", b"2")]


class Producer:
    """Takes records; a test says what becomes of each."""

    def __init__(self, kafka: "Kafka") -> None:
        self.kafka = kafka

    async def partitions_for(self, topic: str) -> set[int]:
        if self.kafka.topic_error is not None:
            raise self.kafka.topic_error
        assert topic == "t"
        return {0}

    async def send(self, topic: str, *, value: bytes, key: bytes) -> "asyncio.Future[object]":
        assert topic == "t"
        if self.kafka.buffer_is_full:
            await anyio.sleep_forever()
        sent: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self.kafka.sent.append((key, value, sent))
        if self.kafka.answers:
            self.kafka.answer(sent)
        return sent


class Kafka:
    """Gives producers, and answers for them."""

    def __init__(self) -> None:
        self.sent: list[tuple[bytes, bytes, asyncio.Future[object]]] = []
        self.answers, self.buffer_is_full = True, False
        self.error: Exception | None = None
        self.start_error: Exception | None = None
        self.topic_error: Exception | None = None
        self.started = self.ended = self.batch_bytes = 0

    def answer(self, sent: "asyncio.Future[object]") -> None:
        if sent.done():
            return
        if self.error is None:
            sent.set_result(None)
        else:
            sent.set_exception(self.error)

    @asynccontextmanager
    async def producing(self, *, batch_bytes: int) -> AsyncIterator[Any]:
        self.started += 1
        self.batch_bytes = batch_bytes
        if self.start_error is not None:
            raise self.start_error
        try:
            yield Producer(self)
        finally:
            self.ended += 1


@asynccontextmanager
async def publishing(kafka: Kafka | None = None) -> AsyncIterator[tuple[Kafka, Publisher]]:
    """Let a publisher run while the block lasts."""
    kafka = kafka or Kafka()
    publisher = Publisher(kafka.producing, "t")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(publisher.run)
        yield kafka, publisher
        tasks.cancel_scope.cancel()


async def _refused(publisher: Publisher, code: str, *, limit_s: float = 5.0) -> None:
    with pytest.raises(NotTaken) as refused:
        await publisher.publish(TWO, limit_s=limit_s)
    assert refused.value.code == code


@virtual
async def test_it_returns_once_all_are_there_and_not_before() -> None:
    async with publishing() as (kafka, publisher):
        kafka.answers = False
        done = asyncio.ensure_future(publisher.publish(TWO, limit_s=5.0))
        await anyio.sleep(1)
        kafka.answer(kafka.sent[0][2])
        await anyio.sleep(1)
        assert (done.done(), publisher.pending) == (False, 1)

        kafka.answer(kafka.sent[1][2])
        await done
        assert publisher.pending == 0

    assert [(key, value) for key, value, _ in kafka.sent] == TWO


@virtual
async def test_what_comes_before_there_is_a_producer_waits_for_one_within_its_limit() -> None:
    kafka = Kafka()
    kafka.start_error = KafkaConnectionError()
    async with publishing(kafka) as (_, publisher):
        assert not publisher.is_ready
        await _refused(publisher, "kafka-away", limit_s=2.0)
        waits = asyncio.ensure_future(publisher.publish(ONE, limit_s=30.0))
        await anyio.sleep(1)
        kafka.start_error = None
        await waits
        assert publisher.is_ready

    assert 3 <= kafka.started <= 6


@virtual
async def test_what_is_late_is_not_known_and_may_come_yet() -> None:
    async with publishing() as (kafka, publisher):
        kafka.answers = False
        await _refused(publisher, "kafka-slow")
        assert publisher.pending == 2
        for _, _, sent in kafka.sent:  # It comes after all; nobody waits for it.
            kafka.answer(sent)
        await anyio.lowlevel.checkpoint()
        assert publisher.pending == 0
        kafka.answers = True
        await publisher.publish(ONE, limit_s=5.0)

    assert kafka.started == 1


@virtual
async def test_a_producer_that_was_refused_a_record_is_replaced() -> None:
    """One that is idempotent takes none any more: its next number is out of order."""

    async with publishing() as (kafka, publisher):
        kafka.error = OutOfOrderSequenceNumber()
        await _refused(publisher, "kafka-out-of-order-sequence-number")
        kafka.error = None
        await publisher.publish(TWO, limit_s=5.0)

    assert kafka.started == 2


@virtual
async def test_what_is_too_large_for_the_topic_goes_in_smaller_batches() -> None:
    """The topic's limit is its own, and a webhook of many that is never taken would come again for ever."""

    async with publishing() as (kafka, publisher):
        sizes = list[int]()
        for error in (MessageSizeTooLargeError(), KafkaConnectionError(), *[MessageSizeTooLargeError()] * 9, None):
            kafka.error = error
            if error is None:
                await publisher.publish(TWO, limit_s=20.0)
            else:
                await _refused(publisher, slug(error), limit_s=20.0)
            sizes.append(kafka.batch_bytes // 1024)
        assert sizes == [256, 128, 128, 64, 32, 16, 8, 8, 8, 8, 8, 8]


@virtual
async def test_one_of_many_that_is_refused_is_enough_for_all_to_be_unknown() -> None:
    async with publishing() as (kafka, publisher):
        kafka.answers = False
        waits = asyncio.ensure_future(publisher.publish(TWO, limit_s=5.0))
        await anyio.sleep(1)
        kafka.answer(kafka.sent[0][2])
        kafka.error = OutOfOrderSequenceNumber()
        kafka.answer(kafka.sent[1][2])
        with pytest.raises(NotTaken):
            await waits


@virtual
async def test_a_cancellation_of_the_clients_own_is_no_success_and_ends_nobody() -> None:
    async with publishing() as (kafka, publisher):
        kafka.answers = False
        waits = asyncio.ensure_future(publisher.publish(ONE, limit_s=5.0))
        await anyio.sleep(1)
        kafka.sent[0][2].cancel()
        with pytest.raises(NotTaken) as refused:
            await waits
        assert refused.value.code == "kafka-lost"


@virtual
async def test_a_producer_that_has_had_nothing_taken_for_half_a_minute_is_replaced() -> None:
    """Its password may be another by now; and it would hold on to all that it was given, for ever."""

    async with publishing() as (kafka, publisher):
        kafka.answers = False
        for _ in range(5):
            await _refused(publisher, "kafka-slow")
        assert kafka.started == 1
        for _ in range(3):
            await _refused(publisher, "kafka-slow")
        assert kafka.started == 2


@virtual
async def test_an_hour_without_a_webhook_is_no_silence_of_kafkas() -> None:
    async with publishing() as (kafka, publisher):
        await anyio.sleep(3600)
        kafka.answers = False
        await _refused(publisher, "kafka-slow")
        await anyio.sleep(1)
        assert kafka.started == 1


@virtual
async def test_no_more_is_taken_than_fits_into_memory() -> None:
    async with publishing() as (kafka, publisher):
        kafka.answers = False
        many = [(b"k", b"v")] * (module._PENDING // 10)
        for _ in range(10):
            with pytest.raises(NotTaken):
                await publisher.publish(many, limit_s=0.1)
        began_at = anyio.current_time()
        await _refused(publisher, "kafka-full")
        assert anyio.current_time() == began_at


@virtual
async def test_what_a_replaced_producer_never_told_of_takes_no_room_from_its_successor() -> None:
    """A client that is taken apart drops its records, and says nothing of them any more."""

    async with publishing() as (kafka, publisher):
        kafka.answers = False
        with pytest.raises(NotTaken):
            await publisher.publish([(b"k", b"v")] * module._PENDING, limit_s=module._SILENT_S + 1)
        kafka.answers = True
        await publisher.publish(TWO, limit_s=5.0)
        assert kafka.started == 2
        assert publisher.pending == 0
        kafka.sent[0][2].set_result(None)
        await anyio.lowlevel.checkpoint()
        assert publisher.pending == 0, "a late word of the first's records is not about the second's"


@virtual
async def test_a_producer_that_stays_full_for_half_a_minute_is_replaced() -> None:
    async with publishing() as (kafka, publisher):
        kafka.answers = False
        with pytest.raises(NotTaken):
            await publisher.publish([(b"k", b"v")] * module._PENDING, limit_s=1.0)
        await _refused(publisher, "kafka-full")
        assert kafka.started == 1
        await anyio.sleep(module._SILENT_S)
        await _refused(publisher, "kafka-full")
        kafka.answers = True
        await publisher.publish(TWO, limit_s=5.0)
        assert kafka.started == 2


@virtual
async def test_a_buffer_that_stays_full_does_not_hold_a_request_beyond_its_limit() -> None:
    async with publishing() as (kafka, publisher):
        kafka.buffer_is_full = True
        began_at = anyio.current_time()
        await _refused(publisher, "kafka-slow", limit_s=3.0)
        assert anyio.current_time() - began_at == pytest.approx(3.0)


@virtual
async def test_a_topic_that_is_not_there_is_waited_for() -> None:
    kafka = Kafka()
    kafka.topic_error = UnknownTopicOrPartitionError()
    async with publishing(kafka) as (_, publisher):
        await anyio.sleep(60)
        assert not publisher.is_ready
        kafka.topic_error = None
        await publisher.publish(ONE, limit_s=10.0)

    assert kafka.started == kafka.ended


@virtual
async def test_a_topic_that_may_not_be_written_ends_it_with_the_status_for_that() -> None:
    kafka = Kafka()
    kafka.topic_error = TopicAuthorizationFailedError("t")
    with pytest.raises(Fatal) as refused:
        await Publisher(kafka.producing, "t").run()
    assert refused.value.status == 77


@virtual
async def test_producers_that_take_nothing_one_after_the_other_are_made_ever_more_seldom() -> None:
    """Each of them is a line of the log, and a load on the brokers."""

    async with publishing() as (kafka, publisher):
        kafka.error = OutOfOrderSequenceNumber()
        began_at = anyio.current_time()
        while anyio.current_time() - began_at < 60:
            with pytest.raises(NotTaken):
                await publisher.publish(ONE, limit_s=20.0)
        assert 10 <= kafka.started <= 20
