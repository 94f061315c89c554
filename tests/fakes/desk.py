"""Runs at a desk: a vendor and accounts as a test says they are, real gates, a virtual clock."""

from collections.abc import Awaitable, Callable, Mapping
from math import inf
from typing import Any, Final, TypeVar

import anyio
from msgspec.structs import replace

from consumer.core.answers.snapshot import Snapshot
from consumer.core.errors import Denied
from consumer.core.gates.gate import Gate
from consumer.core.gates.gates import Gates
from consumer.core.model import AccountId, Job, Result, UserKey, Verdict
from consumer.resync.clients import Target, Vendor
from consumer.resync.run import Resync
from consumer.resync.waits import Waits
from consumer.telemetry.metrics import RESYNC_OUTCOMES, STAGES, Metrics
from tests.fakes.upstreams import Make, Sesamy
from tests.simulation.settings import SETTINGS

A, B = AccountId("1"), AccountId("2")
ANN: Final = UserKey("v1", "ann")
DONE: Final = Result(Verdict.DONE)
CUT: Final = Result(Verdict.HELD, "stopping", tried=False)

T = TypeVar("T")
Heed = Callable[[Job, Snapshot], Awaitable[None]]


class Key:
    """An account's key; says how often it was distrusted."""

    def __init__(self) -> None:
        self.expired = 0

    def expire(self) -> None:
        self.expired += 1


class Desk:
    """One vendor with two accounts, and a switch that ends all waits."""

    def __init__(
        self,
        *,
        calls: Mapping[AccountId, int] | None = None,
        heed: Heed | None = None,
        bulk: Callable[[UserKey], Snapshot | None] | None = None,
        vendor: Gate | None = None,
        at_a: Gate | None = None,
        make_a: Make | None = None,
    ) -> None:
        """Let each account have so many calls at once, then one each 2 s; not named: as many as anybody wants. Or take the gates, and A."""
        self.waits = Waits()
        self.lease_s = inf
        self.sesamy, self.make = Sesamy(), {A: make_a or Make(), B: Make()}
        self.keys: Any = {account: Key() for account in self.make}
        known = {account.id: replace(account, api_key=self.keys[account.id]) for account in SETTINGS.accounts_of("v1")}
        targets = {account: Target(known[account], make) for account, make in self.make.items()}  # type: ignore[arg-type]
        accounts = {one: Gate(rate_per_s=0.5, burst=(calls or {}).get(one, 99), run_calls=1, tries=3) for one in self.make}
        self.gates = Gates({"v1": vendor or Gate(rate_per_s=0.5, burst=1, run_calls=1)}, accounts | ({A: at_a} if at_a is not None else {}))
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
            bulk=bulk,
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


async def run_while_the_gate_shuts(desk: Desk) -> object:
    """Make a run at account A, and let another user find its key refused a second later; return what the run brought."""

    def shut() -> None:
        desk.gates.accounts[A].failed(UserKey("v1", "bo"), Denied("401", code="http-401"), now=anyio.current_time())

    return await beside(desk.run(A), 1.0, shut)


async def beside(run: Awaitable[T], at_s: float, happens: Callable[[], object]) -> T:
    """Let something happen so long after a run began; return what the run brought."""
    async with anyio.create_task_group() as tasks:

        async def happen() -> None:
            await anyio.sleep(at_s)
            happens()

        tasks.start_soon(happen)
        brought = await run
    return brought  # noqa: RET504 - mypy takes a block of tasks for one that may swallow an error
