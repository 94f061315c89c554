"""Membership: a member's life, from one consumer to the next: join, watch, hand over, take up, drain."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Final, Literal

import anyio

from ..core.backlog import Backlog
from ..core.errors import Exit, Fatal
from ..core.gates.gates import Gates
from ..kafka.assignment import Assignment
from ..kafka.client.clients import Member
from ..kafka.client.failures import LOST, REBUILD_MAX_S, WITHOUT_BROKER_S, KafkaError, cure, final
from ..kafka.client.words import said
from ..kafka.commits import Commits
from ..kafka.intake import Intake
from ..kafka.letter_writer import LetterWriter
from ..kafka.records import Records
from ..resync.run import Resync
from ..resync.workers import Workers
from ..settings.model import Settings
from ..telemetry.logs import log
from ..telemetry.metrics import Metrics

_log = log(__name__)
_COMMIT_LIMIT_S: Final = 5.0
LEAVE_LIMIT_S: Final = 5.0
_JOIN_MORE_S: Final = 60.0
_PAUSE_FIRST_S: Final = 0.5

Join = Callable[[Assignment, Callable[[Member], None]], AbstractAsyncContextManager[Member]]


class Membership:
    """
    Our place in the group, over the lives of several consumers.

    It promises: no run begins or goes on without a lease, and none is going when partitions are given away; a consumer that proves
    nothing for two sessions is given up for a new one; without any for 10 minutes the pod ends.
    """

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        gates: Gates,
        *,
        backlog: Backlog,
        records: Records,
        resync: Resync,
        workers: Workers,
        writer: LetterWriter,
        commits: Commits,
        join: Join,
        lease_left_s: Callable[[], float],
        uniform: Callable[[], float],
    ) -> None:
        """
        Take the parts that live with it.

        Args:
            join: makes us a member of the group, with our rebalance listener.
            lease_left_s: for how long our partitions are surely ours (s).
            uniform: draws from [0, 1).
        """
        self._settings, self._metrics, self._gates = settings, metrics, gates
        self._backlog, self._records, self._resync = backlog, records, resync
        self._workers, self._writer, self._commits = workers, writer, commits
        self._join, self._lease_left_s, self._uniform = join, lease_left_s, uniform
        self.assignment = Assignment(
            topic=settings.kafka.topic,
            backlog=backlog,
            commits=commits,
            hand_over=self.hand_over,
            taken_up=self.taken_up,
            metrics=metrics,
        )
        self.state: Literal["starting", "consuming", "draining"] = "starting"
        self.member: Member | None = None
        self.intake: Intake | None = None
        self.last_good_at = self.tried_at = anyio.current_time()
        """When we were last surely a member, and when we last tried to be one (loop's clock)."""
        self.leave_limit_s = LEAVE_LIMIT_S
        self._consuming = anyio.CancelScope()

    @property
    def join_limit_s(self) -> float:
        """Return how long one try to be a member may take before something must be wrong here: joining, proving it, and handing over."""
        kafka = self._settings.kafka
        return 2 * (kafka.session_timeout_s + kafka.rebalance_timeout_s + self._settings.workers.drain_s) + _JOIN_MORE_S

    # ---- One consumer after the other ----

    async def consume(self) -> None:
        """
        Read the topic for ever, with a new consumer wherever one is lost.

        Raises:
            Fatal: no broker for 10 minutes; at the start at once what no wait heals: no permission, a group that is another's.
        """
        wait_s, why = _PAUSE_FIRST_S, None
        while True:
            started = self.tried_at = anyio.current_time()
            try:
                await self._consume_once()
            except LOST as error:
                why = final(error, self._settings.kafka)
                if self.state == "starting" and why is not None:
                    raise why from error
                _log.error("consumer lost", error=said(error), cause=cure(error) or (why and str(why)))
            finally:
                self.member = self._commits.member = None
                self.assignment.joined = False
            await self._end_runs()
            self.assignment.set_aside()
            if anyio.current_time() - self.last_good_at > WITHOUT_BROKER_S:
                raise why or Fatal("no Kafka broker for 10 minutes", code="no-broker", status=Exit.UNAVAILABLE)
            wait_s = _PAUSE_FIRST_S if anyio.current_time() - started > REBUILD_MAX_S else min(REBUILD_MAX_S, wait_s * 2)
            await anyio.sleep(wait_s * (0.5 + self._uniform() / 2))

    async def _consume_once(self) -> None:
        kafka, workers = self._settings.kafka, self._settings.workers
        async with self._join(self.assignment, self._use) as member:
            self.intake = Intake(
                member,
                self.assignment,
                self._records,
                self._backlog,
                topic=kafka.topic,
                max_dirty_users=workers.max_dirty_users,
                metrics=self._metrics,
            )
            try:
                with anyio.CancelScope() as self._consuming:
                    await self.intake.run()
            finally:
                # Nothing may write for us once others may have our partitions.
                await self._end_runs()
            raise KafkaError("no commit succeeded, or no group was joined, for too long")

    def _use(self, member: Member) -> None:
        self.member = self._commits.member = member
        self.assignment.use(member)

    async def _end_runs(self) -> None:
        self._workers.pause()
        await self._workers.cancel()

    async def watch(self) -> None:
        """Give a consumer up that proves nothing for two sessions though it holds partitions, or does not join within a rebalance more."""
        kafka = self._settings.kafka
        limits_s = {True: kafka.session_timeout_s * 2, False: kafka.session_timeout_s * 2 + kafka.rebalance_timeout_s}
        seen_at, was_joined = anyio.current_time(), False
        while True:
            await anyio.sleep(1)
            joined, now = self.assignment.joined, anyio.current_time()
            if self._lease_left_s() > 0 or (joined and not self._backlog.partitions):
                self.last_good_at = seen_at = now
                continue
            self._workers.cut()
            if joined != was_joined:
                seen_at, was_joined = now, joined
            elif now - seen_at > limits_s[joined]:
                self._consuming.cancel()
                seen_at = now

    def joined_member(self) -> Member | None:
        """Return our member, where it has its partitions."""
        return self.member if self.assignment.joined else None

    # ---- Rebalance ----

    async def hand_over(self) -> None:
        """End all runs and commit: running ones may finish only while we are surely still the owner."""
        self._workers.pause()
        if await self._commits.commit(limit_s=_COMMIT_LIMIT_S):
            with anyio.move_on_after(self._settings.workers.drain_s):
                await self._workers.drained()
        await self._workers.cancel()
        if self._backlog.park_orphans(now=anyio.current_time()):
            await self._writer.written_out(limit_s=_COMMIT_LIMIT_S)
        await self._commits.commit(limit_s=_COMMIT_LIMIT_S)

    async def taken_up(self) -> None:
        """Take our share of every limit, prove that the new partitions are ours, and let runs begin."""
        mine = len(self._backlog.partitions)
        if not mine:
            self._gates.forget()
        else:
            self._gates.set_share(min(1.0, mine / max(self._backlog.topic_partitions, 1)), now=anyio.current_time())
            await self._commits.commit(limit_s=_COMMIT_LIMIT_S)
        if self.state != "draining":
            self.state, self._backlog.heals = "consuming", True
            self._workers.resume()

    # ---- The end ----

    async def drain(self) -> bool:
        """Finish what runs, park what is to be parked, commit; return whether no run was cut off that had begun to write."""
        self.state, self._backlog.heals = "draining", False
        if self.intake is not None:
            self.intake.stop()
        half_written = self._resync.tally.half_written
        self._workers.pause()
        with anyio.move_on_after(self._settings.workers.drain_s):
            await self._workers.drained()
        await self._workers.cancel()
        self._backlog.park_orphans(now=anyio.current_time())
        await self._writer.written_out(limit_s=_COMMIT_LIMIT_S)
        await self._commits.commit(limit_s=_COMMIT_LIMIT_S)
        return self._resync.tally.half_written == half_written
