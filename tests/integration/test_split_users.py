"""One user with open events on two partitions of a real Kafka, as publishers with different keys bring them: said, and written."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from consumer.core.model import UserKey
from consumer.core.partitioner import partition_of, usual_key
from consumer.sandbox.brokers.broker import Broker
from consumer.sandbox.publishers import Message, event
from consumer.sandbox.stand_ins.faults import Fault
from consumer.sandbox.town import PLACES, VENDORS, town
from tests.integration.harness import PARTITIONS, Stage, staged, until


@pytest_asyncio.fixture
async def stage(kafka: Broker, topic: str, tmp_path: Path) -> AsyncIterator[Stage]:
    async with town(tmp_path, readers=20) as here, staged(here, kafka, topic, tmp_path) as made:
        yield made


async def test_a_user_that_two_publishers_key_differently_is_counted_said_once_and_written(stage: Stage) -> None:
    """Users of one key alone are not counted; no line names a user."""
    vendor, users = VENDORS[0], stage.town.writable(VENDORS[0])
    apart = [
        user for user in users if partition_of(user.encode(), PARTITIONS) != partition_of(usual_key(UserKey(vendor, user)), PARTITIONS)
    ]
    assert apart
    first = [event(vendor, user, "contract.1#update") for user in users]
    second = [Message(user.encode(), message.value) for user, message in zip(users, first, strict=True) if user in apart]
    # What waits for Sesamy stays open, however slowly the partitions are read.
    stage.town.sesamy.faults.add(Fault(kind="status", upstream=vendor, status=503))
    await stage.send([*first, *second])
    pod = await stage.pod().start()

    async def is_counted() -> bool:
        return f'sesamy_makeas_split_events_total{{vendor="{vendor}"}} {len(apart)}.0' in await pod.metrics()

    await until(is_counted, what=pod.said, within_s=30)
    stage.town.sesamy.faults.clear()
    await until(lambda: _agrees(stage, users), what=pod.said, within_s=60)
    await stage.idle(pod)
    assert await is_counted()
    assert f'sesamy_makeas_split_events_total{{vendor="{VENDORS[1]}"}} 0.0' in await pod.metrics()
    (line,) = (one for one in pod.log.read_text(encoding="utf-8").splitlines() if '"users split over partitions"' in one)
    said = json.loads(line)
    assert (said["level"], said["vendor"], 1 <= said["count"] <= len(apart)) == ("warning", vendor, True)
    assert "two publishers with different keys" in said["cause"]
    assert "murmur2" in said["cure"]
    assert not [user for user in users if user in line]


async def _agrees(stage: Stage, users: list[str]) -> bool:
    return not any(stage.town.wrong(place, set(users)) for place in PLACES[:2])
