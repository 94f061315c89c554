"""The topic changes under a running pod, on a real Kafka: it is deleted and made anew, or gets more partitions."""

import signal
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions

from consumer.kafka.client.metadata import MISSING, topic_id
from consumer.sandbox.brokers.broker import Broker
from consumer.sandbox.brokers.topics import create_topic
from consumer.sandbox.publishers import event
from consumer.sandbox.town import PLACES, VENDORS, town
from tests.integration.harness import PARTITIONS, Stage, staged, until

TYPE = "contract.1#update"


@pytest_asyncio.fixture
async def stage(kafka: Broker, topic: str, tmp_path: Path) -> AsyncIterator[Stage]:
    async with town(tmp_path, readers=30) as here, staged(here, kafka, topic, tmp_path) as made:
        yield made


@pytest_asyncio.fixture
async def admin(kafka: Broker) -> AsyncIterator[AIOKafkaAdminClient]:
    client = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await client.start()
    yield client
    await client.close()


async def agrees(stage: Stage, users: list[str]) -> bool:
    return not any(stage.town.wrong(place, set(users)) for place in PLACES[:2])


async def make_anew(stage: Stage, admin: AIOKafkaAdminClient, *, away_s: float) -> None:
    async with AIOKafkaConsumer(bootstrap_servers=stage.kafka.bootstrap) as reader:
        before = await topic_id(reader._client, stage.topic)
        assert before not in {None, MISSING}
        await admin.delete_topics([stage.topic])
        while await topic_id(reader._client, stage.topic) != MISSING:
            await anyio.sleep(0.05)
        await anyio.sleep(away_s)
        await create_topic(stage.kafka.bootstrap, stage.topic, partitions=PARTITIONS)
        while await topic_id(reader._client, stage.topic) in {MISSING, before}:
            await anyio.sleep(0.05)


@pytest.mark.parametrize(
    ("sleeps", "away_s"),
    [
        pytest.param(True, 0.0, id="asleep"),
        pytest.param(False, 0.0, id="awake"),
        pytest.param(False, 12.0, id="missing for long", marks=pytest.mark.long),
    ],
)
async def test_a_topic_made_anew_and_filled_past_the_old_offset_is_read_from_its_beginning(
    stage: Stage, admin: AIOKafkaAdminClient, *, sleeps: bool, away_s: float
) -> None:
    """Asleep, the pod finds another log where its own was, and longer: nothing but the topic's identity tells."""
    pod, (other, *users) = await stage.pod().start(), stage.town.writable(VENDORS[0])
    filler = [event(VENDORS[0], other, TYPE)] * 30
    for partition in range(PARTITIONS):
        await stage.send(filler, partition=partition)

    async def all_done() -> bool:
        return await stage.committed() == dict.fromkeys(range(PARTITIONS), len(filler))

    await until(all_done, what=pod.said, within_s=30)

    if sleeps:
        pod.signal(signal.SIGSTOP)
    await make_anew(stage, admin, away_s=away_s)
    for partition in range(PARTITIONS):
        await stage.send((event(VENDORS[0], user, TYPE) for user in users[partition::PARTITIONS]), partition=partition)
        await stage.send(filler + filler, partition=partition)
    if sleeps:
        pod.signal(signal.SIGCONT)

    await until(lambda: agrees(stage, users), what=pod.said, within_s=60)
    await stage.idle(pod)
    assert stage.town.violations() == []
    assert await pod.stop() == 0


@pytest.mark.long
async def test_new_partitions_are_read_within_half_a_minute(stage: Stage, admin: AIOKafkaAdminClient) -> None:
    pod, users = await stage.pod().start(), stage.town.writable(VENDORS[0])
    await admin.create_partitions({stage.topic: NewPartitions(total_count=PARTITIONS * 2)})
    await anyio.sleep(1)
    await stage.send((event(VENDORS[0], user, TYPE) for user in users), partition=PARTITIONS * 2 - 1)

    await until(lambda: agrees(stage, users), what=pod.said, within_s=32)
