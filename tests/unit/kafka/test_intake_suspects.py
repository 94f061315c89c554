"""A partition that is asked alone for long, since it answers now and fails then, and what the others get meanwhile."""

import anyio
from aiokafka import TopicPartition

from consumer.kafka.client.unpacking import UnpacksTooLarge
from tests.clock import virtual
from tests.unit.kafka.test_intake import _EVENT, Consumer, Desk, Record

LARGE, GOOD, ALSO = range(3)


class Large(Consumer):
    """Two records of a partition are more than a poll may unpack; an answer takes a tenth of a second."""

    def __init__(self) -> None:
        super().__init__(3, 0)
        self.logs[LARGE] = [Record(n, _EVENT % (LARGE, n)) for n in range(100)]
        self.too_large = {LARGE}

    async def getmany(self, *tps: TopicPartition, timeout_ms: int, max_records: int) -> dict[TopicPartition, list[Record]]:
        asked = {tp.partition for tp in tps} or set(self.logs)
        found: dict[TopicPartition, list[Record]] = {}
        for p in sorted(asked - self.stopped):
            records = self.logs[p][self.positions[p] : self.positions[p] + max_records]
            self.positions[p] += len(records)
            if p in self.too_large and len(records) > 1:
                await anyio.sleep(0.1)
                raise UnpacksTooLarge
            if records:
                found[TopicPartition("t", p)] = records
        await anyio.sleep(0.1 if found else timeout_ms / 1000)
        return found

    def write(self, partition: int) -> None:
        number = len(self.logs[partition])
        self.logs[partition].append(Record(number, _EVENT % (partition, number)))


@virtual
async def test_the_others_are_read_while_one_answers_now_and_fails_then() -> None:
    consumer = Large()
    desk = Desk(consumer)
    behind = list[int]()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(desk.intake.run)
        for second in range(60):
            consumer.write(GOOD)
            if second > 50:  # It fails, too, and is found out though another is asked alone.
                consumer.too_large.add(GOOD)
            await anyio.sleep(1)
            behind.append(len(consumer.logs[GOOD]) - desk.ledger.next_offset(GOOD))
        await anyio.sleep(90)
        tasks.cancel_scope.cancel()
    assert max(behind[5:50]) <= 3
    assert [desk.ledger.next_offset(one) for one in (LARGE, GOOD)] == [100, 60]
    assert desk.intake.out == {}


@virtual
async def test_one_of_the_others_that_fails_is_found_out_and_is_none_of_the_first_ones_failures() -> None:
    consumer = Large()
    desk = Desk(consumer)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(desk.intake.run)
        await anyio.sleep(10)
        assert 0 < desk.ledger.next_offset(LARGE) < 50
        consumer.logs[GOOD] = [Record(n, _EVENT % (GOOD, n)) for n in range(2)]
        consumer.too_large.add(GOOD)
        consumer.write(ALSO)
        await anyio.sleep(15)
        assert (desk.ledger.next_offset(GOOD), desk.ledger.next_offset(ALSO)) == (2, 1)
        assert desk.intake.out == {}
        tasks.cancel_scope.cancel()
