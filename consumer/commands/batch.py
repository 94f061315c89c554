"""A batch: given users are resynced outside the group, beside pods that may write for the same users."""

import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Final, Literal, Protocol

import anyio
from msgspec import Struct

from ..core.answers.snapshot import Snapshot
from ..core.backlog import Backlog
from ..core.events import URGENT
from ..core.letters.healing import Healing
from ..core.model import PAUSED, SESAMY, AccountId, Event, Job, Letter, Result, UserKey, Verdict
from ..core.text import printable
from ..core.users.schedule import Schedule
from ..core.users.settling import Settling
from ..kafka.tail import Tail
from ..resync.clients import Upstreams
from ..resync.run import Resync
from ..resync.waits import Waits
from ..resync.ways.look_back import tell_not_kept
from ..resync.workers import Workers
from ..settings.model import KafkaSettings, Settings
from ..telemetry.fences import PartEnded, for_ever
from ..telemetry.metrics import Metrics

_TYPE: Final = "userVendor.1#update"
_EVERY_S: Final = 0.05
_SHOWN: Final = 20
_AHEAD: Final = 2000
"""Users that are in the schedule at once; the rest wait in the iterable."""


class Synced(Struct, frozen=True, kw_only=True):
    """What became of one user."""

    vendor: str
    user: str
    outcome: Literal["synced", "failed", "skipped"]
    reason: str = ""
    """Why the user was skipped."""
    failed: dict[str, str] = {}
    """Account (or `sesamy`) -> code of the last error."""

    @property
    def key(self) -> UserKey:
        """Return the user."""
        return UserKey(self.vendor, self.user)


def failed_lines(failures: Sequence[Synced]) -> Iterator[str]:
    """Give a line for each of the first twenty that failed, and how many more there are."""
    for one in failures[:_SHOWN]:
        codes = ", ".join(f"{account}: {code}" for account, code in one.failed.items())
        yield f"failed  {printable(one.vendor)}  {printable(one.user)}  ({codes})"
    if len(failures) > _SHOWN:
        yield f"and {len(failures) - _SHOWN:,} more: --report FILE has all of them"


class Following(Protocol):
    """What reads the topic while we write."""

    async def run(self) -> None:
        """Tell what is read, for ever."""

    async def ready(self) -> None:
        """Return once every event from now on will be seen."""


class Batch:
    """
    Runs a set of users to their end, with the retries, gates and limits of a pod, following the topic meanwhile.

    It promises: one `Synced` per user, told only when no pod's newer write can have been overwritten; nothing is
    parked, what can't be delivered stands in `failed`; where ends are kept, a crash makes at most `concurrency` users
    be written again.
    """

    def __init__(
        self,
        settings: Settings,
        up: Upstreams,
        metrics: Metrics,
        *,
        report: Callable[[Synced], None],
        unsaved: Callable[[], int] | None = None,
        tail: Callable[[KafkaSettings, Settling], Following] = Tail,
        settling: Settling | None = None,
        bulk: Callable[[UserKey], Snapshot | None] | None = None,
    ) -> None:
        """
        Take the upstreams.

        Args:
            report: is told each user's end.
            unsaved: how many ends it has been told that a crash would lose; None: they are not kept.
            tail: makes what reads the topic meanwhile.
            settling: what it tells; None: one of its own.
            bulk: see `Resync`.
        """
        self._report, self._unsaved, self._concurrency = report, unsaved, settings.workers.concurrency
        self._failed: dict[UserKey, dict[str, str]] = {}
        self._skipped: dict[UserKey, str] = {}
        self._left: dict[UserKey, None] = {}
        self._registers, self._filters, self._gates = up.registers, up.filters, up.gates
        up.filters.await_verdicts(now=anyio.current_time())
        self.unknown: dict[UserKey, None] = {}
        """Users that Sesamy did not know at the first look, and that a second is due for."""
        self.resyncs = 0
        """Runs so far; more than users where some were tried or run again."""
        self._settling = settling or Settling()
        self._tail = tail(settings.kafka, self._settling)
        self._schedule = Schedule(settings.rules(quiet_s=0.0), up.account_ids, urgent=URGENT)
        self._backlog, waits = Backlog(self._schedule, Healing(self._schedule, up.gates, {})), Waits()
        self._backlog.on_letters = self._give_up
        self._resync = _resync(up, metrics, waits, bulk)
        self._workers = self._made_workers(settings, up, waits)
        for kept in up.kept.values():
            tell_not_kept(kept)

    def _made_workers(self, settings: Settings, up: Upstreams, waits: Waits) -> Workers:
        return Workers(
            self._backlog,
            up.gates,
            run=self._run,
            waits=waits,
            concurrency=settings.workers.concurrency,
            max_dirty_users=_AHEAD * 2,
            may_run=self._may_run,
            uniform=random.random,
        )

    @property
    def left(self) -> int:
        """Return how many users are not done."""
        return len(self._left)

    async def run(self, users: Iterable[UserKey]) -> None:
        """
        Resync each of `users`; return when nothing is owed to any.

        Raises:
            Fatal: the topic can't be followed.
            PartEnded: something ended before its time.
        """
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(for_ever, "tail", self._tail.run)
            await self._tail.ready()
            tasks.start_soon(for_ever, "workers", self._workers.work)
            tasks.start_soon(for_ever, "registers", partial(self._registers.run, self._schedule.due_by_account, self._backlog.on_work))
            tasks.start_soon(for_ever, "filters", partial(self._filters.run, self._backlog.on_work))
            coming = iter(dict.fromkeys(users))
            while self._feed(coming) or self._left:
                await anyio.sleep(_EVERY_S)
                self._settle()
            tasks.cancel_scope.cancel()
        if self._left:  # Whatever ended the block, it was none of us.
            raise PartEnded("batch")

    def _feed(self, coming: Iterator[UserKey]) -> bool:
        """Let users into the schedule while there is room; return whether some came."""
        before = len(self._left)
        while len(self._left) < _AHEAD and (user := next(coming, None)) is not None:
            self._left[user] = None
            self._submit(user)
        if len(self._left) > before:
            self._backlog.on_work()
        return len(self._left) > before

    def _submit(self, user: UserKey) -> None:
        self._schedule.submit(Event(user, _TYPE), -1, -1, since_ms=int(time.time() * 1000), now=anyio.current_time())

    def _may_run(self) -> bool:
        if self._unsaved is None:
            return True
        unsettled = sum(user not in self._schedule for user in self._settling.users)
        return self._schedule.counts()["running"] + unsettled + self._unsaved() < self._concurrency

    def _settle(self) -> None:
        for user in self._left:
            if user not in self._schedule:
                self._settling.ended(user)
        done, again = self._settling.settled()
        for user in again:
            self._failed.pop(user, None)
            self._skipped.pop(user, None)
            self._submit(user)
        for user in done:
            del self._left[user]
            self._tell(user)
        if done or again:
            self._backlog.on_work()

    async def _run(self, job: Job) -> tuple[Result, Mapping[AccountId, Result]]:
        self._settling.started(job.user)
        self.resyncs += 1
        sesamy, accounts = await self._resync.run(job)
        if sesamy.verdict is Verdict.ABSENT:
            self.unknown[job.user] = None
        if sesamy.verdict in {Verdict.SKIPPED, Verdict.ABSENT}:
            self._skipped[job.user] = sesamy.code
        else:
            self._skipped.pop(job.user, None)  # The second look may have found it.
        return sesamy, accounts

    def _give_up(self) -> None:
        """Note what can't be delivered, in place of parking it, and at once: a user that is being parked has written, and must count."""
        for user, letters in list(self._backlog.to_park.users.items()):
            failed = self._failed.setdefault(user, {})
            for at, code in sorted(((one.account or "sesamy", self._why(one, user)) for one in letters), key=lambda one: one[1] != PAUSED):
                failed[at] = code  # Of an account with several letters, what fails is told, not what is paused beside it.
            self._backlog.user_parked(user, letters, now=anyio.current_time())

    def _why(self, letter: Letter, user: UserKey) -> str:
        at = letter.account or SESAMY
        return PAUSED if self._gates.is_paused(user.vendor, at, letter.lists, now=anyio.current_time()) else letter.code

    def _tell(self, user: UserKey) -> None:
        self.unknown.pop(user, None)
        failed, skipped = self._failed.pop(user, {}), self._skipped.pop(user, "")
        outcome: Literal["synced", "failed", "skipped"] = "failed" if failed else "skipped" if skipped else "synced"
        self._report(Synced(vendor=user.vendor, user=user.user, outcome=outcome, reason=skipped, failed=failed))


def _resync(up: Upstreams, metrics: Metrics, waits: Waits, bulk: Callable[[UserKey], Snapshot | None] | None) -> Resync:
    """Return what runs one user; outside the group there is no lease to keep."""
    return Resync(
        up.vendors,
        up.gates,
        heed=up.filters.heed,
        lease_left_s=lambda: float("inf"),
        waits=waits,
        uniform=random.random,
        metrics=metrics,
        always=up.always,
        bulk=bulk,
    )
