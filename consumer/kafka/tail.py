"""Reads the end of the topic outside the group: for commands that write beside the pods."""

from collections.abc import Mapping
from typing import Any, Final

import anyio
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from ..core.errors import Retryable, Unreadable
from ..core.events import Unknown, decode
from ..core.model import Event
from ..core.users.settling import Follow
from ..settings.model import KafkaSettings
from ..telemetry.bugs import fenced
from ..telemetry.logs import log
from .client import connect
from .client.clients import Reader
from .client.connect import DAMAGED
from .client.damage import damaged, is_damage
from .client.patience import Patience
from .client.silence import Answers

_log = log(__name__)
_POLL_MS: Final = 100
_MAX_RECORDS: Final = 2000
_ASK_LIMIT_S: Final = 10.0
_METADATA_MS: Final = 5000


class Tail:
    """
    Follows the topic from its end on, and tells `Follow` what it reads.

    It promises: nothing is read twice or left out, over the lives of several consumers; where records are gone
    before they were read, `Follow` is told so. It joins no group and commits nothing.
    """

    def __init__(self, settings: KafkaSettings, follow: Follow) -> None:
        """Take where the topic is, and whom to tell."""
        self._settings, self._follow = settings, follow
        self._followed = (Event, Unknown) if settings.unknown_types == "resync" else Event
        self._positions: dict[int, int] = {}
        self._ready = anyio.Event()
        self._patience = Patience(settings, step="tail")

    async def ready(self) -> None:
        """Return once every event from now on will be seen."""
        await self._ready.wait()

    async def run(self) -> None:
        """
        Follow for ever, with a new consumer wherever one is lost.

        Raises:
            Fatal: the topic is not there, no permission, or no broker: at the start at once, later after two minutes.
        """
        while True:
            try:
                async with connect.reading(self._settings, suffix="-tail", metadata_max_age_ms=_METADATA_MS) as consumer:
                    await self._follow_with(consumer)
            except (KafkaError, TimeoutError, OSError) as error:
                await self._patience.lost(error)

    async def _follow_with(self, consumer: Reader) -> None:
        await self._assign(consumer)
        self._ready.set()
        self._patience.good()
        answers = Answers(anyio.current_time())
        while True:
            if len(consumer.partitions_for_topic(self._settings.topic) or ()) > len(self._positions):
                await self._assign(consumer)
            try:
                batches = await consumer.getmany(timeout_ms=_POLL_MS, max_records=_MAX_RECORDS)
            except OffsetOutOfRangeError as error:
                await self._skip(consumer, list(error.args[0]))
                continue
            except DAMAGED as error:
                if not is_damage(error):
                    raise
                await self._pass_by(consumer)
                continue
            self._take(consumer, batches)
            if answers.has_come(consumer, consumer.assignment(), now=anyio.current_time()):
                self._patience.good()
            users = self._follow.asking()
            if users:
                with anyio.fail_after(_ASK_LIMIT_S):
                    ends = await consumer.end_offsets(consumer.assignment())
                self._follow.end_is(users, {tp.partition: end for tp, end in ends.items()})

    async def _assign(self, consumer: Reader) -> None:
        """Take all partitions: new ones from their first record on, unless this is the start."""
        partitions = await connect.partitions_of(consumer, self._settings.topic)
        first = not self._positions
        consumer.assign(partitions)
        starts = await (consumer.end_offsets if first else consumer.beginning_offsets)(partitions)
        for tp in partitions:
            position = self._positions.setdefault(tp.partition, starts[tp])
            consumer.seek(tp, position)
            self._follow.read(tp.partition, position)

    async def _skip(self, consumer: Reader, lost: list[TopicPartition]) -> None:
        for tp, earliest in (await consumer.beginning_offsets(lost)).items():
            _log.error("offset out of range", partition=tp.partition, next_offset=earliest)
            self._go_on_at(consumer, tp, earliest)

    async def _pass_by(self, consumer: Reader) -> None:
        """Go on at the end of now where a batch is damaged."""
        topic = self._settings.topic
        found = await damaged(consumer, {TopicPartition(topic, partition): at for partition, at in self._positions.items()})
        with anyio.fail_after(_ASK_LIMIT_S):
            ends = await consumer.end_offsets(list(found)) if found else {}
        for tp, end in ends.items():
            _log.error("a damaged batch is passed by", partition=tp.partition, next_offset=end, error=type(found[tp]).__name__)
            self._go_on_at(consumer, tp, end)

    def _go_on_at(self, consumer: Reader, tp: TopicPartition, offset: int) -> None:
        """Go on behind records that can't be read: they may have been anybody's."""
        self._follow.missed(tp.partition)
        self._positions[tp.partition] = offset
        self._follow.read(tp.partition, offset)
        consumer.seek(tp, offset)

    def _take(self, consumer: Reader, batches: Mapping[TopicPartition, list[Any]]) -> None:
        for tp, records in batches.items():
            for record in records:
                try:
                    with fenced("record"):
                        event = decode(record.value)
                except Unreadable:
                    continue
                except Retryable:  # Whose it is, nobody knows.
                    self._follow.missed(tp.partition)
                    continue
                # Where pods pass a type over, no run of theirs follows its event.
                if isinstance(event, self._followed):
                    self._follow.seen(event.user, tp.partition, record.offset)
        for partition in self._positions:
            # Behind the last record may stand control records, which nobody hands out.
            position = consumer.position_now(TopicPartition(self._settings.topic, partition))
            if position is not None:
                self._positions[partition] = position
                self._follow.read(partition, position)
