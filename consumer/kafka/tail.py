"""The topic's end, read outside the group: for commands that write beside the pods."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import anyio

from ..core.errors import Retryable, Unreadable
from ..core.events import Unknown, decode
from ..core.model import Event
from ..core.users.settling import Settling
from ..settings.model import KafkaSettings
from ..telemetry.fences import fenced
from ..telemetry.logs import log
from .client import connect
from .client.failures import Patience, cure
from .client.metadata import MISSING
from .client.reader import PartitionReader, Poll
from .client.words import said

_log = log(__name__)
_POLL_MS: Final = 100
_MAX_RECORDS: Final = 2000
_METADATA_MS: Final = 5000


class Tail:
    """
    Follows the topic from its end on, and tells `Settling` what it reads.

    It promises: nothing is read twice or left out, over the lives of several consumers; where records are gone
    before they were read, can't be unpacked, or the topic was made anew, `Settling` is told so. It joins no group and commits nothing.
    """

    def __init__(self, settings: KafkaSettings, settling: Settling) -> None:
        """Take where the topic is, and what is told of its events."""
        self._settings, self._settling = settings, settling
        self._followed = (Event, Unknown) if settings.unknown_types == "resync" else Event
        self._ready = anyio.Event()
        # What tells the topic from another of its name; None: not known.
        self._topic_id: bytes | None = None
        self._reader = PartitionReader(settings.topic, begin=self._begin, each=self._take_poll, poll_ms=_POLL_MS, max_records=_MAX_RECORDS)

    async def ready(self) -> None:
        """Return once every event from now on will be seen."""
        await self._ready.wait()

    async def run(self) -> None:
        """
        Follow for ever, with a new consumer wherever one is lost.

        Raises:
            Fatal: the topic is not there, no permission, or no broker: at the start at once, later after two minutes.
        """
        await self._reader.run(
            lambda: connect.reading(self._settings, suffix="-tail", metadata_max_age_ms=_METADATA_MS),
            Patience(self._settings, step="tail"),
        )

    async def _begin(self) -> None:
        await self._take_all_up()
        await self._look_at_topic()
        self._ready.set()

    async def _take_all_up(self) -> None:
        """Take all partitions: new ones from their first record on, unless this is the start."""
        partitions = [tp.partition for tp in await connect.partitions_of(self._reader.consumer, self._settings.topic)]
        await self._reader.take_up(partitions, at_end=not self._reader.at)
        self._tell_where()

    async def _take_poll(self, poll: Poll) -> None:
        for partition, earliest in poll.gone.items():
            _log.error("offset out of range", partition=partition, next_offset=earliest)
            self._go_on_at(partition, earliest)
        await self._pass_by(poll.damaged)
        for partition, records in poll.records.items():
            self._take(partition, records)
        self._tell_where()
        users = self._settling.to_ask()
        if users:
            # First: where it was made anew and filled meanwhile, its ends tell nothing of what was read.
            await self._look_at_topic()
            self._settling.end_is(users, await self._reader.ends(self._reader.at))
        if len(self._reader.consumer.partitions_for_topic(self._settings.topic) or ()) > len(self._reader.at):
            await self._take_all_up()

    async def _look_at_topic(self) -> None:
        """Begin at the first records where the topic was made anew: what the one before it had may not have been read to its end."""
        seen = await self._reader.consumer.topic_id(self._settings.topic)
        if seen in {None, MISSING, self._topic_id}:
            return
        if self._topic_id is not None:
            _log.error("topic was made anew", topic=self._settings.topic)
            for partition, first in (await self._reader.firsts(self._reader.at)).items():
                self._go_on_at(partition, first)
            self._tell_where()
        self._topic_id = seen

    async def _pass_by(self, damaged: Mapping[int, Exception]) -> None:
        """Go on at the end of now where a batch is damaged."""
        for partition, end in (await self._reader.ends(damaged)).items() if damaged else ():
            error = damaged[partition]
            _log.error("a damaged batch is passed by", partition=partition, next_offset=end, error=said(error), cause=cure(error))
            self._go_on_at(partition, end)

    def _go_on_at(self, partition: int, offset: int) -> None:
        """Go on behind records that can't be read: they may have been of any user."""
        self._settling.missed(partition)
        self._reader.go_on(partition, offset)

    def _take(self, partition: int, records: Sequence[Any]) -> None:
        for record in records:
            try:
                with fenced("record"):
                    event = decode(record.value)
            except Unreadable:
                continue
            except Retryable:  # Its user is not known.
                self._settling.missed(partition)
                continue
            # Where pods pass a type over, no run of theirs follows its event.
            if isinstance(event, self._followed):
                self._settling.seen(event.user, partition, record.offset)

    def _tell_where(self) -> None:
        for partition, offset in self._reader.at.items():
            self._settling.read(partition, offset)
