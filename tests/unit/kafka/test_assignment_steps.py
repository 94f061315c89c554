"""In which order partitions are let go and taken up, and what happens where a step is not answered."""

from collections.abc import Collection

import anyio
import anyio.lowlevel
import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError, RequestTimedOutError

from tests.clock import virtual
from tests.unit.kafka.test_assignment import ANN, BO, Desk, tps


async def test_runs_end_and_are_committed_before_anything_is_set_aside() -> None:
    desk = Desk()
    await desk.given(0)
    desk.touch(ANN, 0, 5)
    found: list[tuple[list[int], int, bool, int]] = []

    async def hand_over() -> None:
        await anyio.lowlevel.checkpoint()
        found.append((list(desk.ledger.partitions), len(desk.schedule), desk.assignment.joined, desk.assignment.epoch))

    desk.assignment._hand_over = hand_over
    epoch = desk.assignment.epoch
    await desk.revoked()

    assert found == [([0], 1, False, epoch + 1)], "what is polled meanwhile belongs to nobody"
    assert (list(desk.ledger.partitions), len(desk.schedule), desk.assignment.joined) == ([], 0, False)


async def test_with_nothing_of_ours_there_is_nothing_to_hand_over() -> None:
    """A commit would be asked for, and waited for, in vain."""
    desk = Desk()
    handed_over = list[int]()

    async def hand_over() -> None:
        handed_over.append(1)
        await anyio.lowlevel.checkpoint()

    desk.assignment._hand_over = hand_over
    before = desk.assignment.epoch
    await desk.revoked()
    assert (handed_over, desk.assignment.epoch) == ([], before + 1)
    await desk.given(0)
    await desk.revoked()
    assert handed_over == [1]


async def test_what_was_never_committed_begins_at_its_earliest_record_again() -> None:
    """No commit of ours succeeded: that no offset is there either does not say that nobody has read it meanwhile."""
    desk = Desk()
    await desk.given(0)
    desk.touch(ANN, 0, 5)
    desk.assignment._hand_over = anyio.lowlevel.checkpoint
    await desk.revoked()
    desk.broker.first = {0: 2}
    await desk.given(0)

    assert (desk.ledger.watermarks(), desk.broker.positions, len(desk.schedule)) == ({0: 2}, {0: 2}, 0)


async def test_a_partition_that_stays_ours_is_read_on_while_another_begins_at_its_offset() -> None:
    desk = Desk()
    desk.broker.offsets = {0: 3}
    await desk.given(0)
    desk.touch(ANN, 0, 3)
    desk.touch(BO, 0, 4)
    await desk.revoked()
    desk.broker.offsets[1] = 70
    await desk.given(0, 1)

    assert (desk.broker.positions, desk.ledger.watermarks()) == ({0: 5, 1: 70}, {0: 3, 1: 70})
    assert list(desk.schedule.users) == [ANN, BO]


@virtual
async def test_a_broker_that_does_not_answer_is_waited_for_so_long_and_it_is_told_later() -> None:
    """The client would only log what its callback raises."""
    desk = Desk()

    async def never(wanted: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        assert wanted
        await anyio.sleep_forever()
        return {}

    desk.broker.committed_all = never  # type: ignore[method-assign]
    await desk.given(*range(50))
    assert anyio.current_time() == pytest.approx(25)
    assert (list(desk.ledger.partitions), desk.assignment.joined, desk.epochs) == ([], False, [])
    with pytest.raises(KafkaError, match="no answer while taking partitions up"):
        desk.assignment.check()
    desk.assignment.check()


async def test_a_new_consumer_is_not_blamed_for_what_the_last_one_met() -> None:
    desk = Desk()
    desk.broker.fails = RequestTimedOutError()
    await desk.given(0)
    consumer = desk.assignment._consumer
    assert consumer is not None
    desk.assignment.use(consumer)
    desk.assignment.check()

    desk.broker.fails = None
    await desk.given(0)
    assert (desk.assignment.joined, list(desk.ledger.partitions)) == (True, [0])


async def test_what_was_set_aside_is_kept_over_a_take_up_that_failed() -> None:
    """A consumer that can ask nothing is replaced; the next one goes on with what was ours."""
    desk = Desk()
    await desk.given(0)
    desk.touch(ANN, 0, 5)
    await desk.revoked()
    asked = desk.broker.committed_all

    async def fails(wanted: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        assert wanted
        raise RequestTimedOutError

    desk.broker.committed_all = fails  # type: ignore[method-assign]
    await desk.given(0)
    assert (desk.assignment.joined, len(desk.schedule)) == (False, 0)
    desk.broker.committed_all = asked  # type: ignore[method-assign]
    await desk.revoked()
    await desk.given(0)

    assert (desk.assignment.joined, list(desk.schedule.users), desk.ledger.next_offset(0)) == (True, [ANN], 6)


async def test_who_has_tokens_on_two_partitions_is_dirty_once_and_both_go_on() -> None:
    desk = Desk()
    await desk.given(0, 1)
    desk.touch(ANN, 0, 5)
    desk.touch(ANN, 1, 9)
    await desk.revoked()
    await desk.given(0, 1)

    assert (list(desk.schedule.users), desk.ledger.watermarks()) == ([ANN], {0: 5, 1: 9})
    assert desk.broker.positions == {0: 6, 1: 10}


async def test_it_is_told_how_many_partitions_the_topic_has() -> None:
    desk = Desk()
    assert desk.backlog.topic_partitions == 0
    await desk.given(*(tp.partition for tp in tps(2)))
    assert (desk.backlog.topic_partitions, len(desk.epochs)) == (4, 1)


async def test_whom_no_log_holds_any_more_is_parked_when_partitions_go() -> None:
    desk = Desk()
    await desk.given(0)
    desk.touch(ANN, 0, 5)
    desk.backlog.restart(0, 6)
    await desk.revoked()

    assert {user: [one.code for one in letters] for user, letters in desk.letters.users.items()} == {ANN: ["held"]}
