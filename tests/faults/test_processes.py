"""Pods that are killed, stopped, suspended, held up, and that come and go."""

import json
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

import anyio
from aiokafka import AIOKafkaConsumer
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor

from consumer.sandbox.brokers.broker import broker
from consumer.sandbox.brokers.topics import create_topic
from consumer.sandbox.stand_ins.faults import Fault
from consumer.sandbox.town import town
from tests.faults.matrix import play, row
from tests.faults.scene import PARTITIONS, Scene, ScenePod
from tests.faults.scene import scene as setting
from tests.history.operations import Called, Wrote
from tests.integration.harness import until
from tests.mutants.mutants import ROOT

_LAG = "sesamy_makeas_loop_lag_seconds_sum"
_ALERT_SHARE = 0.1
"""Of its time a loop stands still, by the alert SesamyMakeasLoopBlocked."""


@row("F11", "a pod is killed", "SIGKILL of one of two pods, three times, another started each time")
async def test_a_pod_is_killed(scene: Scene) -> None:
    async def trouble() -> None:
        for _ in range(3):
            await anyio.sleep(scene.chance.uniform(0.5, 1.5))
            await scene.alive[0].kill()
            await scene.pod().start(ready=False)

    await play(scene, "F11", trouble)


@row(
    "F12",
    "a pod is told to stop",
    "SIGTERM under load; twice while writes hang; once while the broker is killed (-9), which comes back after it has ended",
)
async def test_a_pod_is_told_to_stop(tmp_path: Path) -> None:
    topic = "told-to-stop"
    async with broker("jvm") as kafka, town(tmp_path, readers=12) as here:
        await create_topic(kafka.bootstrap, topic, partitions=PARTITIONS)
        async with setting(here, kafka, topic, tmp_path) as scene:

            async def trouble() -> None:
                assert await scene.alive[0].stop() == 0
                await scene.pod().start()
                await _stop_twice(scene, scene.alive[0])
                await scene.pod().start()
                await kafka.kill()
                leaver = scene.alive[0]
                assert await leaver.stop() == 0, leaver.said()
                await kafka.start()

            await play(scene, "F12", trouble)


async def _stop_twice(scene: Scene, pod: ScenePod) -> None:
    """Let a pod drain while its writes hang, and lose patience: it ends at once, and says that runs were cut off."""
    hang = [scene.town.makeas.faults.add(Fault(kind="hang", op=op)) for op in ("upsert", "update")]
    began = len(scene.recorder.operations)

    async def it_is_writing() -> bool:
        return any(
            isinstance(op, Called) and op.pod == pod.name and op.op in {"upsert", "update"} for op in scene.recorder.operations[began:]
        )

    await until(it_is_writing, what=pod.said, within_s=30)
    pod.signal(signal.SIGTERM)
    await _says(pod, '"draining"')
    pod.signal(signal.SIGTERM)
    with anyio.fail_after(5):
        assert await pod.ended() == 75, pod.said()
    for one in hang:
        scene.town.makeas.faults.remove(one)


async def _says(pod: ScenePod, text: str) -> None:
    async def said() -> bool:
        return text in pod.log.read_text(encoding="utf-8")

    await until(said, what=lambda: f"{text} is said; {pod.said()}", within_s=30)


@row("F13", "a pod sleeps past its session", "SIGSTOP with runs between fetch and write, until another pod has its partitions; SIGCONT")
async def test_a_pod_sleeps_past_its_session(scene: Scene) -> None:
    async def trouble() -> None:
        sleeper, other = scene.alive
        async with _between_fetch_and_write(scene, sleeper):
            sleeper.signal(signal.SIGSTOP)
        await _owns_all(other)
        await anyio.sleep(1)  # What the sleeper had fetched becomes old.
        await _wakes_and_writes_nothing_old(scene, sleeper, lambda: sleeper.signal(signal.SIGCONT))

    await play(scene, "F13", trouble)


@row("F14", "a pod's event loop stands still", "time.sleep in the loop, past the session, with runs between fetch and write")
async def test_a_loop_stands_still(scene: Scene) -> None:
    """Nothing of it is told while it lasts: the metric tells it afterwards, and its alert's share of the time is passed."""

    async def trouble() -> None:
        blocked, other = scene.alive
        began = time.monotonic()
        before = await _lag_s(blocked)
        async with _between_fetch_and_write(scene, blocked):
            blocked.signal(signal.SIGUSR1)
        await _owns_all(other)
        await _wakes_and_writes_nothing_old(scene, blocked, lambda: None)
        held_up_s = await _lag_s(blocked) - before
        assert held_up_s > scene.session_s
        assert held_up_s / (time.monotonic() - began) > _ALERT_SHARE

    for _ in range(2):
        pod = scene.pod()
        pod.command[1:3] = ["-m", "tests.faults.blockable"]
        pod.environ |= {"BLOCK_S": str(scene.session_s + 4), "PYTHONPATH": str(ROOT)}
        await pod.start()
    await play(scene, "F14", trouble, pods=0)


async def _lag_s(pod: ScenePod) -> float:
    return next(float(line.split()[1]) for line in (await pod.metrics()).splitlines() if line.startswith(_LAG))


@asynccontextmanager
async def _between_fetch_and_write(scene: Scene, pod: ScenePod) -> AsyncIterator[None]:
    """Hold a moment at which a pod has asked for contacts, and not been answered."""
    faults = scene.town.makeas.faults
    slow = faults.add(Fault(kind="delay", op="contact", delay_s=1.0))
    began = len(scene.recorder.operations)

    async def has_asked() -> bool:
        return any(isinstance(op, Called) and (op.pod, op.op) == (pod.name, "contact") for op in scene.recorder.operations[began:])

    await until(has_asked, what=pod.said, within_s=30)
    yield
    faults.remove(slow)


async def _owns_all(pod: ScenePod) -> None:
    async def owns_all() -> bool:
        status = await pod.status()
        return status is not None and status.ready and len(status.partitions) == PARTITIONS

    await until(owns_all, what=pod.said, within_s=40)


async def _wakes_and_writes_nothing_old(scene: Scene, pod: ScenePod, wake: Callable[[], None]) -> None:
    """Wait until a pod has partitions again and writes; before it took any up, it wrote nothing."""
    fell_asleep, place = len(scene.recorder.operations), pod.log.stat().st_size
    wake()

    async def writes() -> bool:
        return _first_write(scene, pod, fell_asleep) is not None

    await until(writes, what=pod.said, within_s=60)
    lines = [json.loads(line) for line in pod.log.read_text(encoding="utf-8").encode()[place:].splitlines()]
    taken_up = next(line["timestamp"] for line in lines if line["event"] == "partition taken up")
    wrote_at = _first_write(scene, pod, fell_asleep)
    assert wrote_at is not None
    assert wrote_at >= _seconds(taken_up)


def _first_write(scene: Scene, pod: ScenePod, since: int) -> float | None:
    return next((op.began_at for op in scene.recorder.operations[since:] if isinstance(op, Wrote) and op.pod == pod.name), None)


def _seconds(timestamp: str) -> float:
    return datetime.fromisoformat(timestamp).timestamp()


@row("F15", "a rebalance storm", "two members come and go beside two pods for 30 s, each after 0.5 to 1 s, in the same group")
async def test_a_rebalance_storm(scene: Scene) -> None:
    async def trouble() -> None:
        began_at, before = time.time(), await _generation(scene)
        with anyio.move_on_after(30):
            async with anyio.create_task_group() as tasks:
                for _ in range(2):
                    tasks.start_soon(_come_and_go, scene)
        ended_at, after = time.time(), await _generation(scene)
        assert after - before >= 10
        wrote_at = [op.at for op in scene.recorder.operations if isinstance(op, Wrote) and began_at < op.at < ended_at]
        assert len([at for at in wrote_at if at > began_at + 15]) > 0, "it comes to a stop"

    await play(scene, "F15", trouble)


async def _come_and_go(scene: Scene) -> None:
    while True:
        member = AIOKafkaConsumer(
            scene.topic,
            bootstrap_servers=scene.kafka.bootstrap,
            group_id=f"readers-of-{scene.topic}",
            enable_auto_commit=False,
            session_timeout_ms=int(scene.session_s * 1000),
            heartbeat_interval_ms=500,
            partition_assignment_strategy=(StickyPartitionAssignor,),
        )
        try:
            await member.start()
            await anyio.sleep(scene.chance.uniform(0.5, 1))
        finally:
            with anyio.CancelScope(shield=True):
                await member.stop()


async def _generation(scene: Scene) -> int:
    found = -1

    async def known() -> bool:
        nonlocal found
        for pod in scene.alive:
            status = await pod.status()
            found = max(found, -1 if status is None else status.group.generation)
        return found >= 0

    await until(known, what=lambda: "some pod is a member", within_s=60)
    return found


@row("F17", "handing over takes too long", "writes hang for longer than the rebalance's timeout of 7 s, while a third pod joins")
async def test_handing_over_takes_too_long(scene: Scene) -> None:
    """Kafka gives the partitions away before they are let go of: the lease has ended by then, and with it every run."""
    slow = "[workers]\nbackoff_s = 0.2\nbackoff_max_s = 2.0\ndrain_s = 6.99\n"

    def patient() -> ScenePod:
        pod = scene.pod(more=slow)
        assert isinstance(pod, ScenePod)
        text = pod.config.read_text(encoding="utf-8")
        text = text.replace("rebalance_timeout_s = 30.0", "rebalance_timeout_s = 7.0").replace("\ntimeout_s = 5.0", "\ntimeout_s = 30.0")
        pod.config.write_text(text, encoding="utf-8")
        return pod

    async def trouble() -> None:
        hang = [scene.town.makeas.faults.add(Fault(kind="hang", op=op)) for op in ("upsert", "update")]
        before = await _generation(scene)
        began = len(scene.recorder.operations)

        async def are_writing() -> bool:
            new = scene.recorder.operations[began:]
            return {op.pod for op in new if isinstance(op, Called) and op.op in {"upsert", "update"}} >= {pod.name for pod in scene.alive}

        await until(are_writing, what=lambda: str([pod.said() for pod in scene.alive]), within_s=30)
        newcomer = await patient().start()

        async def has_some() -> bool:
            status = await newcomer.status()
            return status is not None and status.ready and bool(status.partitions)

        await until(has_some, what=newcomer.said, within_s=60)
        assert await _generation(scene) > before
        slowest = scene.alive[:2]

        async def were_not_waited_for() -> bool:
            return any("membership lost" in pod.log.read_text(encoding="utf-8") for pod in slowest)

        await until(were_not_waited_for, what=lambda: str([pod.said() for pod in slowest]), within_s=10)
        for one in hang:
            scene.town.makeas.faults.remove(one)

    for _ in range(2):
        await patient().start()
    await play(scene, "F17", trouble, pods=0)
