"""The topic watch: whether the topic is still the one that our offsets are of, asked of the brokers every few seconds."""

from collections.abc import Callable, Collection
from typing import Final

import anyio
from aiokafka.errors import KafkaError

from ..telemetry.logs import log
from .client.clients import Member
from .client.metadata import MISSING
from .client.words import said

_log = log(__name__)
_EVERY_S: Final = 5.0
_LIMIT_S: Final = 10.0
_TIMES: Final = 2
"""After an election a partition's end may seem to go back for a moment, so it is believed when seen twice."""


class TopicWatch:
    """
    Knows the topic by its identity, over the lives of several consumers.

    It promises: where the topic was made anew, or the end of a partition went back, our offsets count as lost until
    that is accepted; where brokers are too old to tell topics apart (before Kafka 2.8), one that was missing counts as another.
    """

    def __init__(self, topic: str) -> None:
        """Take the topic's name."""
        self._topic = topic
        # The identity of the log that our offsets are of, and the one seen last; None: not known.
        self._known: bytes | None = None
        self._seen: bytes | None = None
        # Identities that it had before: a broker that does not know yet may still tell one.
        self._former: set[bytes] = set()
        self._are_told = False
        self.missing = False
        """Whether the topic was not there when last looked."""
        # By partition: the highest end seen, and how often in a row a lower one was.
        self._ends: dict[int, tuple[int, int]] = {}

    async def run(self, consumer: Callable[[], Member | None]) -> None:
        """Look for ever, with whatever consumer there is."""
        while True:
            await anyio.sleep(_EVERY_S)
            member = consumer()
            if member is None:
                continue
            try:
                with anyio.fail_after(_LIMIT_S):
                    await self.look(member)
            except (KafkaError, TimeoutError, OSError) as error:
                _log.info("topic not looked at", error=said(error))
            for tp in member.assignment():
                self.end_is(tp.partition, member.highwater(tp))

    async def look(self, consumer: Member) -> None:
        """
        Ask for the topic's identity.

        Raises:
            KafkaError, OSError: as the broker answers.
        """
        seen = await consumer.topic_id(self._topic)
        self._are_told = self._are_told or seen is not None
        if seen == MISSING:
            self.is_missing()
        elif seen is not None and seen not in self._former:
            self._seen, self.missing = seen, False
            self._known = self._known or seen

    def is_missing(self) -> None:
        """Note that the topic is not there."""
        if not self.missing:
            _log.error("topic is missing", topic=self._topic)
        self.missing = True

    def end_is(self, partition: int, end: int | None) -> None:
        """Note a partition's end as a fetch has shown it; None: not known."""
        if end is None:
            return
        highest, times = self._ends.get(partition, (end, 0))
        self._ends[partition] = (highest, times + 1) if end < highest else (end, 0)

    @property
    def is_new(self) -> bool:
        """Return whether the topic is another than that of our offsets."""
        return self._seen != self._known or (self.missing and not self._are_told)

    def lost(self, partitions: Collection[int]) -> list[int]:
        """Return the partitions whose offsets are not to be believed."""
        return [one for one in partitions if self.is_new or self._ends.get(one, (0, 0))[1] >= _TIMES]

    def accept(self, partitions: Collection[int]) -> None:
        """Take the topic as it is: all offsets of ours in `partitions`, which are all we have, are its own."""
        if self._known is not None and self._known != self._seen:
            self._former.add(self._known)
        self._known, self.missing = self._seen, False
        for partition in partitions:
            self._ends.pop(partition, None)
