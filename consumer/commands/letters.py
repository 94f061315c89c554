"""Lists what was parked, shows it, and asks the pods to try it again."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import anyio
from aiokafka import TopicPartition
from aiokafka.errors import OffsetOutOfRangeError

from ..core.errors import Exit, Fatal
from ..core.letters.history import Entry, History, Selection, place_of
from ..core.letters.record import Place
from ..kafka import rights
from ..kafka.client import connect
from ..kafka.client.clients import Reader
from ..kafka.client.connect import DAMAGED
from ..kafka.client.damage import damaged, is_damage
from ..kafka.letter_writer import mark
from ..settings.model import KafkaSettings, Settings
from ..telemetry.logs import frames, log

_log = log(__name__)
_POLL_MS: Final = 500
_MAX_RECORDS: Final = 5000
_SEND_LIMIT_S: Final = 30.0


class Letters:
    """
    The dead-letter topic, read to its end, and on from there.

    Use it as a context; it joins no group and commits nothing.
    """

    def __init__(self, settings: KafkaSettings, consumer: Reader) -> None:
        """Take a consumer of `connect.asking`."""
        self._settings, self._consumer = settings, consumer
        self.history = History()
        self._positions: dict[TopicPartition, int] = {}

    async def read_all(self) -> None:
        """
        Read to the end of now.

        Raises:
            Fatal: the topic is not there, or part of it can't be read (69).
        """
        consumer = self._consumer
        partitions = await connect.partitions_of(consumer, self._settings.dead_letter_topic, "kafka.dead_letter_topic")
        consumer.assign(partitions)
        self._positions, ends = await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
        for tp in partitions:
            consumer.seek(tp, self._positions[tp])
        while any([await consumer.position(tp) < end for tp, end in ends.items()]):
            await self.read_more()

    async def read_more(self) -> None:
        """
        Read what comes within half a second.

        Raises:
            Fatal: a batch can't be unpacked (69): what stands behind it is not known.
        """
        try:
            batches = await self._consumer.getmany(timeout_ms=_POLL_MS, max_records=_MAX_RECORDS)
        except OffsetOutOfRangeError as error:
            for tp, offset in (await self._consumer.beginning_offsets(list(error.args[0]))).items():
                self._positions[tp] = offset
                self._consumer.seek(tp, offset)
            return
        except DAMAGED as error:
            if not is_damage(error):
                raise
            await self._end_if_damaged()
            return
        for tp, records in batches.items():
            self._take(tp, records)

    def _take(self, tp: TopicPartition, records: Sequence[Any]) -> None:
        for record in records:
            self._positions[tp] = record.offset + 1
            try:
                self.history.read((tp.partition, record.offset), record.headers, record.value)
            except Exception as error:  # noqa: BLE001 - one record is not worth all others
                _log.error(
                    "letter passed over: our bug",
                    partition=tp.partition,
                    offset=record.offset,
                    error=type(error).__name__,
                    where=frames(error),
                )

    async def _end_if_damaged(self) -> None:
        topic = self._settings.dead_letter_topic
        found = await damaged(self._consumer, self._positions)
        what = [
            f"a batch of {topic} at {tp.partition}:{self._positions[tp]} can't be unpacked ({type(error).__name__})"
            for tp, error in found.items()
        ]
        if what:
            cure = "let a good replica lead, or wait until retention has taken it; the pods go on with what is before it"
            raise Fatal(f"{'; '.join(what)}: {cure}", code="damaged-letters", status=Exit.UNAVAILABLE)


async def find(settings: Settings, selection: Selection, *, all_states: bool, requeues: bool = False) -> list[Entry]:
    """
    Return the letters selected; only open ones, unless all states are asked for.

    Args:
        requeues: whether letters are to be requeued, so that the right to write is needed, too.

    Raises:
        Fatal: no broker (69), no permission (77), no such topic (69).
    """
    await rights.require(settings.kafka, "dead-letters", writes=requeues)
    async with connect.asking(settings.kafka, suffix="-dead-letters") as consumer:
        letters = Letters(settings.kafka, consumer)
        await letters.read_all()
    return [entry for entry in letters.history.entries() if (all_states or entry.is_open) and selection.takes(entry)]


async def requeue(settings: Settings, entries: Sequence[Entry]) -> None:
    """
    Ask the pods to try letters again; what has been asked stays asked, whatever becomes of us.

    Raises:
        Fatal: no broker, or no such partition any more (69), or no permission (77).
    """
    topic = settings.kafka.dead_letter_topic
    with connect.ending(settings.kafka):
        async with connect.producing(settings.kafka, suffix="-dead-letters") as producer:
            with anyio.fail_after(_SEND_LIMIT_S):
                there = await producer.partitions_for(topic)
            if gone := {place_of(entry.place)[0] for entry in entries} - set(there):
                text = f"{topic} no longer has partition {min(gone)}: it was made anew; list the letters again"
                raise Fatal(text, code="no-topic", status=Exit.UNAVAILABLE)
            for entry in entries:
                one = mark(entry.named, "requeue")
                with anyio.fail_after(_SEND_LIMIT_S):
                    await producer.send_and_wait(topic, value=one.value, key=one.key, headers=list(one.headers), partition=one.partition)


async def wait(settings: Settings, entries: Sequence[Entry], *, progress: Callable[[int, int], None]) -> list[Entry]:
    """
    Wait until each of `entries` is done or was refused again; return them as they are then.

    Raises:
        Fatal: no broker (69), or no permission (77).
    """
    wanted: list[Place] = [place_of(entry.place) for entry in entries]
    async with connect.asking(settings.kafka, suffix="-dead-letters") as consumer:
        letters = Letters(settings.kafka, consumer)
        await letters.read_all()
        while True:
            now = [entry for place in wanted if (entry := letters.history.get(place)) is not None]
            closed = sum(not entry.is_open for entry in now)
            progress(closed, len(wanted))
            if closed == len(now):
                return now
            await letters.read_more()
