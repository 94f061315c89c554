"""What `check --online` says of events of unknown type where they are resynced."""

import time
from collections.abc import Callable

import anyio
import pytest

from consumer.commands.check import foreign_types
from consumer.commands.replay.plan import Asked, Range, Scanned
from consumer.core.errors import Fatal
from consumer.settings.findings import Finding
from consumer.settings.model import KafkaSettings
from tests.clock import virtual
from tests.simulation.settings import SETTINGS


class Topic:
    """What a scan finds; or it fails, or never ends."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, found: Scanned | Fatal | None) -> None:
        self.found = found
        self.asked: list[Asked] = []
        monkeypatch.setattr(foreign_types, "resolve", self.resolve)
        monkeypatch.setattr(foreign_types, "scan", self.scan)

    async def resolve(self, _: KafkaSettings, asked: Asked) -> tuple[Range, ...]:
        self.asked.append(asked)
        return (Range(partition=0, start=10, end=90),)

    async def scan(
        self, _: KafkaSettings, found: tuple[Range, ...], *, vendors: list[str], asked: Asked, progress: Callable[[int, int], None]
    ) -> Scanned:
        assert (found[0].offsets, vendors, asked) == (80, ["v1", "v2"], self.asked[-1])
        progress(1, 2)
        if self.found is None:
            await anyio.sleep_forever()
        if isinstance(self.found, Fatal):
            raise self.found
        assert self.found is not None
        return self.found


def brief(finding: Finding) -> tuple[str, str, int, str]:
    assert "ignore" in finding.cure
    return finding.path, finding.level, finding.status, finding.what


async def test_the_rate_is_that_of_a_minute_over_the_last_five(monkeypatch: pytest.MonkeyPatch) -> None:
    found = Scanned(records={0: 900, 1: 600}, unknown_types={"a#b": 10, "c#d": 50})
    topic, before = Topic(monkeypatch, found), time.time()
    finding = await foreign_types.rate(SETTINGS)

    (asked,) = topic.asked
    assert asked.from_ms is not None
    assert int((before - 300) * 1000) <= asked.from_ms <= (time.time() - 300) * 1000
    assert (asked.to_ms, asked.by_time) == (None, True)
    said = "12.0 of 300.0 events a minute are of unknown type, of 2 types, each may cost a resync"
    assert brief(finding) == ("kafka.unknown_types", "warning", 0, said)


async def test_where_there_are_none_no_types_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    Topic(monkeypatch, Scanned())
    _, _, _, said = brief(await foreign_types.rate(SETTINGS))

    assert said == "0.0 of 0.0 events a minute are of unknown type, each may cost a resync"


@pytest.mark.parametrize("found", [Fatal("no broker", code="no-broker", status=69), None])
def test_a_topic_that_can_not_be_read_in_half_a_minute_is_said_and_fails_no_check(
    monkeypatch: pytest.MonkeyPatch, found: Fatal | None
) -> None:
    Topic(monkeypatch, found)

    @virtual
    async def test() -> None:
        finding = None
        with anyio.move_on_after(31):
            finding = await foreign_types.rate(SETTINGS)
        assert finding is not None
        said = "the topic could not be read for the rate of unknown types"
        assert brief(finding) == ("kafka.unknown_types", "warning", 0, said)

    test()
