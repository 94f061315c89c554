"""What the intake does about fetches that fail, and when too many users are dirty, with a consumer that fails to order."""

import random
import struct
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

import anyio
import pytest
from aiokafka import TopicPartition
from aiokafka.errors import (
    CorruptRecordException,
    KafkaTimeoutError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
    UnsupportedCodecError,
)
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c

from consumer.core.events import URGENT
from consumer.core.model import AccountId, Letter
from consumer.core.unknown import UnknownTypes, UnknownVendors
from consumer.core.users.schedule import Schedule
from consumer.kafka.intake import Intake
from consumer.kafka.records import Records
from consumer.kafka.topic_watch import TopicWatch
from consumer.telemetry.metrics import Metrics
from tests.clock import virtual
from tests.fakes.backlog import backlog
from tests.fakes.rules import rules
from tests.simulation.settings import SETTINGS

_EVENT = b'{"eventType":"contract.1#update","vendorId":"v1","userId":"%d-%d"}'
_HEADER_BYTES, _CRC_AT = 61, 17
_NOW_MS = 1_700_000_000_000


class Record(NamedTuple):
    offset: int
    value: bytes
    key: bytes | None = None
    timestamp: int = 0
    headers: tuple[tuple[str, bytes], ...] = ()


def corrupt() -> None:
    raise CorruptRecordException


def unknown_codec() -> None:
    raise UnsupportedCodecError("Libraries for lz4 compression codec not found")


def damaged(codec: int, seed: int) -> Callable[[], None]:
    """Return what reads, as the client does, a batch that went wrong before its checksum was made."""
    chance = random.Random(seed)
    builder = DefaultRecordBatchBuilder(
        magic=2, compression_type=codec, is_transactional=0, producer_id=-1, producer_epoch=-1, base_sequence=-1, batch_size=100_000
    )
    for n in range(20):
        builder.append(n, timestamp=n, key=b"k", value=_EVENT % (0, n), headers=[("trace", b"%d" % n)])
    batch = builder.build()
    for place in chance.sample(range(_HEADER_BYTES, len(batch)), 30):
        batch[place] ^= chance.randrange(1, 256)
    struct.pack_into(">I", batch, _CRC_AT, calc_crc32c(memoryview(bytes(batch))[_CRC_AT + 4 :]))

    def read() -> None:
        found = MemoryRecords(bytes(batch)).next_batch()
        assert found.validate_crc()
        list(found)

    return read


class Consumer:
    """Partitions of a list each; a bad one fails whatever fetch it is in, and the positions move all the same."""

    def __init__(self, partitions: int, records: int) -> None:
        self.logs = {p: [Record(n, _EVENT % (p, n)) for n in range(records)] for p in range(partitions)}
        self.positions = dict.fromkeys(self.logs, 0)
        self.at_once = 2
        self.bad: set[int] = set()
        self.bad_at: dict[int, int] = {}
        """By partition, a record that can't be read; what is polled before it together with it is dropped."""
        self.fail: Callable[[], None] = corrupt
        self.out_of_range: set[int] = set()
        self.stopped: set[int] = set()
        self.first = dict.fromkeys(self.logs, 0)
        self.ends: dict[int, int] = {}
        """Those that were asked for, of what is not fetched."""
        self.asked_ends = 0

    def assignment(self) -> list[TopicPartition]:
        return [TopicPartition("t", p) for p in self.logs]

    def position_now(self, tp: TopicPartition) -> int:
        return self.positions[tp.partition]

    def seek(self, tp: TopicPartition, offset: int) -> None:
        self.positions[tp.partition] = offset

    def pause(self, *tps: TopicPartition) -> None:
        self.stopped |= {tp.partition for tp in tps}

    def resume(self, *tps: TopicPartition) -> None:
        self.stopped -= {tp.partition for tp in tps}

    def paused(self) -> set[TopicPartition]:
        return {TopicPartition("t", p) for p in self.stopped}

    async def ask_ends(self, tps: list[TopicPartition]) -> None:
        self.asked_ends += bool(tps)
        self.ends = {tp.partition: len(self.logs[tp.partition]) for tp in tps}

    async def beginning_offsets(self, tps: list[TopicPartition]) -> dict[TopicPartition, int]:
        return {tp: self.first[tp.partition] for tp in tps}

    async def getmany(self, *tps: TopicPartition, timeout_ms: int, max_records: int) -> dict[TopicPartition, list[Record]]:
        assert max_records
        await anyio.sleep(timeout_ms / 1000)
        found: dict[TopicPartition, list[Record]] = {}
        asked = {tp.partition for tp in tps} or set(self.logs)
        lost = {TopicPartition("t", p): self.positions[p] for p in asked & self.out_of_range if self.positions[p] < self.first[p]}
        if lost:
            raise OffsetOutOfRangeError(lost)
        for p in sorted(asked - self.stopped):
            records = self.logs[p][self.positions[p] : self.positions[p] + min(self.at_once, max_records)]
            self.positions[p] += len(records)
            if records and (p in self.bad or any(one.offset == self.bad_at.get(p) for one in records)):
                self.fail()
            if records:
                found[TopicPartition("t", p)] = records
        return found


class Steady:
    def __init__(self) -> None:
        self.epoch = 0
        self.watch = TopicWatch("t")

    def check(self) -> None:
        """Find nothing wrong."""


class Desk:
    """An intake and what it fills."""

    def __init__(
        self,
        consumer: Consumer,
        *,
        max_dirty_users: int = 1000,
        takes_types: bool = False,
        traces: Any = None,
        vendors: Collection[str] = ("v1",),
    ) -> None:
        self.schedule = Schedule(rules(concurrency=4), {vendor: (AccountId("1"),) for vendor in vendors}, urgent=URGENT)
        self.backlog = backlog(self.schedule, *consumer.logs)
        self.ledger, self.letters = self.backlog.ledger, self.backlog.to_park
        self.steady = Steady()
        steady: Any = self.steady
        taken: Any = consumer
        self.unknown, self.types, self.metrics = UnknownVendors(), UnknownTypes(are_taken=takes_types), Metrics(SETTINGS)
        records = Records(
            self.backlog,
            vendors=vendors,
            unknown=self.unknown,
            unknown_types=self.types,
            metrics=self.metrics,
            traces=traces,
            wall_clock=lambda: _NOW_MS / 1000,
        )
        self.intake = Intake(taken, steady, records, self.backlog, topic="t", max_dirty_users=max_dirty_users, metrics=self.metrics)

    @property
    def parked(self) -> list[Letter]:
        return [*self.letters.records.values()]

    def counted(self, outcome: str) -> float | None:
        return self.metrics.registry.get_sample_value("sesamy_makeas_records_total", {"outcome": outcome})

    async def run_for(self, seconds: float) -> Mapping[int, int]:
        with anyio.move_on_after(seconds):
            await self.intake.run()
        return {partition: self.ledger.next_offset(partition) for partition in self.ledger.partitions}


@virtual
async def test_a_partition_that_fails_three_times_is_left_out_and_tried_every_minute_while_others_go_on() -> None:
    consumer = Consumer(3, 10)
    consumer.bad = {1}
    desk = Desk(consumer)

    assert await desk.run_for(40) == {0: 10, 1: 0, 2: 10}
    assert list(desk.intake.out) == [1]
    assert consumer.stopped == {1}
    consumer.bad.clear()
    assert await desk.run_for(90) == {0: 10, 1: 10, 2: 10}
    assert desk.intake.out == {}
    assert len(desk.schedule) == 30


@virtual
async def test_good_records_before_a_damaged_batch_are_read_though_the_client_drops_them_with_it() -> None:
    consumer = Consumer(3, 100)
    consumer.at_once, consumer.bad_at = 100, {1: 29}
    desk = Desk(consumer)

    assert await desk.run_for(50) == {0: 100, 1: 29, 2: 100}
    assert list(desk.intake.out) == [1]
    consumer.bad_at.clear()
    assert await desk.run_for(90) == {0: 100, 1: 100, 2: 100}


_CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}


@pytest.mark.parametrize("fail", [unknown_codec, *(damaged(codec, seed) for codec in _CODECS.values() for seed in range(8))])
def test_a_batch_that_does_not_unpack_costs_its_own_partition_only(fail: Callable[[], None]) -> None:
    @virtual
    async def test() -> None:
        consumer = Consumer(3, 10)
        consumer.bad, consumer.fail = {1}, fail
        desk = Desk(consumer)

        assert await desk.run_for(40) == {0: 10, 1: 0, 2: 10}
        assert list(desk.intake.out) == [1]

    test()


@virtual
async def test_one_bad_fetch_skips_nothing() -> None:
    consumer = Consumer(2, 6)
    consumer.bad = {0}
    desk = Desk(consumer)
    await desk.run_for(1.2)
    consumer.bad.clear()

    assert await desk.run_for(20) == {0: 6, 1: 6}
    assert len(desk.schedule) == 12


@virtual
async def test_a_position_that_the_client_has_not_is_given_to_it() -> None:
    """It looks for one as soon as a partition is assigned: with none committed, that may be before ours is known to it."""
    consumer, times = Consumer(2, 6), [3]

    def fail() -> None:
        times[0] -= 1
        if not times[0]:
            consumer.bad.clear()
        raise NoOffsetForPartitionError(TopicPartition("t", 0))

    consumer.bad, consumer.fail = {0}, fail
    desk = Desk(consumer)

    assert await desk.run_for(5) == {0: 6, 1: 6}
    assert (times, desk.intake.out, len(desk.schedule)) == ([0], {}, 12)


@virtual
async def test_what_retention_took_is_a_gap_and_the_rest_is_read() -> None:
    consumer = Consumer(2, 6)
    consumer.out_of_range, consumer.first[1] = {1}, 4
    desk = Desk(consumer)

    assert await desk.run_for(20) == {0: 6, 1: 6}
    assert len(desk.schedule) == 8


@virtual
async def test_a_log_that_is_gone_takes_its_tokens_and_its_poison_along_and_the_gap_is_counted() -> None:
    """Nobody may close what the new log has not; the users stay due."""
    consumer = Consumer(2, 0)
    consumer.logs = {p: [Record(0, b"{"), Record(1, _EVENT % (p, 1))] for p in range(2)}
    desk = Desk(consumer)
    assert await desk.run_for(5) == {0: 2, 1: 2}
    consumer.out_of_range, consumer.first[1] = {1}, 7
    assert await desk.run_for(5) == {0: 2, 1: 7}

    assert [one.partition for one in desk.parked] == [0]
    assert {key.user: list(user.tokens()) for key, user in desk.schedule.users.items()} == {"0-1": [(0, 1)], "1-1": []}
    assert ([desk.ledger.open_count(p) for p in (0, 1)], desk.ledger.watermarks(), len(desk.schedule)) == ([2, 0], {0: 0, 1: 7}, 2)
    counted = desk.metrics.registry.get_sample_value
    assert [counted(f"sesamy_makeas_{name}_total") for name in ("offset_resets", "offset_gap_records")] == [1, 5]


@virtual
async def test_a_topic_made_anew_is_read_from_its_beginning_though_it_was_filled_past_our_offset() -> None:
    consumer = Consumer(2, 6)
    desk = Desk(consumer)
    assert await desk.run_for(5) == {0: 6, 1: 6}
    for partition in range(2):
        consumer.logs[partition] = [Record(n, _EVENT % (9, 10 * partition + n)) for n in range(8)]
    desk.steady.watch._known, desk.steady.watch._seen = b"a" * 16, b"b" * 16

    assert await desk.run_for(5) == {0: 8, 1: 8}
    assert {user.user for user in desk.schedule.users if user.user.startswith("9-")} == {
        f"9-{10 * p + n}" for p in range(2) for n in range(8)
    }
    assert {p: desk.ledger.open_count(p) for p in range(2)} == {0: 8, 1: 8}
    assert (desk.ledger.watermarks(), len(desk.schedule)) == ({0: 0, 1: 0}, 28)
    assert not desk.steady.watch.is_new


@virtual
async def test_a_partition_whose_end_went_back_is_read_from_its_beginning_alone_be_it_left_out_or_not() -> None:
    consumer = Consumer(2, 6)
    consumer.bad = {1}
    desk = Desk(consumer)
    assert await desk.run_for(40) == {0: 6, 1: 0}
    consumer.bad.clear()
    consumer.first[1] = 2
    for end in (9, 5, 5):
        desk.steady.watch.end_is(1, end)

    assert await desk.run_for(5) == {0: 6, 1: 6}
    assert (len(desk.schedule), desk.intake.out, consumer.stopped) == (10, {}, set())


@virtual
async def test_what_was_polled_across_a_rebalance_is_dropped_and_read_again() -> None:
    consumer = Consumer(1, 6)
    desk = Desk(consumer)

    async def rebalance() -> None:
        await anyio.sleep(0.2)  # The first poll is under way.
        desk.steady.epoch += 1
        desk.ledger.begin(0, 1)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(rebalance)
        assert await desk.run_for(0.6) == {0: 1}
        assert len(desk.schedule) == 0
    assert await desk.run_for(5) == {0: 6}
    assert {user.user for user in desk.schedule.users} == {f"0-{n}" for n in range(1, 6)}


@pytest.mark.parametrize("anew", [False, True])
def test_a_partition_that_comes_back_while_its_beginning_is_asked_for_is_left_as_it_came(anew: bool) -> None:
    @virtual
    async def test() -> None:
        class Slow(Consumer):
            async def beginning_offsets(self, tps: list[TopicPartition]) -> dict[TopicPartition, int]:
                await anyio.sleep(1)
                desk.steady.epoch += 1
                desk.ledger.begin(0, 5)
                self.out_of_range.clear()
                desk.steady.watch.accept([0])
                return await super().beginning_offsets(tps)

        consumer = Slow(1, 6)
        desk = Desk(consumer)
        if anew:
            desk.steady.watch._known, desk.steady.watch._seen = b"a" * 16, b"b" * 16
        else:
            consumer.out_of_range, consumer.first[0] = {0}, 3

        assert await desk.run_for(4) == {0: 6}
        assert {user.user for user in desk.schedule.users} == {"0-5"}

    test()


@virtual
async def test_two_failures_in_a_row_leave_no_partition_out() -> None:
    consumer = Consumer(2, 6)
    consumer.bad = {1}
    times = [3]  # The first is nobody's, two more are its own.

    def fail() -> None:
        times[0] -= 1
        if not times[0]:
            consumer.bad.clear()
        corrupt()

    consumer.fail = fail
    stopped: list[TopicPartition] = []
    consumer.pause = lambda *tps: stopped.extend(tps)  # type: ignore[method-assign]

    assert await Desk(consumer).run_for(40) == {0: 6, 1: 6}
    assert (times, stopped) == ([0], [])


@virtual
async def test_where_the_client_does_not_know_its_position_the_last_record_tells_ours() -> None:
    class Vague(Consumer):
        def position_now(self, tp: TopicPartition) -> Any:
            assert tp

    assert await Desk(Vague(2, 5)).run_for(5) == {0: 5, 1: 5}


@virtual
async def test_what_stands_behind_the_last_record_and_is_no_record_is_read_too() -> None:
    """Control records of a transaction: the lag would never be 0."""

    class Transactional(Consumer):
        def position_now(self, tp: TopicPartition) -> int:
            return max(super().position_now(tp), 4 if self.positions[0] == 2 else 0)

    desk = Desk(Transactional(1, 2))

    assert (await desk.run_for(5), desk.ledger.open_count(0)) == ({0: 4}, 2)


@virtual
async def test_above_the_limit_of_dirty_users_nothing_is_fetched_until_some_are_clean() -> None:
    consumer = Consumer(1, 20)
    desk = Desk(consumer, max_dirty_users=5)
    assert await desk.run_for(20) == {0: 6}
    assert desk.intake.paused
    assert consumer.stopped == {0}

    desk.schedule.set_aside([0], now=anyio.current_time())
    assert (await desk.run_for(1.2))[0] > 6


@virtual
async def test_what_waits_while_nothing_is_fetched_is_asked_for_now_and_then() -> None:
    """No fetch shows it, and a pod that is full must not look like one that has read everything."""
    consumer = Consumer(1, 20)
    desk = Desk(consumer, max_dirty_users=5)
    await desk.run_for(20)
    assert consumer.ends == {0: 20}
    assert 2 <= consumer.asked_ends <= 4

    desk.schedule.set_aside([0], now=anyio.current_time())
    await desk.run_for(1.2)
    assert consumer.ends == {}, "a fetch shows it again"


@virtual
async def test_what_waits_in_a_partition_that_is_left_out_is_asked_for_too() -> None:
    consumer = Consumer(2, 20)
    consumer.bad.add(0)
    await Desk(consumer).run_for(30)

    assert consumer.ends == {0: 20}


@pytest.mark.parametrize("error", [KafkaTimeoutError(), OSError(), None])
def test_ends_that_nobody_tells_stop_nothing(error: Exception | None) -> None:
    class Silent(Consumer):
        async def ask_ends(self, tps: list[TopicPartition]) -> None:
            if tps and error is None:
                await anyio.sleep_forever()
            if tps and error is not None:
                raise error

    @virtual
    async def test() -> None:
        desk = Desk(Silent(1, 20), max_dirty_users=5)
        assert await desk.run_for(20) == {0: 6}

        desk.schedule.set_aside([0], now=anyio.current_time())
        assert (await desk.run_for(6.2))[0] > 6

    test()


@virtual
async def test_as_many_dirty_users_as_the_limit_allows_stop_nothing() -> None:
    """They may all be held by one shut gate: what is read next may be for others."""
    desk = Desk(Consumer(1, 6), max_dirty_users=6)
    assert await desk.run_for(20) == {0: 6}
    assert not desk.intake.paused
