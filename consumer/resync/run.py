"""The use case: fetch a user, map it, write it to every account, and say what is still owed."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Final

import anyio
from msgspec import Struct

from ..core.answers.snapshot import Snapshot
from ..core.errors import ConsumerError, Denied, Forbidden, Held, Refused, Retryable
from ..core.gates.gate import Gate
from ..core.gates.gates import SESAMY_CALLS, Gates
from ..core.mapping.documents import Documents, Skip, documents, is_guest_id, is_long
from ..core.model import AccountId, Failure, Job, Result, UserKey, Verdict
from ..settings.model import Account
from ..telemetry.fences import BUG, fenced, unfenced
from ..telemetry.logs import log
from ..telemetry.metrics import CUT_OFF, Metrics
from ..telemetry.traces import Traces
from .list_writes import served, write
from .makeas import MakeAs
from .sesamy import Sesamy
from .waits import Waits

_log = log(__name__)
_SNAPSHOT_S: Final = 30.0
"""An older snapshot is not written any more."""
_FAILURES: Final = 50
_TOO_OLD: Final = "snapshot-old"
_STOPPING: Final = "stopping"
_AGAIN_S: Final = 0.5
"""The second try within a run comes after a random part of this."""


class Target(Struct, frozen=True):
    """One account of one vendor: its settings, its client, and what a 401 asks for."""

    account: Account
    client: MakeAs


class Vendor(Struct, frozen=True):
    """One vendor: its client at Sesamy, and its accounts."""

    sesamy: Sesamy
    targets: Mapping[AccountId, Target]


class _Course(Struct):
    """
    How far one run has come, at all its accounts together.

    A run that has begun to write is never cut here; one that was cut never begins: no user is left half-written for a wait.
    """

    taken_at: float
    """When its fetch began, so the state that it writes is no older."""
    source: Gate
    """Of whom it was fetched."""
    begun: bool = False
    """Whether a write to any account has been sent, or is under way."""
    cut: bool = False
    """Whether it would have had to wait, not having begun, while all waits were ended."""

    def go_on(self) -> bool:
        """Say whether the run may wait though all waits are ended; where not, all of it is cut."""
        self.cut = not self.begun
        return self.begun


class Resync:
    """
    Makes runs.

    It promises: no write starts without a lease, nor with a snapshot older than 30 s, nor with one of a vendor that was stopped
    since; one account's failure touches no other, and what nobody expected fails its user there, and only him (`bug`); nobody waits
    for a shut gate; a transient failure is tried once more in the run; while we stop, what needs no wait goes on, and so does a run
    that has begun to write, whatever it waits for.
    """

    def __init__(
        self,
        vendors: Mapping[str, Vendor],
        gates: Gates,
        *,
        heed: Callable[[Job, Snapshot], Awaitable[None]] | None = None,
        lease_left_s: Callable[[], float],
        waits: Waits,
        uniform: Callable[[], float],
        metrics: Metrics,
        traces: Traces | None = None,
    ) -> None:
        """
        Take what it works with.

        Args:
            heed: is told what was fetched before anything is made of it, and awaited.
            lease_left_s: for how long a write that starts now may last (s); 0 or less: none may start.
            waits: those of runs that have not begun to write.
            uniform: draws from [0, 1).
        """
        self._vendors, self._gates, self._heed = vendors, gates, heed
        self._lease_left_s, self._waits, self._uniform = lease_left_s, waits, uniform
        self._metrics, self._traces = metrics, traces
        self.written: dict[tuple[AccountId, str, str], tuple[float, float]] = {}
        """Per account, list and vendor: wall time of the last write, and how long its event took to get there (s)."""

        self.failures: dict[tuple[str, str], Failure] = {}
        """The last failures, one per upstream and code."""

        self.half_written = 0
        """Runs that had begun to write and were cut off."""

    async def run(self, job: Job) -> tuple[Result, Mapping[AccountId, Result]]:
        """Make one run; every one of our errors ends as a result."""
        course = _Course(anyio.current_time(), self._gates.vendors[job.user.vendor])
        with nullcontext(_untold) if self._traces is None else self._traces.resync(job.user) as ended:
            sesamy, accounts, outcome = Result(Verdict.HELD, tried=False), dict[AccountId, Result](), CUT_OFF
            try:
                sesamy, accounts, skip = await self._run(job, course)
                outcome = _outcome(sesamy, accounts, skip)
            finally:
                ended(outcome)
                self._note(job, sesamy, accounts, outcome, course)
        return sesamy, accounts

    async def _run(self, job: Job, course: _Course) -> tuple[Result, dict[AccountId, Result], str]:
        user, gate = job.user, self._gates.vendors[job.user.vendor]
        if is_guest_id(user.user):
            return Result(Verdict.SKIPPED, "guest", tried=False), {}, "guest"
        try:
            await self._begin(job, gate, course)
            with fenced("fetch"):
                snapshot = await self._fetch(user, gate, course)
                if snapshot is not None and self._heed is not None:
                    await self._heed(job, snapshot)
            with fenced("mapping"):
                wanted = await mapped(snapshot) if isinstance(snapshot, Snapshot) else None
        except ConsumerError as error:
            result = self._failed(f"sesamy:{user.vendor}", gate, user, error)
            if isinstance(error, Forbidden) and gate.refuses_key:
                self._vendors[user.vendor].sesamy.renew()
            return result, {}, ""
        if wanted is None:
            if gate.absent(user, now=anyio.current_time()):
                return Result(Verdict.ABSENT, "absent"), {}, "absent"
            return Result(Verdict.HELD, "absent"), {}, ""
        gate.succeeded(user, now=anyio.current_time())
        if isinstance(wanted, Skip):
            return Result(Verdict.SKIPPED, wanted.reason), {}, wanted.reason
        results: dict[AccountId, Result] = {}
        async with anyio.create_task_group() as tasks:
            for account in job.accounts[:-1]:
                tasks.start_soon(self._write, user, account, wanted, course, results)
            await self._write(user, job.accounts[-1], wanted, course, results)
        return Result(Verdict.DONE), results, ""

    async def _begin(self, job: Job, gate: Gate, course: _Course) -> None:
        """Wait until the calls of the conversations can be made, then pay for the fetch."""
        if not await self._wait(job.begins_at - anyio.current_time(), course):
            raise _stopping()
        course.taken_at = anyio.current_time()
        _admit(gate, job.user)
        for _ in range(SESAMY_CALLS):
            gate.pay(job.user, now=course.taken_at)

    async def _fetch(self, user: UserKey, gate: Gate, course: _Course) -> Snapshot | None:
        with anyio.move_on_after(_SNAPSHOT_S):
            return await self._vendors[user.vendor].sesamy.snapshot(user, permit=self._permit(gate, user, course))
        raise Retryable("the fetch takes longer than a snapshot may be old", code=_TOO_OLD)

    async def _write(self, user: UserKey, account: AccountId, wanted: Documents, course: _Course, results: dict[AccountId, Result]) -> None:
        target, gate = self._vendors[user.vendor].targets[account], self._gates.accounts[account]
        for last in (False, True):
            try:
                with fenced("write"):
                    permit, limit_s = self._permit(gate, user, course), self._limit(course)
                    doors, of = self._gates.lists, target.account
                    written, results[account] = await write(target.client, doors, user, of, wanted, permit=permit, limit_s=limit_s)
            except ConsumerError as error:
                if not last and self._is_worth_another(error, gate):
                    if await self._wait(self._uniform() * _AGAIN_S, course):
                        self._metrics.retries.labels(upstream=account, code=error.code).inc()
                        continue
                    results[account] = Result(Verdict.HELD, _STOPPING, tried=False)
                    return
                results[account] = self._failed(account, gate, user, error)
                if isinstance(error, Denied | Forbidden) and gate.refuses_key:
                    target.account.api_key.expire()
            else:
                gate.succeeded(user, now=anyio.current_time())
                if written.consent_kept:
                    self._metrics.consent_kept.labels(account=account).inc()
            return

    def _limit(self, course: _Course) -> Callable[[], float]:
        """Return what says how long a write may last that starts now: with it, the run has begun to write."""

        def limit_s() -> float:
            left_s = self._lease_left_s()
            if left_s <= 0:
                raise Held("the lease is over", code="lease")
            if anyio.current_time() - course.taken_at > _SNAPSHOT_S:
                raise Retryable("the snapshot is too old to be written", code=_TOO_OLD)
            if course.source.doubts(taken_at=course.taken_at):
                raise Held("what was fetched may be another's", code="gate")
            if course.cut:
                raise _stopping()
            course.begun = True
            return left_s

        return limit_s

    def _is_worth_another(self, error: ConsumerError, gate: Gate) -> bool:
        asks_to_wait = isinstance(error, Retryable) and (error.retry_after_s is not None or error.delay_s is not None)
        transient = isinstance(error, Retryable) and not asks_to_wait and error.code not in {_TOO_OLD, BUG}
        return transient and not gate.closed(now=anyio.current_time())

    def _failed(self, upstream: str, gate: Gate, user: UserKey, error: ConsumerError) -> Result:
        if error.code == BUG:
            self._metrics.bugs.labels(stage="makeas" if upstream in self._gates.accounts else "sesamy").inc()
        if not isinstance(error, Held) or isinstance(error, Denied):
            before = self.failures.pop((upstream, error.code), None)
            count = before.count + 1 if before else 1
            self.failures[upstream, error.code] = Failure(code=error.code, upstream=upstream, count=count, last_at=time.time())
            if len(self.failures) > _FAILURES:
                del self.failures[next(iter(self.failures))]
        now = anyio.current_time()
        # What took too long waited for permits of ours, or for the other upstream: that says nothing against this one.
        counts = not gate.closed(now=now) if error.code == _TOO_OLD else gate.failed(user, error, now=now)
        if isinstance(error, Held) and not isinstance(error, Denied):
            return Result(Verdict.HELD, error.code, tried=False)
        if not counts:
            return Result(Verdict.HELD, error.code)
        delay_s = (error.delay_s or 0.0) if isinstance(error, Retryable) else 0.0
        return Result(Verdict.REFUSED if isinstance(error, Refused) else Verdict.RETRY, error.code, delay_s=delay_s)

    def _permit(self, gate: Gate, user: UserKey, course: _Course) -> Callable[[], Awaitable[None]]:
        async def permit() -> None:
            _admit(gate, user)
            with unfenced():
                wait_s = gate.pay(user, now=anyio.current_time())
            if not await self._wait(wait_s, course):
                with unfenced():
                    gate.reserve(-1, now=anyio.current_time())  # Nothing is asked.
                raise _stopping()
            _admit(gate, user)

        return permit

    async def _wait(self, wait_s: float, course: _Course) -> bool:
        """Sleep; return False where the run was cut instead."""
        if course.cut or wait_s <= 0:
            return not course.cut
        until = anyio.current_time() + wait_s
        if not await self._waits.sleep(wait_s):
            if not course.go_on():
                return False
            await anyio.sleep_until(until)
        return True

    def _note(self, job: Job, sesamy: Result, accounts: Mapping[AccountId, Result], outcome: str, course: _Course) -> None:
        """Write the one line of a resync, and count it."""
        took_s = anyio.current_time() - course.taken_at
        vendor, now = job.user.vendor, time.time()
        done = [account for account, result in accounts.items() if result.verdict is Verdict.DONE]
        fresh_after_s = {account: max(0.0, now - since_ms / 1000) for account, since_ms in job.since_ms.items()}
        for account, result in accounts.items():
            for list_id in served(self._vendors[vendor].targets[account].account, result):
                self.written[account, list_id, vendor] = (now, fresh_after_s[account])
                self._metrics.freshness.labels(account=account, list=list_id).observe(fresh_after_s[account])
        self._metrics.resyncs.labels(vendor=vendor, outcome=outcome).inc()
        self._metrics.resync_seconds.observe(took_s)
        is_half = outcome == CUT_OFF and course.begun
        if is_half:
            self.half_written += 1
            self._metrics.resyncs_half_written.labels(vendor=vendor).inc()
        codes = {account: result.code for account, result in accounts.items() if result.code}
        _log.info(
            "resync",
            vendor=vendor,
            user=job.user.user,
            outcome=outcome,
            code=sesamy.code,
            accounts_done=len(done),
            accounts_owed=",".join(f"{account}:{code}" for account, code in codes.items()),
            half_written=is_half or None,
            took_s=round(took_s, 3),
            freshness_s=round(max(fresh_after_s.values()), 3),
        )


def _untold(_outcome: str) -> None:
    """Nobody traces."""


def _admit(gate: Gate, user: UserKey) -> None:
    if not gate.admits(user, now=anyio.current_time()):
        raise Held("the gate was shut meanwhile", code="gate")


def _stopping() -> Held:
    return Held("no wait at a gate while we stop", code=_STOPPING)


def _outcome(sesamy: Result, accounts: Mapping[AccountId, Result], skip: str) -> str:
    if any(result.code == _STOPPING for result in (sesamy, *accounts.values())):
        return CUT_OFF
    if skip:
        return f"skipped_{skip.replace('-', '_')}"
    if sesamy.verdict is not Verdict.DONE:
        return "failed"
    done: Sequence[bool] = [result.verdict is Verdict.DONE for result in accounts.values()]
    return "synced" if all(done) else "partial" if any(done) or any(result.lists for result in accounts.values()) else "failed"


async def mapped(snapshot: Snapshot) -> Documents | Skip:
    """
    Return what is to be written; a long snapshot is mapped beside the event loop, which has leases to renew.

    Raises:
        Retryable: as `documents`.
    """
    return await anyio.to_thread.run_sync(documents, snapshot) if is_long(snapshot) else documents(snapshot)
