"""Finds the partition whose batch can't be unpacked: what the client raises does not name it."""

from collections.abc import Mapping
from contextlib import suppress
from gzip import BadGzipFile
from typing import Final

from aiokafka import TopicPartition
from aiokafka.errors import OffsetOutOfRangeError

from .clients import Reader
from .connect import DAMAGED

_ANSWER_MS: Final = 1000
"""A partition that is asked alone and gives no error for so long has answered: nothing is there."""


def is_damage(error: Exception) -> bool:
    """Say whether what a poll raised (one of `DAMAGED`) is about a batch, and not about the network."""
    return not isinstance(error, OSError) or isinstance(error, BadGzipFile)


async def damaged(consumer: Reader, positions: Mapping[TopicPartition, int]) -> dict[TopicPartition, Exception]:
    """
    Ask each partition alone; return those whose next batch can't be unpacked.

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
