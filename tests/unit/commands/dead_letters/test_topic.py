"""All of the dead-letter topic, as a command reads it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiokafka import TopicPartition

from consumer.commands.dead_letters.topic import Letters
from consumer.core.errors import Fatal
from consumer.core.events import encode
from consumer.core.model import Event
from consumer.kafka.client import connect
from consumer.settings.model import KafkaSettings
from tests.fakes.letters import user
from tests.fakes.reader import Reader, Row
from tests.simulation.world import LETTERS


def reading(monkeypatch: pytest.MonkeyPatch, reader: Reader) -> Letters:
    async def partitions_of(*_: object) -> list[TopicPartition]:
        return list(reader.at)

    @asynccontextmanager
    async def opened(*_: object, **__: object) -> AsyncIterator[Reader]:
        yield reader

    monkeypatch.setattr(connect, "partitions_of", partitions_of)
    monkeypatch.setattr(connect, "reading", opened)
    return Letters(KafkaSettings(dead_letter_topic=LETTERS.topic))


async def test_a_command_says_which_batch_of_letters_can_not_be_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands behind it is not known, so no list of letters would be whole: 69, and not for want of a broker."""
    letters = reading(monkeypatch, Reader(p0=[Row(0)], p1=ValueError("does not unpack")))
    with pytest.raises(Fatal) as caught:
        await letters.read()

    assert (caught.value.status, "at 1:0 can't be unpacked (ValueError)" in str(caught.value)) == (69, True)


async def test_a_command_passes_over_a_record_that_nobody_expected(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    headers = [("error.code", b"held"), ("source.partition", b"1"), ("parked_at", b"x")]
    letters = reading(monkeypatch, Reader(p0=[Row(0, headers=7), Row(1, headers, encode(Event(user(), "contract.1#update")))]))
    await letters.read()

    assert [one.place for one in letters.history.entries()] == ["0:1"]
    assert ["passed over" in line.getMessage() for line in caplog.records] == [True]
