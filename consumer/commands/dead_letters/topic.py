"""The dead-letter topic as the command needs it: read to its end, shown, and told which letters to try again."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import anyio

from ...core.errors import Exit, Fatal
from ...core.letters.history import Entry, History
from ...core.letters.record import mark
from ...core.model import Place
from ...kafka import rights
from ...kafka.client import connect
from ...kafka.client.failures import Patience, damage, ending
from ...kafka.client.reader import PartitionReader, Poll
from ...settings.model import KafkaSettings, Settings
from ...telemetry.logs import frames, log

_log = log(__name__)
_POLL_MS: Final = 500
_MAX_RECORDS: Final = 5000
_SEND_LIMIT_S: Final = 30.0


class Letters:
    """
    The dead-letter topic, read to its end, and on from there.

    It promises: each record is taken once, over the lives of several consumers; one that fails unexpectedly is said
    and passed over. It joins no group and commits nothing.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        """Take where the topic is."""
        self._settings = settings
        self.history = History()
        self._reader = PartitionReader(
            settings.dead_letter_topic, begin=self._begin, each=self._take_poll, poll_ms=_POLL_MS, max_records=_MAX_RECORDS
        )
        self._ends: Mapping[int, int] = {}
        self._is_enough: Callable[[], bool] = lambda: True

    async def read(self, is_enough: Callable[[], bool] = lambda: True) -> None:
        """
        Read to the end of now, and on until it is enough.

        Args:
            is_enough: asked there, and from then on twice a second at least.

        Raises:
            Fatal: the topic is not there, or a batch can't be unpacked (69): what stands behind it is not known; no broker
                (69; one that was lost is waited for, two minutes), or no permission (77).
        """
        self._is_enough = is_enough
        await self._reader.run(
            lambda: connect.reading(self._settings, suffix="-dead-letters", fetch_max_bytes=connect.FETCH_BYTES),
            Patience(self._settings, step="dead letters"),
        )

    async def _begin(self) -> None:
        partitions = await connect.partitions_of(self._reader.consumer, self._settings.dead_letter_topic, "kafka.dead_letter_topic")
        await self._reader.take_up([tp.partition for tp in partitions])
        self._ends = await self._reader.ends(self._reader.at)
        self._end_if_enough()

    async def _take_poll(self, poll: Poll) -> None:
        self._refuse(poll.damaged)
        for partition, first in poll.gone.items():
            self._reader.go_on(partition, first)
        for partition, records in poll.records.items():
            self._take(partition, records)
        self._end_if_enough()

    def _end_if_enough(self) -> None:
        if all(self._reader.at[partition] >= end for partition, end in self._ends.items()) and self._is_enough():
            self._reader.end()

    def _take(self, partition: int, records: Sequence[Any]) -> None:
        for record in records:
            try:
                self.history.read(Place(partition, record.offset), record.headers, record.value)
            except Exception as error:  # noqa: BLE001 - one record is not worth all others
                _log.error(
                    "letter passed over: our bug",
                    partition=partition,
                    offset=record.offset,
                    error=type(error).__name__,
                    where=frames(error),
                )

    def _refuse(self, damaged: Mapping[int, Exception]) -> None:
        what = [
            f"a batch of {self._settings.dead_letter_topic} at {partition}:{self._reader.at[partition]} can't be unpacked ({damage(error)})"
            for partition, error in damaged.items()
        ]
        if what:
            cure = "let a good replica lead, or wait until retention has taken it; the pods go on with what is before it"
            raise Fatal(f"{'; '.join(what)}: {cure}", code="damaged-letters", status=Exit.UNAVAILABLE)


async def read(settings: Settings, *, requeues: bool = False) -> Sequence[Entry]:
    """
    Return all letters, the oldest first.

    Args:
        requeues: whether letters are to be requeued, so that the right to write is needed, too.

    Raises:
        Fatal: no broker (69), no permission (77), no such topic (69).
    """
    await rights.require(settings.kafka, "dead-letters", writes=requeues)
    letters = Letters(settings.kafka)
    await letters.read()
    return letters.history.entries()


async def requeue(settings: Settings, entries: Sequence[Entry]) -> None:
    """
    Ask the pods to try letters again; what has been asked stays asked, whatever becomes of us.

    Raises:
        Fatal: no broker, or no such partition any more (69), or no permission (77).
    """
    topic = settings.kafka.dead_letter_topic
    with ending(settings.kafka):
        async with connect.producing(settings.kafka, suffix="-dead-letters") as producer:
            with anyio.fail_after(_SEND_LIMIT_S):
                there = await producer.partitions_for(topic)
            if gone := {entry.at.partition for entry in entries} - set(there):
                text = f"{topic} no longer has partition {min(gone)}: it was made anew; list the letters again"
                raise Fatal(text, code="no-topic", status=Exit.UNAVAILABLE)
            for entry in entries:
                one = mark(entry.named, "requeue", now_ms=int(time.time() * 1000))
                with anyio.fail_after(_SEND_LIMIT_S):
                    await producer.send_and_wait(topic, value=one.value, key=one.key, headers=list(one.headers), partition=one.partition)


async def wait(settings: Settings, entries: Sequence[Entry], *, progress: Callable[[int, int], None]) -> list[Entry]:
    """
    Wait until each of `entries` is done or was refused again; return them as they are then.

    Raises:
        Fatal: no broker (69), or no permission (77).
    """
    wanted: list[Place] = [entry.at for entry in entries]
    letters = Letters(settings.kafka)

    def now() -> list[Entry]:
        return [entry for place in wanted if (entry := letters.history.get(place)) is not None]

    def are_closed() -> bool:
        found = now()
        closed = sum(not entry.is_open for entry in found)
        progress(closed, len(wanted))
        return closed == len(found)

    await letters.read(are_closed)
    return now()
