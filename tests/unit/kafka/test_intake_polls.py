"""What the intake does around a poll: what it takes, what it lets go, whom it wakes, and that it seems alive."""

from itertools import pairwise
from typing import Any

import anyio
import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from consumer.kafka.client.unpacking import UnpacksTooLarge
from tests.clock import virtual
from tests.unit.kafka.test_intake import _EVENT, Consumer, Desk, Record, corrupt

ZERO = TopicPartition("t", 0)


def users(desk: Desk) -> list[str]:
    return sorted(user.user for user in desk.schedule.users)


class Interrupted(Consumer):
    """Loses its partitions and gets them back during the first poll, and then has `error` of that poll."""

    def __init__(self, records: int, error: Exception) -> None:
        super().__init__(1, records)
        self.desk: Desk | None = None
        self.error = error
        self.is_first = True

    async def getmany(self, *tps: TopicPartition, timeout_ms: int, max_records: int) -> dict[TopicPartition, list[Record]]:
        if self.is_first:
            assert self.desk is not None
            self.is_first = False
            await anyio.sleep(0.1)
            self.desk.steady.epoch += 1
            self.desk.ledger.begin(0, 2)
            raise self.error
        return await super().getmany(*tps, timeout_ms=timeout_ms, max_records=max_records)


@pytest.mark.parametrize("error", [OffsetOutOfRangeError({ZERO: 0}), ValueError("does not unpack")])
def test_an_error_of_a_poll_from_before_a_rebalance_changes_nothing_after_it(error: Exception) -> None:
    """It is about other positions: ours would be moved, or a good partition be suspected."""

    @virtual
    async def test() -> None:
        consumer = Interrupted(6, error)
        consumer.first[0] = 4
        consumer.desk = desk = Desk(consumer)

        assert await desk.run_for(10) == {0: 6}
        assert not consumer.is_first
        assert users(desk) == [f"0-{n}" for n in range(2, 6)]
        counted = desk.metrics.registry.get_sample_value
        assert [counted(f"sesamy_makeas_{name}_total") for name in ("fetch_errors", "offset_resets", "offset_gap_records")] == [0, 0, 0]

    test()


@virtual
async def test_what_lies_before_our_own_next_offset_is_not_taken_again() -> None:
    """The client may still hold what it fetched before it was sought back."""

    class Stubborn(Consumer):
        def seek(self, tp: TopicPartition, offset: int) -> None:
            assert (tp, offset) == (ZERO, 3)

    desk = Desk(Stubborn(1, 6))
    desk.ledger.begin(0, 3)

    assert await desk.run_for(5) == {0: 6}
    assert users(desk) == ["0-3", "0-4", "0-5"]
    assert (desk.ledger.open_count(0), desk.counted("user")) == (3, 3)


@virtual
async def test_what_the_client_holds_and_the_ledger_does_not_is_left_alone() -> None:
    """During a rebalance they differ: nobody here may move it, read it or open it."""
    consumer = Consumer(2, 6)
    desk = Desk(consumer)
    desk.ledger.end(1)

    assert await desk.run_for(10) == {0: 6}
    assert consumer.positions[1] > 0, "else nothing of it was polled"
    assert users(desk) == [f"0-{n}" for n in range(6)]


@virtual
async def test_what_is_polled_during_a_stop_is_not_taken_and_the_intake_ends_only_when_cancelled() -> None:
    """Its end would be an error of ours, and cut the drain off."""
    desk = Desk(Consumer(1, 6))

    async def stop() -> None:
        await anyio.sleep(0.2)  # The first poll is under way.
        desk.intake.stop()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stop)
        with anyio.move_on_after(30) as scope:
            await desk.intake.run()

    assert scope.cancelled_caught
    assert (desk.ledger.next_offset(0), users(desk)) == (0, [])


@virtual
async def test_a_partition_that_was_left_out_before_a_rebalance_is_read_at_once_after_it() -> None:
    """The client has begun anew with it."""
    consumer = Consumer(2, 6)
    consumer.bad = {1}
    desk = Desk(consumer)
    assert await desk.run_for(20) == {0: 6, 1: 0}
    assert list(desk.intake.out) == [1]
    consumer.bad.clear()
    consumer.stopped.clear()
    desk.steady.epoch += 1

    assert await desk.run_for(5) == {0: 6, 1: 6}
    assert desk.intake.out == {}


@virtual
async def test_between_two_tries_of_a_partition_that_is_left_out_lies_a_minute() -> None:
    consumer, failed_at = Consumer(2, 6), list[float]()
    consumer.bad = {1}

    def fail() -> None:
        failed_at.append(anyio.current_time())
        corrupt()

    consumer.fail = fail
    assert await Desk(consumer).run_for(150) == {0: 6, 1: 0}

    # One in the first fetch of all, three alone; then one each minute.
    gaps = [later - earlier for earlier, later in pairwise(failed_at)]
    assert [60 <= gap < 65 for gap in gaps] == [False, False, False, True, True]


@virtual
async def test_a_partition_that_is_asked_alone_has_time_to_answer() -> None:
    """Else a bad one would seem good, and fail the others for ever."""

    class Slow(Consumer):
        async def getmany(self, *tps: TopicPartition, timeout_ms: int, max_records: int) -> dict[TopicPartition, list[Record]]:
            if timeout_ms < 400:
                await anyio.sleep(timeout_ms / 1000)
                return {}
            return await super().getmany(*tps, timeout_ms=timeout_ms, max_records=max_records)

    consumer = Slow(3, 10)
    consumer.bad = {1}
    desk = Desk(consumer)

    assert await desk.run_for(40) == {0: 10, 1: 0, 2: 10}
    assert list(desk.intake.out) == [1]


@virtual
async def test_an_offset_behind_the_end_is_no_gap_and_reading_goes_on_at_the_beginning() -> None:
    """Such a log was cut off, or is another."""

    class Cut(Consumer):
        async def getmany(self, *tps: TopicPartition, timeout_ms: int, max_records: int) -> dict[TopicPartition, list[Record]]:
            if self.positions[0] > len(self.logs[0]):
                await anyio.sleep(0.1)
                raise OffsetOutOfRangeError({ZERO: self.positions[0]})
            return await super().getmany(*tps, timeout_ms=timeout_ms, max_records=max_records)

    desk = Desk(Cut(1, 6))
    desk.ledger.begin(0, 9)

    assert await desk.run_for(5) == {0: 6}
    counted = desk.metrics.registry.get_sample_value
    assert [counted(f"sesamy_makeas_{name}_total") for name in ("offset_resets", "offset_gap_records")] == [1, 0]


@virtual
async def test_a_broker_that_does_not_say_where_a_partition_begins_costs_the_consumer_after_half_a_minute() -> None:
    """A new one is built then; meanwhile nothing is read."""

    class Silent(Consumer):
        async def beginning_offsets(self, tps: list[TopicPartition]) -> dict[TopicPartition, int]:
            assert tps == [ZERO]
            await anyio.sleep_forever()
            raise AssertionError

    consumer = Silent(1, 6)
    consumer.out_of_range, consumer.first[0] = {0}, 3
    began = anyio.current_time()
    with pytest.raises(TimeoutError):
        await Desk(consumer).run_for(100)
    assert 30 <= anyio.current_time() - began <= 32


@virtual
async def test_where_all_partitions_are_left_out_the_intake_waits_and_does_not_spin() -> None:
    consumer = Consumer(2, 6)
    consumer.bad = {0, 1}
    desk, rounds = Desk(consumer), [0]

    def check() -> None:
        rounds[0] += 1
        assert rounds[0] < 1000

    steady: Any = desk.steady
    steady.check = check
    assert await desk.run_for(50) == {0: 0, 1: 0}

    assert sorted(desk.intake.out) == [0, 1]
    assert 20 < rounds[0] < 200


# ---- Limits and signs of life ----


@virtual
async def test_records_that_wait_to_be_parked_count_as_dirty_users_do() -> None:
    """Else a topic full of poison would fill the memory while the dead-letter topic takes none."""
    consumer = Consumer(1, 0)
    consumer.logs[0] = [Record(n, b"{") for n in range(20)]
    desk = Desk(consumer, max_dirty_users=5)

    assert await desk.run_for(20) == {0: 6}
    assert (desk.intake.paused, len(desk.parked)) == (True, 6)


@pytest.mark.parametrize("limit", [1000, 2])
def test_the_intake_seems_alive_as_long_as_it_polls_be_it_paused_or_not(limit: int) -> None:
    @virtual
    async def test() -> None:
        desk = Desk(Consumer(1, 6), max_dirty_users=limit)
        await desk.run_for(60)

        assert desk.intake.paused == (limit == 2)
        assert anyio.current_time() - desk.intake.polled_at <= 1

    test()


@virtual
async def test_the_workers_are_woken_for_what_was_read_and_for_nothing_else() -> None:
    desk, rung_at = Desk(Consumer(1, 3)), list[int]()
    desk.backlog.on_work = lambda: rung_at.append(len(desk.schedule))
    await desk.run_for(10)

    assert rung_at == [2, 3]


@virtual
async def test_what_went_wrong_while_partitions_were_taken_up_ends_the_consumer() -> None:
    desk = Desk(Consumer(1, 3))
    error = KafkaError("no answer while taking partitions up")

    def check() -> None:
        raise error

    steady: Any = desk.steady
    steady.check = check
    with pytest.raises(KafkaError) as caught:
        await desk.run_for(5)
    assert caught.value is error


@virtual
async def test_a_key_of_its_own_goes_into_the_letters_of_a_reader_and_the_usual_one_need_not() -> None:
    consumer = Consumer(1, 0)
    consumer.logs[0] = [Record(0, _EVENT % (0, 0), b"own"), Record(1, _EVENT % (0, 1), b"v1|0-1")]
    desk = Desk(consumer)
    await desk.run_for(5)

    assert [user.own_case.key if user.own_case else None for user in desk.schedule._users.values()] == [b"own", None]


def test_a_batch_that_unpacks_too_large_costs_its_own_partition_and_says_what_to_do(caplog: pytest.LogCaptureFixture) -> None:
    @virtual
    async def test() -> None:
        def fail() -> None:
            raise UnpacksTooLarge

        consumer = Consumer(3, 10)
        consumer.bad, consumer.fail = {1}, fail
        desk = Desk(consumer)

        assert await desk.run_for(40) == {0: 10, 1: 0, 2: 10}
        (said,) = [line.getMessage() for line in caplog.records if "partition left out" in line.getMessage()]
        words = ("'partition': 1, 'next_offset': 0", "'error': 'it unpacks to", "more than 64 MiB: stop what writes such batches")
        assert [word for word in words if word not in said] == []

    test()
