"""The service: builds the parts of a pod, and owns their lives."""

import random
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import anyio

from ..core.backlog import Backlog
from ..core.events import URGENT
from ..core.lease import Lease
from ..core.letters.healing import Healing
from ..core.letters.record import Writing
from ..core.unknown import UnknownTypes, UnknownVendors
from ..core.users.schedule import Schedule
from ..kafka.commits import Commits, boot_clock
from ..kafka.letter_follower import LetterFollower, Partitions, Reading
from ..kafka.letter_writer import LetterWriter, Producing
from ..kafka.records import Records
from ..resync.clients import Upstreams
from ..resync.run import Resync
from ..resync.waits import Waits
from ..resync.workers import Workers
from ..settings.model import Settings
from ..telemetry.fences import for_ever
from ..telemetry.logs import log
from ..telemetry.metrics import Metrics
from .membership import Join, Membership
from .reader.history import History

_log = log(__name__)
_LISTEN_S: Final = 0.5


class Service:
    """One pod: everything between the topic and the upstreams."""

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        up: Upstreams,
        *,
        join: Join,
        producing: Producing,
        reading: Reading,
        partitions: Partitions,
        clock: Callable[[], float] = boot_clock,
        uniform: Callable[[], float] = random.random,
    ) -> None:
        """
        Build the parts; nothing runs yet.

        Args:
            join: makes us a member of the group, with our rebalance listener.
            producing: gives a producer.
            reading: gives a consumer without a group.
            partitions: asks it for the partitions of the dead-letter topic.
            clock: the lease's (s); it runs while the machine is suspended.
            uniform: draws from [0, 1).
        """
        self.settings, self.metrics, self.up = settings, metrics, up
        self._clock, kafka = clock, settings.kafka
        up.filters.await_verdicts(now=anyio.current_time())
        self.unknown, self.unknown_types = UnknownVendors(), UnknownTypes(are_taken=kafka.unknown_types == "resync")
        self.lease, waits = Lease(kafka.session_timeout_s), Waits()
        self.backlog = _backlog(settings, up)
        self.history = self._history()
        self.resync = self._resync(waits, uniform)
        self.workers = self._workers(waits, uniform)
        writing = Writing(kafka.topic, {(account.vendor, account.id): account for account in settings.accounts})
        self.writer = LetterWriter(self.backlog, None if up.dry_run else producing, writing, topic=kafka.dead_letter_topic, metrics=metrics)
        self.writer.on_parked = self.history.parked
        self.follower = LetterFollower(self.backlog, topic=kafka.dead_letter_topic, reading=reading, partitions=partitions, metrics=metrics)
        self.commits = self._commits()
        self.membership = Membership(
            settings,
            metrics,
            up.gates,
            backlog=self.backlog,
            records=self._records(),
            resync=self.resync,
            workers=self.workers,
            writer=self.writer,
            commits=self.commits,
            join=join,
            lease_left_s=self.lease_left_s,
            uniform=uniform,
        )
        self.ended: set[str] = set()
        """Parts that ended by themselves: our bug, and the end of the process."""

    def _resync(self, waits: Waits, uniform: Callable[[], float]) -> Resync:
        up = self.up
        return Resync(
            up.vendors,
            up.gates,
            heed=up.filters.heed,
            lease_left_s=self.lease_left_s,
            waits=waits,
            uniform=uniform,
            metrics=self.metrics,
            traces=up.traces,
            dry_run=up.dry_run,
            always=up.always,
        )

    def _workers(self, waits: Waits, uniform: Callable[[], float]) -> Workers:
        limits = self.settings.workers
        return Workers(
            self.backlog,
            self.up.gates,
            run=self.history.running(self.resync.run),
            waits=waits,
            concurrency=limits.concurrency,
            max_dirty_users=limits.max_dirty_users,
            may_run=self._may_run,
            uniform=uniform,
        )

    def _history(self) -> History:
        lists = {(account.vendor, account.id): account.lists for account in self.settings.accounts}
        users = self.backlog.schedule.users
        history = History(lists, types=lambda user: users[user].type if user in users else "", is_dry=self.up.dry_run)
        self.backlog.on_healed = history.healed
        return history

    def _commits(self) -> Commits:
        return Commits(
            self.backlog.ledger,
            self.lease,
            session_timeout_s=self.settings.kafka.session_timeout_s,
            on_loss=self.workers.cut,
            clock=self._clock,
            metrics=self.metrics,
        )

    def _records(self) -> Records:
        return Records(
            self.backlog,
            vendors=self.up.vendors,
            unknown=self.unknown,
            unknown_types=self.unknown_types,
            metrics=self.metrics,
            traces=self.up.traces,
        )

    def lease_left_s(self) -> float:
        """Return for how long a write that starts now may last (s)."""
        return self.lease.left_s(now=self._clock())

    def _may_run(self) -> bool:
        return self.lease_left_s() > 0

    async def live(self) -> None:
        """
        Do everything a pod does, for ever.

        Raises:
            PartEnded: a part ended by itself.
            Fatal: no broker for 10 minutes, or no permission at the start.
        """
        membership, up = self.membership, self.up
        own = (self.writer.run, self.workers.work, self.commits.run, membership.watch, self._listen_to_the_loop)
        parts: dict[str, Callable[[], Awaitable[None]]] = {part.__qualname__: part for part in (*own, membership.consume)}
        if not up.dry_run:  # The letters are the real pods': they try them again.
            parts[self.follower.run.__qualname__] = self.follower.run
        parts["registers"] = partial(up.registers.run, self.backlog.due_by_account, self.backlog.on_work)
        parts["filters"] = partial(up.filters.run, self.backlog.on_work)
        parts["topic watch"] = partial(membership.assignment.watch.run, membership.joined_member)
        async with anyio.create_task_group() as tasks:
            for name, part in parts.items():
                tasks.start_soon(self._live_by, name, part)

    async def _live_by(self, name: str, part: Callable[[], Awaitable[None]]) -> None:
        """Run one part; whatever ends it but we ourselves is said, and ends the pod."""
        try:
            await for_ever(name, part)
        except Exception as error:
            self.ended.add(name)
            _log.critical("a part of the pod has ended", step=name, error=type(error).__name__)
            raise

    async def _listen_to_the_loop(self) -> None:
        """Measure how late the loop wakes a sleeper: nothing else tells that something holds it up."""
        while True:
            due_at = anyio.current_time() + _LISTEN_S
            await anyio.sleep(_LISTEN_S)
            self.metrics.loop_lag.observe(max(0.0, anyio.current_time() - due_at))


def _backlog(settings: Settings, up: Upstreams) -> Backlog:
    schedule = Schedule(settings.rules(quiet_s=settings.debounce.quiet_s), up.account_ids, urgent=URGENT)
    accounts = {vendor.id: settings.accounts_of(vendor.id) for vendor in settings.vendors}
    return Backlog(schedule, Healing(schedule, up.gates, accounts))
