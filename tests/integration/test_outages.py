"""Kafka goes away and comes back, or the process stands still: what works goes on by itself, and what ends says the truth."""

import json
import os
import random
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import anyio
import pytest
from anyio.abc import Process, TaskGroup

from consumer.sandbox.brokers.broker import Broker, broker
from consumer.sandbox.brokers.topics import create_topic
from consumer.sandbox.publishers import event
from consumer.sandbox.publishers import happen as happen_to
from consumer.sandbox.stand_ins.faults import Fault
from consumer.sandbox.town import PLACES, VENDORS, town
from tests.integration.harness import Pod, Stage, staged, until

TYPE = "contract.1#update"
SLACK_S = 15.0
"""What recovery may take beyond a session."""


class Outage(NamedTuple):
    """What goes wrong, and for how long."""

    kind: str
    lasts_s: float

    def __str__(self) -> str:
        return f"{self.kind}-{self.lasts_s:g}s"


KILLED_10, KILLED_40, KILLED_90 = (Outage("killed", lasts_s) for lasts_s in (10.0, 40.0, 90.0))
FROZEN, SUSPENDED = Outage("frozen", 40.0), Outage("suspended", 20.0)
SHORT_S, LONG_S = 6.0, 30.0
EVERY = [(outage, session_s) for session_s in (SHORT_S, LONG_S) for outage in (KILLED_10, KILLED_40, KILLED_90, FROZEN, SUSPENDED)]
IN_EACH_RUN = {(KILLED_10, SHORT_S), (KILLED_40, SHORT_S), (SUSPENDED, SHORT_S)}


def cases(quick: set[tuple[Outage, float]]) -> list[object]:
    """Give every case; those that are not quick are among the slow sweeps."""

    def marks(case: tuple[Outage, float]) -> tuple[pytest.MarkDecorator, ...]:
        return () if case in quick else (pytest.mark.long,)

    return [pytest.param(*case, id=f"{case[0]}-session-{case[1]:g}s", marks=marks(case)) for case in EVERY]


async def happen(outage: Outage, kafka: Broker, process: Process) -> None:
    """Let the outage begin and end."""
    if outage.kind == "killed":
        await kafka.kill()
        await anyio.sleep(outage.lasts_s)
        await kafka.start()
        return
    assert kafka.pid is not None
    for pid in [kafka.pid] if outage.kind == "frozen" else [process.pid] * 2:
        os.kill(pid, signal.SIGSTOP)
        await anyio.sleep(outage.lasts_s)
        os.kill(pid, signal.SIGCONT)
        await anyio.sleep(0.0 if outage.kind == "frozen" else 3.0)


@asynccontextmanager
async def stage_with(session_s: float, folder: Path, *, readers: int = 30) -> AsyncIterator[Stage]:
    """Set a stage on a Kafka of its own."""
    async with broker("jvm", report=lambda _: None) as kafka, town(folder, readers=readers) as here:
        await create_topic(kafka.bootstrap, "events", partitions=4)
        async with staged(here, kafka, "events", folder) as stage:
            stage.session_s = session_s
            yield stage


@pytest.mark.kafka
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("outage", "session_s"), cases(IN_EACH_RUN))
@pytest.mark.usefixtures("kafka")
async def test_a_pod_outlives_it(outage: Outage, session_s: float, tmp_path: Path) -> None:
    """It is alive all the time, is a member again within a session and 15 s, and owes nothing then; it ends with 0."""
    async with stage_with(session_s, tmp_path) as stage:
        pod = await stage.pod().start()
        await stage.touch_all()
        await stage.agree()
        red: list[float] = []
        async with anyio.create_task_group() as tasks:
            if outage.kind != "suspended":
                tasks.start_soon(watch, pod, red)
            await happen(outage, stage.kafka, pod.process)
            await change_all(stage)
            await stage.agree(within_s=session_s + SLACK_S)
            await until(pod.is_ready, what=lambda: f"ready again; {pod.said()}", within_s=session_s + SLACK_S)
            tasks.cancel_scope.cancel()
        await stage.idle(pod, within_s=session_s + SLACK_S)

        assert red == [], pod.said()
        assert await pod.stop() == 0, pod.said()
        said = pod.log.read_text()
        assert "unexpected" not in said
        assert "a part of the pod has ended" not in said
        # Whoever looks at the log finds when it was, where it was longer than a session.
        assert outage.lasts_s < session_s or any(word in said for word in ("commit failed", "commit refused", "consumer lost")), said


async def change_all(stage: Stage) -> None:
    """Let something happen to every reader."""
    chance = random.Random(7)
    for vendor in VENDORS:
        for user in sorted(stage.town.readers(vendor)):
            await stage.send(happen_to(stage.town.sesamy, vendor, user, chance))


async def watch(pod: Pod, red: list[float]) -> None:
    """Ask again and again whether the pod is alive."""
    while True:
        await anyio.sleep(1)
        if not await pod.is_live():
            red.append(anyio.current_time())


@pytest.mark.kafka
@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("outage", "session_s"), cases(set()))
@pytest.mark.parametrize("command", ["sync", "replay"])
@pytest.mark.usefixtures("kafka")
async def test_a_command_ends_with_all_done(command: str, outage: Outage, session_s: float, tmp_path: Path) -> None:
    await _command_outlives(command, outage, session_s, tmp_path)


@pytest.mark.kafka
@pytest.mark.timeout(240)
@pytest.mark.usefixtures("kafka")
async def test_a_replay_outlives_a_broker_that_is_killed(tmp_path: Path) -> None:
    await _command_outlives("replay", KILLED_40, SHORT_S, tmp_path)


async def _command_outlives(command: str, outage: Outage, session_s: float, folder: Path) -> None:
    """The outage comes in the middle; the status is 0, and everybody is written."""
    async with stage_with(session_s, folder, readers=60) as stage:
        vendor = VENDORS[0]
        users = sorted(stage.town.readers(vendor))
        await stage.send(event(vendor, user, TYPE) for user in users)
        stage.town.sesamy.faults.add(Fault(kind="delay", delay_s=0.5))
        more = "[workers]\nconcurrency = 2\n"
        args = ("sync", vendor, *users) if command == "sync" else replay_of(stage)

        async def half() -> bool:
            return sum(bool(count) for (of, _), count in stage.town.sesamy.fetched.items() if of == vendor) >= 10

        async with anyio.create_task_group() as tasks:
            process = await stage.begin(*args, more=more)
            said = tasks_result(tasks, process)
            await until(half, what=lambda: "some are fetched", within_s=30)
            await happen(outage, stage.kafka, process)
            stage.town.sesamy.faults.clear()
            with anyio.fail_after(session_s + SLACK_S + 30):
                status, out, err = await said()

        assert status == 0, (out, err)
        assert not any(stage.town.wrong(place) for place in (place for place in PLACES if place.vendor == vendor))
        if command == "replay":
            report = json.loads((folder / "report.json").read_bytes())
            assert (report["complete"], report["users"]) == (True, report["synced"] + report["skipped"])
            assert not (folder / "state").exists()


async def _asked(stage: Stage, times: int) -> bool:
    return stage.town.sesamy.faults.seen >= times


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.kafka
@pytest.mark.parametrize("command", ["sync", "replay"])
@pytest.mark.usefixtures("kafka")
async def test_a_command_waits_two_minutes_for_a_broker_and_says_so(command: str, tmp_path: Path) -> None:
    """A broker that never comes back: 69, the state is kept, and the report says that it is not complete."""
    async with stage_with(SHORT_S, tmp_path, readers=60) as stage:
        users = sorted(stage.town.readers(VENDORS[0]))
        await stage.send(event(VENDORS[0], user, TYPE) for user in users)
        stage.town.sesamy.faults.add(Fault(kind="delay", delay_s=0.5))
        args = ("sync", VENDORS[0], *users) if command == "sync" else replay_of(stage)
        async with anyio.create_task_group() as tasks:
            process = await stage.begin(*args, more="[workers]\nconcurrency = 2\n")
            said = tasks_result(tasks, process)
            await until(partial(_asked, stage, 4), what=lambda: "it is at work", within_s=30)
            await stage.kafka.kill()
            with anyio.fail_after(170):
                status, _, err = await said()
        assert (status, "does not answer" in err) == (69, True), err
        if command == "replay":
            assert json.loads((tmp_path / "report.json").read_bytes())["complete"] is False
            assert (tmp_path / "state").exists()


def replay_of(stage: Stage) -> tuple[str, ...]:
    files = ("--state", str(stage.folder / "state"), "--report", str(stage.folder / "report.json"))
    return ("replay", "--from-time", "1970-01-01T00:00:00Z", "--yes", "--rate-share", "1", *files)


def tasks_result(tasks: TaskGroup, process: Process) -> Callable[[], Awaitable[tuple[int, str, str]]]:
    """Read what a process says while it runs; return what waits for its end."""
    parts: dict[str, bytes] = {"out": b"", "err": b""}
    done = {name: anyio.Event() for name in parts}

    async def read(name: str) -> None:
        stream = process.stdout if name == "out" else process.stderr
        assert stream is not None
        async for part in stream:
            parts[name] += part
        done[name].set()

    for name in parts:
        tasks.start_soon(read, name)

    async def ended() -> tuple[int, str, str]:
        for read_all in done.values():
            await read_all.wait()
        return await process.wait(), parts["out"].decode(), parts["err"].decode()

    return ended
