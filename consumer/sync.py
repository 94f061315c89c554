"""Resync given users now: the same walk without a topic."""

import random
import time
from collections.abc import Callable, Mapping, Sequence

import anyio
from msgspec import Struct

from .events import URGENT
from .ledger import Ledger
from .model import AccountId, Event, Job, Letter, Result, UserKey, Verdict
from .resync import Resync
from .schedule import Schedule
from .service import rules
from .settings import Settings
from .telemetry import Metrics
from .upstreams import Upstreams, upstreams
from .workers import Bell, Workers

_TYPE = "userVendor.1#update"


class Synced(Struct, frozen=True, kw_only=True):
    """What became of one user."""

    vendor: str
    user: str
    outcome: str
    """`synced`, `failed`, or `skipped` with its reason behind a colon."""
    failed: dict[str, str] = {}
    """Account (or `sesamy`) -> code of the last error."""


class Batch:
    """
    Runs a set of users to their end, with the retries, gates and limits of a pod.

    It promises: one `Synced` per user; nothing is parked, what can't be delivered stands in `failed`.
    """

    def __init__(self, settings: Settings, up: Upstreams, metrics: Metrics, *, report: Callable[[Synced], None]) -> None:
        """Take the upstreams; `report` is told each user's end."""
        self._report = report
        self._failed: dict[UserKey, dict[str, str]] = {}
        self._skipped: dict[UserKey, str] = {}
        self._bell = Bell()
        self._schedule = Schedule(rules(settings, quiet_s=0.0), up.account_ids, urgent=URGENT)
        self._resync = Resync(
            up.vendors,
            up.gates,
            lease_left_s=lambda: float("inf"),
            closing=lambda: self._workers.closing,
            uniform=random.random,
            metrics=metrics,
        )
        self._workers = Workers(
            self._schedule,
            Ledger(),
            up.gates,
            run=self._run,
            park=self._give_up,
            bell=self._bell,
            concurrency=settings.workers.concurrency,
            max_dirty_users=settings.workers.max_dirty_users,
            may_run=lambda: True,
            uniform=random.random,
        )

    async def run(self, users: Sequence[UserKey]) -> None:
        """Resync all of `users`; return when nothing is owed to any."""
        now, now_ms = anyio.current_time(), int(time.time() * 1000)
        for user in users:
            self._schedule.submit(Event(user, _TYPE), -1, -1, since_ms=now_ms, now=now)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._workers.work)
            left = dict.fromkeys(users)
            while left:
                await anyio.sleep(0.05)
                for user in [user for user in left if user not in self._schedule]:
                    del left[user]
                    self._tell(user)
            tasks.cancel_scope.cancel()

    async def _run(self, job: Job) -> tuple[Result, Mapping[AccountId, Result]]:
        sesamy, accounts = await self._resync.run(job)
        if sesamy.verdict in {Verdict.SKIPPED, Verdict.ABSENT}:
            self._skipped[job.user] = sesamy.code
        return sesamy, accounts

    def _give_up(self, key: UserKey, letters: tuple[Letter, ...]) -> None:
        self._failed.setdefault(key, {}).update({letter.account or "sesamy": letter.code for letter in letters})
        self._workers.parked(key)

    def _tell(self, user: UserKey) -> None:
        failed = self._failed.get(user, {})
        skipped = self._skipped.get(user)
        outcome = "failed" if failed else "synced" if skipped is None else f"skipped: {skipped}"
        self._report(Synced(vendor=user.vendor, user=user.user, outcome=outcome, failed=failed))


async def sync(settings: Settings, vendor: str, users: Sequence[str], *, report: Callable[[Synced], None]) -> int:
    """Resync users of one vendor now; return the exit status: 0, or 1 where some failed."""
    metrics = Metrics(settings)
    failed = False

    def tell(one: Synced) -> None:
        nonlocal failed
        failed = failed or bool(one.failed)
        report(one)

    async with upstreams(settings, metrics) as up:
        await Batch(settings, up, metrics, report=tell).run([UserKey(vendor, user) for user in dict.fromkeys(users)])
    return 1 if failed else 0
