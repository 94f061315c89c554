"""Brokers that end, stand still or are gone for long; topics and rights that change under the group; records that nobody can read."""

import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import anyio
import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.partitioner import DefaultPartitioner

from consumer.sandbox.publishers import event, happen, poison
from consumer.sandbox.stand_ins.faults import Fault
from consumer.sandbox.town import PLACES, VENDORS
from tests.faults.cluster import NODES
from tests.faults.kafkas import TOPIC, at_rest, comes_true, on_cluster, on_own_broker, said, writes
from tests.faults.matrix import end, play, row
from tests.faults.scene import Scene
from tests.faults.told import counted
from tests.faults.topics import read_all
from tests.history.operations import Sent
from tests.integration.harness import PARTITIONS, until
from tests.integration.test_topic_anew import make_anew

_BATCH_BYTES: Final = 1_048_000
_NEIGHBOURS: Final = 3


@asynccontextmanager
async def administering(scene: Scene) -> AsyncIterator[AIOKafkaAdminClient]:
    client = AIOKafkaAdminClient(bootstrap_servers=scene.kafka.bootstrap)
    await client.start()
    try:
        yield client
    finally:
        await client.close()


# ---- Brokers ----


@row("F01", "the only broker is killed", "SIGKILL, and started again after 8 s; the session lasts 6 s")
async def test_the_only_broker_is_killed(tmp_path: Path) -> None:
    async with on_own_broker(tmp_path) as scene:
        await play(scene, "F01", lambda: _away(scene, for_s=8.0))
        _met_and_alive(scene)


@row("X02", "the only broker is away for long", "SIGKILL, and started again after 90 s; the session lasts 6 s")
async def test_the_only_broker_is_away_for_long(tmp_path: Path) -> None:
    """Nobody gives up."""
    async with on_own_broker(tmp_path) as scene:
        await play(scene, "X02", lambda: _away(scene, for_s=90.0))
        _met_and_alive(scene)


async def _away(scene: Scene, *, for_s: float) -> None:
    await scene.kafka.kill()
    await anyio.sleep(for_s)
    await scene.kafka.start()


def _met_and_alive(scene: Scene) -> None:
    assert said(scene, "commit failed") == 2
    assert len(scene.alive) == 2
    assert said(scene, "a part of the pod has ended") == 0


@row("F03", "the broker stands still", "SIGSTOP for 15 s, its connections half open; a request's limit is 10 s, the session lasts 6 s")
async def test_the_broker_stands_still(tmp_path: Path) -> None:
    """Requests end by their limit, and nothing hangs."""
    async with on_own_broker(tmp_path) as scene:

        async def trouble() -> None:
            assert scene.kafka.pid is not None
            os.kill(scene.kafka.pid, signal.SIGSTOP)
            try:
                await anyio.sleep(15)
                for pod in scene.alive:
                    assert await pod.is_live()
            finally:
                os.kill(scene.kafka.pid, signal.SIGCONT)

        await play(scene, "F03", trouble)

        _met_and_alive(scene)


@pytest.mark.timeout(400)
@row("F02", "three brokers are bounced one by one", "each is ended, the group's coordinator by SIGKILL, and started again")
async def test_three_brokers_are_bounced_one_by_one(tmp_path: Path) -> None:
    """A group whose coordinator and leaders move loses nobody."""
    async with on_cluster(tmp_path) as (scene, kafkas):
        group = f"readers-of-{TOPIC}"
        coordinators: list[int] = []

        async def trouble() -> None:
            coordinators.append(await kafkas.coordinator_of(group))
            for number in NODES:
                if number == await kafkas.coordinator_of(group):
                    await kafkas.kill(number)
                else:
                    await kafkas.stop(number)
                coordinators.append(await kafkas.coordinator_of(group))
                assert number not in {coordinators[-1], await kafkas.leader_of(TOPIC, 0)}
                await anyio.sleep(2)
                await kafkas.start(number)
                await kafkas.in_sync(TOPIC)

        await play(scene, "F02", trouble)

        assert len(set(coordinators)) > 1
        assert len(scene.alive) == 2


# ---- Topics ----


@row("F07", "the topic grows", "from four partitions to eight under load; a user's events come on another one from then on")
async def test_the_topic_grows(scene: Scene) -> None:
    async def trouble() -> None:
        async with administering(scene) as admin:
            await admin.create_partitions({scene.topic: NewPartitions(total_count=PARTITIONS * 2)})
        await comes_true(lambda: _on_new_ones(scene) > 0, what="events on new partitions", within_s=60)

        async def all_are_owned() -> bool:
            told = [await pod.status() for pod in scene.alive]
            return sum(len(one.partitions) for one in told if one is not None) == PARTITIONS * 2

        await until(all_are_owned, what=lambda: "somebody reads each partition", within_s=60)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_look_again, scene)
        await play(scene, "F07", trouble)
        tasks.cancel_scope.cancel()

    assert _on_new_ones(scene) > 10


def _on_new_ones(scene: Scene) -> int:
    return sum(isinstance(op, Sent) and op.partition >= PARTITIONS for op in scene.recorder.operations)


async def _look_again(scene: Scene) -> None:
    """Let publishers hear of new partitions soon."""
    while True:
        await anyio.sleep(1)
        await scene._producer.client.force_metadata_update()


@row("X01", "the topic is made anew", "it is deleted under two pods, created again, and filled past the old offsets")
async def test_the_topic_is_made_anew(scene: Scene) -> None:
    """Offsets of a log that is gone are never taken for those of the new one; the pods say so and read it from its beginning."""
    for _ in range(2):
        await scene.pod().start()
    await scene.touch_all(times=2)
    await at_rest(scene)
    async with anyio.create_task_group() as tasks, administering(scene) as admin:
        tasks.start_soon(scene.watch)
        await make_anew(scene, admin, away_s=0.0)
        scene.recorder.anew()
        await scene.touch_all(times=4)
        scene.heal()
        await end(scene, "X01")
        tasks.cancel_scope.cancel()

    assert said(scene, "topic made anew: read from its beginning") == 2
    assert len(scene.alive) == 2


@row("F10", "retention takes what was not read", "both pods stopped, every user changed twice, all records deleted, the pods started again")
async def test_retention_takes_what_was_not_read(scene: Scene) -> None:
    """How many records are lost is told, to the last one; all others are read."""
    pods = [await scene.pod().start() for _ in range(2)]
    await scene.touch_all()
    await at_rest(scene)
    for pod in pods:
        assert await pod.stop() == 0
    committed = {partition: offset or 0 for partition, offset in (await scene.committed()).items()}
    await scene.touch_all(times=2)
    async with administering(scene) as admin:
        every = {TopicPartition(scene.topic, p): RecordsToDelete(before_offset=-1) for p in range(PARTITIONS)}
        await admin.delete_records(every)
    ends = {
        p: 1 + max(op.offset for op in scene.recorder.operations if isinstance(op, Sent) and op.partition == p) for p in range(PARTITIONS)
    }
    lost = scene.recorder.take_away(ends, committed=committed)

    async def trouble() -> None:
        async def is_told() -> bool:
            return await counted(scene, "offset_gap_records") == lost

        await until(is_told, what=lambda: f"{lost} are told", within_s=30)

    await play(scene, "F10", trouble)

    assert lost > 2 * len(scene.town.readers(VENDORS[0]))
    assert await counted(scene, "offset_resets") == sum(ends[p] > committed[p] for p in range(PARTITIONS))
    assert said(scene, "offset out of range") > 0


# ---- Records ----


@row("F08", "records that nobody can read", "sixteen kinds, each at every position of a batch of good ones, and tombstones, at once")
async def test_records_that_nobody_can_read(scene: Scene) -> None:
    """Each is parked once, tombstones are counted, and the neighbours in the batch are written."""
    good = b'{"eventType":"contract.1#update","vendorId":"v","userId":"'
    bad = [*(one.value or b"" for one in poison()), good + b"u" * 1_000_000 + b'"}']
    tombstones = 0

    async def trouble() -> None:
        nonlocal tombstones
        neighbours = _by_partition(scene)
        async with AIOKafkaProducer(bootstrap_servers=scene.kafka.bootstrap, acks="all", max_batch_size=_BATCH_BYTES) as producer:
            for number, value in enumerate(bad):
                partition = number % PARTITIONS
                for position in range(_NEIGHBOURS + 1):
                    users = scene.chance.sample(neighbours[partition], _NEIGHBOURS)
                    await _send_batch(scene, producer, partition, users, bad=value, position=position)
            for partition in range(PARTITIONS):
                await producer.send_and_wait(scene.topic, value=None, key=b"nobody", partition=partition)
                tombstones += 1

    await play(scene, "F08", trouble)

    sent = {(op.partition, op.offset) for op in scene.recorder.operations if isinstance(op, Sent) and not op.user}
    letters = await read_all(scene.kafka.bootstrap, f"{scene.topic}.dead-letter")
    told = [{name: value.decode() for name, value in one.headers} for one in letters]
    parked = [(int(one["source.partition"]), int(one["source.offset"])) for one in told]
    assert len(parked) == len(sent) == len(bad) * (_NEIGHBOURS + 1)
    assert set(parked) == sent
    assert {one.value for one in letters} <= {None, b""}
    assert await counted(scene, "records", outcome="poison") == len(sent)
    assert await counted(scene, "records", outcome="tombstone") == tombstones


def _by_partition(scene: Scene) -> dict[int, list[tuple[str, str]]]:
    """Return vendor and user of all readers, by where their key belongs."""
    every, place = list(range(PARTITIONS)), DefaultPartitioner()
    found: dict[int, list[tuple[str, str]]] = {partition: [] for partition in every}
    for vendor in VENDORS:
        for user in sorted(scene.town.readers(vendor)):
            found[place(f"{vendor}|{user}".encode(), every, every)].append((vendor, user))
    return found


async def _send_batch(
    scene: Scene, producer: AIOKafkaProducer, partition: int, users: list[tuple[str, str]], *, bad: bytes, position: int
) -> None:
    """Put a batch of these users' events on the topic, and `bad` at its position in it."""
    batch, names = producer.create_batch(), []
    for place in range(len(users) + 1):
        if place == position:
            assert batch.append(key=b"poison", value=bad, timestamp=None) is not None
            names.append("")
        if place < len(users):
            vendor, user = users[place]
            happen(scene.town.sesamy, vendor, user, scene.chance)
            scene.recorder.change(vendor, user)
            message = event(vendor, user, "contract.1#update")
            assert batch.append(key=message.key, value=message.value, timestamp=None) is not None
            names.append(f"{vendor}|{user}")
    batch.close()
    at = time.time()
    put = await (await producer.send_batch(batch, scene.topic, partition=partition))
    for place, name in enumerate(names):
        scene.recorder.sent(at, partition, put.offset + place, name)


# ---- Rights ----


@row(
    "F36", "the dead-letter topic is gone", "it is deleted under load while a list refuses a user, and created again once the pods are red"
)
async def test_the_dead_letter_topic_is_gone(scene: Scene) -> None:
    """What can't be parked is not committed past; others go on, and whoever asks is told."""
    vendor, account = PLACES[1].vendor, PLACES[1].account
    user = scene.town.reader(vendor)
    email = scene.town.address(vendor, user)

    async def trouble() -> None:
        letters = f"{scene.topic}.dead-letter"
        async with administering(scene) as admin:
            await admin.delete_topics([letters])
            scene.town.makeas.faults.add(Fault(kind="status", upstream=account, user=email, status=422))
            scene.hopeless.add((account, f"{vendor}|{user}"))
            await scene.change(vendor, user)
            since = time.time()

            async def is_red() -> bool:
                told = [await pod.status() for pod in scene.alive]
                return any(one is not None and not one.ready and not one.dead_letters.writable for one in told)

            await until(is_red, what=lambda: "whose letter can't be written is red", within_s=60)
            assert writes(scene, since=since + 2, before=time.time()) > 10
            await admin.create_topics([NewTopic(letters, 1, 1)])

    await play(scene, "F36", trouble)

    assert said(scene, "dead-letter topic takes no letters") > 0
    assert await counted(scene, "dead_letters") > 0
