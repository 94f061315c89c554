"""Reads a topic whole, and a group's commits from the broker's own log of them."""

import struct
from collections import Counter
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition

OFFSETS: Final = "__consumer_offsets"
LIFE: Final = 1000
"""Added to the numbers of a topic's partitions each time that it was made anew: their offsets begin again."""


async def commits_of(bootstrap: str, *, group: str, topic: str) -> list[tuple[float, int, int]]:
    """Return each commit that the broker took, in their order: wall time (s), partition, offset."""
    found: list[tuple[float, int, int]] = []
    lives: Counter[int] = Counter()
    for record in await read_all(bootstrap, OFFSETS):
        place = _place(record.key) if record.key else None
        if place is None or place[:2] != (group, topic):
            continue
        if record.value is None:  # The topic is deleted, and with it what was committed of it.
            lives[place[2]] += 1
        else:
            offset, at_ms = _commit(record.value)
            found.append((at_ms / 1000, place[2] + LIFE * lives[place[2]], offset))
    return sorted(found)


def _place(key: bytes) -> tuple[str, str, int] | None:
    """Return group, topic and partition; None: it is no commit's key. Format: Kafka's OffsetCommitKey, versions 0 and 1."""
    (version,) = struct.unpack_from(">h", key)
    if version not in {0, 1}:
        return None
    group, rest = _text(key, 2)
    topic, rest = _text(key, rest)
    return group, topic, struct.unpack_from(">i", key, rest)[0]


def _commit(value: bytes) -> tuple[int, int]:
    """
    Return the offset and when it was committed (ms). Format: Kafka's OffsetCommitValue, versions 3 and 4.

    Raises:
        ValueError: It is another version.
    """
    version, offset, _epoch = struct.unpack_from(">hqi", value)
    if version == 3:
        rest = _text(value, 14)[1]
    elif version == 4:
        rest = 14 + value[14]  # Of a short text: its length and one more, in a byte.
    else:
        raise ValueError(f"a commit of version {version}")
    return offset, struct.unpack_from(">q", value, rest)[0]


def _text(body: bytes, at: int) -> tuple[str, int]:
    (length,) = struct.unpack_from(">h", body, at)
    return body[at + 2 : at + 2 + length].decode(), at + 2 + length


async def read_all(bootstrap: str, topic: str) -> list[Any]:
    """Return all records of a topic as it is now."""
    reader = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest")
    await reader.start()
    try:
        cluster = await reader._client.fetch_all_metadata()
        partitions = [TopicPartition(topic, number) for number in cluster.partitions_for_topic(topic) or ()]
        if not partitions:
            return []
        reader.assign(partitions)
        ends = await reader.end_offsets(partitions)
        found: list[Any] = []
        while [tp for tp, end in ends.items() if await reader.position(tp) < end]:
            for records in (await reader.getmany(timeout_ms=300)).values():
                found += records
        return found
    finally:
        await reader.stop()
