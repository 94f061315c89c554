"""All of the dead-letter topic, as a command reads it."""

import pytest

from consumer.commands.dead_letters.topic import Letters
from consumer.core.errors import Fatal
from consumer.core.events import encode
from consumer.core.model import Event
from consumer.kafka.client import connect
from consumer.kafka.client.unpacking import UnpacksTooLarge
from consumer.settings.model import KafkaSettings
from tests.fakes.letters import user
from tests.fakes.topic import Part, Topic


def reading(monkeypatch: pytest.MonkeyPatch, *parts: Part) -> Letters:
    monkeypatch.setattr(connect, "reading", Topic(*parts, name="letters").reading)
    return Letters(KafkaSettings(dead_letter_topic="letters"))


@pytest.mark.parametrize(
    ("error", "why"), [(ValueError("does not unpack"), "it can't be read"), (UnpacksTooLarge(), "it unpacks to more than 64 MiB")]
)
async def test_a_command_says_which_batch_of_letters_can_not_be_unpacked(
    monkeypatch: pytest.MonkeyPatch, error: Exception, why: str
) -> None:
    """What stands behind it is not known, so no list of letters would be whole: 69, and not for want of a broker."""
    good, bad = Part(), Part()
    good.add(None)
    bad.damage(bad.add(None), error)
    letters = reading(monkeypatch, good, bad)
    with pytest.raises(Fatal) as caught:
        await letters.read()

    assert (caught.value.status, f"at 1:0 can't be unpacked ({why})" in str(caught.value)) == (69, True)


async def test_a_command_passes_over_a_record_that_nobody_expected(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    headers = [("error.code", b"held"), ("source.partition", b"1"), ("parked_at", b"x")]
    part = Part()
    part.add(None, headers=7)
    part.add(encode(Event(user(), "contract.1#update")), headers)
    letters = reading(monkeypatch, part)
    await letters.read()

    assert [one.place for one in letters.history.entries()] == ["0:1"]
    assert ["passed over" in line.getMessage() for line in caplog.records] == [True]
