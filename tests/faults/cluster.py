"""Three brokers that keep three copies of everything, on this machine's JVM: each is killed, stopped and started by its number."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

import anyio
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from consumer.sandbox.brokers import jars, jvm
from consumer.sandbox.brokers.jvm import JvmKafka
from consumer.sandbox.brokers.topics import create_topic
from consumer.sandbox.brokers.unavailable import Unavailable

NODES: Final = (1, 2, 3)
_IN_SYNC_S: Final = 60.0
_GROUPS: Final = "__consumer_offsets"
_SETTINGS: Final = {
    "min.insync.replicas": "2",
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
    # Where one is killed it is out of the way soon: nobody waits for its copies, nor for it to lead.
    "replica.lag.time.max.ms": "4000",
    "controller.quorum.election.timeout.ms": "500",
    "controller.quorum.fetch.timeout.ms": "1500",
}


class Cluster:
    """The brokers; all keep their ports and their records whatever is done to them."""

    def __init__(self, nodes: dict[int, JvmKafka]) -> None:
        """Take them as started."""
        self._nodes = nodes

    @property
    def bootstrap(self) -> str:
        """The addresses of all, `host:port,host:port,host:port`."""
        return ",".join(node.bootstrap for node in self._nodes.values())

    @property
    def running(self) -> list[int]:
        """The numbers of those that run."""
        return [number for number, node in self._nodes.items() if node.pid is not None]

    async def kill(self, number: int) -> None:
        """End a broker by SIGKILL."""
        await self._nodes[number].kill()

    async def stop(self, number: int) -> None:
        """End a broker in order: it hands over what it leads first."""
        await self._nodes[number].stop()

    async def start(self, number: int) -> None:
        """
        Start a broker again; see `in_sync` for when it has caught up.

        Raises:
            Unavailable: It did not start.
        """
        await self._nodes[number].start()

    async def create_topic(self, name: str, *, partitions: int) -> None:
        """Make a topic with a copy of everything on each broker."""
        await create_topic(self._address(), name, partitions=partitions, replicas=len(NODES))

    async def coordinator_of(self, group: str) -> int:
        """Return the number of the broker that looks after a group; making room for groups, if this is the first."""
        async with self._admin() as admin:
            found: list[int] = []

            async def is_found() -> bool:
                try:
                    found.append(await admin.find_coordinator(group))
                except KafkaError:
                    return False
                return found[-1] in self.running

            await _until(is_found, what=f"group {group} has a coordinator")
            return found[-1]

    async def leader_of(self, topic: str, partition: int) -> int:
        """Return the number of the broker that leads a partition."""
        async with self._admin() as admin:
            told = (await admin.describe_topics([topic]))[0]["partitions"]
            return next(int(one["leader"]) for one in told if one["partition"] == partition)

    async def in_sync(self, *topics: str) -> None:
        """
        Wait until every copy of `topics`, and of what groups have committed, is in step.

        Raises:
            AssertionError: Not within 60 s.
        """
        async with self._admin() as admin:

            async def are_in_sync() -> bool:
                try:
                    names = [*topics, *({_GROUPS} & set(await admin.list_topics()))]
                    told = [one for topic in await admin.describe_topics(names) for one in topic["partitions"]]
                except KafkaError:
                    return False
                return bool(told) and all(one["leader"] in self.running and len(one["isr"]) == len(NODES) for one in told)

            await _until(are_in_sync, what=f"all copies of {', '.join(topics)} are in step")

    def _address(self) -> str:
        return ",".join(self._nodes[number].bootstrap for number in self.running)

    @asynccontextmanager
    async def _admin(self) -> AsyncIterator[AIOKafkaAdminClient]:
        # What a broker that was killed a moment ago is asked would be waited for, so only those that run are asked.
        admin = AIOKafkaAdminClient(bootstrap_servers=self._address(), request_timeout_ms=10_000)
        try:
            await admin.start()
            yield admin
        finally:
            await admin.close()


async def _until(holds: "Callable[[], object]", *, what: str) -> None:
    with anyio.move_on_after(_IN_SYNC_S):
        while not await holds():  # type: ignore[misc]
            await anyio.sleep(0.2)
        return
    raise AssertionError(f"not within {_IN_SYNC_S:.0f} s: {what}")


@asynccontextmanager
async def cluster() -> AsyncIterator[Cluster]:
    """
    Run three brokers that are controllers, too, with empty logs, and leave nothing behind.

    Raises:
        Unavailable: They can't be had here.
    """
    reason = await jars.why_not()
    if reason is not None:
        raise Unavailable(reason)
    lib = await jars.jars(report=lambda _: None)
    async with jars.scratch(None) as home:
        settings = dict(_SETTINGS)
        nodes: dict[int, JvmKafka] = {}
        for number in NODES:
            folder = home / str(number)
            await anyio.Path(folder).mkdir()
            nodes[number] = JvmKafka(lib, folder, overrides=settings, number=number, memory="256m")
        settings["controller.quorum.bootstrap.servers"] = ",".join(node.controller for node in nodes.values())
        quorum = ",".join(f"{number}@{node.controller}:{jvm.new_id()}" for number, node in nodes.items())
        cluster_id = jvm.new_id()
        try:
            async with anyio.create_task_group() as tasks:
                for node in nodes.values():
                    tasks.start_soon(_begin, node, cluster_id, f"--initial-controllers={quorum}")
            yield Cluster(nodes)
        finally:
            for node in nodes.values():
                await node.kill()


async def _begin(node: JvmKafka, cluster_id: str, quorum: str) -> None:
    await node.format(cluster=cluster_id, quorum=quorum)
    await node.start()
