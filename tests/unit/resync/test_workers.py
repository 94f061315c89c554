"""What the workers promise beside the schedule: who is parked when too many are dirty."""

from collections.abc import Mapping
from typing import Final

import anyio

from consumer.core.errors import ConsumerError, Denied, Retryable
from consumer.core.events import URGENT
from consumer.core.gates.gate import Gate
from consumer.core.gates.gates import Gates
from consumer.core.model import AccountId, Event, Job, Result, UserKey, Verdict
from consumer.core.users.schedule import Schedule
from consumer.resync.waits import Waits
from consumer.resync.workers import Workers
from tests.clock import virtual
from tests.fakes.backlog import backlog
from tests.fakes.rules import rules

A, B = AccountId("a"), AccountId("b")
DONE: Final = Result(Verdict.DONE)
LIMIT: Final = 500
DOWN: Final = Retryable("500", code="http-500")


class Office:
    """Workers, a schedule and gates; letters wait here until they are said to be written."""

    def __init__(self, *accounts: AccountId, dirty: int) -> None:
        numbers = rules(max_wait_s=10, concurrency=4, max_attempts=3)
        self.schedule = Schedule(numbers, {"v": accounts}, urgent=URGENT)
        self.backlog = backlog(self.schedule, 0)
        gates = {account: Gate(rate_per_s=1000, burst=1000, run_calls=4, hold_s=900) for account in accounts}
        self.gates = Gates({"v": Gate(rate_per_s=1000, burst=1000, run_calls=3, hold_s=900)}, gates)
        self.letters = self.backlog.to_park.users
        self.written: list[UserKey] = []
        self.workers = Workers(
            self.backlog,
            self.gates,
            run=self._run,
            waits=Waits(),
            concurrency=4,
            max_dirty_users=LIMIT,
            may_run=lambda: True,
            uniform=lambda: 0.5,
        )
        for number in range(dirty):
            user = UserKey("v", f"u{number}")
            self.backlog.submit(Event(user, "contract.1#update"), 0, number, since_ms=0, now=anyio.current_time())

    async def _run(self, job: Job) -> tuple[Result, Mapping[AccountId, Result]]:
        await anyio.sleep(0.01)
        self.written.append(job.user)
        return DONE, dict.fromkeys(job.accounts, DONE)

    def shut(self, account: AccountId, error: ConsumerError, *, now: float = 0.0) -> None:
        """Let so many users meet an error that the account's gate is shut: one is enough where it says for how long."""
        for number in range(1 if isinstance(error, Retryable) and error.retry_after_s else 5):
            self.gates.accounts[account].failed(UserKey("v", f"x{number}"), error, now=now)

    def write(self) -> int:
        """Say of all letters that they are written; return how many users' they were."""
        written = [*self.letters.items()]
        return sum(self.backlog.user_parked(user, letters, now=anyio.current_time()) for user, letters in written)

    async def work_for(self, seconds: float) -> None:
        with anyio.move_on_after(seconds):
            await self.workers.work()


@virtual
async def test_a_short_retry_after_parks_nobody_however_many_are_dirty() -> None:
    for retry_after_s in (1.0, 59.0):
        office = Office(A, dirty=LIMIT + 300)
        await anyio.sleep(1.9)
        office.shut(A, Retryable("429", code="http-429", retry_after_s=retry_after_s), now=anyio.current_time())

        await office.work_for(0.9)
        assert (office.letters, office.schedule.counts()["due"]) == ({}, LIMIT + 300)


@virtual
async def test_only_what_is_over_the_limit_is_parked_and_once() -> None:
    for error in (DOWN, Denied("401", code="http-401"), Retryable("429", code="http-429", retry_after_s=60.0)):
        began = anyio.current_time()
        office = Office(A, dirty=LIMIT + 78)
        office.shut(A, error, now=began)

        await office.work_for(2.5)
        assert (len(office.letters), office.schedule.counts()["parking"]) == (78, 78)
        assert office.write() == 78
        await office.work_for(2)
        assert (len(office.schedule), office.letters) == (LIMIT, {})


@virtual
async def test_nobody_is_parked_behind_a_gate_while_it_pauses() -> None:
    """A letter that is begun behind the last commit of a drain would be written, and its event be read again."""
    office = Office(A, dirty=LIMIT + 78)
    office.shut(A, DOWN, now=anyio.current_time())
    office.workers.pause()

    await office.work_for(1000)
    assert office.letters == {}
    office.workers.resume()
    await office.work_for(2.5)
    assert len(office.letters) == 200


@virtual
async def test_at_the_limit_nobody_is_parked() -> None:
    office = Office(A, dirty=LIMIT)
    office.shut(A, DOWN)

    await office.work_for(4)
    assert office.letters == {}


@virtual
async def test_who_owes_to_an_open_account_is_not_parked_but_run() -> None:
    office = Office(A, B, dirty=LIMIT + 78)
    office.shut(A, DOWN)
    office.gates.accounts[A].enter(UserKey("v", "x"), now=5)  # A probe that does not end.

    await office.work_for(60)
    assert len(office.written) == LIMIT + 78
    assert len(office.letters) == 78, "whoever has had what was open is held by what is shut"


@virtual
async def test_so_many_letters_are_under_way_at_once_and_the_rest_can_still_be_run() -> None:
    office = Office(A, dirty=LIMIT)
    office.shut(A, DOWN)
    office.gates.accounts[A].enter(UserKey("v", "x"), now=5)

    await office.work_for(1000)
    assert (len(office.letters), len(office.schedule)) == (200, LIMIT)
    office.gates.accounts[A].succeeded(UserKey("v", "x"), now=1005)
    await office.work_for(60)
    assert (len(office.written), office.write(), len(office.schedule)) == (LIMIT - 200, 200, 0)


@virtual
async def test_who_is_due_while_no_run_may_begin_wakes_nobody_again_and_again() -> None:
    """With as many letters under way as may be, nobody takes out whose time has come: that is no reason to turn round and round."""
    office = Office(A, dirty=LIMIT)
    office.shut(A, DOWN)
    office.gates.accounts[A].enter(UserKey("v", "x"), now=5)
    await office.work_for(1000)
    assert len(office.letters) == 200
    office.workers.pause()
    user = UserKey("v", "late")
    office.schedule.submit(Event(user, "contract.1#update"), 0, LIMIT, since_ms=0, now=anyio.current_time())

    waits = list[float]()
    wait = office.workers._bell.wait

    async def counted(*, until: float) -> None:
        waits.append(until - anyio.current_time())
        assert len(waits) < 30, "a loop that turns round and round does not end by itself"
        await wait(until=until)

    office.workers._bell.wait = counted  # type: ignore[method-assign]
    await office.work_for(20)
    assert waits
    assert min(waits) > 0
