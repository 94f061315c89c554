"""What happens to partitions that go and come, with the real schedule and ledger."""

from collections.abc import Collection
from types import SimpleNamespace
from typing import Any

import anyio
import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError, RequestTimedOutError

from consumer.core.model import AccountId, Event, Letter, Result, UserKey, Verdict
from consumer.core.users.schedule import Schedule
from consumer.kafka.assignment import Assignment
from consumer.telemetry.metrics import Metrics
from tests.fakes.backlog import backlog
from tests.fakes.doors import Doors
from tests.fakes.rules import rules
from tests.simulation.settings import SETTINGS

ANN, BO, CAT = (UserKey("v", name) for name in ("ann", "bo", "cat"))
ACCOUNT = AccountId("1")


def tps(*partitions: int) -> list[TopicPartition]:
    return [TopicPartition("t", partition) for partition in partitions]


class Broker:
    """What a consumer is told: offsets of the group, where logs begin, and who the topic is."""

    def __init__(self) -> None:
        self.offsets: dict[int, int] = {}
        self.first: dict[int, int] = {}
        self.id = b"a" * 16
        self.partitions = 4
        self.fails: Exception | None = None
        self.asked: list[str] = []
        self.positions: dict[int, int] = {}

    async def topic_id(self, topic: str) -> bytes:
        self.asked.append(topic)
        return self.id

    async def committed_all(self, wanted: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        self.asked.append("committed")
        return {tp: self.offsets[tp.partition] for tp in wanted if tp.partition in self.offsets}

    async def beginning_offsets(self, wanted: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        self.asked.append("beginning")
        if self.fails is not None:
            raise self.fails
        return {tp: self.first.get(tp.partition, 0) for tp in wanted}

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        assert topic == "t"
        return set(range(self.partitions)) or None

    def seek(self, tp: TopicPartition, offset: int) -> None:
        self.positions[tp.partition] = offset


class Desk:
    """An assignment and what it keeps in step."""

    def __init__(self) -> None:
        self.schedule = Schedule(rules(concurrency=4, max_attempts=1), {"v": (ACCOUNT,)}, urgent=())
        self.backlog = backlog(self.schedule)
        self.ledger, self.letters = self.backlog.ledger, self.backlog.to_park
        self.broker, self.committed = Broker(), dict[int, int]()
        self.epochs: list[int] = []
        commits: Any = SimpleNamespace(committed=self.committed)
        self.assignment = Assignment(
            topic="t",
            backlog=self.backlog,
            commits=commits,
            hand_over=self._commit,
            taken_up=self._taken_up,
            metrics=Metrics(SETTINGS),
        )
        consumer: Any = self.broker
        self.assignment.use(consumer)

    async def _commit(self) -> None:
        self.committed.update(self.ledger.watermarks())
        self.broker.offsets.update(self.committed)

    async def _taken_up(self) -> None:
        assert self.backlog.topic_partitions == self.broker.partitions
        self.epochs.append(self.assignment.epoch)

    async def given(self, *partitions: int) -> None:
        await self.assignment.on_partitions_assigned(tps(*partitions))

    async def revoked(self) -> None:
        await self.assignment.on_partitions_revoked(tps(*self.ledger.partitions))

    def touch(self, user: UserKey, partition: int, offset: int) -> None:
        now = anyio.current_time()
        self.backlog.submit(Event(user, "contract.1#update"), partition, offset, since_ms=1, now=now)
        self.backlog.read_to(partition, offset + 1)


async def test_all_is_asked_in_three_requests_however_many_partitions() -> None:
    """One after the other they would take longer than a session, with brokers far away."""
    desk = Desk()
    desk.broker.offsets = {partition: partition * 10 for partition in range(12)}
    await desk.given(*range(24))

    assert desk.broker.asked == ["t", "committed", "beginning"]
    assert desk.broker.positions == {partition: partition * 10 if partition < 12 else 0 for partition in range(24)}


async def test_a_partition_without_an_offset_begins_at_its_earliest_record() -> None:
    desk = Desk()
    desk.broker.offsets, desk.broker.first = {0: 40}, {0: 7, 1: 7}
    await desk.given(0, 1)

    assert {p: desk.ledger.next_offset(p) for p in (0, 1)} == {0: 40, 1: 7} == desk.broker.positions


async def test_what_comes_back_untouched_goes_on_as_it_was_again_and_again() -> None:
    """A second rebalance repeats nothing either: what we have committed is known all the time."""
    desk = Desk()
    await desk.given(0)
    desk.touch(ANN, 0, 5)
    for offset in range(6, 9):
        desk.touch(BO, 0, offset)
    for _ in range(3):
        desk.broker.positions.clear()
        await desk.revoked()
        assert (len(desk.schedule), list(desk.ledger.partitions)) == (0, [])
        await desk.given(0)
        assert (desk.broker.positions, desk.ledger.watermarks(), len(desk.schedule)) == ({0: 9}, {0: 5}, 2)
        assert desk.committed == {0: 5}


async def test_what_another_owner_has_committed_is_not_taken_back() -> None:
    """Else an older state would be committed over a newer one."""
    desk = Desk()
    await desk.given(0)
    desk.touch(ANN, 0, 5)
    await desk.revoked()
    desk.broker.offsets[0] = 30
    await desk.given(0)

    assert (desk.ledger.watermarks(), desk.broker.positions, len(desk.schedule)) == ({0: 30}, {0: 30}, 0)


async def test_what_went_to_others_is_forgotten() -> None:
    desk = Desk()
    await desk.given(0, 1)
    desk.touch(ANN, 0, 5)
    await desk.revoked()
    await desk.given(1)
    await desk.revoked()
    await desk.given(0, 1)

    assert (desk.ledger.next_offset(0), len(desk.schedule)) == (5, 0)


async def test_poison_goes_and_comes_with_its_partition_and_letters_on_their_way_go() -> None:
    desk = Desk()
    await desk.given(0, 1)
    for partition in (0, 1):
        desk.backlog.park_record(Letter(code="not-json", stage="intake", partition=partition, offset=0), since_ms=1)
        desk.backlog.read_to(partition, 1)
    desk.letters.users[ANN] = ()
    await desk.revoked()
    assert (desk.letters.records, desk.letters.users) == ({}, {})

    await desk.given(1)
    assert [place.partition for place in desk.letters.records] == [1]
    assert desk.ledger.watermarks() == {1: 0}


async def test_a_parking_that_is_cut_short_leaves_only_tokens_that_somebody_closes() -> None:
    """An event during the parking has a token of its own; the older one of the same partition covers it from then on."""
    desk = Desk()
    await desk.given(0)
    desk.touch(ANN, 0, 5)
    later = anyio.current_time() + 10
    job = desk.schedule.take(Doors(), now=later)
    assert job is not None
    desk.schedule.end_run(job, Result(Verdict.REFUSED, "http-422"), {}, now=later, uniform=0.5)
    assert desk.schedule.counts()["parking"] == 1
    desk.touch(ANN, 0, 9)
    assert desk.ledger.open_count(0) == 2

    await desk.revoked()
    await desk.given(0)
    assert (desk.ledger.open_count(0), desk.ledger.watermarks(), desk.schedule.counts()["parking"]) == (1, {0: 5}, 0)


async def test_nothing_is_begun_where_not_all_was_answered() -> None:
    desk = Desk()
    desk.broker.offsets, desk.broker.fails = {0: 4}, RequestTimedOutError()
    await desk.given(0, 1)

    assert (list(desk.ledger.partitions), desk.assignment.joined) == ([], False)
    with pytest.raises(KafkaError):
        desk.assignment.check()
    desk.assignment.check()


async def test_what_was_polled_before_or_while_partitions_come_belongs_to_nobody() -> None:
    desk = Desk()
    before = desk.assignment.epoch
    await desk.given(0)

    (during,) = desk.epochs
    assert before < during < desk.assignment.epoch


# ---- A topic made anew ----


async def test_a_topic_made_anew_is_read_from_its_beginning_whatever_was_committed() -> None:
    """Who was dirty is due still, though the log no longer has its event: nothing of ours points into the old one."""
    desk = Desk()
    await desk.given(0, 1)
    desk.touch(ANN, 0, 500)
    desk.touch(BO, 1, 600)
    desk.backlog.park_record(Letter(code="not-json", stage="intake", partition=0, offset=501), since_ms=1)
    await desk.revoked()
    desk.broker.id, desk.broker.first = b"b" * 16, {0: 3}
    await desk.given(0)

    assert (desk.broker.positions[0], desk.ledger.watermarks()) == (3, {0: 3})
    assert (list(desk.schedule.users), desk.ledger.open_count(0), desk.letters.records) == ([BO, ANN], 0, {})
    assert [[one.code for one in letters] for letters in desk.letters.users.values()] == [["held"]], "Bo's partition is another's now"
    assert list(desk.letters.users) == [BO]
    assert list(desk.schedule.users[ANN].tokens()) == []
    desk.touch(CAT, 0, 8)
    await desk.revoked()
    await desk.given(0)
    assert desk.ledger.watermarks() == {0: 8}


async def test_who_was_dirty_when_the_topic_went_waits_for_the_new_one() -> None:
    """While it is missing there is nothing to be given."""
    desk = Desk()
    await desk.given(0)
    desk.touch(ANN, 0, 500)
    await desk.revoked()
    desk.broker.partitions, desk.broker.offsets = 0, {}
    await desk.given()
    assert (desk.assignment.joined, len(desk.schedule)) == (True, 0)

    desk.broker.partitions, desk.broker.id = 4, b"b" * 16
    await desk.revoked()
    await desk.given(0)
    assert (list(desk.schedule.users), desk.ledger.watermarks()) == ([ANN], {0: 0})


async def test_who_was_dirty_when_the_topic_went_and_whose_partition_is_anothers_now_is_parked() -> None:
    """Its new owner reads the new log, which knows nothing of it; who is ours still is not parked, but due."""
    for given in ((0,), ()):
        desk = Desk()
        await desk.given(0, 1)
        desk.touch(ANN, 0, 500)
        desk.touch(BO, 1, 600)
        desk.touch(CAT, 0, 501)
        desk.touch(CAT, 1, 601)
        await desk.revoked()
        desk.broker.id = b"b" * 16
        await desk.given(*given)

        parked = {user: [(one.code, one.account, one.partition) for one in letters] for user, letters in desk.letters.users.items()}
        held = [("held", None, 1)]
        assert parked == ({BO: held, CAT: held} if given else {ANN: [("held", None, 0)], BO: held, CAT: parked[CAT]})
        for user in parked:
            desk.schedule.parked(user, now=anyio.current_time())
        assert list(desk.schedule.users) == ([ANN] if given else [])
