"""When workers begin a run and when they don't, and how runs end: on a pause, on a cancel, by themselves."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

import anyio

from consumer.core.events import URGENT
from consumer.core.gates.gate import Gate
from consumer.core.gates.gates import Gates
from consumer.core.letters.headers import Named
from consumer.core.model import AccountId, Event, Job, Outcome, Result, UserKey, Verdict
from consumer.core.users.schedule import Schedule
from consumer.resync.waits import Waits
from consumer.resync.workers import Workers
from tests.clock import virtual
from tests.fakes.backlog import backlog
from tests.fakes.rules import rules

A: Final = AccountId("a")
DONE, REFUSED = Result(Verdict.DONE), Result(Verdict.REFUSED, "http-422")


class Office:
    """Three workers; a run takes 10 s, and ends as it is told. Users are due after 2 s."""

    def __init__(self, *, dirty: int, rate_per_s: float = 1000.0) -> None:
        self.schedule = Schedule(rules(max_wait_s=10, concurrency=9, max_attempts=3), {"v": (A,)}, urgent=URGENT)
        self.backlog, self.waits = backlog(self.schedule, 0), Waits()
        self.ledger, self.letters = self.backlog.ledger, self.backlog.to_park.users
        self.gates = Gates(
            {"v": Gate(rate_per_s=1000, burst=1000, run_calls=3)}, {A: Gate(rate_per_s=rate_per_s, burst=10, run_calls=4, hold_s=900)}
        )
        self.takes_s, self.cleans_up_s = 10.0, 0.0
        self.brings = DONE
        self.lease = True
        self.begun: list[Job] = []
        self.begun_at: list[float] = []
        self.inside = self.most = 0
        self.cut_at: list[float] = []
        self.heard: list[tuple[UserKey, Verdict, bool]] = []
        self.backlog.healing.note_run = self._hear  # type: ignore[method-assign]
        self.workers = Workers(
            self.backlog,
            self.gates,
            run=self._run,
            waits=self.waits,
            concurrency=3,
            max_dirty_users=500,
            may_run=lambda: self.lease,
            uniform=lambda: 0.5,
        )
        for number in range(dirty):
            self.touch(f"u{number}", number)

    def touch(self, name: str, offset: int) -> None:
        self.backlog.submit(Event(UserKey("v", name), "contract.1#update"), 0, offset, since_ms=0, now=anyio.current_time())
        self.backlog.read_to(0, offset + 1)

    async def _run(self, job: Job) -> tuple[Result, Mapping[AccountId, Result]]:
        self.begun.append(job)
        self.begun_at.append(anyio.current_time())
        self.inside += 1
        self.most = max(self.most, self.inside)
        try:
            await anyio.sleep(self.takes_s)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(self.cleans_up_s)
            self.cut_at.append(anyio.current_time())
            raise
        finally:
            self.inside -= 1
        return DONE, dict.fromkeys(job.accounts, self.brings)

    def _hear(self, job: Job, sesamy: Result, accounts: Mapping[AccountId, Result], outcome: Outcome) -> list[Named]:
        assert sesamy is DONE
        assert bool(outcome.letters) == (accounts[A].verdict is Verdict.REFUSED)
        self.heard.append((job.user, accounts[A].verdict, job.user in self.letters))
        return []

    async def work_for(self, seconds: float) -> None:
        with anyio.move_on_after(seconds):
            await self.workers.work()

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Let the workers work meanwhile, for two minutes and no longer."""
        with anyio.fail_after(120):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self.workers.work)
                yield
                tasks.cancel_scope.cancel()

    @property
    def in_use(self) -> int:
        now = anyio.current_time()
        return self.gates.vendors["v"].state(now=now).in_use + self.gates.accounts[A].state(now=now).in_use


# ---- Beginning ----


@virtual
async def test_so_many_runs_at_once_and_no_more_and_each_user_has_one() -> None:
    office = Office(dirty=8)
    await office.work_for(40)

    assert office.begun_at == [2, 2, 2, 12, 12, 12, 22, 22]
    assert (office.most, len({job.user for job in office.begun}), len(office.schedule)) == (3, 8, 0)


@virtual
async def test_no_run_begins_without_a_lease_and_one_begins_soon_after_it_came() -> None:
    office = Office(dirty=2)
    office.lease = False
    async with office.working():
        await anyio.sleep(30)
        assert (office.begun, office.schedule.counts()["running"]) == ([], 0)
        office.lease = True
        await anyio.sleep(1)
        assert len(office.begun) == 2


@virtual
async def test_no_run_begins_while_pausing_and_all_go_on_at_once_after_it() -> None:
    office = Office(dirty=5)
    async with office.working():
        await anyio.sleep(5)
        office.workers.pause()
        await anyio.sleep(20.3)
        assert (len(office.begun), office.inside) == (3, 0)
        office.workers.resume()
        await anyio.sleep(0.01)
        assert (len(office.begun), office.begun_at[3:]) == (5, [25.3, 25.3])


@virtual
async def test_a_run_is_told_when_its_calls_can_be_made() -> None:
    """Ten calls are there, and one more each 2 s; each run has four promised."""
    office = Office(dirty=3, rate_per_s=0.5)
    await office.work_for(60)

    waits_s = [job.begins_at - at for job, at in zip(office.begun, office.begun_at, strict=True)]
    assert waits_s == [0, 0, 4]


@virtual
async def test_an_event_rings_the_bell_and_nobody_waits_for_the_next_second() -> None:
    office = Office(dirty=0)
    async with office.working():
        await anyio.sleep(0.25)
        office.touch("ann", 0)
        office.backlog.on_work()
        await anyio.sleep(2.01)
        assert office.begun_at == [2.25]


# ---- Pausing ----


@virtual
async def test_a_pause_ends_all_waits_and_after_it_runs_may_wait_again() -> None:
    office = Office(dirty=1)
    waited_till = list[float]()

    async def run(job: Job) -> tuple[Result, Mapping[AccountId, Result]]:
        assert not await office.waits.sleep(1000)
        waited_till.append(anyio.current_time())
        return DONE, dict.fromkeys(job.accounts, Result(Verdict.HELD, "stopping", tried=False))

    office.workers._run = run
    async with office.working():
        await anyio.sleep(5)
        office.workers.pause()
        await office.workers.drained()
        assert (waited_till, anyio.current_time()) == ([5.0], 5)
        office.workers.resume()
        await anyio.sleep(3)
        assert (waited_till, office.schedule.counts()["running"]) == ([5.0], 1), "it waits anew"
        office.workers.pause()
        await office.workers.drained()
        assert waited_till == [5.0, 8.0]


@virtual
async def test_a_pause_cuts_nobody_off_and_drained_is_when_the_last_has_ended() -> None:
    office = Office(dirty=2)
    async with office.working():
        await anyio.sleep(4)
        office.touch("late", 2)
        office.backlog.on_work()
        await anyio.sleep(3)
        assert (office.begun_at, office.inside) == ([2, 2, 6], 3)
        office.workers.pause()
        await office.workers.drained()
        assert (anyio.current_time(), office.inside, office.cut_at) == (16, 0, [])
        assert (len(office.schedule), office.ledger.watermarks()) == (0, {0: 3})


# ---- Cutting off ----


@virtual
async def test_cancel_waits_for_the_ends_of_the_runs_and_leaves_their_users_dirty() -> None:
    office = Office(dirty=4)
    office.cleans_up_s = 1.5
    async with office.working():
        await anyio.sleep(5)
        office.workers.pause()
        await office.workers.cancel()
        assert (anyio.current_time(), office.cut_at, office.inside) == (6.5, [6.5] * 3, 0)
        assert (len(office.schedule), office.schedule.counts()["running"], office.in_use) == (4, 0, 0)
        assert (office.ledger.watermarks(), office.ledger.open_count(0), office.heard) == ({0: 0}, 4, [])
        office.workers.resume()
        await anyio.sleep(30)
        assert (len(office.begun), len(office.schedule), office.ledger.watermarks()) == (7, 0, {0: 4})


@virtual
async def test_cancel_waits_also_where_who_calls_is_out_of_time() -> None:
    """Partitions are given up next: a run that goes on would write beside their new owner."""
    office = Office(dirty=3)
    office.cleans_up_s = 1.5
    async with office.working():
        await anyio.sleep(5)
        office.workers.pause()
        with anyio.move_on_after(0.5):
            await office.workers.cancel()
        assert (office.inside, len(office.cut_at)) == (0, 3)


@virtual
async def test_cut_waits_for_nobody() -> None:
    office = Office(dirty=3)
    async with office.working():
        await anyio.sleep(5)
        office.workers.pause()
        office.workers.cut()
        assert (office.inside, anyio.current_time()) == (3, 5)
        await office.workers.drained()
        assert (anyio.current_time(), office.cut_at) == (5, [5, 5, 5])


# ---- Ending ----


@virtual
async def test_a_run_that_ends_makes_room_everywhere_and_closes_its_tokens() -> None:
    office = Office(dirty=1)
    async with office.working():
        await anyio.sleep(6)
        user = UserKey("v", "u0")
        assert (office.workers.since(user), office.workers.longest_s(now=anyio.current_time()), office.in_use) == (2, 4, 2)
        await anyio.sleep(7)
        assert (office.workers.since(user), office.workers.longest_s(now=anyio.current_time()), office.in_use) == (None, 0, 0)
        assert (office.ledger.watermarks(), office.heard) == ({0: 1}, [(user, Verdict.DONE, False)])


@virtual
async def test_who_is_parked_is_told_of_before_and_its_token_is_open_until_the_letter_is_written() -> None:
    office = Office(dirty=1)
    office.brings = REFUSED
    await office.work_for(13)
    user = UserKey("v", "u0")

    assert (office.heard, [letter.code for letter in office.letters[user]]) == ([(user, Verdict.REFUSED, False)], ["http-422"])
    assert (office.ledger.watermarks(), office.schedule.counts()["parking"]) == ({0: 0}, 1)
    assert office.backlog.user_parked(user, office.letters[user], now=anyio.current_time())
    assert (office.ledger.watermarks(), len(office.schedule)) == ({0: 1}, 0)


@virtual
async def test_a_run_that_ends_wakes_who_waits_for_a_worker_at_once() -> None:
    office = Office(dirty=4)
    office.takes_s = 0.3
    await office.work_for(4)
    assert office.begun_at == [2, 2, 2, 2.3]


@virtual
async def test_whom_no_log_holds_any_more_is_parked() -> None:
    office = Office(dirty=2)
    assert not office.backlog.park_orphans(now=anyio.current_time())
    office.backlog.restart(0, 2)
    assert office.backlog.park_orphans(now=anyio.current_time())
    assert [letters[0].code for letters in office.letters.values()] == ["held", "held"]
