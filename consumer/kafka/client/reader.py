"""The partition reader: the one loop that reads without a group, over lost offsets, damaged batches and lost brokers."""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any, Final

import anyio
from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError, OffsetOutOfRangeError
from msgspec import Struct

from .clients import Reader
from .failures import DAMAGED, LOST, Patience, is_damage

_SILENT_S: Final = 30.0
_ASK_LIMIT_S: Final = 10.0
_ASK_TIMES_LIMIT_S: Final = 30.0
_ANSWER_MS: Final = 1000
"""A partition that is asked alone and gives no error for so long has answered: nothing is there."""

Opened = Callable[[], AbstractAsyncContextManager[Reader]]
"""Gives a consumer without a group."""


class Poll(Struct, frozen=True, kw_only=True):
    """What one poll has brought, by partition."""

    records: Mapping[int, Sequence[Any]] = {}
    gone: Mapping[int, int] = {}
    """Partitions whose next record is not there, each with the first that is; they wait for `PartitionReader.go_on`."""
    damaged: Mapping[int, Exception] = {}
    """Partitions whose next batch can't be unpacked; they wait for `go_on`, `leave_out` or the end."""
    is_answer: bool = False
    """Whether every partition that was asked has answered since this was last so."""


class PartitionReader:
    """
    Reads partitions outside the group; its user says where to begin, and what to do with what is gone or damaged.

    It promises: a record is handed out once, over the lives of several consumers, and none is left out that was not
    said to be gone or damaged; where one partition is damaged, nothing of the others is lost; brokers that fall silent for
    30 s count as lost. It joins no group and commits nothing.
    """

    def __init__(
        self,
        topic: str,
        *,
        begin: Callable[[], Awaitable[None]],
        each: Callable[[Poll], Awaitable[None]],
        poll_ms: int,
        max_records: int,
    ) -> None:
        """
        Read nothing yet.

        Args:
            begin: is called with each new consumer, and takes partitions up.
            each: is given what each poll has brought; `at` is behind it already.
            poll_ms: how long a poll may wait.
        """
        self._topic, self._begin, self._each = topic, begin, each
        self._poll_ms, self._max_records = poll_ms, max_records
        # A damaged batch takes what the same poll has read before it with it: so few are asked for on the way there.
        self._at_once = max_records
        self.at: dict[int, int] = {}
        """By partition, the next offset to be read."""
        # Partitions that are left out, each with the time of the next try; and those that are read to their end.
        self._out: dict[int, float] = {}
        self._left: set[int] = set()
        self._is_over = False
        self._consumer: Reader | None = None
        self._answers = Answers(0.0)

    # ---- The loop ----

    async def run(self, opened: Opened, patience: Patience) -> None:
        """
        Read until it is over, with a new consumer wherever one is lost.

        Raises:
            Fatal: no permission, or no broker: at the start at once, later when the patience ends.
        """
        while not self._is_over:
            try:
                async with opened() as consumer:
                    await self.live(consumer, good=patience.good)
            except LOST as error:
                await patience.lost(error)

    async def live(self, consumer: Reader, *, good: Callable[[], None] = lambda: None) -> None:
        """
        Read with one consumer until it is over.

        Args:
            good: told whenever all partitions have answered.

        Raises:
            KafkaError, TimeoutError, OSError: the consumer is lost.
        """
        self._consumer = consumer
        await self._begin()
        good()
        self._answers = Answers(anyio.current_time())
        while not self._is_over:
            poll = await self._poll(consumer)
            if poll.is_answer:
                good()
            await self._each(poll)

    async def _poll(self, consumer: Reader) -> Poll:
        now = anyio.current_time()
        self._out = {partition: at for partition, at in self._out.items() if at > now}
        asked = self._tps(self.asked)
        if not asked:
            await anyio.sleep(self._poll_ms / 1000)
            return Poll(is_answer=self._answers.has_come(consumer, asked, now=anyio.current_time()))
        try:
            batches = await consumer.getmany(*asked, timeout_ms=self._poll_ms, max_records=self._at_once)
        except OffsetOutOfRangeError as error:
            return Poll(gone=await self.firsts([tp.partition for tp in error.args[0]]))
        except DAMAGED as error:
            if not is_damage(error):
                raise
            return Poll(damaged=await self._damaged(consumer, asked))
        # It raises before the records count as read: the next consumer reads them.
        is_answer = self._answers.has_come(consumer, asked, now=anyio.current_time())
        self._at_once = min(self._at_once * 2, self._max_records)
        for tp in asked:
            self._move(consumer, tp, batches.get(tp, ()))
        return Poll(records={tp.partition: records for tp, records in batches.items()}, is_answer=is_answer)

    async def _damaged(self, consumer: Reader, asked: Collection[TopicPartition]) -> dict[int, Exception]:
        found = await damaged(consumer, {tp: self.at[tp.partition] for tp in asked})
        if not found:  # Good ones stand before it.
            self._at_once = 1
            await anyio.sleep(self._poll_ms / 1000)
        return {tp.partition: why for tp, why in found.items()}

    def _move(self, consumer: Reader, tp: TopicPartition, records: Sequence[Any]) -> None:
        at = records[-1].offset + 1 if records else self.at[tp.partition]
        # Behind the last record may stand control records, which are not handed out, or nothing where the topic is compacted.
        self.at[tp.partition] = max(at, consumer.position_now(tp) or 0)

    # ---- Which partitions, and from where ----

    @property
    def consumer(self) -> Reader:
        """Return the consumer that reads now."""
        assert self._consumer is not None
        return self._consumer

    @property
    def asked(self) -> list[int]:
        """Return the partitions that are polled: neither left out nor read to their end."""
        return [partition for partition in self.at if partition not in self._out and partition not in self._left]

    @property
    def is_whole(self) -> bool:
        """Say whether no partition is left out."""
        return not self._out

    @property
    def has_answered(self) -> bool:
        """Say whether all partitions have answered this consumer once."""
        return self._answers.any

    async def take_up(self, partitions: Collection[int], *, at_end: bool = False) -> list[int]:
        """
        Read these partitions from now on: each from where we were, a new one from its first record, or from its end.

        Returns those of before that are not among them.
        """
        consumer = self.consumer
        consumer.assign(self._tps(partitions))
        if new := [partition for partition in partitions if partition not in self.at]:
            self.at |= await (self.ends(new) if at_end else self.firsts(new))
        for partition in partitions:
            consumer.seek(TopicPartition(self._topic, partition), self.at[partition])
        dropped = sorted(self.at.keys() - set(partitions) - self._left)
        for partition in dropped:
            del self.at[partition]
            self._out.pop(partition, None)
        return dropped

    def go_on(self, partition: int, offset: int) -> None:
        """Go on elsewhere."""
        self.at[partition] = offset
        self.consumer.seek(TopicPartition(self._topic, partition), offset)

    def leave_out(self, partition: int, *, for_s: float) -> None:
        """Don't ask a partition for some time."""
        self._out[partition] = anyio.current_time() + for_s

    def leave(self, partition: int) -> None:
        """Read a partition no further; once all are left, it is over."""
        self._left.add(partition)
        self.consumer.pause(TopicPartition(self._topic, partition))
        self._is_over = self._left >= self.at.keys()

    def end(self) -> None:
        """Read no more."""
        self._is_over = True

    async def firsts(self, partitions: Collection[int]) -> dict[int, int]:
        """
        Ask for the first offset of each.

        Raises:
            KafkaError, TimeoutError: no answer within 10 s.
        """
        with anyio.fail_after(_ASK_LIMIT_S):
            found = await self.consumer.beginning_offsets(self._tps(partitions))
        return {tp.partition: offset for tp, offset in found.items()}

    async def ends(self, partitions: Collection[int]) -> dict[int, int]:
        """
        Ask for the offset behind the last of each.

        Raises:
            KafkaError, TimeoutError: no answer within 10 s.
        """
        with anyio.fail_after(_ASK_LIMIT_S):
            found = await self.consumer.end_offsets(self._tps(partitions))
        return {tp.partition: offset for tp, offset in found.items()}

    def _tps(self, partitions: Iterable[int]) -> list[TopicPartition]:
        return [TopicPartition(self._topic, partition) for partition in partitions]


async def offsets_at(consumer: Reader, partitions: Iterable[TopicPartition], at_ms: int) -> dict[int, int | None]:
    """
    Ask each partition for its first offset at or after a time (ms since 1970); None: there is none.

    Raises:
        KafkaError, TimeoutError: no answer within 30 s.
    """
    with anyio.fail_after(_ASK_TIMES_LIMIT_S):
        found = await consumer.offsets_for_times(dict.fromkeys(partitions, at_ms))
    return {tp.partition: one.offset if one is not None else None for tp, one in found.items()}


# ---- Which batch is damaged, and which broker is silent ----


async def damaged(consumer: Reader, positions: Mapping[TopicPartition, int]) -> dict[TopicPartition, Exception]:
    """
    Ask each partition alone; return those whose next batch can't be unpacked: what the client raises does not name them.

    Before and after it all of them stand at `positions` again: a poll that fails throws away what it has, of others, too.

    Raises:
        KafkaError, OSError: the brokers don't answer.
    """
    found: dict[TopicPartition, Exception] = {}
    for tp in positions:
        _go_back(consumer, positions)
        try:
            with suppress(OffsetOutOfRangeError):  # The next poll says so, too.
                await consumer.getmany(tp, timeout_ms=_ANSWER_MS, max_records=1)
        except DAMAGED as error:
            if not is_damage(error):
                raise
            found[tp] = error
    _go_back(consumer, positions)
    return found


def _go_back(consumer: Reader, positions: Mapping[TopicPartition, int]) -> None:
    for tp, offset in positions.items():
        consumer.seek(tp, offset)


class Answers:
    """
    Whether the brokers still answer one consumer.

    The client itself never says that they don't: it tries for ever, with the password and certificates it was made with.
    """

    def __init__(self, now: float) -> None:
        self._at_ms, self._since = 0, now
        self.any = False
        """Whether all partitions have answered once."""

    def has_come(self, consumer: Reader, partitions: Collection[TopicPartition], *, now: float) -> bool:
        """
        Return whether every partition has answered since the last time.

        Raises:
            KafkaError: one has not for 30 s.
        """
        at_ms = min((consumer.last_poll_timestamp(tp) or 0 for tp in partitions), default=0)
        if at_ms not in (0, self._at_ms):
            self._at_ms, self._since, self.any = at_ms, now, True
            return True
        if now - self._since > _SILENT_S:
            raise KafkaConnectionError("the brokers no longer answer")
        return False
