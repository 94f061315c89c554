"""Whether the brokers still answer a reader."""

from collections.abc import Collection
from typing import Final

from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError

from .clients import Reader

_SILENT_S: Final = 30.0


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
