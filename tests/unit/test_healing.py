"""Who follows the dead-letter topic tells a damaged batch, which is waited out, from a fault of ours, which is not."""

from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import CorruptRecordException

from consumer.gates import Gates
from consumer.healing import Healing
from tests.simulation.world import LETTERS


class Reader:
    """A consumer whose one poll ends as the test says."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    def assign(self, _: list[TopicPartition]) -> None: ...

    def seek(self, _: TopicPartition, offset: int) -> None: ...

    async def beginning_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, 0)

    end_offsets = beginning_offsets

    async def getmany(self, **_: int) -> Any:
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


@pytest.mark.parametrize(
    ("answer", "raised"),
    [
        (ValueError("a batch that does not unpack"), CorruptRecordException),
        (ConnectionResetError("the network"), ConnectionResetError),
        ({LETTERS: ["no record"]}, AttributeError),
    ],
)
async def test_only_what_the_client_raises_is_a_damaged_batch(answer: Any, raised: type[Exception]) -> None:
    async def partitions(_: object) -> list[TopicPartition]:
        return [LETTERS]

    nobody: Any = None
    reader: Any = Reader(answer)
    healing = Healing(
        topic=LETTERS.topic,
        schedule=nobody,
        gates=Gates({}, {}),
        accounts={},
        owned=tuple,
        epoch=lambda: 0,
        reading=nobody,
        partitions=partitions,
        marks=nobody,
        ring=lambda: None,
    )
    with pytest.raises(raised):
        await healing._follow(reader)
