"""A Kafka for a laptop, a test or a benchmark: on the JVM, in a container, in this process, or one that runs already."""

import re
import socket
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Final

import anyio
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaConnectionError
from anyio import to_thread

from . import jvm
from .jvm import JvmKafka, Unavailable

if TYPE_CHECKING:
    from testcontainers.community.kafka import KafkaContainer

__all__ = ["MEMORY_PARTITIONS", "Broker", "Unavailable", "broker", "create_topic"]

KINDS: Final = ("auto", "jvm", "testcontainers", "memory")
# What the in-process broker gives every topic; it can't be told another number.
MEMORY_PARTITIONS: Final = 4
_ADDRESS: Final = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\s,:\[\]]+):(\d{1,5})")
_ANSWER_S: Final = 15.0
_ALREADY_EXISTS: Final = 36


class Broker:
    """
    A Kafka that answers at `bootstrap` for as long as its block lasts.

    `kind` is jvm, testcontainers, memory or address. memory is confluent-kafka's mock: a topic springs into being when
    first asked for, with `MEMORY_PARTITIONS` partitions; a group has one member; there is no search by time, no deletion
    and no restart; and its records end with the process.
    """

    def __init__(self, *, kind: str, bootstrap: str, why: str, process: JvmKafka | None = None) -> None:
        """Take the broker as started; `why` says, for people, why it is this kind."""
        self.kind = kind
        self.bootstrap = bootstrap
        self.why = why
        self._process = process

    @property
    def pid(self) -> int | None:
        """The id of its process; None while it is down, or where it has none of its own."""
        return self._process.pid if self._process else None

    async def kill(self) -> None:
        """End it by SIGKILL; its records stay."""
        await self._own().kill()

    async def stop(self) -> None:
        """End it in order; its records stay."""
        await self._own().stop()

    async def start(self) -> None:
        """
        Start it again at the same address, with the same records.

        Raises:
            Unavailable: It did not start.
        """
        await self._own().start()

    def _own(self) -> JvmKafka:
        if self._process is None:
            raise Unavailable(f"a broker of kind {self.kind} can't be stopped and started; cure: use jvm")
        return self._process


def _to_stderr(line: str) -> None:
    sys.stderr.write(f"{line}\n")


@asynccontextmanager
async def broker(
    kind: str = "auto",
    *,
    report: Callable[[str], None] = _to_stderr,
    overrides: Mapping[str, str] | None = None,
) -> AsyncIterator[Broker]:
    """
    Run a broker of this kind: auto, jvm, testcontainers, memory, or HOST:PORT for one that runs already.

    Args:
        kind: auto takes the first of jvm, testcontainers and memory that starts.
        report: Is told, in lines for people, what is begun and why.
        overrides: Further broker settings, for jvm.

    Raises:
        Unavailable: It can't be had here, or no such kind.
    """
    async with AsyncExitStack() as stack:
        if kind == "auto":
            found = await _best(stack, report=report, overrides=overrides or {})
        else:
            found = await _open(stack, kind, report=report, overrides=overrides or {})
        report(f"broker: {found.kind} at {found.bootstrap} ({found.why})")
        yield found


async def _best(stack: AsyncExitStack, *, report: Callable[[str], None], overrides: Mapping[str, str]) -> Broker:
    lacks: list[str] = []
    for kind in KINDS[1:]:
        try:
            found = await _open(stack, kind, report=report, overrides=overrides)
        except Unavailable as error:
            lacks.append(f"{kind}: {error}")
            continue
        found.why = "; ".join([*lacks, found.why])
        return found
    raise Unavailable("no broker can be had here: " + "; ".join(lacks))


async def _open(stack: AsyncExitStack, kind: str, *, report: Callable[[str], None], overrides: Mapping[str, str]) -> Broker:
    if kind == "jvm":
        return await stack.enter_async_context(_jvm(report=report, overrides=overrides))
    if kind == "testcontainers":
        return await stack.enter_async_context(_container(report=report))
    if kind == "memory":
        return await stack.enter_async_context(_memory())
    if _ADDRESS.fullmatch(kind) is None:
        raise Unavailable(f"no broker of kind {kind!r}; there are {', '.join(KINDS)} and HOST:PORT")
    await _answers(kind)
    return Broker(kind="address", bootstrap=kind, why="it runs already")


@asynccontextmanager
async def _jvm(*, report: Callable[[str], None], overrides: Mapping[str, str]) -> AsyncIterator[Broker]:
    reason = await jvm.why_not()
    if reason is not None:
        raise Unavailable(reason)
    async with jvm.jvm_kafka(overrides=overrides, report=report) as process:
        why = f"Apache Kafka {jvm.KAFKA_VERSION} on this machine's java"
        yield Broker(kind="jvm", bootstrap=process.bootstrap, why=why, process=process)


@asynccontextmanager
async def _container(*, report: Callable[[str], None]) -> AsyncIterator[Broker]:
    container = await to_thread.run_sync(_engine)
    report(f"starting a container of {container.image}")
    try:
        try:
            await to_thread.run_sync(_start, container)
            address = await to_thread.run_sync(container.get_bootstrap_server)
        except (OSError, RuntimeError, TimeoutError) as error:
            raise Unavailable(f"the container did not start: {type(error).__name__}") from error
        yield Broker(kind="testcontainers", bootstrap=address, why=f"a container of {container.image}")
    finally:
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(container.stop)


def _engine() -> "KafkaContainer":
    """Return a container to start, if a container engine answers here."""
    try:
        from docker.errors import DockerException  # noqa: PLC0415 - a laptop's extra
        from testcontainers.community.kafka import KafkaContainer  # noqa: PLC0415
        from testcontainers.core.docker_client import get_docker_host  # noqa: PLC0415
    except ImportError as error:
        raise Unavailable("testcontainers is not installed; cure: pip install 'sesamy-makeas[local]'") from error
    host = get_docker_host() or "unix:///var/run/docker.sock"
    try:
        if host.startswith("unix://"):  # The docker package leaks its socket where nobody listens.
            with socket.socket(socket.AF_UNIX) as probe:
                probe.settimeout(_ANSWER_S)
                probe.connect(host.removeprefix("unix://"))
        container = KafkaContainer().with_kraft()
        container.get_docker_client().client.ping()
    except (DockerException, OSError) as error:
        raise Unavailable("no container engine answers") from error
    return container


def _start(container: "KafkaContainer") -> None:
    from docker.errors import DockerException  # noqa: PLC0415 - a laptop's extra

    try:
        container.start(timeout=90)
    except DockerException as error:
        raise Unavailable(f"the container engine has no {container.image}, or can't start it: {type(error).__name__}") from error


@asynccontextmanager
async def _memory() -> AsyncIterator[Broker]:
    try:
        from confluent_kafka import KafkaException, Producer  # noqa: PLC0415 - a laptop's extra
    except ImportError as error:
        raise Unavailable("confluent-kafka is not installed; cure: pip install 'sesamy-makeas[local]'") from error
    # The cluster lives as long as this client, hence as this frame; the address is only there to please its settings.
    keeper = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "in-process", "log_level": 0})
    try:
        found = await to_thread.run_sync(lambda: keeper.list_topics(timeout=_ANSWER_S))
    except KafkaException as error:
        raise Unavailable("the in-process broker did not start") from error
    address = next(f"{one.host}:{one.port}" for one in found.brokers.values())
    yield Broker(kind="memory", bootstrap=address, why="confluent-kafka's in-process broker: one consumer only, and nothing is kept")


async def _answers(bootstrap: str) -> None:
    async with _admin(bootstrap):
        pass


@asynccontextmanager
async def _admin(bootstrap: str) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=int(_ANSWER_S * 1000))
    try:
        await admin.start()
    except KafkaConnectionError as error:
        await admin.close()
        raise Unavailable(f"no Kafka answers at {bootstrap}") from error
    try:
        yield admin
    finally:
        await admin.close()


async def create_topic(bootstrap: str, name: str, *, partitions: int, replicas: int = 1, config: Mapping[str, str] | None = None) -> None:
    """
    Make a topic, and return once it can be written; one that is there already stays as it is.

    Raises:
        Unavailable: No broker answers, it refuses, or it is the in-process one and can't give so many partitions.
    """
    async with _admin(bootstrap) as admin:
        cluster = await admin.describe_cluster()
        # The in-process broker has no controller, hence no way to make a topic: being asked for is what makes one.
        if cluster["controller_id"] in {one["node_id"] for one in cluster["brokers"]}:
            answer = await admin.create_topics([NewTopic(name, partitions, replicas, topic_configs=dict(config or {}))])
            code = answer.topic_errors[0][1]
            if code not in (0, _ALREADY_EXISTS):
                raise Unavailable(f"the broker refuses to make topic {name}: error {code}")
        elif partitions != MEMORY_PARTITIONS:
            raise Unavailable(f"the in-process broker gives every topic {MEMORY_PARTITIONS} partitions, not {partitions}")
        with anyio.move_on_after(_ANSWER_S):
            while not await _is_led(admin, name):
                await anyio.sleep(0.05)
            return
    raise Unavailable(f"topic {name} has no leader")


async def _is_led(admin: AIOKafkaAdminClient, name: str) -> bool:
    topic = (await admin.describe_topics([name]))[0]
    partitions = topic["partitions"]
    return bool(partitions) and all(one["error_code"] == 0 and one["leader"] >= 0 for one in partitions)
