"""A dry run beside a real pod, on a real Kafka: it reads and says all, and moves nothing but offsets of its own."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from consumer.sandbox.brokers.broker import Broker
from consumer.sandbox.publishers import poison
from consumer.sandbox.town import town
from tests.integration.harness import PARTITIONS, Pod, Stage, staged

READS = {"contact", "by_id", "list", "leavers"}


@pytest_asyncio.fixture
async def stage(kafka: Broker, topic: str, tmp_path: Path) -> AsyncIterator[Stage]:
    async with town(tmp_path, readers=20) as here, staged(here, kafka, topic, tmp_path) as made:
        yield made


def dry(pod: Pod) -> Pod:
    pod.command += ["--dry-run", "--rate-share", "1"]
    return pod


def writes(stage: Stage) -> dict[tuple[str, str], int]:
    return {(account, op): count for (account, op), count in stage.town.makeas.calls.items() if op not in READS}


async def committed(stage: Stage, group: str) -> list[int | None]:
    reader = AIOKafkaConsumer(bootstrap_servers=stage.kafka.bootstrap, group_id=group, enable_auto_commit=False)
    await reader.start()
    try:
        return [await reader.committed(TopicPartition(stage.topic, partition)) for partition in range(PARTITIONS)]
    finally:
        await reader.stop()


async def topics(stage: Stage) -> set[str]:
    admin = AIOKafkaAdminClient(bootstrap_servers=stage.kafka.bootstrap)
    await admin.start()
    try:
        return set(await admin.list_topics())
    finally:
        await admin.close()


async def test_a_dry_run_alone_says_what_would_be_written_and_writes_nothing_anywhere(stage: Stage) -> None:
    await stage.touch_all()
    await stage.send([poison()[0]], partition=1)
    pod = dry(stage.pod())
    pod.config.write_text(pod.config.read_text(encoding="utf-8").replace("[admin]", 'start_at = "earliest"\n\n[admin]'), encoding="utf-8")
    await pod.start()
    await stage.idle(pod)

    status = await pod.status()
    assert status is not None
    assert status.dry_run
    assert (status.dead_letters.written, {one.last_write_at for one in status.lists}) == (0, {None})
    assert writes(stage) == {}
    assert f"{stage.topic}.dead-letter" not in await topics(stage)
    lines = [json.loads(line) for line in pod.log.read_text(encoding="utf-8").splitlines()]
    assert [line["event"].partition(":")[0] for line in lines[:2]] == ["starting", "dry run"]
    events = [one["event"] for one in lines]
    assert events.count("would park") == 1
    told = {(one["vendor"], one["user"]) for one in lines if one["event"] == "would write"}
    assert told == {(vendor, user) for vendor in stage.town.sesamy.users for user in stage.town.writable(vendor)}
    counted = re.findall(r"^sesamy_makeas_would_write_total\{.*\} (\d+)", await pod.metrics(), flags=re.MULTILINE)
    assert sum(map(int, counted)) > 0
    group = f"readers-of-{stage.topic}"
    assert sum(one or 0 for one in await committed(stage, f"{group}-dry-run")) > 0
    assert await committed(stage, group) == [None] * PARTITIONS
    assert await pod.stop() == 0


async def test_a_dry_run_beside_a_real_pod_leaves_it_its_partitions_and_its_offsets(stage: Stage) -> None:
    """The real one has written all before: so to the dry one, which asks later, nothing of it differs but what can't be read back."""
    real = await stage.pod().start()
    beside = await dry(stage.pod()).start()
    await stage.touch_all()
    await stage.idle(real)
    await stage.agree()
    group = f"readers-of-{stage.topic}"
    before = await committed(stage, group)
    assert await real.stop() == 0
    written = writes(stage)

    await stage.touch_all()
    await stage.idle(beside)

    own = await committed(stage, f"{group}-dry-run")
    assert (writes(stage), await committed(stage, group)) == (written, before)
    assert sum(one or 0 for one in own) == 2 * sum(one or 0 for one in before)
    status = await beside.status()
    assert status is not None
    assert len(status.partitions) == PARTITIONS
