"""Batches that unpack to far more than they are, on a real Kafka, among good ones of any size."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.records_to_delete import RecordsToDelete

from consumer.sandbox.brokers.broker import Broker
from consumer.sandbox.publishers import event
from consumer.sandbox.town import VENDORS, town
from tests.integration.harness import Stage, staged, until

_MIB = 1024 * 1024
_BOMB, _LARGE = 0, 1


@pytest_asyncio.fixture
async def stage(kafka: Broker, topic: str, tmp_path: Path) -> AsyncIterator[Stage]:
    async with town(tmp_path, readers=12) as here, staged(here, kafka, topic, tmp_path) as made:
        yield made


async def send_packed(stage: Stage, values: list[bytes], *, codec: str, partition: int, topic: str = "") -> None:
    """Send one batch."""
    limit = 200 * _MIB
    producer = AIOKafkaProducer(
        bootstrap_servers=stage.kafka.bootstrap,
        compression_type=codec,
        max_batch_size=limit,
        max_request_size=limit,
        request_timeout_ms=60_000,
    )
    await producer.start()
    try:
        batch = producer.create_batch()
        for value in values:
            assert batch.append(timestamp=None, key=None, value=value) is not None
        await (await producer.send_batch(batch, topic or stage.topic, partition=partition))
    finally:
        await producer.stop()


def large(message: bytes) -> bytes:
    """Return an event with a field that nobody reads, as large as an event may be."""
    return json.dumps(json.loads(message) | {"more": "x" * 60_000}).encode()


@pytest.mark.parametrize("codec", ["gzip", "zstd", "lz4"])
async def test_a_batch_that_unpacks_without_end_costs_its_partition_alone(stage: Stage, codec: str) -> None:
    """Before it nothing is lost; a batch as large as may be is read; commands that read the topic say the place."""
    before, *others = sorted(stage.town.readers(VENDORS[0]))
    await stage.send([event(VENDORS[0], before, "contract.1#update")], partition=_BOMB)
    await send_packed(stage, [bytes(100 * _MIB)], codec=codec, partition=_BOMB)
    values = [large(event(VENDORS[0], one, "contract.1#update").value or b"") for one in others]
    await send_packed(stage, (values * 100)[:900], codec=codec, partition=_LARGE)
    await stage.send((event(VENDORS[1], one, "contract.1#update") for one in sorted(stage.town.readers(VENDORS[1]))), partition=2)
    pod = await stage.pod().start()

    await stage.agree()

    async def is_left_out() -> bool:
        status = await pod.status()
        return status is not None and [one.partition for one in status.partitions if one.out] == [_BOMB]

    await until(is_left_out, what=pod.said, within_s=30)
    lines = [line for line in pod.log.read_text(encoding="utf-8").splitlines() if "partition left out" in line]
    assert len(lines) == 1
    assert all(word in lines[0] for word in ("it unpacks to more than 64 MiB", "kafka-delete-records.sh")), lines
    assert await pod.is_live()
    assert await pod.is_ready()

    async def all_but_it_is_committed() -> bool:
        committed = await stage.committed()
        return (committed[_BOMB], committed[_LARGE]) == (1, 900)

    await until(all_but_it_is_committed, what=pod.said, within_s=30)

    said = await stage.command("replay", "--from-offset", f"{_BOMB}:0", "--to-offset", f"{_BOMB}:2", "--yes")
    assert said.status == 69, said
    assert f"the batch at {_BOMB}:1 is damaged (it unpacks to more than 64 MiB)" in said.err + said.out
    assert await pod.stop() == 0


@pytest.mark.long
async def test_what_the_cure_says_heals_it(stage: Stage) -> None:
    await send_packed(stage, [bytes(100 * _MIB)], codec="zstd", partition=_BOMB)
    pod = await stage.pod().start()

    async def out(wanted: list[int]) -> bool:
        status = await pod.status()
        return status is not None and [one.partition for one in status.partitions if one.out] == wanted

    await until(lambda: out([_BOMB]), what=pod.said, within_s=30)
    admin = AIOKafkaAdminClient(bootstrap_servers=stage.kafka.bootstrap)
    await admin.start()
    try:
        await admin.delete_records({TopicPartition(stage.topic, _BOMB): RecordsToDelete(before_offset=1)})
    finally:
        await admin.close()
    await stage.send(
        (event(vendor, one, "contract.1#update") for vendor in VENDORS for one in sorted(stage.town.readers(vendor))), partition=_BOMB
    )
    await until(lambda: out([]), what=pod.said, within_s=90)
    await stage.agree()
