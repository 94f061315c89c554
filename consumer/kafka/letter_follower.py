"""The letter follower: the dead-letter topic as a pod reads it, from its first record on."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from math import inf
from typing import Any, Final

import anyio
from aiokafka import TopicPartition

from ..core.backlog import Backlog
from ..core.errors import Fatal
from ..core.letters.record import Record, parse
from ..core.model import Place
from ..telemetry.logs import frames, log
from ..telemetry.metrics import Metrics
from .client.clients import Reader
from .client.failures import LOST, cure
from .client.reader import PartitionReader, Poll
from .client.words import said

_log = log(__name__)
_POLL_MS: Final = 500
_MAX_RECORDS: Final = 5000
_AGAIN_S: Final = 5.0
_PRUNE_S: Final = 600.0
_OUT_S: Final = 60.0
_NOT_FOLLOWED: Final[tuple[type[Exception], ...]] = (*LOST, Fatal)

Partitions = Callable[[Reader], Awaitable[list[TopicPartition]]]
Reading = Callable[[], AbstractAsyncContextManager[Reader]]


class LetterFollower:
    """
    Tells the backlog what the dead-letter topic says, and has it offer letters once all of them are known.

    It promises: each record is taken once, over the lives of several consumers; one that can't be made out is counted,
    said and passed over; a partition with a batch that can't be unpacked is left out, said and tried every minute, while
    the others go on, and as long as one is, the topic does not count as followed.
    """

    def __init__(
        self,
        backlog: Backlog,
        *,
        topic: str,
        reading: Reading,
        partitions: Partitions,
        metrics: Metrics,
    ) -> None:
        """
        Take what is told of the letters.

        Args:
            reading: gives a consumer without a group.
            partitions: asks it for the topic's.
        """
        self._backlog, self._healing, self._metrics = backlog, backlog.healing, metrics
        self._reading, self._partitions = reading, partitions
        self._reader = PartitionReader(topic, begin=self._begin, each=self._take_poll, poll_ms=_POLL_MS, max_records=_MAX_RECORDS)
        self._ends: Mapping[int, int] = {}
        self._pruned_at = 0.0
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
                    await self._reader.live(consumer)
            except _NOT_FOLLOWED as error:
                _log.warning("dead letters not followed", error=said(error), cause=cure(error))
            await anyio.sleep(_AGAIN_S)

    async def _begin(self) -> None:
        self._pruned_at = anyio.current_time()
        partitions = [tp.partition for tp in await self._partitions(self._reader.consumer)]
        for partition in await self._reader.take_up(partitions):
            self._forget(partition)
        self._ends = await self._reader.ends(partitions)

    async def _take_poll(self, poll: Poll) -> None:
        now = anyio.current_time()
        for partition, records in poll.records.items():
            self._take(partition, records, now=now)
        self._go_on_behind(poll.gone)
        await self._leave_out(poll.damaged)
        if poll.is_answer and self._reader.is_whole:
            self.followed_at = now
        if self._reader.has_answered and not self.caught_up:
            self.caught_up = all(self._reader.at[partition] >= self._ends[partition] for partition in self._reader.asked)
        if self.caught_up:
            self._backlog.offer_letters(now=anyio.current_time())
        if anyio.current_time() - self._pruned_at > _PRUNE_S:
            await self._begin()
            for partition, first in (await self._reader.firsts(self._reader.at)).items():
                self._healing.forget_before(partition, first)

    def _forget(self, partition: int) -> None:
        _log.warning("the dead-letter topic was made anew: its letters are forgotten", partition=partition)
        self._healing.forget(partition)

    def _go_on_behind(self, gone: Mapping[int, int]) -> None:
        for partition, first in gone.items():
            if first < self._reader.at[partition]:
                self._forget(partition)
            self._healing.forget_before(partition, first)
            self._reader.go_on(partition, first)

    async def _leave_out(self, damaged: Mapping[int, Exception]) -> None:
        for partition, error in damaged.items():
            self._reader.leave_out(partition, for_s=_OUT_S)
            _log.error(
                "dead letters left out: a batch can't be unpacked",
                partition=partition,
                next_offset=self._reader.at[partition],
                error=said(error),
                cause=cure(error),
            )
        if damaged:
            await anyio.sleep(_POLL_MS / 1000)

    # ---- Records ----

    def _take(self, partition: int, records: Sequence[Any], *, now: float) -> None:
        for one in records:
            place = Place(partition, one.offset)
            if not self._healing.read(place, self._parsed(place, one, now=now)):
                _log.warning("letter of an account that the settings don't know", partition=place.partition, offset=place.offset)

    def _parsed(self, place: Place, one: Any, *, now: float) -> Record:  # noqa: ANN401 - the client has no types
        """Return what a record says; nothing, where making it out fails unexpectedly: it is not worth all others."""
        try:
            return parse(one.headers, one.value, one.key, timestamp_ms=one.timestamp, now=now)
        except Exception as error:  # noqa: BLE001 - no state has changed yet
            self._metrics.bugs.labels(stage="letter").inc()
            _log.error(
                "letter passed over: our bug",
                partition=place.partition,
                offset=place.offset,
                error=type(error).__name__,
                where=frames(error),
            )
            return Record()
