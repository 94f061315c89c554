"""A long fetch: how long it may take, and what it leaves to others meanwhile."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Final

import anyio
import pytest

from consumer.core.errors import Denied, Forbidden, Retryable
from consumer.core.events import URGENT
from consumer.core.gates.gate import Gate
from consumer.core.model import AccountId, Event, Job, Result, UserKey, Verdict
from consumer.core.users.schedule import Schedule
from consumer.resync.pages import WHOLE_S
from consumer.resync.workers import Workers
from tests.clock import virtual
from tests.fakes.backlog import backlog
from tests.fakes.desk import ANN, CUT, DONE, A, B, Desk, beside
from tests.fakes.rules import rules
from tests.fakes.upstreams import WHOLE

RATE_PER_S: Final = 25 / 60
"""A quarter of a vendor's usual limit: one pod's of four."""
LONG: Final = [UserKey("v1", "long0"), UserKey("v1", "long1")]
TOO_OLD: Final = Result(Verdict.RETRY, "snapshot-old")
ROUTINE: Final = "contract.1#update"
PAID: Final = min(URGENT)


def small_share(*, pages: int = 15, at_a: Gate | None = None) -> Desk:
    desk = Desk(vendor=Gate(rate_per_s=RATE_PER_S, burst=3, run_calls=3), at_a=at_a)
    desk.sesamy.pages_of = dict.fromkeys(LONG, pages)
    return desk


class Town:
    """A desk at a small share, where users come due and workers run them."""

    def __init__(self, *, pages: int) -> None:
        self.desk = small_share(pages=pages)
        self.schedule = Schedule(rules(max_attempts=3), {"v1": (A, B)}, urgent=URGENT)
        self.backlog = backlog(self.schedule, 0)
        self.ended: dict[str, float] = {}
        self.offset = 0
        self.workers = Workers(
            self.backlog,
            self.desk.gates,
            run=self._run,
            waits=self.desk.waits,
            concurrency=16,
            max_dirty_users=10_000,
            may_run=lambda: True,
            uniform=lambda: 0.5,
        )

    async def _run(self, job: Job) -> tuple[Result, Mapping[AccountId, Result]]:
        sesamy, accounts = await self.desk.resync.run(job)
        if sesamy.verdict is Verdict.DONE:
            self.ended[job.user.user] = anyio.current_time()
        return sesamy, accounts

    def event(self, user: str, type_: str = ROUTINE) -> None:
        self.backlog.submit(Event(UserKey("v1", user), type_), 0, self.offset, since_ms=0, now=anyio.current_time())
        self.offset += 1

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Let the workers work meanwhile."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.workers.work)
            yield
            tasks.cancel_scope.cancel()


# ---- How long it may take ----


@virtual
async def test_a_reader_of_fifteen_pages_is_written_at_a_small_share() -> None:
    desk = small_share()
    assert await desk.run(user=LONG[0]) == {A: DONE, B: DONE}
    assert desk.make[A].written == WHOLE
    assert 30 < anyio.current_time() < 60, "one permit a page, as fast as they come"


@virtual
async def test_the_age_counts_from_when_the_last_page_was_asked_for() -> None:
    for takes_s, brought in ((9.0, {A: DONE}), (25.0, {A: TOO_OLD})):
        desk = small_share(pages=3)
        desk.sesamy.page_takes_s, desk.make[A].takes_s = takes_s, 6.0
        assert await desk.run(A, user=LONG[0]) == brought


@virtual
async def test_a_page_has_its_own_limit_and_all_of_them_five_minutes() -> None:
    desk = small_share()
    desk.sesamy.page_takes_s = 29.0
    assert await desk.run(A, user=LONG[0]) == TOO_OLD
    assert anyio.current_time() == WHOLE_S == 300
    began, desk.sesamy.page_takes_s = anyio.current_time(), 31.0
    assert await desk.run(A, user=LONG[0]) == TOO_OLD
    assert anyio.current_time() < began + 60


async def ended_by(happens: Callable[[], None], desk: Desk) -> object:
    """Let something happen ten seconds into a long fetch, which ends it soon; return what the run comes to."""
    brought = await beside(desk.run(A, user=LONG[0]), 10.0, happens)
    assert anyio.current_time() < 13
    return brought


@virtual
async def test_no_page_is_asked_for_without_a_lease() -> None:
    desk = small_share()

    def lose() -> None:
        desk.lease_s = 0.0

    assert await ended_by(lose, desk) == Result(Verdict.HELD, "lease", tried=False)


@virtual
async def test_a_stop_cuts_the_wait_for_a_page_at_once() -> None:
    desk = small_share()
    assert await desk.run(A, user=LONG[0], stop_s=10.0) == CUT
    assert anyio.current_time() == 10
    assert desk.make[A].reads == 0


@virtual
async def test_a_gate_that_shuts_between_two_pages_ends_the_fetch() -> None:
    desk = small_share()

    def shut() -> None:
        desk.gates.vendors["v1"].failed(ANN, Denied("401", code="http-401"), now=anyio.current_time())

    assert await ended_by(shut, desk) == Result(Verdict.HELD, "gate", tried=False)


# ---- What it leaves to others ----


@virtual
async def test_two_of_28_pages_end_in_time_while_others_have_half() -> None:
    town = Town(pages=28)
    async with town.working():
        for user in LONG:
            town.event(user.user)
        await anyio.sleep(5)
        for number in range(200):
            town.event(f"other{number}")
        await anyio.sleep(WHOLE_S)
    assert {user.user for user in LONG} <= town.ended.keys()
    others = sorted(at for user, at in town.ended.items() if user.startswith("other"))
    assert len(others) >= WHOLE_S * RATE_PER_S / 2 / 3 - 2
    assert max(after - before for before, after in pairwise(others)) < 16, "nobody waits for all of it"


@virtual
async def test_of_many_long_fetches_some_end_in_time_and_then_the_others() -> None:
    """Were each given a page in turn, none of them would."""
    town = Town(pages=20)
    async with town.working():
        for number in range(6):
            town.desk.sesamy.pages_of[UserKey("v1", f"long{number}")] = 20
            town.event(f"long{number}")
        await anyio.sleep(5)
        for number in range(200):
            town.event(f"other{number}")
        await anyio.sleep(3 * WHOLE_S)
    long = sorted(at for user, at in town.ended.items() if user.startswith("long"))
    assert len(long) == 6
    assert sum(at < WHOLE_S for at in long) >= 3


@virtual
async def test_a_user_that_has_just_paid_goes_before_every_page() -> None:
    town = Town(pages=60)
    async with town.working():
        for user in LONG:
            town.event(user.user)
        await anyio.sleep(40)
        for number in range(12):
            began = anyio.current_time()
            town.event(f"paid{number}", PAID)
            await anyio.sleep(20)
            took_s = town.ended[f"paid{number}"] - began
            assert took_s < 2 + 4 / RATE_PER_S + 1, "its quiet time, the time in which its permits come, and its calls"


@virtual
async def test_what_it_had_at_the_accounts_is_free_meanwhile_and_it_comes_back() -> None:
    gate = Gate(rate_per_s=1, burst=4, run_calls=4, places=1)
    desk = small_share(at_a=gate)
    async with anyio.create_task_group() as tasks:

        async def look() -> None:
            assert gate.state(now=anyio.current_time()).in_use == 1
            await anyio.sleep(10)
            assert gate.state(now=anyio.current_time()).in_use == 0
            assert gate.pace.wait_s(4, now=anyio.current_time()) == 0
            while not desk.make[A].reads:
                await anyio.sleep(0.05)
            assert gate.state(now=anyio.current_time()).in_use == 1

        desk.gates.enter(LONG[0], (A,), now=anyio.current_time())
        tasks.start_soon(look)
        assert await desk.run(A, user=LONG[0]) == {A: DONE}
        assert gate.state(now=anyio.current_time()).in_use == 1
    desk.gates.leave(LONG[0], (A,), now=anyio.current_time())
    assert gate.state(now=anyio.current_time()).in_use == 0
    assert gate.pace.wait_s(4, now=anyio.current_time() + 10) == 0, "nothing stays promised"


@virtual
async def test_it_waits_for_a_place_that_is_taken_meanwhile_and_no_other_account_waits_with_it() -> None:
    for stays_s, brought in ((40.0, DONE), (600.0, TOO_OLD)):
        gate = Gate(rate_per_s=1, burst=4, run_calls=4, places=1)
        desk = small_share(at_a=gate)
        async with anyio.create_task_group() as tasks:

            async def other(gate: Gate = gate, stays_s: float = stays_s) -> None:
                await anyio.sleep(10)
                gate.enter(ANN, now=anyio.current_time())
                await anyio.sleep(stays_s)
                gate.leave(ANN, now=anyio.current_time())

            desk.gates.enter(LONG[0], (A, B), now=anyio.current_time())
            tasks.start_soon(other)
            assert await desk.run(user=LONG[0]) == {A: brought, B: DONE}
            assert gate.state(now=anyio.current_time()).in_use == 1


@virtual
async def test_an_account_is_probed_by_another_meanwhile_and_by_itself_where_there_is_none() -> None:
    for is_probed in (True, False):
        desk = small_share()
        gate = desk.gates.accounts[A]
        gate.failed(ANN, Denied("401", code="http-401"), now=anyio.current_time())
        await anyio.sleep(6)
        desk.gates.enter(LONG[0], (A,), now=anyio.current_time())

        async with anyio.create_task_group() as tasks:

            async def other(probe: Gate = gate, *, probes: bool = is_probed) -> None:
                await anyio.sleep(10)
                assert probe.door(now=anyio.current_time()).name == "PROBE"
                if probes:
                    probe.enter(ANN, now=anyio.current_time())
                    probe.succeeded(ANN, now=anyio.current_time())

            tasks.start_soon(other)
            assert await desk.run(A, user=LONG[0]) == {A: DONE}
        assert not gate.closed(now=anyio.current_time())


@pytest.mark.parametrize("error", [Denied("401", code="http-401"), Retryable("500", code="http-500")])
def test_a_vendors_gate_opens_once_the_first_calls_of_its_probe_are_answered(error: Denied | Retryable) -> None:
    @virtual
    async def probe() -> None:
        desk = small_share()
        gate = desk.gates.vendors["v1"]
        for number in range(5):
            gate.failed(UserKey("v1", f"u{number}"), error, now=anyio.current_time())
        await anyio.sleep(6)
        desk.gates.enter(LONG[0], (A,), now=anyio.current_time())
        async with anyio.create_task_group() as tasks:

            async def look() -> None:
                assert gate.closed(now=anyio.current_time())
                await anyio.sleep(10)
                assert not gate.closed(now=anyio.current_time())

            tasks.start_soon(look)
            assert await desk.run(A, user=LONG[0]) == {A: DONE}

    probe()


@virtual
async def test_a_fetch_that_fails_leaves_nothing_behind() -> None:
    desk = small_share()
    gate = desk.gates.vendors["v1"]
    desk.gates.enter(LONG[0], (A,), now=anyio.current_time())
    assert await desk.run(A, user=LONG[0], cancel_s=10.0) is None
    desk.gates.leave(LONG[0], (A,), now=anyio.current_time())
    assert gate.pace.take_late(ANN, now=anyio.current_time() + 60) == 0, "nobody stands before it any more"


@virtual
async def test_a_403_to_a_page_is_the_users() -> None:
    desk = small_share()
    desk.sesamy.fails_for[LONG[0]] = [Forbidden("403", code="http-403")]
    assert await desk.run(A, user=LONG[0]) == Result(Verdict.RETRY, "http-403")
