"""A member's life: it joins, is watched, hands over, drains, and joins anew."""

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import anyio
import pytest
from aiokafka import TopicPartition
from aiokafka.errors import (
    InconsistentGroupProtocolError,
    InvalidSessionTimeoutError,
    KafkaConnectionError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
)
from anyio.abc import TaskGroup

from consumer.core.errors import Fatal
from consumer.core.model import UserKey
from consumer.pod.service import Service
from consumer.telemetry.metrics import Metrics
from tests.clock import virtual
from tests.simulation.letters import producing, reading
from tests.simulation.pod import upstreams_of
from tests.simulation.run import places_of
from tests.simulation.settings import SETTINGS
from tests.simulation.storm import happen
from tests.simulation.topic import Group, Member, Topic, joined
from tests.simulation.world import LETTERS, World


class Calm(random.Random):
    """Nothing fails by chance, and all takes its middle time."""

    def random(self) -> float:
        return 0.5


async def letters_partitions(_: object) -> list[TopicPartition]:
    return [LETTERS]


class Town:
    """One pod, and all that it talks to."""

    def __init__(self, tasks: TaskGroup) -> None:
        settings, chance = SETTINGS, Calm()
        self.world = world = World(chance, Topic(3), places_of(settings))
        self.group = Group(world.topic, chance, session_timeout_s=10.0, record=world.record)
        self.group.offsets = dict.fromkeys(range(3), 0)
        self.members: list[Member] = []
        self.join_errors: list[Exception] = []
        self.joins: list[float] = []
        self._tasks = tasks
        self.service = Service(
            settings,
            Metrics(settings),
            upstreams_of(settings, world, "p"),
            join=self._join,  # type: ignore[arg-type]
            producing=lambda: producing(world),  # type: ignore[arg-type,return-value]
            reading=lambda: reading(world),  # type: ignore[arg-type,return-value]
            partitions=letters_partitions,
            clock=anyio.current_time,
            uniform=chance.random,
        )

    @asynccontextmanager
    async def _join(self, listener: Any, made: Callable[[Any], None]) -> AsyncIterator[Member]:
        self.joins.append(anyio.current_time())
        if self.join_errors:
            raise self.join_errors.pop(0)

        def note(member: Member) -> None:
            self.members.append(member)
            made(member)

        async with joined(self.group, self._tasks, listener, note) as member:
            yield member

    def runs(self) -> float:
        """Return how many runs have ended, however."""
        family = next(one for one in self.service.metrics.registry.collect() if one.name == "sesamy_makeas_resyncs")
        return sum(sample.value for sample in family.samples)

    @property
    def is_running(self) -> bool:
        return self.service.workers.longest_s(now=anyio.current_time()) > 0

    def written(self) -> set[UserKey]:
        return {user for account, user in self.world.written if account == "1"}


@asynccontextmanager
async def town(*, lives: bool = True) -> AsyncIterator[Town]:
    """Give a town, whose pod lives, ten seconds after it began."""
    async with anyio.create_task_group() as tasks:
        made = Town(tasks)
        tasks.start_soon(made.group.run)
        tasks.start_soon(made.group.expire)
        if lives:
            tasks.start_soon(made.service.live)
            await anyio.sleep(10)
            assert made.service.membership.state == "consuming"
        yield made
        tasks.cancel_scope.cancel()


async def until(holds: Callable[[], bool], *, limit_s: float = 60) -> None:
    with anyio.fail_after(limit_s):
        while not holds():
            await anyio.sleep(0.05)


@virtual
async def test_a_lost_consumer_ends_its_runs_and_its_partitions_are_set_aside_until_another_has_them() -> None:
    """Another pod may have them by now: nobody may write for them, nor commit for them."""
    async with town() as here:
        here.world.trouble["sesamy:v1"] = "hang"
        happen(here.world, READERS[0])
        await until(lambda: here.is_running)
        here.service.membership._consuming.cancel()
        await until(lambda: here.service.membership.member is None, limit_s=2)
        await anyio.sleep(0.01)

        assert not here.is_running
        assert (
            list(here.service.backlog.ledger.partitions),
            here.service.membership.assignment.joined,
            here.service.commits.generation,
        ) == ([], False, -1)
        here.world.trouble.clear()
        await until(lambda: here.written() == {READERS[0]})
        assert len(here.members) == 2


@virtual
async def test_a_consumer_that_proves_nothing_for_two_sessions_is_given_up() -> None:
    async with town() as here:
        (member,) = here.members
        member.cut = True
        await anyio.sleep(19)
        assert len(here.members) == 1
        await anyio.sleep(21)
        assert len(here.members) == 2, "it waits for a consumer that is lost"


@virtual
async def test_who_finds_no_broker_tries_every_few_seconds_for_ten_minutes() -> None:
    async with town(lives=False) as here:
        here.join_errors = [KafkaConnectionError() for _ in range(1000)]
        began = anyio.current_time()
        with pytest.raises(Fatal) as raised, anyio.fail_after(2000):
            await here.service.membership.consume()

        assert (raised.value.code, raised.value.status) == ("no-broker", 69)
        assert anyio.current_time() - began == pytest.approx(600, abs=6)
        pauses = [round(later - at, 3) for at, later in zip(here.joins, here.joins[1:], strict=False)]
        assert pauses[:4] == [0.75, 1.5, 3.0, 3.75]
        assert set(pauses[4:]) == {3.75}


@virtual
async def test_who_was_well_in_between_has_ten_minutes_again() -> None:
    async with town() as here:
        here.service.membership.last_good_at -= 900
        await anyio.sleep(2)
        here.join_errors = [KafkaConnectionError() for _ in range(20)]
        here.service.membership._consuming.cancel()
        await until(lambda: len(here.members) == 2, limit_s=120)
        assert len(here.joins) == 22


@virtual
async def test_who_is_refused_at_the_start_or_can_t_join_the_group_as_it_is_ends_at_once() -> None:
    for error, code, status in (
        (TopicAuthorizationFailedError(), "kafka-denied", 77),
        (SaslAuthenticationFailed(), "kafka-denied", 77),
        (InconsistentGroupProtocolError(), "kafka-group", 78),
        (InvalidSessionTimeoutError(), "kafka-group", 78),
    ):
        async with town(lives=False) as here:
            here.join_errors = [error]
            with pytest.raises(Fatal) as raised:
                await here.service.membership.consume()

            assert (raised.value.code, raised.value.status, len(here.joins)) == (code, status, 1)


@virtual
async def test_whose_group_another_takes_later_waits_for_it_and_ends_with_that_cause() -> None:
    """A pod that was a member may have the group back as soon as the other has left; after ten minutes it is not said to have no broker."""
    async with town() as here:
        here.join_errors = [InconsistentGroupProtocolError()]
        here.service.membership._consuming.cancel()
        await until(lambda: len(here.members) == 2)
        assert len(here.joins) == 3
    async with town(lives=False) as here:
        here.service.membership.state = "consuming"
        here.join_errors = [InconsistentGroupProtocolError() for _ in range(1000)]
        began = anyio.current_time()
        with pytest.raises(Fatal) as raised, anyio.fail_after(2000):
            await here.service.membership.consume()

        assert (raised.value.code, raised.value.status) == ("kafka-group", 78)
        assert anyio.current_time() - began == pytest.approx(600, abs=6)


@virtual
async def test_who_is_refused_later_waits_for_its_rights_to_come_back() -> None:
    """A password that is being changed must not end all pods at once."""
    async with town() as here:
        here.join_errors = [SaslAuthenticationFailed()]
        here.service.membership._consuming.cancel()
        await until(lambda: len(here.members) == 2)
        assert len(here.joins) == 3


class Steps:
    """Stands where the parts that a hand-over goes through could: says in which order, and takes as long as it is told."""

    def __init__(self, here: Town, *, proves: bool = True, drains: bool = True) -> None:
        self.did: list[str] = []
        self._proves, self._drains = proves, drains
        service = here.service
        workers: Any = service.workers
        commits: Any = service.commits
        workers.pause = lambda: self.did.append("pause")
        workers.resume = lambda: self.did.append("resume")
        workers.drained, workers.cancel = self._drained, self._cancel
        backlog: Any = service.backlog
        backlog.park_orphans = self._park_orphans
        commits.commit = self._commit

    async def _drained(self) -> None:
        self.did.append("drained")
        if not self._drains:
            await anyio.sleep(10_000)

    async def _cancel(self) -> None:
        self.did.append("cancel")

    def _park_orphans(self, *, now: float) -> bool:
        assert now >= 0
        self.did.append("orphans")
        return True

    async def _commit(self, *, limit_s: float) -> bool:
        assert limit_s == 5
        self.did.append("commit")
        return self._proves


@virtual
async def test_running_runs_may_finish_at_a_hand_over_only_where_we_are_surely_the_owner() -> None:
    for proves, expected in ((True, ["pause", "commit", "drained", "cancel", "orphans", "commit"]), (False, None)):
        async with town(lives=False) as here:
            steps = Steps(here, proves=proves)
            await here.service.membership.hand_over()

            assert steps.did == (expected or ["pause", "commit", "cancel", "orphans", "commit"])


@virtual
async def test_a_run_that_does_not_end_holds_a_hand_over_and_a_drain_up_for_so_long_and_no_longer() -> None:
    for end in ("hand_over", "drain"):
        async with town(lives=False) as here:
            steps, began = Steps(here, drains=False), anyio.current_time()
            await getattr(here.service.membership, end)()

            assert anyio.current_time() - began == pytest.approx(5.0)
            assert steps.did[-3:] == ["cancel", "orphans", "commit"]


@virtual
async def test_letters_that_can_not_be_written_hold_a_drain_up_for_five_seconds() -> None:
    async with town(lives=False) as here:
        steps, began = Steps(here), anyio.current_time()
        full = {"__len__": lambda _: int(anyio.current_time() - began < 1000)}
        to_park = here.service.backlog.to_park
        to_park.__class__ = type("Full", (type(to_park),), full)
        await here.service.membership.drain()

        assert anyio.current_time() - began == pytest.approx(5.0)
        assert steps.did[-1] == "commit"


@virtual
async def test_a_drain_takes_no_more_in_and_says_whether_a_write_was_cut() -> None:
    for cut in (0, 1):
        async with town() as here:
            service = here.service
            assert service.membership.intake is not None
            happen(here.world, READERS[0])
            await until(lambda: here.is_running)
            service.resync.tally.half_written = -cut
            before = service.resync.tally.half_written

            async def cancel(before: int = before, cut: int = cut, service: Service = service) -> None:
                service.resync.tally.half_written = before + cut

            service.workers.cancel = cancel  # type: ignore[method-assign]
            assert await service.membership.drain() is (cut == 0)
            assert service.membership.state == "draining"
            happen(here.world, READERS[1])
            await anyio.sleep(10)
            assert here.written() == {READERS[0]}, "who was running is written, and nobody who came later"
            assert here.group.offsets[_partition(READERS[0])] == 1


async def taken_up(here: Town, partitions: int) -> None:
    here.service.backlog.topic_partitions = partitions
    await here.service.membership.taken_up()


def _partition(user: UserKey) -> int:
    return sum(map(ord, user.vendor + user.user)) % 3


@virtual
async def test_while_it_drains_new_partitions_start_nothing() -> None:
    async with town(lives=False) as here:
        steps = Steps(here)
        here.service.backlog.ledger.begin(0, 0)
        here.service.membership.state = "draining"
        await taken_up(here, 3)

        assert (steps.did, here.service.membership.state) == (["commit"], "draining")


@virtual
async def test_partitions_that_come_are_proved_before_anybody_runs_and_bring_their_share() -> None:
    async with town(lives=False) as here:
        steps = Steps(here)
        here.service.backlog.ledger.begin(0, 0)
        await taken_up(here, 4)

        assert (steps.did, here.service.membership.state) == (["commit", "resume"], "consuming")
        now = anyio.current_time()
        assert {gate.state(now=now).share for gate in here.service.up.gates.accounts.values()} == {0.25}


READERS: Final = [UserKey("v1", f"u{number}") for number in range(9)]
