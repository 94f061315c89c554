"""Wires the parts and owns their lives; nesting is the shutdown order."""

import random
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from functools import partial
from itertools import chain
from typing import Final, Literal

import anyio
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from ..core.errors import Exit, Fatal
from ..core.events import URGENT
from ..core.lease import Lease
from ..core.ledger import Ledger
from ..core.letters.healing import Healing
from ..core.unknown import UnknownTypes, UnknownVendors
from ..core.users.schedule import Schedule
from ..kafka.assignment import Assignment
from ..kafka.client import connect
from ..kafka.client.clients import Member
from ..kafka.commits import Commits, boot_clock
from ..kafka.intake import Intake
from ..kafka.letter_follower import LetterFollower, Partitions, Reading
from ..kafka.letter_writer import Parker, Producing
from ..resync.clients import Upstreams
from ..resync.run import Resync
from ..resync.workers import Bell, Workers
from ..settings.model import Settings
from ..telemetry.fence import for_ever
from ..telemetry.logs import log
from ..telemetry.metrics import Metrics

_log = log(__name__)
_COMMIT_LIMIT_S: Final = 5.0
LEAVE_LIMIT_S: Final = 5.0
_LISTEN_S: Final = 0.5
_JOIN_MORE_S: Final = 60.0
WITHOUT_BROKER_S: Final = 600.0
REBUILD_MAX_S: Final = 5.0
"""The longest pause between two tries to reach Kafka: who comes back from an outage must not be late by more."""


Join = Callable[[Assignment, Callable[[Member], None]], AbstractAsyncContextManager[Member]]


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
        Wire the parts; nothing runs yet.

        Args:
            join: makes us a member of the group, with our rebalance listener.
            producing: gives a producer.
            reading: gives a consumer without a group.
            partitions: asks it for the partitions of the dead-letter topic.
            clock: the lease's (s); it runs while the machine is suspended.
            uniform: draws from [0, 1).
        """
        self._join, self._clock, self._uniform = join, clock, uniform
        self.settings, self.metrics, self.up = settings, metrics, up
        workers = settings.workers
        up.filters.await_verdicts(now=anyio.current_time())
        self.ledger, self.bell, self.unknown = Ledger(), Bell(), UnknownVendors()
        self.unknown_types = UnknownTypes(are_taken=settings.kafka.unknown_types == "resync")
        self.lease = Lease(settings.kafka.session_timeout_s)
        self.schedule = Schedule(
            settings.rules(quiet_s=settings.debounce.quiet_s),
            up.account_ids,
            urgent=URGENT,
        )
        self.resync = Resync(
            up.vendors,
            up.gates,
            heed=up.filters.heed,
            lease_left_s=self.lease_left_s,
            closing=lambda: self.workers.closing,
            uniform=uniform,
            metrics=metrics,
            traces=up.traces,
        )
        self.parker = Parker(
            producing,
            topic=settings.kafka.dead_letter_topic,
            source_topic=settings.kafka.topic,
            of_topic=lambda: self.assignment.of_topic,
            addresses={(account.vendor, account.id): account for account in settings.accounts},
            on_user=lambda key: self.workers.parked(key),  # noqa: PLW0108 - the workers come later
            on_poison=self.ledger.close,
            replaced=lambda letters: self.healing.replaced(letters),  # noqa: PLW0108
            metrics=metrics,
        )
        self.workers = Workers(
            self.schedule,
            self.ledger,
            up.gates,
            run=self.resync.run,
            park=self.parker.put_user,
            hear=lambda *run: self.healing.ended(*run),  # noqa: PLW0108
            bell=self.bell,
            concurrency=workers.concurrency,
            max_dirty_users=workers.max_dirty_users,
            may_run=lambda: self.lease_left_s() > 0,
            uniform=uniform,
        )
        self.commits = Commits(
            self.ledger,
            self.lease,
            store=self._store,
            generation=lambda: self.generation,
            session_timeout_s=settings.kafka.session_timeout_s,
            on_loss=self.workers.cut,
            clock=clock,
            metrics=metrics,
        )
        self.assignment = Assignment(
            topic=settings.kafka.topic,
            schedule=self.schedule,
            ledger=self.ledger,
            parker=self.parker,
            commits=self.commits,
            hand_over=self.hand_over,
            taken_up=self._taken_up,
            metrics=metrics,
        )
        self.healing = Healing(
            schedule=self.schedule,
            gates=up.gates,
            accounts={vendor.id: settings.accounts_of(vendor.id) for vendor in settings.vendors},
            owned=lambda: self.ledger.partitions if self.state == "consuming" else (),
            of_topic=lambda: self.assignment.of_topic,
            epoch=lambda: self.assignment.epoch,
            put_done=self.parker.put_done,
        )
        self.follower = LetterFollower(
            self.healing,
            topic=settings.kafka.dead_letter_topic,
            reading=reading,
            partitions=partitions,
            ring=self.bell.ring,
            metrics=metrics,
        )
        self.intake: Intake | None = None
        self.state: Literal["starting", "consuming", "draining"] = "starting"
        self.last_good_at = self.tried_at = anyio.current_time()
        self.ended: set[str] = set()
        """Parts that ended by themselves: our bug, and the end of the process."""
        self.leave_limit_s = LEAVE_LIMIT_S
        self._consuming = anyio.CancelScope()
        self.consumer: Member | None = None

    async def live(self) -> None:
        """
        Do everything a pod does, for ever.

        Raises:
            PartEnded: a part ended by itself.
            Fatal: no broker for 10 minutes, or no permission at the start.
        """
        own = (self.parker.run, self.follower.run, self.workers.work, self.commits.run, self._watch, self._listen_to_the_loop, self.consume)
        parts: dict[str, Callable[[], Awaitable[None]]] = {part.__qualname__: part for part in own}
        parts["registers"] = partial(
            self.up.registers.run, lambda: chain(self.schedule.due_by_account(), self.healing.due_by_account()), self.bell.ring
        )
        parts["filters"] = partial(self.up.filters.run, self.bell.ring)
        parts["topic watch"] = partial(self.assignment.watch.run, lambda: self.consumer if self.assignment.joined else None)
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

    @property
    def join_limit_s(self) -> float:
        """Return how long one try to be a member may take before something must be wrong here: joining, proving it, and handing over."""
        kafka = self.settings.kafka
        return 2 * (kafka.session_timeout_s + kafka.rebalance_timeout_s + self.settings.workers.drain_s) + _JOIN_MORE_S

    @property
    def generation(self) -> int:
        """Return the group's generation as this member knows it; 0 or less: not a member."""
        return self.consumer.generation if self.consumer is not None else -1

    def lease_left_s(self) -> float:
        """Return for how long a write that starts now may last (s)."""
        return self.lease.left_s(now=self._clock())

    # ---- The topic ----

    async def consume(self) -> None:
        """
        Read the topic for ever, with a new consumer wherever one is lost.

        Raises:
            Fatal: no broker for 10 minutes, or no permission at the start.
        """
        wait_s = 0.5
        while True:
            started = self.tried_at = anyio.current_time()
            try:
                await self._consume_once()
            except (KafkaError, OSError) as error:
                denied = connect.fatal(error) if isinstance(error, KafkaError) and self.state == "starting" else None
                if denied is not None:
                    raise denied from error
                _log.error("consumer lost", error=type(error).__name__, cause=connect.cure(error))
            finally:
                self.consumer = None
                self.assignment.joined = False
            self.workers.pause()
            await self.workers.cancel()
            self.assignment.set_aside()
            if anyio.current_time() - self.last_good_at > WITHOUT_BROKER_S:
                raise Fatal("no Kafka broker for 10 minutes", code="no-broker", status=Exit.UNAVAILABLE)
            wait_s = 0.5 if anyio.current_time() - started > REBUILD_MAX_S else min(REBUILD_MAX_S, wait_s * 2)
            await anyio.sleep(wait_s * (0.5 + self._uniform() / 2))

    async def _consume_once(self) -> None:
        async with self._join(self.assignment, self._use) as consumer:
            self.intake = Intake(
                consumer,
                self.assignment,
                topic=self.settings.kafka.topic,
                schedule=self.schedule,
                ledger=self.ledger,
                parker=self.parker,
                vendors=self.up.vendors,
                unknown=self.unknown,
                unknown_types=self.unknown_types,
                ring=self.bell.ring,
                max_dirty_users=self.settings.workers.max_dirty_users,
                metrics=self.metrics,
                traces=self.up.traces,
            )
            try:
                with anyio.CancelScope() as self._consuming:
                    await self.intake.run()
            finally:
                # Nobody may write for us once others may have our partitions.
                self.workers.pause()
                await self.workers.cancel()
            raise KafkaError("no commit succeeded, or no group was joined, for too long")

    def _use(self, consumer: Member) -> None:
        self.consumer = consumer
        self.assignment.use(consumer)

    async def _watch(self) -> None:
        """Give a consumer up that proves nothing for two sessions though it holds partitions, or does not join within a rebalance more."""
        kafka = self.settings.kafka
        limits_s = {True: kafka.session_timeout_s * 2, False: kafka.session_timeout_s * 2 + kafka.rebalance_timeout_s}
        seen_at, was_joined = anyio.current_time(), False
        while True:
            await anyio.sleep(1)
            joined, now = self.assignment.joined, anyio.current_time()
            if self.lease_left_s() > 0 or (joined and not self.ledger.partitions):
                self.last_good_at = seen_at = now
                continue
            self.workers.cut()
            if joined != was_joined:
                seen_at, was_joined = now, joined
            elif now - seen_at > limits_s[joined]:
                self._consuming.cancel()
                seen_at = now

    async def _listen_to_the_loop(self) -> None:
        """Measure how late the loop wakes a sleeper: nothing else tells that something holds it up."""
        while True:
            due_at = anyio.current_time() + _LISTEN_S
            await anyio.sleep(_LISTEN_S)
            self.metrics.loop_lag.observe(max(0.0, anyio.current_time() - due_at))

    async def _store(self, offsets: Mapping[int, int]) -> None:
        if self.consumer is None:
            raise KafkaError("no consumer")
        await self.consumer.commit({TopicPartition(self.settings.kafka.topic, p): offset for p, offset in offsets.items()})

    # ---- Rebalance ----

    async def hand_over(self) -> None:
        """End all runs and commit: running ones may finish only while we are surely still the owner."""
        self.workers.pause()
        if await self.commits.commit(limit_s=_COMMIT_LIMIT_S):
            with anyio.move_on_after(self.settings.workers.drain_s):
                await self.workers.drained()
        await self.workers.cancel()
        if self.workers.park_orphans():
            await self._letters_written()
        await self.commits.commit(limit_s=_COMMIT_LIMIT_S)

    async def _letters_written(self) -> None:
        with anyio.move_on_after(_COMMIT_LIMIT_S):
            while len(self.parker):
                await anyio.sleep(0.05)

    async def _taken_up(self, partitions: int) -> None:
        mine = len(list(self.ledger.partitions))
        if not mine:
            self.up.gates.forget()
        else:
            self.up.gates.set_share(min(1.0, mine / max(partitions, 1)), now=anyio.current_time())
            await self.commits.commit(limit_s=_COMMIT_LIMIT_S)
        if self.state != "draining":
            self.state = "consuming"
            self.workers.resume()

    # ---- The end ----

    async def drain(self) -> bool:
        """Finish what runs, park what is to be parked, commit; return whether no run was cut off that had begun to write."""
        self.state = "draining"
        if self.intake is not None:
            self.intake.stop()
        half_written = self.resync.half_written
        self.workers.pause()
        with anyio.move_on_after(self.settings.workers.drain_s):
            await self.workers.drained()
        await self.workers.cancel()
        self.workers.park_orphans()
        await self._letters_written()
        await self.commits.commit(limit_s=_COMMIT_LIMIT_S)
        return self.resync.half_written == half_written
