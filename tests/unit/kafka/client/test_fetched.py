"""What a fetch has brought, beside what the client makes of the same bytes."""

import struct
from collections import OrderedDict
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import READ_UNCOMMITTED, FetchError, FetchResult, PartitionRecords
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import ConsumerRecord

from consumer.kafka.client.clients import Reader
from consumer.kafka.client.fetched import hand_out_as_parsed

TP, OTHER = TopicPartition("t", 0), TopicPartition("t", 1)


def batch(first: int, count: int, codec: int = 0) -> bytearray:
    builder = DefaultRecordBatchBuilder(
        magic=2, compression_type=codec, is_transactional=0, producer_id=-1, producer_epoch=-1, base_sequence=-1, batch_size=100_000
    )
    for n in range(count):
        key, value = (b"k%d" % n, b"v%d" % n) if n % 3 else (None, None)
        builder.append(n, timestamp=1_700_000_000_000 + n, key=key, value=value, headers=[("h", b"%d" % n)] * (n % 2))
    made = bytearray(builder.build())
    struct.pack_into(">q", made, 0, first)  # Its checksum begins behind it.
    return made


def legacy() -> bytes:
    builder = LegacyRecordBatchBuilder(magic=1, compression_type=0, batch_size=100_000)
    for n in range(3):
        builder.append(n, timestamp=5 + n, key=None, value=b"old%d" % n)
    return bytes(builder.build())


class Fetcher:
    """What a consumer holds of a fetch, and the position it is at."""

    def __init__(self, data: bytes, at: int = 0) -> None:
        self._records: OrderedDict[TopicPartition, Any] = OrderedDict()
        self.state: Any = SimpleNamespace(paused=False, position=at, consumed_to=lambda offset: setattr(self.state, "position", offset))
        self.data, self.at = data, at

    def fetch(self) -> None:
        parts = PartitionRecords(TP, MemoryRecords(self.data), [], self.at, None, None, True, READ_UNCOMMITTED)
        assignment = SimpleNamespace(active=True, state_value=lambda _: self.state)
        self._records[TP] = FetchResult(TP, assignment=assignment, partition_records=parts, backoff=0)

    def portions(self, most: int) -> list[list[Any]]:
        found = []
        while self._records[TP].has_more():
            found.append(self._records[TP].getall(most))
        return found


def ready(data: bytes, at: int = 0) -> Fetcher:
    fetcher = Fetcher(data, at)
    consumer: Any = SimpleNamespace(_fetcher=fetcher)
    hand_out_as_parsed(consumer)
    fetcher.fetch()
    return fetcher


def said(portions: list[list[Any]]) -> list[list[object]]:
    return [[(one.offset, one.timestamp, one.key, one.value, tuple(one.headers)) for one in portion] for portion in portions]


@pytest.mark.parametrize("most", [1, 4, 7, 25, 100])
@pytest.mark.parametrize(
    ("data", "at"),
    [
        (bytes(batch(0, 20) + batch(20, 5)), 0),
        (bytes(batch(0, 20) + batch(30, 5)), 7),
        (bytes(batch(0, 20, codec=1)), 3),
        (legacy(), 0),
    ],
    ids=["two batches", "from within a batch, and a hole", "compressed", "the old format"],
)
def test_each_record_says_what_the_clients_own_says_and_the_position_moves_as_it_does(data: bytes, at: int, most: int) -> None:
    plain, ours = Fetcher(data, at), ready(data, at)
    plain.fetch()
    wanted, found = plain.portions(most), ours.portions(most)

    assert sum(map(len, wanted)) >= 3
    assert said(found) == said(wanted)
    assert ours.state.position == plain.state.position


def test_no_record_is_wrapped() -> None:
    """Where a newer client makes its records elsewhere, reading is right as before, but slow: this says so."""
    assert [type(one) for one in ready(bytes(batch(0, 2))).portions(10)[0] if isinstance(one, ConsumerRecord)] == []


def test_a_damaged_batch_is_an_error_and_the_position_stays_before_what_was_not_handed_out() -> None:
    bad = batch(20, 5)
    bad[-1] ^= 1
    fetcher = ready(bytes(batch(0, 20) + bad))
    held = fetcher._records[TP]

    assert [one.offset for one in held.getall(18)] == list(range(18))
    with pytest.raises(CorruptRecordException):
        held.getall(18)
    assert fetcher.state.position == 18
    assert held.getall(18) == [], "as of the client's own: what has raised has ended"


def test_what_was_fetched_before_is_kept_in_its_order_and_errors_are_as_they_are() -> None:
    fetcher = Fetcher(bytes(batch(0, 20)))
    error = fetcher._records[OTHER] = FetchError(error=CorruptRecordException(), backoff=0)
    fetcher.fetch()
    consumer: Any = SimpleNamespace(_fetcher=fetcher)
    hand_out_as_parsed(consumer)

    assert list(fetcher._records) == [OTHER, TP]
    assert fetcher._records[OTHER] is error
    assert [one.offset for one in fetcher.portions(100)[0]] == list(range(20))


async def test_each_started_reader_hands_out_so(monkeypatch: pytest.MonkeyPatch) -> None:
    async def start(reader: Any) -> None:
        reader._fetcher = Fetcher(bytes(batch(0, 2)))

    monkeypatch.setattr("aiokafka.AIOKafkaConsumer.start", start)
    reader: Any = Reader(bootstrap_servers=["127.0.0.1:1"])
    reader._closed = True
    await reader.start()
    reader._fetcher.fetch()

    assert [isinstance(one, ConsumerRecord) for one in reader._fetcher.portions(9)[0]] == [False, False]
