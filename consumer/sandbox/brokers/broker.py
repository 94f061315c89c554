"""A Kafka for a laptop, a test or a benchmark: on the JVM, in a container, in this process, or one that runs already."""

import re
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from .jars import KAFKA_VERSION, why_not
from .jvm import JvmKafka, jvm_kafka
from .topics import asking
from .unavailable import Unavailable

KINDS: Final = ("auto", "jvm", "testcontainers", "memory")
_ADDRESS: Final = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\s,:\[\]]+):(\d{1,5})")


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

    @property
    def can_restart(self) -> bool:
        """Say whether it can be ended and started again, with its records."""
        return self._process is not None

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
    async with asking(kind):
        pass
    return Broker(kind="address", bootstrap=kind, why="it runs already")


@asynccontextmanager
async def _jvm(*, report: Callable[[str], None], overrides: Mapping[str, str]) -> AsyncIterator[Broker]:
    reason = await why_not()
    if reason is not None:
        raise Unavailable(reason)
    async with jvm_kafka(overrides=overrides, report=report) as process:
        why = f"Apache Kafka {KAFKA_VERSION} on this machine's java"
        yield Broker(kind="jvm", bootstrap=process.bootstrap, why=why, process=process)


@asynccontextmanager
async def _container(*, report: Callable[[str], None]) -> AsyncIterator[Broker]:
    try:
        from .container import container_kafka  # noqa: PLC0415 - a laptop's extra
    except ImportError as error:
        raise Unavailable("testcontainers is not installed; cure: pip install 'sesamy-makeas[local]'") from error
    async with container_kafka(report=report) as (address, image):
        yield Broker(kind="testcontainers", bootstrap=address, why=f"a container of {image}")


@asynccontextmanager
async def _memory() -> AsyncIterator[Broker]:
    try:
        from .memory import memory_kafka  # noqa: PLC0415 - a laptop's extra
    except ImportError as error:
        raise Unavailable("confluent-kafka is not installed; cure: pip install 'sesamy-makeas[local]'") from error
    async with memory_kafka() as address:
        yield Broker(kind="memory", bootstrap=address, why="confluent-kafka's in-process broker: one consumer only, and nothing is kept")
