"""The assignment: which partitions are ours, and what happens when they go and come, so that no finished work is repeated."""

from collections.abc import Awaitable, Callable, Collection
from typing import Final

import anyio
from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError

from ..core.backlog import Backlog, Kept
from ..telemetry.logs import log
from ..telemetry.metrics import Metrics
from .client.clients import Member
from .client.words import said
from .commits import Commits
from .topic_watch import TopicWatch

_log = log(__name__)
_ASK_LIMIT_S: Final = 20.0
_ASK_EACH_S: Final = 0.1
"""What each partition adds to that."""


class Assignment(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka's base class is untyped
    """
    Our partitions, over the lives of several consumers.

    It promises: what is revoked is set aside whole; a partition that comes back with the offset we last committed goes
    on at our own next offset, with its tokens, times and attempts; any other begins at its committed offset, and one
    without any at its earliest record. Of a topic that was made anew all begin there, and users set aside are due without
    their tokens, or parked where their partition is another's now: no pod could read of them again. Partitions are taken
    up all or none.
    """

    def __init__(
        self,
        *,
        topic: str,
        backlog: Backlog,
        commits: Commits,
        hand_over: Callable[[], Awaitable[None]],
        taken_up: Callable[[], Awaitable[None]],
        metrics: Metrics,
    ) -> None:
        """
        Take what is set aside, and taken up.

        Args:
            hand_over: ends all runs, and commits; called before anything is set aside.
            taken_up: called once new ones are ours, or we know that none are.
        """
        self._topic = topic
        self._backlog, self._commits = backlog, commits
        self._hand_over, self._taken_up, self._metrics = hand_over, taken_up, metrics
        self._consumer: Member | None = None
        # Partitions that were ours, each with what we had committed.
        self._kept: dict[int, tuple[int | None, Kept]] = {}
        self._error: KafkaError | TimeoutError | None = None
        self.watch = TopicWatch(topic)
        self.epoch = 0
        """Changes whenever partitions go or come: what was polled before belongs to no member."""
        self.joined = False

    def use(self, consumer: Member) -> None:
        """Work with a new consumer from now on."""
        self._consumer, self._error = consumer, None

    def check(self) -> None:
        """Raise what went wrong in a callback, where the client would only log it."""
        error, self._error = self._error, None
        if isinstance(error, TimeoutError):
            raise KafkaError("no answer while taking partitions up") from error
        if error is not None:
            raise error

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:  # noqa: ARG002 - it is all of them
        """Let go of everything: aiokafka's protocol is eager."""
        self.epoch += 1
        self.joined = False
        if self._backlog.partitions:
            self._metrics.rebalances.labels(kind="revoked").inc()
            await self._hand_over()
        self.set_aside()

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """Take up what is ours now."""
        self.epoch += 1
        try:
            with anyio.fail_after(_ASK_LIMIT_S + _ASK_EACH_S * len(assigned)):
                await self._take_up(assigned)
        except (KafkaError, TimeoutError) as error:
            _log.error("partitions not taken up", error=said(error))
            self._error = error
            return
        self._metrics.rebalances.labels(kind="assigned").inc()
        self.joined = True
        assert self._consumer is not None
        self._backlog.topic_partitions = len(self._consumer.partitions_for_topic(self._topic) or ())
        if self._backlog.topic_partitions:
            self._kept.clear()
        else:  # What was set aside waits for the topic to be made anew.
            self.watch.is_missing()
        await self._taken_up()
        self.epoch += 1

    def set_aside(self) -> None:
        """Set all partitions aside; no run may be going."""
        for partition, kept in self._backlog.set_aside(self._backlog.partitions, now=anyio.current_time()).items():
            self._kept[partition] = self._commits.committed.pop(partition, None), kept

    async def _take_up(self, assigned: Collection[TopicPartition]) -> None:
        """Ask all there is to ask, and only then begin."""
        consumer = self._consumer
        assert consumer is not None
        if not assigned and not self._kept:
            return
        await self.watch.look(consumer)
        if not assigned and self.watch.missing:
            return
        committed = {} if self.watch.is_new else await consumer.committed_all(assigned)
        without = [tp for tp in assigned if tp not in committed]
        earliest = await consumer.beginning_offsets(without) if without else {}
        if self.watch.is_new:
            _log.error("topic made anew: read from its beginning", partitions=len(assigned))
            self._park_of_others({tp.partition for tp in assigned})
        for tp in assigned:
            self._begin(consumer, tp, committed.get(tp), earliest.get(tp, 0))
        self.watch.accept([tp.partition for tp in assigned])

    def _park_of_others(self, ours: Collection[int]) -> None:
        """Park users that were dirty on partitions that are others' now: the new log does not tell of them, and no other pod knows."""
        now = anyio.current_time()
        for partition in [partition for partition in self._kept if partition not in ours]:
            self._backlog.take_lost(partition, self._kept.pop(partition)[1], now=now)
        self._backlog.park_orphans(now=now)

    def _begin(self, consumer: Member, tp: TopicPartition, committed: int | None, earliest: int) -> None:
        ours, kept = self._kept.pop(tp.partition, (None, None))
        now, resumed = anyio.current_time(), False
        if kept is not None and committed is not None and committed == ours:
            self._backlog.resume(tp.partition, kept, now=now)
            self._commits.committed[tp.partition] = committed
            resumed = True
        else:
            self._backlog.begin(tp.partition, earliest if committed is None else committed)
            if kept is not None and self.watch.is_new:
                self._backlog.take_lost(tp.partition, kept, now=now)
        next_offset = self._backlog.ledger.next_offset(tp.partition)
        consumer.seek(tp, next_offset)
        _log.info("partition taken up", partition=tp.partition, next_offset=next_offset, resumed=resumed)
