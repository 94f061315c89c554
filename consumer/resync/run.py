"""One run: fetches a user, maps it, writes it to every account, and says what is still owed."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import nullcontext
from functools import partial
from typing import Final

import anyio
from msgspec import structs

from ..core.answers.snapshot import Snapshot
from ..core.errors import ConsumerError, Denied, Forbidden, Held, Refused, Retryable
from ..core.gates.gate import Gate
from ..core.gates.gates import SESAMY_CALLS, Gates
from ..core.gates.list_doors import ListDoors
from ..core.mapping.documents import Documents, Skip, documents, is_guest_id, is_long
from ..core.model import AccountId, Door, Job, Result, UserKey, Verdict
from ..core.users.debts import HELD
from ..telemetry.fences import BUG, fenced
from ..telemetry.loop import loop_time
from ..telemetry.metrics import CUT_OFF, Metrics
from ..telemetry.tracing import Traces
from .clients import Target, Vendor
from .course import STOPPING, TOO_OLD, Course, admit, is_passing, stopping
from .make_reader import Permit
from .makeas import WriteOutcome
from .pages import come_back, pages
from .sharing.rider import Rider
from .tally import Tally
from .waits import Waits

_AGAIN_S: Final = 0.5
"""The second try within a run comes after a random part of this."""


class Resync:
    """
    Makes runs.

    It promises: no write starts without a lease, nor with a snapshot whose last page was asked for 30 s ago, nor with one of a vendor
    that was stopped since; one account's failure touches no other, and what nobody expected fails its user there, and no other (`bug`);
    no run waits for a shut gate; a transient failure is tried once more in the run; while we stop, what needs no wait goes on, and so does
    a run that has begun to write, whatever it waits for.
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
        dry_run: bool = False,
        always: bool = False,
        bulk: Callable[[UserKey], Snapshot | None] | None = None,
    ) -> None:
        """
        Take what it works with.

        Args:
            heed: is told what was fetched before anything is made of it, and awaited.
            lease_left_s: for how long a write that starts now may last (s); 0 or less: none may start.
            waits: those of runs that have not begun to write.
            uniform: draws from [0, 1).
            dry_run: whether the clients write nothing, so that no list counts as written.
            always: whether contacts are written also where they are as they are to be.
            bulk: gives a user as it was read in bulk, where that may be written; None: fetch it.
        """
        self._vendors, self._gates, self._heed = vendors, gates, heed
        self._lease_left_s, self._waits, self._uniform = lease_left_s, waits, uniform
        self._metrics, self._traces, self._bulk, self._always = metrics, traces, bulk, always
        lists = {(vendor, account): one.account.lists for vendor, of in vendors.items() for account, one in of.targets.items()}
        self.tally = Tally(lists, metrics, writes=not dry_run)

    async def run(self, job: Job) -> tuple[Result, Mapping[AccountId, Result]]:
        """Make one run; every one of our errors ends as a result."""
        course = Course(self._waits, self._lease_left_s, self._gates.vendors[job.user.vendor], loop_time())
        with nullcontext(_untold) if self._traces is None else self._traces.resync(job.user) as ended:
            sesamy, accounts, outcome = Result(Verdict.HELD, tried=False), dict[AccountId, Result](), CUT_OFF
            try:
                sesamy, accounts, skip = await self._run(job, course)
                outcome = self.tally.outcome(job, sesamy, accounts, skip)
            finally:
                ended(outcome)
                self.tally.ended(job, sesamy, accounts, outcome, course)
        return sesamy, accounts

    async def _run(self, job: Job, course: Course) -> tuple[Result, dict[AccountId, Result], str]:
        user, gate = job.user, self._gates.vendors[job.user.vendor]
        if (ended := self._unasked(job)) is not None:
            return ended
        try:
            await self._begin(job, gate, course)
            with fenced("fetch"):
                read = self._bulk(user) if self._bulk is not None else None
                snapshot = read or await self._fetch(job, gate, course)
                if snapshot is not None and self._heed is not None:
                    await self._heed(job, snapshot)
            with fenced("mapping"):
                wanted = await mapped(snapshot, only_new=read is not None) if isinstance(snapshot, Snapshot) else None
        except ConsumerError as error:
            result = self._failed(f"sesamy:{user.vendor}", gate, user, error)
            if isinstance(error, Forbidden) and gate.refuses_key:
                self._vendors[user.vendor].sesamy.renew()
            return result, {}, ""
        if wanted is None:
            if gate.absent(user, now=loop_time()):
                return Result(Verdict.ABSENT, "absent"), {}, "absent"
            return Result(Verdict.HELD, "absent"), {}, ""
        if read is None:  # Else Sesamy was not asked.
            gate.succeeded(user, now=loop_time())
        if isinstance(wanted, Skip):
            return Result(Verdict.SKIPPED, wanted.reason), {}, wanted.reason
        results: dict[AccountId, Result] = {}
        async with anyio.create_task_group() as tasks:
            for account in job.accounts[:-1]:
                tasks.start_soon(self._write, user, account, wanted, course, results)
            await self._write(user, job.accounts[-1], wanted, course, results)
        return Result(Verdict.DONE), results, ""

    def _unasked(self, job: Job) -> tuple[Result, dict[AccountId, Result], str] | None:
        """Return what a run means for which nothing need be asked: a guest's, or one that no list at all is open to; None: no such."""
        if is_guest_id(job.user.user):
            return Result(Verdict.SKIPPED, "guest", tried=False), {}, "guest"
        doors, now = self._gates.lists, loop_time()
        lists = {account: target.account.lists for account, target in self._vendors[job.user.vendor].targets.items()}
        shut = {one: of for one, of in lists.items() if one in job.accounts and doors.door(one, (), now=now, of=of) is Door.SHUT}
        if len(shut) < len(job.accounts):
            return None
        return Result(Verdict.DONE, tried=False), {account: _all_held(every) for account, every in shut.items()}, ""

    async def _begin(self, job: Job, gate: Gate, course: Course) -> None:
        """Wait until the calls of the conversations can be made."""
        if not await course.wait(job.begins_at - loop_time()):
            raise stopping()
        course.begin_fetch(now=loop_time())
        admit(gate, job.user)

    async def _fetch(self, job: Job, gate: Gate, course: Course) -> Snapshot | None:
        """Pay for the calls, and make them."""
        for _ in range(SESAMY_CALLS):
            gate.pay(job.user, now=course.taken_at)
        with pages(course, self._gates, job) as more:
            return await self._vendors[job.user.vendor].sesamy.snapshot(job.user, permit=more.permit, page=more.page)

    async def _write(self, user: UserKey, account: AccountId, wanted: Documents, course: Course, results: dict[AccountId, Result]) -> None:
        try:
            await self._try_twice(user, account, wanted, course, results)
        finally:
            course.done.append(account)

    async def _try_twice(
        self, user: UserKey, account: AccountId, wanted: Documents, course: Course, results: dict[AccountId, Result]
    ) -> None:
        target, gate = self._vendors[user.vendor].targets[account], self._gates.accounts[account]
        for last in (False, True):
            try:
                await come_back(course, self._gates, user, account)
                rider = self._rider(user, account, course)
                with fenced("write"):
                    written, results[account] = await write_lists(
                        target, self._gates.lists, rider, wanted, permit=course.permit(gate, user), always=self._always
                    )
            except ConsumerError as error:
                if not last and is_passing(error) and not error.is_final and not gate.closed(now=loop_time()):
                    if await course.wait(self._uniform() * _AGAIN_S):
                        self._metrics.retries.labels(upstream=account, code=error.code).inc()
                        continue
                    results[account] = Result(Verdict.HELD, STOPPING, tried=False)
                    return
                results[account] = _apart(self._failed(account, gate, user, error), target)
                if isinstance(error, Denied | Forbidden) and gate.refuses_key:
                    target.account.api_key.expire()
            else:
                if results[account].tried:
                    results[account] = self._judged(target, gate, user, written, results[account])
            return

    def _rider(self, user: UserKey, account: AccountId, course: Course) -> Rider:
        gate = self._gates.accounts[account]
        return Rider(
            user,
            gate,
            course,
            is_probe=gate.closed(now=loop_time()),
            again_s=self._uniform() * _AGAIN_S,
            step_aside=partial(self._gates.step_aside, user, account),
        )

    def _judged(self, target: Target, gate: Gate, user: UserKey, written: WriteOutcome, result: Result) -> Result:
        """Tell the gate what came of a write; return what it means for the user: `result`, unless the account is at fault."""
        if written.is_spared:
            self._metrics.writes_spared.labels(account=target.account.id).inc()
        if written.consent_kept:
            self._metrics.consent_kept.labels(account=target.account.id).inc()
        for unsure in written.unsure.values():
            self.tally.failed(target.account.id, unsure)
        if _is_of_the_account(written, paused=target.account.paused):
            error = next(iter(written.errors.values()))
            failed = self._failed(target.account.id, gate, user, error)
            if isinstance(error, Forbidden) and gate.refuses_key:
                target.account.api_key.expire()
            return failed if failed.verdict is Verdict.HELD else result
        if not written.is_spared and not written.unsure:
            gate.succeeded(user, now=loop_time())
        else:  # That it can be read, and takes rows maybe, says nothing of contacts that are to be written.
            gate.pace.succeeded(now=loop_time())
        for refused in written.errors.values():
            self.tally.failed(target.account.id, refused)
        return result

    def _failed(self, upstream: str, gate: Gate, user: UserKey, error: ConsumerError) -> Result:
        if error.code == BUG:
            self._metrics.bugs.labels(stage="makeas" if upstream in self._gates.accounts else "sesamy").inc()
        if not isinstance(error, Held) or isinstance(error, Denied):
            self.tally.failed(upstream, error)
        now = loop_time()
        # What took too long waited for permits of ours, or for the other upstream: that says nothing against this one.
        counts = not gate.closed(now=now) if error.code == TOO_OLD else gate.failed(user, error, now=now)
        if isinstance(error, Held) and not isinstance(error, Denied):
            return Result(Verdict.HELD, error.code, tried=False, said=error.said)
        if not counts:
            return Result(Verdict.HELD, error.code, said=error.said)
        delay_s = (error.delay_s or 0.0) if isinstance(error, Retryable) else 0.0
        return Result(Verdict.REFUSED if isinstance(error, Refused) else Verdict.RETRY, error.code, delay_s=delay_s, said=error.said)


def _is_of_the_account(written: WriteOutcome, *, paused: Collection[str]) -> bool:
    """Say whether the gate is to judge that no list took a user; beside a paused list a refusal is the list's, a 403 may be the key's."""
    if written.taken or not written.errors:
        return False
    return not paused or any(isinstance(error, Forbidden) for error in written.errors.values())


def _all_held(lists: Collection[str]) -> Result:
    return Result(Verdict.REFUSED, HELD, tried=False, lists=dict.fromkeys(lists, HELD))


def _apart(result: Result, target: Target) -> Result:
    """Name the lists of a failure beside paused ones: what those are owed is held, and heals once the pause goes, whatever failed."""
    paused = target.account.paused
    if not paused or result.verdict is Verdict.HELD:
        return result
    return structs.replace(result, lists={one: HELD if one in paused else result.code for one in target.account.lists})


def _untold(_outcome: str) -> None:
    """Nothing traces."""


async def mapped(snapshot: Snapshot, *, only_new: bool = False) -> Documents | Skip:
    """
    Return what is to be written; a long snapshot is mapped beside the event loop, which has leases to renew.

    Args:
        only_new: whether it is to be written only where there is no contact.

    Raises:
        Retryable: as `documents`.
    """
    wanted = await anyio.to_thread.run_sync(documents, snapshot) if is_long(snapshot) else documents(snapshot)
    return structs.replace(wanted, only_new=only_new) if isinstance(wanted, Documents) else wanted


async def write_lists(
    target: Target, doors: ListDoors, rider: Rider, documents: Documents, *, permit: Permit, always: bool = True
) -> tuple[WriteOutcome, Result]:
    """
    Write all of a user to an account; return what the write found and what it means: REFUSED names the lists that are still owed it.

    Raises:
        ConsumerError: as `MakeAs.write`.
    """
    lists = target.account.lists
    visit = doors.enter(rider.user, target.account.id, lists, now=loop_time())
    if not visit.lists:
        return WriteOutcome(consent_kept=False), _all_held(lists)
    rider = structs.replace(rider, is_probe=rider.is_probe or visit.is_probe)
    always = always or rider.is_probe  # What a probe finds unchanged says nothing of writes.
    try:
        written = await target.client.write(
            documents, permit=permit, limit_s=rider.course.limit_s, lists=visit.lists, always=always, rider=rider
        )
        refused = {} if _is_of_the_account(written, paused=target.account.paused) else written.refused
        held = {*written.left_out, *doors.learn(visit, taken=written.taken, refused=refused, now=loop_time())}
    finally:
        doors.leave(visit, now=loop_time())
    # Of what we can't be sure the list said nothing, and so its door learns nothing.
    codes = {**written.refused, **{one: error.code for one, error in written.unsure.items()}}
    owed = {one: HELD if one in held else codes[one] for one in lists if one in held or one in codes}
    code = next((code for code in owed.values() if code != HELD), HELD)
    kept_off = tuple(one for one in lists if one not in {*written.taken, *written.spared, *codes, *written.left_out})
    verdict = Verdict.REFUSED if owed else Verdict.DONE
    return written, Result(verdict, code if owed else "", lists=owed, kept_off=kept_off)
