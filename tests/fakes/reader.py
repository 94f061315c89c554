"""A consumer without a group, which holds rows or what its next batch raises."""

from typing import Any

import anyio
from aiokafka import TopicPartition

from tests.simulation.world import LETTERS


class Row:
    """A record of the client's."""

    def __init__(self, offset: int, headers: Any = (), value: bytes | None = None) -> None:
        self.offset, self.headers, self.value, self.key, self.timestamp = offset, headers, value, b"k", 0


class Reader:
    """A consumer with some partitions; each holds rows, or what its next batch raises."""

    def __init__(self, **at: Any) -> None:
        self.at = {TopicPartition(LETTERS.topic, int(name[1:])): rows for name, rows in at.items()}
        self.next = dict.fromkeys(self.at, 0)
        self.polls = 0

    async def partitions(self, _: object) -> list[TopicPartition]:
        return list(self.at)

    def assign(self, _: list[TopicPartition]) -> None: ...

    def seek(self, tp: TopicPartition, offset: int) -> None:
        self.next[tp] = offset

    def position_now(self, tp: TopicPartition) -> int:
        return self.next[tp]

    def last_poll_timestamp(self, _: TopicPartition) -> int:
        return self.polls

    async def beginning_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, 0)

    async def end_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return {tp: len(rows) if isinstance(rows := self.at[tp], list) else 7 for tp in partitions}

    async def getmany(self, *asked: TopicPartition, **_: int) -> Any:
        """Throw away what others have where one fails, as the client does."""
        self.polls += 1
        await anyio.sleep(0.001)
        found = {}
        for tp in asked or self.at:
            rows = self.at[tp]
            start, self.next[tp] = self.next[tp], len(rows) if isinstance(rows, list) else 7
            if isinstance(rows, Exception):
                raise rows
            if rows[start:]:
                found[tp] = rows[start:]
        return found
