"""Pods as processes, on a real Kafka and the quick stand-ins: what they are told, when they are ready, what CPU they took."""

import os
import sys
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp
import anyio
import msgspec
from anyio.abc import Process
from confluent_kafka import Producer

from consumer.sandbox.ports import free_port
from consumer.sandbox.publishers import event

VENDOR: Final = "v"
_READY_S: Final = 90.0
_LOOK_S: Final = 0.1
_TICKS: Final = os.sysconf("SC_CLK_TCK")

Called = tuple[str, float, float]
"""A call of a reader: its kind, when it came, and when it was answered (s)."""


class Pod:
    """One that runs."""

    def __init__(self, process: Process, port: int, log: Path) -> None:
        self._process, self._port, self._log = process, port, log

    @property
    def cpu_s(self) -> float:
        """Return the CPU time that it took so far (s)."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    async def ready(self, partitions: int) -> None:
        """Wait until it is ready, and has so many partitions."""
        with anyio.fail_after(_READY_S):
            while await self._partitions() != partitions:
                assert self._process.returncode is None, self._log.read_text(encoding="utf-8")[-3000:]
                await anyio.sleep(_LOOK_S)

    async def _partitions(self) -> int:
        try:
            status = await asked(f"http://127.0.0.1:{self._port}/status.json")
        except aiohttp.ClientError:
            return -1
        # Of a partition whose end is not known yet nothing would be read.
        return sum(min(one["end"], one["committed"]) >= 0 for one in status["partitions"]) if status["ready"] else -1

    async def dirty(self) -> int:
        """Return how many users it owes something."""
        status = await asked(f"http://127.0.0.1:{self._port}/status.json")
        return int(status["users"]["dirty"])


@asynccontextmanager
async def running(count: int, folder: Path, *, bootstrap: str, topic: str, more: str, lists: int = 2) -> AsyncIterator[list[Pod]]:
    """Run so many pods, which are gone at the end; `more`: tables of TOML for their settings."""
    processes, pods = list[Process](), list[Pod]()
    try:
        for number in range(count):
            port, log = free_port(), folder / f"{topic}-{number}.log"
            config = folder / f"{topic}-{number}.toml"
            config.write_text(_settings(bootstrap, topic, port, more, lists), encoding="utf-8")
            with log.open("wb") as said:
                command = [sys.executable, "-m", "consumer", "run", "--config", str(config)]
                processes.append(await anyio.open_process(command, stdin=None, stdout=said, stderr=said))
            pods.append(Pod(processes[-1], port, log))
        yield pods
    finally:
        with anyio.CancelScope(shield=True):
            for process in processes:
                if process.returncode is None:
                    process.terminate()
            for process in processes:
                await process.wait()


def _settings(bootstrap: str, topic: str, port: int, more: str, lists: int) -> str:
    rows = ", ".join(f'{{ userId = "{number}", apiKey = "k", listId = "{number}" }}' for number in range(1, lists + 1))
    return f"""
[kafka]
bootstrap_servers = ["{bootstrap}"]
topic = "{topic}"
group_id = "readers-of-{topic}"
dead_letter_topic = "{topic}.dead-letter"
[admin]
host = "127.0.0.1"
port = {port}
{more}
[[vendors]]
id = "{VENDOR}"
sesamy = {{ client_id = "c", client_secret = "s" }}
makeas = [ {rows} ]
"""


class Publisher:
    """Sends events, and knows when."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self._producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 0, "queue.buffering.max.messages": 1_000_000})
        self._topic = topic

    def send(self, users: Iterable[tuple[str, int]], type_: str) -> float:
        """Send an event for each user, on the partition that is named with it; return when that was begun (s)."""
        at = time.monotonic()
        for user, partition in users:
            message = event(VENDOR, user, type_)
            self._producer.produce(self._topic, value=message.value, key=message.key, partition=partition)
        self._producer.flush()
        return at


async def asked(url: str) -> Any:
    """Return what JSON is answered."""
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return msgspec.json.decode(await answer.read())


async def times(url: str) -> Mapping[str, list[Called]]:
    """Return each reader's calls, as the stand-ins saw them."""
    return msgspec.json.decode(msgspec.json.encode(await asked(f"{url}/times")), type=dict[str, list[Called]])
