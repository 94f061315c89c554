"""Each promise of a run, by example: real gates, stand-ins that take their time, a virtual clock."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from math import inf
from typing import Any, Final

import anyio
import pytest
from msgspec.structs import replace

from consumer.core.answers.snapshot import Contract, Profile, Snapshot
from consumer.core.errors import Denied, Refused, Retryable, Torn
from consumer.core.gates.gate import Gate
from consumer.core.gates.gates import Gates
from consumer.core.mapping.documents import Documents
from consumer.core.model import AccountId, Job, Result, UserKey, Verdict
from consumer.resync.clients import Target, Vendor
from consumer.resync.makeas import WriteOutcome
from consumer.resync.run import Resync
from consumer.resync.waits import Waits
from consumer.telemetry.metrics import RESYNC_OUTCOMES, STAGES, Metrics
from tests.clock import virtual
from tests.simulation.settings import SETTINGS

A, B = AccountId("1"), AccountId("2")
ANN: Final = UserKey("v1", "ann")
WHOLE: Final = ["upsert", "subscriptions"]
DONE: Final = Result(Verdict.DONE)
CUT: Final = Result(Verdict.HELD, "stopping", tried=False)

Permit = Callable[[], Awaitable[None]]
Heed = Callable[[Job, Snapshot], Awaitable[None]]


class Sesamy:
    """Answers after a tenth of a second; a second page asks for a permit."""

    def __init__(self) -> None:
        self.pages = 1
        self.takes_s = 0.1
        self.asked = self.renewed = 0
        self.knows = True
        self.email: str | None = "ann@example.com"
        self.fails: list[Exception] = []
        self.contracts: tuple[Contract, ...] = ()

    async def snapshot(self, user: UserKey, *, permit: Permit) -> Snapshot | None:
        self.asked += 1
        await anyio.sleep(self.takes_s)
        if self.fails:
            raise self.fails.pop()
        for _ in range(1, self.pages):
            await permit()
        if not self.knows:
            return None
        return Snapshot(user=user, profile=Profile(email=self.email), contracts=self.contracts, entitlements=())

    def renew(self) -> None:
        self.renewed += 1


class Make:
    """One account: a read and two writes, a tenth of a second each."""

    def __init__(self) -> None:
        self.written: list[str] = []
        self.fails: list[Exception] = []
        self.takes_s, self.hesitates_s = 0.1, 0.0
        self.reads = 0
        self.limits_s: list[float] = []

    async def write(self, documents: Documents, *, permit: Permit, limit_s: Callable[[], float], lists: Collection[str]) -> WriteOutcome:
        assert documents
        assert lists
        await permit()
        self.reads += 1
        await anyio.sleep(self.takes_s)
        if self.fails:
            raise self.fails.pop()
        for call in WHOLE:
            await permit()
            if self.hesitates_s:
                await anyio.sleep(self.hesitates_s)
            self.limits_s.append(limit_s())
            await anyio.sleep(self.takes_s)
            self.written.append(call)
        return WriteOutcome(consent_kept=False)


class Key:
    """An account's key; says how often it was distrusted."""

    def __init__(self) -> None:
        self.expired = 0

    def expire(self) -> None:
        self.expired += 1


class Desk:
    """One vendor with two accounts, and a switch that ends all waits."""

    def __init__(self, *, calls: Mapping[AccountId, int] | None = None, heed: Heed | None = None) -> None:
        """Let each account have so many calls at once, then one each 2 s; not named: as many as anybody wants."""
        self.waits = Waits()
        self.lease_s = inf
        self.sesamy, self.make = Sesamy(), {A: Make(), B: Make()}
        self.keys: Any = {account: Key() for account in self.make}
        known = {account.id: replace(account, api_key=self.keys[account.id]) for account in SETTINGS.accounts_of("v1")}
        targets = {account: Target(known[account], make) for account, make in self.make.items()}  # type: ignore[arg-type]
        self.gates = Gates(
            {"v1": Gate(rate_per_s=0.5, burst=1, run_calls=1)},
            {account: Gate(rate_per_s=0.5, burst=(calls or {}).get(account, 99), run_calls=1, tries=3) for account in self.make},
        )
        self.metrics = Metrics(SETTINGS)
        sesamy: Any = self.sesamy
        self.resync = Resync(
            {"v1": Vendor(sesamy, targets)},
            self.gates,
            heed=heed,
            lease_left_s=lambda: self.lease_s,
            waits=self.waits,
            uniform=lambda: 0.5,
            metrics=self.metrics,
        )

    async def run(
        self, *accounts: AccountId, user: UserKey = ANN, begins_in_s: float = 0.0, stop_s: float = inf, cancel_s: float = inf
    ) -> dict[AccountId, Result] | Result | None:
        """Return what a run brought at the accounts, or, where the fetch failed, there; None: it was cancelled."""
        now, accounts = anyio.current_time(), accounts or (A, B)
        job = Job(user=user, accounts=accounts, started_at=now, since_ms=dict.fromkeys(accounts, 0), begins_at=now + begins_in_s)
        brought: dict[AccountId, Result] | Result | None = None

        async def stop() -> None:
            await anyio.sleep(stop_s)
            self.waits.end()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stop)
            with anyio.move_on_after(cancel_s):
                sesamy, results = await self.resync.run(job)
                brought = dict(results) if sesamy.verdict is Verdict.DONE else sesamy
            tasks.cancel_scope.cancel()
        return brought

    @property
    def outcomes(self) -> dict[str, int]:
        return {outcome: number for outcome in RESYNC_OUTCOMES if (number := self._value("resyncs_total", vendor="v1", outcome=outcome))}

    @property
    def half_written(self) -> int:
        assert self._value("resyncs_half_written_total", vendor="v1") == self.resync.tally.half_written
        return self.resync.tally.half_written

    @property
    def bugs(self) -> dict[str, int]:
        return {stage: number for stage in STAGES if (number := self._value("bugs_total", stage=stage))}

    def _value(self, name: str, **labels: str) -> int:
        return int(self.metrics.registry.get_sample_value(f"sesamy_makeas_{name}", labels) or 0)


# ---- While we stop ----


@virtual
async def test_who_is_fetched_is_written_where_nothing_must_be_waited_for() -> None:
    desk = Desk()

    assert await desk.run(stop_s=0.05) == {A: DONE, B: DONE}
    assert desk.make[A].written == desk.make[B].written == WHOLE
    assert (desk.outcomes, desk.half_written) == ({"synced": 1}, 0)


@virtual
async def test_who_has_begun_to_write_waits_for_the_permits_that_he_needs() -> None:
    desk = Desk(calls={A: 2})

    assert await desk.run(A, stop_s=0.25) == {A: DONE}
    assert desk.make[A].written == WHOLE


@virtual
async def test_who_waits_having_begun_goes_on_waiting() -> None:
    desk = Desk(calls={A: 2})

    assert await desk.run(A, stop_s=1.0) == {A: DONE}
    assert anyio.current_time() > 2.0


@virtual
async def test_who_must_wait_and_has_not_begun_is_cut_and_it_is_no_failure() -> None:
    desk = Desk(calls={A: 1})

    assert await desk.run(A, stop_s=0.05) == {A: CUT}
    assert desk.make[A].written == []
    assert (desk.outcomes, desk.half_written, desk.resync.tally.failures) == ({"cut_off": 1}, 0, {})


@virtual
async def test_who_waits_and_has_not_begun_is_cut_at_once_and_gives_the_permit_back() -> None:
    desk = Desk(calls={A: 1})

    assert await desk.run(A, stop_s=1.0) == {A: CUT}
    assert desk.gates.accounts[A].reserve(now=2.2) == 0


@virtual
async def test_who_must_wait_for_a_page_is_cut() -> None:
    desk = Desk()
    desk.sesamy.pages = 3

    assert await desk.run(stop_s=0.05) == CUT
    assert desk.outcomes == {"cut_off": 1}


@virtual
async def test_an_account_that_waits_is_waited_for_where_another_was_written() -> None:
    desk = Desk(calls={B: 1})

    assert await desk.run(stop_s=1.0) == {A: DONE, B: DONE}
    assert desk.make[B].written == WHOLE


@virtual
async def test_a_run_that_one_account_cuts_is_begun_at_no_other() -> None:
    desk = Desk(calls={B: 1})
    desk.gates.accounts[B].reserve(now=0.0)

    assert await desk.run(stop_s=0.15) == {A: CUT, B: CUT}
    assert desk.make[A].written == desk.make[B].written == []


@virtual
async def test_nobody_waits_for_a_shut_gate_though_he_has_begun() -> None:
    desk = Desk()
    desk.gates.accounts[B].failed(ANN, Retryable("429", code="http-429", retry_after_s=5.0), now=0.0)

    assert await desk.run(stop_s=0.05) == {A: DONE, B: Result(Verdict.HELD, "gate", tried=False)}


@virtual
async def test_the_second_try_of_who_has_not_begun_is_not_made_and_the_first_is_no_failure() -> None:
    desk = Desk()
    desk.make[A].fails = [Retryable("500", code="http-500")]

    assert await desk.run(A, stop_s=0.05) == {A: CUT}
    assert (desk.outcomes, desk.resync.tally.failures) == ({"cut_off": 1}, {})


# ---- Cut off ----


@virtual
async def test_a_run_that_is_cut_off_is_counted_and_so_is_that_it_had_begun_to_write() -> None:
    desk = Desk()

    assert await desk.run(cancel_s=0.05) is None
    assert (desk.outcomes, desk.half_written) == ({"cut_off": 1}, 0)
    assert await desk.run(cancel_s=0.25) is None
    assert (desk.outcomes, desk.half_written) == ({"cut_off": 2}, 1)


# ---- What nobody expected ----

UNEXPECTED: Final = (OverflowError("a"), RecursionError("b"), AssertionError("c"), KeyError("d"), ExceptionGroup("e", [IndexError("f")]))
BUG: Final = Result(Verdict.RETRY, "bug")


@virtual
async def test_what_nobody_expected_of_a_fetch_fails_the_user_there() -> None:
    for error in UNEXPECTED:
        desk = Desk()
        desk.sesamy.fails = [error]
        assert await desk.run() == BUG
        assert (desk.bugs, desk.outcomes, [*desk.resync.tally.failures]) == ({"sesamy": 1}, {"failed": 1}, [("sesamy:v1", "bug")])


@virtual
async def test_what_nobody_expected_of_mapping_is_a_failed_fetch() -> None:
    desk = Desk()
    desk.sesamy.contracts = (None,)  # type: ignore[assignment]

    assert await desk.run() == BUG
    assert desk.bugs == {"sesamy": 1}


@virtual
async def test_what_nobody_expected_of_a_write_fails_the_user_at_that_account_alone() -> None:
    for error in UNEXPECTED:
        desk = Desk()
        desk.make[A].fails = [error]
        assert await desk.run() == {A: BUG, B: DONE}
        assert (desk.bugs, desk.outcomes) == ({"makeas": 1}, {"partial": 1})
        assert desk.make[A].written == [], "it is not tried again at once: it would be the same"


@virtual
async def test_what_hits_all_users_shuts_the_gate_and_counts_against_nobody() -> None:
    desk = Desk()
    for number in range(5):
        desk.make[A].fails = [KeyError("x")]
        brought = await desk.run(A, user=UserKey("v1", f"u{number}"))
        assert brought == {A: BUG if number < 4 else Result(Verdict.HELD, "bug")}
    assert desk.gates.accounts[A].closed(now=anyio.current_time())


@virtual
async def test_of_several_at_once_the_one_that_matters_most_counts() -> None:
    desk = Desk()
    for other, verdict in ((Denied("401", code="http-401"), Verdict.HELD), (Refused("422", code="http-422"), Verdict.REFUSED)):
        desk.make[A].fails = [ExceptionGroup("both", [KeyError("x"), other])]
        assert await desk.run(A) == {A: Result(verdict, other.code)}
        desk.gates.accounts[A].forget()
    desk.make[A].fails = [ExceptionGroup("both", [Retryable("500", code="http-500"), KeyError("x")])]
    assert await desk.run(A) == {A: BUG}


@virtual
async def test_a_change_of_our_own_state_that_fails_ends_the_pod() -> None:
    desk = Desk()

    def torn(user: UserKey, *, now: float) -> float:
        raise ZeroDivisionError(user, now)

    desk.gates.accounts[A].pay = torn  # type: ignore[method-assign]
    with pytest.raises(ExceptionGroup) as caught:
        await desk.run()
    assert caught.group_contains(Torn)


# ---- What was fetched of whom is not believed ----


@virtual
async def test_what_was_fetched_of_a_vendor_that_is_stopped_is_written_no_further() -> None:
    """Between two writes as before the first; it stays owed, and is no failure of anybody's."""
    desk = Desk()
    async with anyio.create_task_group() as tasks:

        async def stop() -> None:
            await anyio.sleep(0.25)  # Fetched, and looked up.
            desk.gates.vendors["v1"].stop("filter", now=anyio.current_time())

        tasks.start_soon(stop)
        results = await desk.run(A)
    assert (results, desk.make[A].written) == ({A: Result(Verdict.HELD, "gate", tried=False)}, ["upsert"])


@virtual
async def test_what_was_asked_for_while_a_vendor_was_stopped_is_not_written_after_that() -> None:
    desk = Desk()
    gate = desk.gates.vendors["v1"]
    async with anyio.create_task_group() as tasks:

        async def stop_for_a_moment() -> None:
            await anyio.sleep(0.02)  # It has been asked.
            gate.stop("filter", now=anyio.current_time())
            await anyio.sleep(0.03)  # It has not answered yet.
            gate.release("filter", now=anyio.current_time())

        tasks.start_soon(stop_for_a_moment)
        assert await desk.run(A) == {A: Result(Verdict.HELD, "gate", tried=False)}
    assert desk.make[A].written == []
    assert await desk.run(A) == {A: DONE}


@virtual
async def test_who_is_to_heed_what_was_fetched_is_awaited_before_anything_is_written() -> None:
    async def heed(job: Job, snapshot: Snapshot) -> None:
        assert (job.user, snapshot.user) == (ANN, ANN)
        await anyio.sleep(1)
        desk.gates.vendors["v1"].stop("filter", now=anyio.current_time())

    desk = Desk(heed=heed)
    assert await desk.run(A) == {A: Result(Verdict.HELD, "gate", tried=False)}
    assert desk.make[A].written == []
