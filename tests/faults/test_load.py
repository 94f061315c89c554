"""What comes in: much of it, at bad moments, twice, out of order; and everything at once, for long."""

import time
from pathlib import Path

import anyio

from consumer.sandbox.brokers.broker import Broker
from consumer.sandbox.brokers.topics import create_topic
from consumer.sandbox.publishers import event
from consumer.sandbox.stand_ins.faults import Fault
from consumer.sandbox.town import VENDORS, town
from tests.faults import soak
from tests.faults.matrix import play, row
from tests.faults.scene import PARTITIONS, Scene, publish
from tests.faults.scene import scene as setting
from tests.history.invariants import percentile
from tests.history.operations import Called, Fetched, Sent, Wrote

_MAX_WAIT_S = 2.0
"""Of a user with ever more events, in these towns."""
_TYPE = "contract.1#update"


@row("F28", "a hot user", "one user has 170 events a second for 12 s, beside 10 a second of all others")
async def test_a_hot_user(scene: Scene) -> None:
    """Its events become one run in each longest wait, and the others are as fresh as ever."""
    vendor = VENDORS[0]
    user = scene.town.reader(vendor)
    name = f"{vendor}|{user}"
    began_at = ended_at = 0.0
    count = 0

    async def trouble() -> None:
        nonlocal began_at, ended_at, count
        began_at = time.time()
        with anyio.move_on_after(12):
            async with anyio.create_task_group() as tasks:
                for _ in range(10):
                    tasks.start_soon(stream)
        ended_at = time.time()

    async def stream() -> None:
        nonlocal count
        while True:
            message = event(vendor, user, _TYPE)
            if count % 100 == 0:
                scene.recorder.change(vendor, user)
            await scene._put(message.key, message.value, name)
            count += 1
            await anyio.sleep(10 / 170)

    await play(scene, "F28", trouble)
    span_s = ended_at - began_at
    assert count > 100 * span_s
    fetches = [op for op in scene.recorder.operations if isinstance(op, Fetched) and op.user == name and began_at <= op.at <= ended_at]
    # At least once in each longest wait, the time of a run aside; and not much oftener than that.
    assert span_s / (_MAX_WAIT_S + 1.5) - 1 <= len(fetches) <= span_s / _MAX_WAIT_S * 2
    assert percentile(_ages_s(scene, began_at, ended_at, but=name), 0.99) < _MAX_WAIT_S + 2


def _ages_s(scene: Scene, since: float, until_: float, *, but: str) -> list[float]:
    """Return how old (s) the events of all others were when they were written to their first account."""
    waiting: dict[str, list[Sent]] = {}
    ages: list[float] = []
    for op in scene.recorder.operations:
        if isinstance(op, Sent) and op.user and op.user != but and since <= op.at <= until_:
            waiting.setdefault(op.user, []).append(op)
        elif isinstance(op, Wrote):
            here = waiting.get(op.user, [])
            ages += [op.at - sent.at for sent in here if sent.version <= op.version]
            waiting[op.user] = [sent for sent in here if sent.version > op.version]
    return ages


@row("F29", "an event comes during its own user's run", "each look-up takes 0.5 s, and the user changes meanwhile, 30 times")
async def test_an_event_comes_during_its_own_run(scene: Scene) -> None:
    """The run writes what it had fetched, and a second one what is new; never the other way round."""
    changed: list[tuple[str, int]] = []

    async def trouble() -> None:
        slow = scene.town.makeas.faults.add(Fault(kind="delay", op="contact", delay_s=0.5))
        place = len(scene.recorder.operations)
        with anyio.fail_after(60):
            while len(changed) < 30:
                new = scene.recorder.operations[place:]
                place += len(new)
                for op in new:
                    if isinstance(op, Called) and op.op == "contact" and op.user:
                        await scene.change(*op.user.split("|", 1))
                        changed.append((op.user, scene.recorder.versions[op.user]))
                await anyio.sleep(0.02)
        scene.town.makeas.faults.remove(slow)

    await play(scene, "F29", trouble)
    written = [op for op in scene.recorder.operations if isinstance(op, Wrote)]
    overtaken = [(user, version) for user, version in changed if any(op.user == user and op.version == version - 1 for op in written)]
    assert len(overtaken) > 5, "hardly any run wrote what it had fetched before the change"
    for user, version in changed:
        assert any(op.user == user and op.version >= version for op in written)


@row("F38", "a replay beside the pods", "`replay` of all events so far, twice, while two pods work on the same users")
async def test_a_replay_beside_the_pods(scene: Scene) -> None:
    async def trouble() -> None:
        for _ in range(2):
            started = [f"--from-offset={partition}:0" for partition in range(PARTITIONS)]
            said = await scene.command("replay", *started, "--yes")
            assert said.status == 0, said
            assert "synced" in said.out + said.err, said

    await play(scene, "F38", trouble)
    writers = {op.pod for op in scene.recorder.operations if isinstance(op, Wrote)}
    assert writers == {"pod-0", "pod-1", "pod-2", "pod-3"}


@row("F39", "events twice, out of order, and of other times", "each change is told three times, late, of ten years ago and in ten years")
async def test_events_of_any_time_and_order(kafka: Broker, tmp_path: Path) -> None:
    topic = f"times-{time.time_ns()}"
    ten_years_ms = 10 * 365 * 86_400_000
    config = {"message.timestamp.after.max.ms": str(2 * ten_years_ms), "retention.ms": "-1"}
    await create_topic(kafka.bootstrap, topic, partitions=PARTITIONS, config=config)
    async with town(tmp_path, readers=12) as here, setting(here, kafka, topic, tmp_path) as scene:

        async def trouble() -> None:
            for _ in range(40):
                vendor = scene.chance.choice(VENDORS)
                told = scene.chance.sample(scene.town.writable(vendor), 3)
                for user in told:
                    scene.recorder.change(vendor, user)
                for user in scene.chance.sample(told * 3, 9):
                    message = event(vendor, user, _TYPE)
                    shift_ms = scene.chance.choice([-ten_years_ms, 0, ten_years_ms])
                    at = time.time()
                    put = await scene._producer.send_and_wait(
                        topic, value=message.value, key=message.key, timestamp_ms=int(at * 1000) + shift_ms
                    )
                    scene.recorder.sent(at, put.partition, put.offset, f"{vendor}|{user}")
                await anyio.sleep(0.1)
            for pod in scene.alive:
                status = await pod.status()
                assert status is not None
                assert status.live
                pending = [one.oldest_pending_s for one in status.lists if one.oldest_pending_s is not None]
                assert all(age_s >= 0 for age_s in pending), "something is to be written since a time to come"

        await play(scene, "F39", trouble)


@row("F40", "all of it, for long", "a minute of `make soak`: every few seconds another handful of troubles, by chance")
async def test_a_soak(scene: Scene) -> None:
    figures = await soak.soak(scene, minutes=1.0, seed=40)
    publish("F40", figures)
