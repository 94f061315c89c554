"""Which partition holds the batch that can't be unpacked."""

from gzip import BadGzipFile
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import CorruptRecordException, OffsetOutOfRangeError

from consumer.kafka.client.damage import damaged, is_damage

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


@pytest.mark.parametrize(
    ("error", "expected"),
    [(CorruptRecordException(), True), (ValueError(), True), (BadGzipFile(), True), (OSError(), False), (ConnectionResetError(), False)],
)
def test_what_is_about_a_batch(error: Exception, expected: bool) -> None:
    assert is_damage(error) is expected
