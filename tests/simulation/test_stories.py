"""Outages on a virtual clock, each told on purpose: what a quiet publisher, a shut gate or a crowd of guests must not spoil."""

import functools
import random
from collections.abc import Callable, Coroutine
from typing import Any, Final

import anyio
import pytest
from msgspec import structs

from consumer.core.model import AccountId, UserKey
from consumer.core.users.case import Phase
from consumer.pod.service import Service
from consumer.pod.status.report import Report
from consumer.pod.status.tree import ListStatus
from consumer.settings.model import Settings
from tests.clock import virtual
from tests.simulation.pod import Pod
from tests.simulation.run import places_of
from tests.simulation.settings import SETTINGS
from tests.simulation.storm import happen
from tests.simulation.topic import Group, Topic
from tests.simulation.world import World

pytestmark = pytest.mark.timeout(600)  # They only compute: on a busy machine that takes its time.

_WORKERS: Final = structs.replace(SETTINGS.workers, hold_s=900.0, max_attempts=8, backoff_s=1.0, backoff_max_s=60.0)
SLOW: Final = structs.replace(SETTINGS, workers=_WORKERS)
READERS: Final = [UserKey("v1", f"u{number}") for number in range(100)]


class Stage:
    """One pod in a town of one's own making."""

    def __init__(self, world: World, group: Group, pod: Pod, another: Callable[[], Pod]) -> None:
        self.world, self.group, self._pod, self.start_another = world, group, pod, another

    def restart(self) -> None:
        """Kill the pod, and start another in its place."""
        self._pod.kill()
        self._pod = self.start_another()

    def touch(self, *users: UserKey) -> None:
        """Let something happen to readers."""
        for user in users:
            happen(self.world, user)

    @property
    def service(self) -> Service:
        assert self._pod.service is not None
        return self._pod.service

    def committed_all(self) -> bool:
        return self.group.at_the_end()

    def codes(self) -> set[str]:
        """Return the codes of all letters."""
        return {letter.said["error.code"] for letter in self.world.letters if "error.code" in letter.said}

    def counted(self, name: str, **labels: str) -> float | None:
        """Return a metric's value."""
        return self.service.metrics.registry.get_sample_value(f"sesamy_makeas_{name}", labels)

    def written(self, account: str) -> set[UserKey]:
        return {user for where, user in self.world.written if where == account}

    def lists(self) -> tuple[ListStatus, ...]:
        return Report(self.service, started_at=0.0).status().lists

    def gate(self, account: str) -> str:
        return self.service.up.gates.accounts[AccountId(account)].state(now=anyio.current_time()).state


def story(tell: Callable[[Stage], Coroutine[Any, Any, None]], *, settings: Settings = SLOW) -> Callable[[], None]:
    """Tell a story on a virtual clock, after ten seconds of peace."""

    @virtual
    @functools.wraps(tell)
    async def play() -> None:
        chance, topic = random.Random(1), Topic(3)
        world = World(chance, topic, places_of(settings))
        group = Group(topic, chance, session_timeout_s=settings.kafka.session_timeout_s, record=world.record)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(group.run)
            tasks.start_soon(group.expire)

            def start() -> Pod:
                pod = Pod(settings, world, group, tasks)
                tasks.start_soon(pod.live)
                return pod

            pod = start()
            await anyio.sleep(10)
            await tell(Stage(world, group, pod, start))
            tasks.cancel_scope.cancel()
        world.judge(is_whole=False)

    return play


@story
async def test_an_outage_that_few_readers_meet_needs_no_human(stage: Stage) -> None:
    """Three readers in an hour of outage: the gate shuts all the same, so they are held, and healed by themselves."""
    stage.world.trouble["1"] = "down"
    for user in READERS[:3]:
        stage.touch(user)
        await anyio.sleep(600)
    await anyio.sleep(1800)
    assert (stage.gate("1"), stage.codes()) == ("closed", {"held"})
    assert stage.committed_all()

    stage.world.trouble.clear()
    await anyio.sleep(300)
    assert stage.written("1") == set(READERS[:3])
    assert (stage.gate("1"), stage.world.held_open()) == ("open", set())


@story
async def test_one_reader_that_always_fails_is_parked_once_others_succeed(stage: Stage) -> None:
    """It alone may shut the gate where nobody else comes; the next reader opens it, and the first is not held for ever."""
    stage.world.unwell = {(AccountId("1"), READERS[0])}
    stage.touch(READERS[0])
    await anyio.sleep(300)
    assert stage.gate("1") == "closed"
    for user in READERS[1:6]:
        stage.touch(user)
        await anyio.sleep(120)

    assert stage.written("1") == set(READERS[1:6])
    assert (stage.gate("1"), stage.codes()) == ("open", {"http-503"})
    assert stage.committed_all()


@story
async def test_a_vendors_gate_and_an_accounts_do_not_keep_each_other_shut(stage: Stage) -> None:
    """Readers owed to account 1 alone, behind two gates that both want a probe, while account 2 is well."""
    stage.world.trouble["1"] = "down"
    stage.touch(*READERS[:6])
    await anyio.sleep(6)
    stage.world.trouble["sesamy:v1"] = "down"
    await anyio.sleep(40)
    stage.world.trouble.clear()
    await anyio.sleep(300)

    assert stage.written("1") == set(READERS[:6])
    assert (stage.gate("1"), len(stage.service.backlog.schedule), stage.codes()) == ("open", 0, set())
    assert stage.committed_all()


@story
async def test_guests_say_nothing_of_sesamy(stage: Stage) -> None:
    """A guest a second, for whom nobody is asked, while Sesamy is out for ten minutes: nobody is parked, few calls are made."""
    stage.world.trouble["sesamy:v1"] = "down"
    for second in range(600):
        if second % 2 == 0 and second < 200:
            stage.touch(READERS[second // 2])
        stage.touch(UserKey("v1", f"guest|{second}"))
        await anyio.sleep(1)
    calls = stage.world.calls
    stage.world.trouble.clear()
    await anyio.sleep(900)

    assert stage.codes() == set()
    assert stage.written("1") == stage.written("2") == set(READERS)
    assert calls < 200


@story
async def test_a_retry_does_not_join_the_end_of_the_line(stage: Stage) -> None:
    """A reader that failed goes before those that became due after it: its token holds the commit of all behind it."""
    stage.service.up.gates.vendors["v1"].pace.set_share(0.06, now=anyio.current_time())  # A fetch a second.
    stage.world.unwell = {(AccountId("1"), READERS[0])}
    stage.touch(READERS[0])
    await anyio.sleep(1)
    stage.touch(*READERS[1:])
    await anyio.sleep(10)
    stage.world.unwell.clear()
    await anyio.sleep(30)

    assert READERS[0] in stage.written("1")
    assert len(stage.written("1")) < 60


@story
async def test_who_is_forbidden_is_parked_alone_and_in_time(stage: Stage) -> None:
    """403 to one reader at an account, to one at Sesamy, and to five at another account: all others are written within seconds."""
    stage.world.forbidden = {("1", READERS[0]), ("sesamy:v1", READERS[1]), *(("2", user) for user in READERS[2:7])}
    stage.touch(*READERS[:61])
    await anyio.sleep(45)
    assert stage.written("1") == {*READERS[2:61]}
    assert stage.written("2") == {READERS[0], *READERS[7:61]}

    await anyio.sleep(600)
    assert (stage.gate("1"), stage.gate("2"), stage.codes()) == ("open", "open", {"http-403"})
    assert stage.committed_all()
    assert len(stage.world.letters) == 7


@story
async def test_a_key_that_is_refused_with_403_parks_nobody_and_is_read_again(stage: Stage) -> None:
    stage.world.trouble["sesamy:v1"] = "403"
    stage.touch(*READERS[:61])
    await anyio.sleep(300)
    assert (stage.world.written, stage.codes()) == ({}, set())
    assert stage.world.renewed > 3
    calls = stage.world.calls

    stage.world.trouble.clear()
    await anyio.sleep(120)
    assert stage.written("1") == stage.written("2") == set(READERS[:61])
    assert calls < 60


@story
async def test_a_vendor_that_knows_nobody_is_not_believed(stage: Stage) -> None:
    """The path of the users is wrong for a while: nobody is skipped; who is known is written once it is mended."""
    stage.world.absent = set(READERS[:61])
    stage.touch(*READERS[:61])
    await anyio.sleep(300)
    assert stage.service.up.gates.vendors["v1"].state(now=anyio.current_time()).cause == "absent"
    assert not stage.committed_all()
    await anyio.sleep(700)
    assert (stage.world.written, stage.codes()) == ({}, {"held"})
    calls = stage.world.calls

    stage.world.absent = {READERS[0]}
    await anyio.sleep(300)
    assert stage.written("1") == stage.written("2") == set(READERS[1:61])
    assert stage.world.held_open() == set()
    assert calls < 300


@functools.partial(
    story, settings=structs.replace(SLOW, workers=structs.replace(SLOW.workers, concurrency=3))
)  # Two of it: for a third no calls are left.
async def test_a_drain_writes_whom_it_has_begun_to_fetch(stage: Stage) -> None:
    """SIGTERM between fetch and write, with permits there: all who run are written, and the rest is left to the next owner."""
    stage.touch(*READERS[:8])
    while stage.service.backlog.schedule.counts()["running"] < 2:
        await anyio.sleep(0.01)
    running = {user for user in READERS[:8] if stage.service.workers.since(user) is not None}

    assert await stage.service.membership.drain()
    assert stage.written("1") == stage.written("2") == running
    assert stage.counted("resyncs_total", vendor="v1", outcome="failed") == 0


@story
async def test_a_drain_that_cuts_a_fetch_is_clean(stage: Stage) -> None:
    stage.world.trouble["sesamy:v1"] = "hang"
    stage.touch(READERS[0])
    await anyio.sleep(3)

    assert await stage.service.membership.drain()
    assert stage.counted("resyncs_total", vendor="v1", outcome="cut_off") == 1


@story
async def test_a_drain_that_cuts_a_write_says_so(stage: Stage) -> None:
    stage.world.trouble["1"] = "hang"
    stage.touch(READERS[0])
    await anyio.sleep(3)

    assert not await stage.service.membership.drain()
    assert stage.counted("resyncs_half_written_total", vendor="v1") == 1


@story
async def test_a_partition_is_given_up_once_who_had_begun_to_write_is_written(stage: Stage) -> None:
    """A revoke waits for permits of ours with whom it has half-written; who would have to wait to begin is the next owner's."""
    gate = stage.service.up.gates.accounts[AccountId("1")]
    gate.pace.set_share(0.02, now=anyio.current_time())  # A call a second.
    stage.touch(*READERS[:3])
    await anyio.sleep(1.5)
    stage.start_another()
    await anyio.sleep(60)

    assert stage.counted("resyncs_half_written_total", vendor="v1") == 0
    assert stage.written("1") == stage.written("2") == set(READERS[:3])


@story
async def test_a_fault_of_ours_costs_one_reader_and_no_pod(stage: Stage) -> None:
    """Its writes to one account raise what nobody expected: it is parked there in the end, all others are written."""
    stage.world.broken = {(AccountId("1"), READERS[0])}
    for _ in range(12):
        stage.touch(*READERS[:4])
        await anyio.sleep(60)
    await anyio.sleep(600)  # What came since it was parked, is owed anew.

    assert stage.written("1") == set(READERS[1:4])
    assert stage.written("2") == set(READERS[:4])
    assert (stage.codes(), stage.gate("1")) == ({"bug"}, "open")
    assert stage.committed_all()


def lose(stage: Stage) -> None:
    """Let the topic be made anew under the pod, which has not run yet whom it has read."""
    stage.world.forget_sent()
    for partition in range(len(stage.group.topic.partitions)):
        stage.service.backlog.schedule.forget_tokens(partition)
        stage.service.backlog.ledger.begin(partition, stage.group.topic.end(partition))


@story
async def test_whose_events_are_lost_is_healed_by_the_next_owner_and_run_by_nobody_else(stage: Stage) -> None:
    """The records are gone, the account is out: at the rebalance letters go along, and whoever has the partition heals them."""
    stage.world.trouble["1"] = "down"
    stage.touch(*READERS[:20])
    await anyio.sleep(60)
    lose(stage)
    stage.start_another()
    await anyio.sleep(30)
    assert len(stage.world.held_open()) == 20
    assert all(user.is_by_letter for user in stage.service.backlog.schedule.users.values())
    stage.world.trouble.clear()
    await anyio.sleep(300)

    assert stage.written("1") == set(READERS[:20])
    assert (stage.world.held_open(), stage.codes()) == (set(), {"held"})


@story
async def test_whose_events_are_lost_is_in_a_letter_before_a_drain_ends(stage: Stage) -> None:
    stage.touch(*READERS[:5])
    await anyio.sleep(0.5)
    lose(stage)

    assert await stage.service.membership.drain()
    assert (len(stage.world.held_open()), stage.codes()) == (5, {"held"})


@story
async def test_a_letter_of_whose_events_are_lost_is_kept_until_it_can_be_written(stage: Stage) -> None:
    """The letters' topic is out while the partitions go: it waits here, and is not run, and nothing is lost."""
    stage.world.trouble["1"] = stage.world.trouble["letters"] = "down"
    stage.touch(READERS[0])
    await anyio.sleep(60)
    lose(stage)
    stage.start_another()
    await anyio.sleep(60)
    assert stage.service.backlog.schedule.counts() == {"waiting": 0, "due": 0, "running": 0, "parking": 1}
    stage.world.trouble.clear()
    await anyio.sleep(120)

    assert stage.written("1") == {READERS[0]}
    assert len(stage.service.backlog.schedule) == 0


@story
async def test_a_small_share_of_a_small_rate_writes_everybody_in_turn(stage: Stage) -> None:
    """A request every 20 s, so a conversation in 80 s: its calls are waited for before the fetch, and nobody is parked."""
    gate = stage.service.up.gates.accounts[AccountId("1")]
    gate.pace.set_share(0.05 / gate.pace.rate_per_s, now=anyio.current_time())
    stage.touch(*READERS[:12])
    await anyio.sleep(30)
    assert stage.written("2") == set(READERS[:12])

    await anyio.sleep(12 * 80)
    assert stage.written("1") == set(READERS[:12])
    assert (stage.codes(), stage.committed_all()) == (set(), True)


@story
async def test_a_filter_that_is_ignored_holds_its_vendor_alone_and_heals_by_itself(stage: Stage) -> None:
    """It is so when a pod starts: the other vendor's readers are written, and its own are once it obeys."""
    stage.world.trouble["sesamy:v1"] = "unfiltered"
    stage.restart()
    other = UserKey("v2", "u1")
    stage.touch(*READERS[:20], other)
    await anyio.sleep(300)
    assert (stage.written("1"), stage.written("3"), stage.codes()) == (set(), {other}, set())
    await anyio.sleep(900)
    assert (stage.written("1"), stage.codes(), stage.committed_all()) == (set(), {"held"}, True)

    stage.world.trouble.clear()
    await anyio.sleep(300)
    assert (stage.written("1"), stage.world.held_open()) == (set(READERS[:20]), set())


@story
async def test_a_filter_that_fails_between_two_questions_costs_one_reader_not_all(stage: Stage) -> None:
    """One id for two users has it asked at once, before the second of them is written."""
    stage.world.trouble["sesamy:v1"] = "unfiltered"
    for user in READERS[:10]:
        stage.touch(user)
        await anyio.sleep(5)
    assert stage.written("1") == {READERS[0]}
    (found,) = stage.service.up.filters.findings()
    assert (found.vendor, found.obeyed_at) == ("v1", None)

    stage.world.trouble.clear()
    await anyio.sleep(120)
    assert stage.written("1") == set(READERS[:10])


@story
async def test_a_vendor_that_is_down_when_a_pod_starts_holds_its_readers_for_no_longer_than_any(stage: Stage) -> None:
    stage.world.trouble["sesamy:v1"] = "down"
    stage.restart()
    stage.touch(*READERS[:3])
    await anyio.sleep(800)
    assert (stage.codes(), stage.committed_all()) == (set(), False)
    await anyio.sleep(200)
    assert (stage.codes(), stage.committed_all(), stage.written("1")) == ({"held"}, True, set())

    stage.world.trouble.clear()
    await anyio.sleep(300)
    assert (stage.written("1"), stage.world.held_open()) == (set(READERS[:3]), set())


@story
async def test_nobody_is_fetched_before_the_first_verdict_though_all_else_answers(stage: Stage) -> None:
    stage.world.trouble["filter:v1"] = "down"
    stage.restart()
    stage.touch(*READERS[:3])
    calls = stage.world.calls
    await anyio.sleep(120)
    assert (stage.written("1"), stage.codes(), stage.world.calls - calls < 20) == (set(), set(), True)

    stage.world.trouble.clear()
    await anyio.sleep(120)
    assert stage.written("1") == set(READERS[:3])


_SIXTEEN: Final = structs.replace(
    SLOW,
    workers=structs.replace(SLOW.workers, concurrency=16),
    sesamy=structs.replace(SLOW.sesamy, requests_per_minute=60_000, burst=1_000),
    makeas=structs.replace(SLOW.makeas, requests_per_second=1_000.0, burst=1_000, max_in_flight=32),
)
"""Sixteen workers, and no limit in their way."""


def crowd(vendor: str, size: int) -> list[UserKey]:
    return [UserKey(vendor, f"crowd{number}") for number in range(size)]


def running(stage: Stage, vendor: str) -> int:
    """Return how many users of a vendor run."""
    users = stage.service.backlog.schedule.users.values()
    return sum(user.key.vendor == vendor and user.phase is Phase.RUNNING for user in users)


@functools.partial(story, settings=_SIXTEEN)
async def test_a_busy_publisher_uses_what_an_idle_one_leaves_and_does_not_delay_its_purchase(stage: Stage) -> None:
    """All runs of the one hang, so none of its workers comes back: a reader of the other begins in the moment it is due."""
    stage.touch(*crowd("v1", 400))
    await anyio.sleep(4)
    assert running(stage, "v1") == 14
    stage.world.trouble["sesamy:v1"] = "hang"
    await anyio.sleep(3)
    assert running(stage, "v1") == 14

    paid = UserKey("v2", "paid")
    happen(stage.world, paid, "contract.1#purchased")
    while paid not in stage.service.backlog.schedule:
        await anyio.sleep(0.01)
    due_at = stage.service.backlog.schedule.users[paid].due_at
    await anyio.sleep(due_at - anyio.current_time() + 0.001)
    assert stage.service.workers.since(paid) == pytest.approx(due_at)
    await anyio.sleep(3)
    assert stage.written("3") == {paid}
    assert running(stage, "v1") == 14


@functools.partial(story, settings=_SIXTEEN)
async def test_two_busy_publishers_come_to_equal_parts(stage: Stage) -> None:
    """The second comes while the first holds all but an eighth: within the time of a run each has half."""
    stage.touch(*crowd("v1", 400))
    await anyio.sleep(4)
    assert running(stage, "v1") == 14
    stage.touch(*crowd("v2", 100))
    await anyio.sleep(4)
    assert (running(stage, "v1"), running(stage, "v2")) == (8, 8)
