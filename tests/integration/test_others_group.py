"""A consumer group that others use in another way, on a real Kafka."""

from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import anyio.to_thread
import pytest_asyncio
from aiokafka import AIOKafkaConsumer
from aiokafka.coordinator.assignors.range import RangePartitionAssignor

from consumer.sandbox.brokers.broker import Broker
from consumer.sandbox.town import town
from consumer.settings.load import load
from tests.integration.harness import Stage, staged


@pytest_asyncio.fixture
async def stage(kafka: Broker, topic: str, tmp_path: Path) -> AsyncIterator[Stage]:
    async with town(tmp_path, readers=4) as here, staged(here, kafka, topic, tmp_path) as made:
        yield made


async def test_a_group_in_which_another_assignor_is_used_ends_the_pod_at_once_and_says_so(stage: Stage) -> None:
    pod = stage.pod()
    group = (await anyio.to_thread.run_sync(load, pod.config, {})).kafka.group_id
    other = AIOKafkaConsumer(
        stage.topic,
        bootstrap_servers=stage.kafka.bootstrap,
        group_id=group,
        partition_assignment_strategy=(RangePartitionAssignor,),
        enable_auto_commit=False,
    )
    await other.start()
    try:
        while not other.assignment():
            await anyio.sleep(0.1)
        await pod.start(ready=False)
        with anyio.fail_after(60):
            assert await pod.ended() == 78
    finally:
        await other.stop()

    said = pod.said()
    assert f"consumer group {group} can't be joined" in said
    assert "give this consumer a group of its own (kafka.group_id), or stop the other" in said
    assert "no Kafka broker" not in said

    await stage.touch_all()
    await stage.pod().start()
    await stage.agree()
