"""Two pods of one group on a real Kafka: what one does once partitions are, or were, another's."""

import random
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest_asyncio
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from aiokafka.partitioner import DefaultPartitioner

from consumer.sandbox.brokers.broker import Broker
from consumer.sandbox.publishers import event, happen
from consumer.sandbox.stand_ins.server import serving
from consumer.sandbox.town import PLACES, VENDORS, town
from tests.integration.harness import PARTITIONS, Pod, Stage, staged, until

FIRST, SECOND, THIRD = (place.account for place in PLACES)


@pytest_asyncio.fixture
async def stage(kafka: Broker, topic: str, tmp_path: Path) -> AsyncIterator[Stage]:
    async with town(tmp_path, readers=30) as here, staged(here, kafka, topic, tmp_path) as made:
        yield made


class Door:
    """One pod's own way to Make.as: tells what it writes, and holds its look-ups until they are let through."""

    def __init__(self) -> None:
        self.written: list[tuple[float, str]] = []
        """When each write arrived, and its path."""
        self.held = 0
        self.came_at = time.monotonic()
        """When the last call arrived."""
        self._open = anyio.Event()

    def open(self) -> None:
        """Let through what is held, and all that comes."""
        self._open.set()

    @asynccontextmanager
    async def of(self, stage: Stage, pod: Pod) -> AsyncIterator[None]:
        """Serve Make.as behind this door to one pod, which is patient enough to sleep over a look-up."""
        app = stage.town.makeas.app()
        app.middlewares.append(self._pass)
        async with serving(app) as url:
            usual = f'[makeas]\nbase_url = "{stage.town.makeas_url}/'
            text = pod.config.read_text(encoding="utf-8")
            assert usual in text
            text = text.replace(usual, f'[makeas]\nbase_url = "{url}/').replace("\ntimeout_s = 5.0", "\ntimeout_s = 60.0")
            pod.config.write_text(text, encoding="utf-8")
            yield

    @property
    def _pass(self) -> Middleware:
        @web.middleware
        async def passed(request: web.Request, handler: Handler) -> web.StreamResponse:
            self.came_at = time.monotonic()
            if request.path.endswith("/by_email"):
                self.held += 1
                await self._open.wait()
            elif request.method != "GET":
                self.written.append((time.monotonic(), request.path))
            return await handler(request)

        return passed


async def partitions_of(pod: Pod) -> set[int]:
    """Return a pod's partitions; none where it has not joined."""
    status = await pod.status()
    return set() if status is None or not status.ready else {one.partition for one in status.partitions}


async def share_the_topic(*pods: Pod) -> None:
    """Wait until each of two pods has half of the partitions."""

    async def have_halves() -> bool:
        halves = [await partitions_of(pod) for pod in pods]
        return [len(half) for half in halves] == [PARTITIONS // 2] * 2 and len(set.union(*halves)) == PARTITIONS

    await until(have_halves, what=lambda: f"each pod has half; {[pod.said() for pod in pods]}", within_s=60)


def partition_of(vendor: str, user: str) -> int:
    """Return where Kafka's own client puts a reader's events."""
    numbers = list(range(PARTITIONS))
    return int(DefaultPartitioner()(f"{vendor}|{user}".encode(), numbers, numbers))


async def test_two_members_one_asleep_past_its_session(stage: Stage) -> None:
    """
    One falls asleep between fetch and write, and the other has its partitions meanwhile.

    Awake again it has the answers to its look-ups, and what it would write is old by now: it writes nothing of it.
    """
    chance, door = random.Random(9), Door()
    sleeper, other = stage.pod(), stage.pod()
    async with door.of(stage, sleeper):
        await sleeper.start()
        await other.start()
        await share_the_topic(sleeper, other)
        await stage.touch_all()

        async def all_are_between_fetch_and_write() -> bool:
            """Nothing more comes: a call that is being connected, having asked for the lease, would be sent after the sleep."""
            return door.held >= 5 and time.monotonic() - door.came_at > 1.0

        await until(all_are_between_fetch_and_write, what=sleeper.said, within_s=30)
        sleeper.signal(signal.SIGSTOP)
        stopped = time.monotonic()
        door.open()
        for vendor in VENDORS:
            for user in sorted(stage.town.readers(vendor)):
                await stage.send(happen(stage.town.sesamy, vendor, user, chance))
        await stage.agree()
        await stage.idle(other)  # All is committed: nothing of it is the sleeper's to be read again.
        assert await partitions_of(other) == set(range(PARTITIONS))

        assert time.monotonic() - stopped < 25, "what it fetched is too old to be written anyway: this shows nothing"
        woke = time.monotonic()
        sleeper.signal(signal.SIGCONT)
        await share_the_topic(sleeper, other)
        await stage.idle(sleeper)
        await stage.idle(other)

        assert [path for at, path in door.written if at >= woke] == []
        await stage.agree(within_s=1)
        await stage.touch_all()

        async def it_writes_again() -> bool:
            return any(at >= woke for at, _ in door.written)

        await until(it_writes_again, what=sleeper.said, within_s=30)
        await stage.agree()


async def test_a_rebalance_repeats_no_finished_work(stage: Stage) -> None:
    """One account is held, so its users stay open and hold the commits back; a second pod comes: what stays is not read again."""
    open_vendor, vendor = VENDORS
    fetched = stage.town.sesamy.fetched
    stage.town.account(PLACES[1]).key = "new"
    first = await stage.pod().start()
    await stage.touch_all()
    await stage.agree(accounts=[FIRST, THIRD], within_s=30)
    owed = sum(not stage.town.is_skipped(open_vendor, user) for user in stage.town.readers(open_vendor))

    async def only_the_held_are_open() -> bool:
        status = await first.status()
        return status is not None and status.users.dirty == owed

    await until(only_the_held_are_open, what=first.said, within_s=30)
    # Whoever is asked for at all: not the guests.
    before = {user: fetched[vendor, user] for user in stage.town.readers(vendor) if fetched[vendor, user]}
    second = await stage.pod().start()
    await share_the_topic(first, second)
    kept = await partitions_of(first)
    of_kept = {user for user in before if partition_of(vendor, user) in kept}
    last = {partition: max(user for user in of_kept if partition_of(vendor, user) == partition) for partition in kept}
    await stage.send(event(vendor, user, "contract.1#update") for user in last.values())

    def again() -> set[str]:
        return {user for user, count in before.items() if fetched[vendor, user] > count}

    async def all_was_read() -> bool:
        """What moved is read from the first open offset; what is new on the kept ones comes after all that could be read again."""
        return again() >= set(last.values()) | (before.keys() - of_kept)

    await until(all_was_read, what=lambda: f"all is read; {[pod.said() for pod in stage.pods]}", within_s=30)

    assert again() & of_kept == set(last.values())
    assert len(of_kept) > len(last)
    stage.town.key_file(SECOND).write_text("new\n", encoding="utf-8")
    await stage.agree(within_s=90)
