"""A consumer group that others use in another way, on a real Kafka."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import anyio.to_thread
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocol

from consumer.sandbox.brokers.broker import Broker
from consumer.sandbox.town import town
from consumer.settings.load import load
from tests.integration.harness import Stage, staged


@pytest_asyncio.fixture
async def stage(kafka: Broker, topic: str, tmp_path: Path) -> AsyncIterator[Stage]:
    async with town(tmp_path, readers=4) as here, staged(here, kafka, topic, tmp_path) as made:
        yield made


@asynccontextmanager
async def other_in(group: str, stage: Stage) -> AsyncIterator[None]:
    """Someone else's member of a group, who holds all partitions."""
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
        yield
    finally:
        await other.stop()


async def of_group(stage: Stage, *purpose: str) -> tuple[int, str, str]:
    """Ask `check --online` about the group; what it says without its cure, and the cure."""
    checked = await stage.command("check", "--online", *purpose, "--output", "json")
    (found,) = [one for one in json.loads(checked.out) if one["path"] == "kafka.group_id"]
    assert (found["level"] == "error") == (checked.status == 78), checked
    return checked.status, found["what"], found["cure"]


@pytest.mark.parametrize("kind", ["consumer", "connect"])
async def test_a_group_that_others_share_in_another_way_ends_the_pod_at_once_and_check_says_the_same(
    stage: Stage, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pod = stage.pod()
    group = (await anyio.to_thread.run_sync(load, pod.config, {})).kafka.group_id
    monkeypatch.setattr(ConsumerProtocol, "PROTOCOL_TYPE", kind)
    async with other_in(group, stage):
        status, what, cure = await of_group(stage)
        await pod.start(ready=False)
        with anyio.fail_after(60):
            assert await pod.ended() == 78

    said = pod.said()
    assert (status, f"consumer group {group} {what}; {cure}" in said) == (78, True), (what, said)
    assert "can't be joined" in what
    assert cure == "give this consumer a group of its own (kafka.group_id), or stop the other"
    assert "no Kafka broker" not in said

    assert await of_group(stage) == (0, "may be joined", "")
    await stage.touch_all()
    await stage.pod().start()
    await stage.agree()
    assert await of_group(stage) == (0, "may be joined", "")


async def test_a_dry_run_has_a_group_of_its_own_which_check_asks_about(stage: Stage) -> None:
    group = (await anyio.to_thread.run_sync(load, stage.config(), {})).kafka.group_id
    async with other_in(f"{group}-dry-run", stage):
        assert await of_group(stage) == (0, "may be joined", "")
        status, what, _ = await of_group(stage, "--for", "dry-run")
        ended = await stage.command("run", "--dry-run")

    assert (status, ended.status) == (78, 78)
    assert f"consumer group {group}-dry-run {what}" in ended.err, ended
