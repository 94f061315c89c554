"""Scenes on Kafkas of their own, which they may break, and the signs by which a scene knows that its fault was met."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from consumer.sandbox.brokers.broker import Broker, broker
from consumer.sandbox.brokers.topics import create_topic
from consumer.sandbox.brokers.unavailable import Unavailable
from consumer.sandbox.town import town
from tests.faults.cluster import Cluster, cluster
from tests.faults.proxy import Behind, broker_behind_proxy
from tests.faults.scene import Scene
from tests.faults.scene import scene as setting
from tests.history.operations import Wrote
from tests.integration.conftest import lacking
from tests.integration.harness import PARTITIONS, until

TOPIC: Final = "events"
_READERS: Final = 12


@asynccontextmanager
async def on_own_broker(folder: Path) -> AsyncIterator[Scene]:
    """Set a scene on a broker that may be killed."""
    try:
        async with broker("jvm", report=lambda _: None) as kafka, town(folder, readers=_READERS) as here:
            await create_topic(kafka.bootstrap, TOPIC, partitions=PARTITIONS)
            async with setting(here, kafka, TOPIC, folder) as made:
                yield made
    except Unavailable as error:
        lacking(str(error))


@asynccontextmanager
async def on_cluster(folder: Path) -> AsyncIterator[tuple[Scene, Cluster]]:
    """Set a scene on three brokers."""
    try:
        async with cluster() as kafkas, town(folder, readers=_READERS) as here:
            await kafkas.create_topic(TOPIC, partitions=PARTITIONS)
            three = Broker(kind="jvm", bootstrap=kafkas.bootstrap, why="three of them")
            async with setting(here, three, TOPIC, folder) as made:
                yield made, kafkas
    except Unavailable as error:
        lacking(str(error))


@asynccontextmanager
async def behind_proxy(folder: Path) -> AsyncIterator[tuple[Scene, Behind]]:
    """Set a scene whose pods reach the broker through a proxy alone; publishers go past it."""
    try:
        async with broker_behind_proxy() as behind, town(folder, readers=_READERS) as here:
            await create_topic(behind.direct, TOPIC, partitions=PARTITIONS)
            async with setting(here, behind.kafka, TOPIC, folder, publish_to=behind.direct) as made:
                yield made, behind
    except Unavailable as error:
        lacking(str(error))


async def at_rest(scene: Scene) -> None:
    """Wait until all lists agree and all is committed, before anything goes wrong."""
    await scene.agree(within_s=scene.converge_s)
    for pod in scene.alive:
        await scene.idle(pod)


# ---- Signs ----


def said(scene: Scene, words: str) -> int:
    """Return how many pods, alive or not, have said something."""
    return sum(words in pod.log.read_text(encoding="utf-8", errors="replace") for pod in scene.pods if pod.log.exists())


async def generation(scene: Scene, *, after: int = 0) -> int:
    """Return the group's generation, once every pod that is there is ready in the same one, later than `after`."""
    found: set[int] = set()

    async def are_one() -> bool:
        every = [await pod.status() for pod in scene.alive]
        found.clear()
        found.update(one.group.generation for one in every if one is not None)
        return all(one is not None and one.ready for one in every) and len(found) == 1 and min(found) > after

    await until(are_one, what=lambda: f"all are of one generation; {found}", within_s=60)
    return found.pop()


def writes(scene: Scene, *, since: float, before: float) -> int:
    """Return how many writes were begun between two times (wall, s)."""
    return sum(isinstance(op, Wrote) and since <= op.began_at < before for op in scene.recorder.operations)


async def comes_true(question: Callable[[], bool], *, what: str, within_s: float = 20.0) -> None:
    """Wait for what needs no waiting to ask."""

    async def holds() -> bool:
        return question()

    await until(holds, what=lambda: what, within_s=within_s)
