"""An Apache Kafka node on this machine's JVM, killed and started again at will."""

import base64
import signal
import subprocess
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import anyio
from anyio.abc import Process

from ..children import start_child
from ..ports import free_port
from .jars import jars, last_lines, scratch
from .unavailable import Unavailable

_START_S: Final = 60.0
_STOP_S: Final = 15.0
_STARTED: Final = "Kafka Server started"
_LOGGING: Final = (
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info",
)


class JvmKafka:
    """
    One node, broker and controller at once, in a process of its own.

    It keeps its port and its records over `kill` or `stop` and `start`. One task at a time calls these.
    """

    def __init__(self, lib: Path, home: Path, *, overrides: Mapping[str, str], number: int = 1, memory: str = "512m") -> None:
        """
        Keep everything under `home`.

        Args:
            lib: The folder with Kafka's jars.
            overrides: Further broker settings, as they are at `format`; they win over ours.
            number: The node's id.
            memory: Its heap.
        """
        self._lib = lib
        self._home = home
        self._number, self._memory = number, memory
        self._port = free_port()
        self._controller_port = free_port()
        self._overrides = overrides
        self._process: Process | None = None

    @property
    def bootstrap(self) -> str:
        """The address, `host:port`."""
        return f"127.0.0.1:{self._port}"

    @property
    def pid(self) -> int | None:
        """The id of the process; None while it is down."""
        return self._process.pid if self._process else None

    @property
    def controller(self) -> str:
        """The address of its controller, `host:port`."""
        return f"127.0.0.1:{self._controller_port}"

    async def format(self, *, cluster: str | None = None, quorum: str = "--standalone") -> None:
        """
        Write the settings and make an empty log folder.

        Args:
            cluster: The cluster's id; None: a new one.
            quorum: Which controllers there are, as an option of Kafka's tool; by default this one alone.

        Raises:
            Unavailable: Kafka refused the settings.
        """
        text = "".join(f"{name}={value}\n" for name, value in self._properties().items())
        await anyio.Path(self._properties_file).write_text(text, encoding="utf-8")
        tool = ["kafka.tools.StorageTool", "format", quorum, f"--cluster-id={cluster or new_id()}", f"--config={self._properties_file}"]
        done = await anyio.run_process(self._java(*tool), check=False, stderr=subprocess.STDOUT)
        if done.returncode:
            raise Unavailable(f"Kafka refused its settings:\n{last_lines(done.stdout.decode(errors='replace'))}")

    async def start(self) -> None:
        """
        Start the process, and return once it serves.

        Raises:
            Unavailable: It ended, or did not serve within 60 s; the text holds its last log lines.
        """
        assert self._process is None, "it runs already"
        await anyio.Path(self._log).write_bytes(b"")
        self._process = await start_child(self._java("kafka.Kafka", str(self._properties_file), memory=self._memory), log=self._log)
        if not await self._serves():
            log = await self._read_log()
            await self.kill()
            raise Unavailable(f"Kafka did not start:\n{last_lines(log)}")

    async def stop(self) -> None:
        """End it in order, as an operator would; kill it where that takes more than 15 s."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        with anyio.move_on_after(_STOP_S):
            await self._process.wait()
        await self.kill()

    async def kill(self) -> None:
        """End it by SIGKILL, as a power cut would; what it acknowledged is on its disk or in the page cache."""
        process, self._process = self._process, None
        if process is None:
            return
        with anyio.CancelScope(shield=True):
            if process.returncode is None:
                process.kill()
            await process.wait()
            await process.aclose()

    async def _serves(self) -> bool:
        assert self._process is not None
        with anyio.move_on_after(_START_S):
            while self._process.returncode is None:
                if _STARTED in await self._read_log():
                    return True
                await anyio.sleep(0.1)
        return False

    async def _read_log(self) -> str:
        return await anyio.Path(self._log).read_text(encoding="utf-8", errors="replace")

    @property
    def _log(self) -> Path:
        return self._home / "kafka.log"

    @property
    def _properties_file(self) -> Path:
        return self._home / "server.properties"

    def _java(self, *arguments: str, memory: str = "128m") -> list[str]:
        return ["java", f"-Xmx{memory}", *_LOGGING, "-cp", f"{self._lib}/*", *arguments]

    def _properties(self) -> dict[str, str]:
        listeners = f"PLAINTEXT://{self.bootstrap},CONTROLLER://{self.controller}"
        return {
            "process.roles": "broker,controller",
            "node.id": str(self._number),
            "controller.quorum.bootstrap.servers": self.controller,
            "listeners": listeners,
            "advertised.listeners": listeners,
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": str(self._home / "log"),
            "offsets.topic.num.partitions": "4",
            "offsets.topic.replication.factor": "1",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "group.initial.rebalance.delay.ms": "0",
            "group.min.session.timeout.ms": "1000",
            # A killed broker is held to be alive for so long, and can't come back before.
            "broker.session.timeout.ms": "1500",
            "broker.heartbeat.interval.ms": "300",
            "auto.create.topics.enable": "false",
            **self._overrides,
        }


@asynccontextmanager
async def jvm_kafka(*, overrides: Mapping[str, str], report: Callable[[str], None]) -> AsyncIterator[JvmKafka]:
    """
    Run a JVM Kafka with an empty log, and leave nothing behind.

    Raises:
        Unavailable: It can't be fetched, or does not start.
    """
    lib = await jars(report=report)
    async with scratch(None) as home:
        kafka = JvmKafka(lib, home, overrides=overrides)
        try:
            await kafka.format()
            await kafka.start()
            yield kafka
        finally:
            await kafka.kill()


def new_id() -> str:
    """Return a new id as Kafka writes them: of a cluster, or of a folder of logs."""
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
