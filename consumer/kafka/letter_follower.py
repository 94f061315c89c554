"""Follows the dead-letter topic for a pod, from its first record on."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager
from math import inf
from typing import Any, Final

import anyio
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from ..core.errors import Fatal
from ..core.letters.healing import Healing
from ..core.letters.record import Place, Record, parse
from ..telemetry.logs import frames, log
from ..telemetry.metrics import Metrics
from .client import connect
from .client.clients import Reader
from .client.connect import DAMAGED
from .client.damage import damaged, is_damage
from .client.silence import Answers

_log = log(__name__)
_POLL_MS: Final = 500
_MAX_RECORDS: Final = 5000
_AGAIN_S: Final = 5.0
_PRUNE_S: Final = 600.0
_OUT_S: Final = 60.0

Partitions = Callable[[Reader], Awaitable[list[TopicPartition]]]
Reading = Callable[[], AbstractAsyncContextManager[Reader]]


class LetterFollower:
    """
    Tells `Healing` what the dead-letter topic says, and lets it offer letters once it knows all of them.

    It promises: each record is taken once, over the lives of several consumers; one that can't be made out is counted,
    said and passed over; a partition with a batch that can't be unpacked is left out, said and tried every minute, while
    the others go on, and as long as one is, the topic does not count as followed.
    """

    def __init__(
        self,
        healing: Healing,
        *,
        topic: str,
        reading: Reading,
        partitions: Partitions,
        ring: Callable[[], None],
        metrics: Metrics,
    ) -> None:
        """
        Take whom to tell.

        Args:
            reading: gives a consumer without a group.
            partitions: asks it for the topic's.
            ring: wakes the workers.
        """
        self._healing, self._topic, self._metrics = healing, topic, metrics
        self._reading, self._partitions, self._ring = reading, partitions, ring
        self._positions: dict[int, int] = {}
        self._ends: Mapping[TopicPartition, int] = {}
        # Partitions that are left out, each with the time of the next try.
        self._out: dict[TopicPartition, float] = {}
        self.caught_up = False
        """Whether all that was in the topic at the start has been read."""
        self.followed_at = inf
        """When all of the topic was last seen to answer (loop's clock), at first when following it began; infinite before that."""

    async def run(self) -> None:
        """Follow the topic for ever, with a new consumer wherever one is lost."""
        self.followed_at = anyio.current_time()
        while True:
            try:
                async with self._reading() as consumer:
                    await self._follow(consumer)
            except (KafkaError, TimeoutError, OSError, Fatal) as error:
                _log.warning("dead letters not followed", error=type(error).__name__, cause=connect.cure(error))
            await anyio.sleep(_AGAIN_S)

    async def _follow(self, consumer: Reader) -> None:
        await self._assign(consumer)
        pruned_at = anyio.current_time()
        answers = Answers(pruned_at)
        while True:
            batches = await self._poll(consumer)
            now = anyio.current_time()
            self._take(batches, now=now)
            asked = self._asked()
            if answers.has_come(consumer, asked, now=now) and len(asked) == len(self._ends):
                self.followed_at = now
            if answers.any and not self.caught_up:
                self.caught_up = all([await consumer.position(tp) >= self._ends[tp] for tp in asked])
            if self.caught_up and self._healing.offer(now=anyio.current_time()):
                self._ring()
            if anyio.current_time() - pruned_at > _PRUNE_S:
                pruned_at = anyio.current_time()
                await self._assign(consumer)
                await self._prune(consumer, list(self._positions), seek=False)

    async def _assign(self, consumer: Reader) -> None:
        partitions = await self._partitions(consumer)
        consumer.assign(partitions)
        first = await consumer.beginning_offsets(partitions)
        self._ends = await consumer.end_offsets(partitions)
        for partition in self._positions.keys() - {tp.partition for tp in partitions}:
            self._forget(partition)
            del self._positions[partition]
        for tp in partitions:
            consumer.seek(tp, self._positions.setdefault(tp.partition, first[tp]))

    def _forget(self, partition: int) -> None:
        _log.warning("the dead-letter topic was made anew: its letters are forgotten", partition=partition)
        self._healing.forget(partition)

    # ---- Polling ----

    def _asked(self) -> list[TopicPartition]:
        return [tp for tp in self._ends if tp not in self._out]

    async def _poll(self, consumer: Reader) -> Mapping[TopicPartition, list[Any]]:
        now = anyio.current_time()
        self._out = {tp: at for tp, at in self._out.items() if at > now}
        if not (asked := self._asked()):
            await anyio.sleep(_POLL_MS / 1000)
            return {}
        try:
            batches: Mapping[TopicPartition, list[Any]] = await consumer.getmany(*asked, timeout_ms=_POLL_MS, max_records=_MAX_RECORDS)
        except OffsetOutOfRangeError as error:
            await self._prune(consumer, [tp.partition for tp in error.args[0]], seek=True)
            return {}
        except DAMAGED as error:
            if not is_damage(error):
                raise
            await self._leave_out(consumer)
            return {}
        return batches

    async def _leave_out(self, consumer: Reader) -> None:
        for tp, error in (await damaged(consumer, {tp: self._positions[tp.partition] for tp in self._asked()})).items():
            self._out[tp] = anyio.current_time() + _OUT_S
            _log.error(
                "dead letters left out: a batch can't be unpacked",
                partition=tp.partition,
                next_offset=self._positions[tp.partition],
                error=type(error).__name__,
            )
        await anyio.sleep(_POLL_MS / 1000)

    async def _prune(self, consumer: Reader, partitions: Collection[int], *, seek: bool) -> None:
        first = await consumer.beginning_offsets([TopicPartition(self._topic, number) for number in partitions])
        for tp, offset in first.items():
            if seek and offset < self._positions[tp.partition]:
                self._forget(tp.partition)
            self._healing.forget_before(tp.partition, offset)
            if seek:
                self._positions[tp.partition] = offset
                consumer.seek(tp, offset)

    # ---- Records ----

    def _take(self, batches: Mapping[TopicPartition, list[Any]], *, now: float) -> None:
        for tp, records in batches.items():
            for one in records:
                place = tp.partition, one.offset
                if not self._healing.read(place, self._parsed(place, one, now=now)):
                    _log.warning("letter of an account that the settings don't know", partition=place[0], offset=place[1])
                self._positions[tp.partition] = one.offset + 1

    def _parsed(self, place: Place, one: Any, *, now: float) -> Record:  # noqa: ANN401 - the client has no types
        """Return what a record says; nothing, where making it out fails as nobody expected: it is not worth all others."""
        try:
            return parse(one.headers, one.value, one.key, timestamp_ms=one.timestamp, now=now)
        except Exception as error:  # noqa: BLE001 - no state has changed yet
            self._metrics.bugs.labels(stage="letter").inc()
            _log.error("letter passed over: our bug", partition=place[0], offset=place[1], error=type(error).__name__, where=frames(error))
            return Record()
