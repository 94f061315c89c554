"""A town, a topic on a real Kafka, and consumers as processes of their own, to be stopped, killed and looked at."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import aiohttp
import anyio
import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.structs import ConsumerRecord
from anyio.abc import ByteReceiveStream, Process

from consumer.pod.status.tree import Status
from consumer.sandbox.brokers.broker import Broker
from consumer.sandbox.ports import free_port
from consumer.sandbox.publishers import Message, event
from consumer.sandbox.town import PLACES, VENDORS, Town

PARTITIONS = 4


class Pod:
    """One consumer process."""

    def __init__(self, town: Town, kafka: Broker, topic: str, folder: Path, *, rate_per_minute: int, session_s: float, more: str) -> None:
        self.port = free_port()
        self.config = folder / f"pod-{self.port}.toml"
        numbers = "[debounce]\nquiet_s = 0.3\nmax_wait_s = 2.0\n" + (more or "[workers]\nbackoff_s = 0.2\nbackoff_max_s = 2.0\n")
        text = town.settings(
            bootstrap=kafka.bootstrap,
            admin_port=self.port,
            topic=topic,
            rate_per_minute=rate_per_minute,
            session_s=session_s,
            more=numbers,
        )
        self.config.write_text(text, encoding="utf-8")
        self.log = folder / f"pod-{self.port}.log"
        self.command = [sys.executable, "-m", "consumer", "run", "--config", str(self.config)]
        self.environ: dict[str, str] = {}
        """More variables for its process."""
        self._process: Process | None = None

    async def start(self, *, ready: bool = True) -> "Pod":
        with self.log.open("ab") as log:
            self._process = await anyio.open_process(self.command, stdin=None, stdout=log, stderr=log, env={**os.environ, **self.environ})
        if ready:
            await until(self.is_ready, what=lambda: f"the pod is ready; it said {self.said()}", within_s=60)
        return self

    async def is_ready(self) -> bool:
        assert self._process is not None
        assert self._process.returncode is None, self.said()
        return await self._get("/readyz") is not None

    async def is_live(self) -> bool:
        return await self._get("/livez") is not None

    @property
    def process(self) -> Process:
        assert self._process is not None
        return self._process

    async def status(self) -> Status | None:
        body = await self._get("/status.json")
        return None if body is None else msgspec.json.decode(body, type=Status)

    async def metrics(self) -> str:
        return (await self._get("/metrics") or b"").decode()

    async def _get(self, path: str) -> bytes | None:
        try:
            timeout = aiohttp.ClientTimeout(total=5)
            async with aiohttp.ClientSession(timeout=timeout) as session, session.get(f"http://127.0.0.1:{self.port}{path}") as answer:
                return await answer.read() if answer.status == 200 else None
        except (aiohttp.ClientError, TimeoutError):
            return None

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    async def ended(self) -> int:
        assert self._process is not None
        return await self._process.wait()

    async def kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def stop(self) -> int:
        self.signal(signal.SIGTERM)
        return await self.ended()

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")[-3000:] if self.log.exists() else ""


class Said(NamedTuple):
    """How a command ended."""

    status: int
    out: str
    err: str


async def _read_both(process: Process) -> tuple[str, str]:
    read: dict[str, str] = {}

    async def read_all(name: str, stream: ByteReceiveStream | None) -> None:
        assert stream is not None
        read[name] = b"".join([part async for part in stream]).decode()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(read_all, "out", process.stdout)
        tasks.start_soon(read_all, "err", process.stderr)
    return read["out"], read["err"]


class Stage:
    """Where a scenario plays."""

    def __init__(self, town: Town, kafka: Broker, topic: str, folder: Path, producer: AIOKafkaProducer) -> None:
        self.town, self.kafka, self.topic, self.folder, self._producer = town, kafka, topic, folder, producer
        self.pods: list[Pod] = []
        self.session_s = 6.0
        self.ends: dict[int, int] = {}
        """The end of each partition behind what was sent last."""

    def pod(self, *, rate_per_minute: int = 60_000, more: str = "") -> Pod:
        self.pods.append(self._pod(rate_per_minute=rate_per_minute, more=more))
        return self.pods[-1]

    def _pod(self, *, rate_per_minute: int, more: str) -> Pod:
        return Pod(self.town, self.kafka, self.topic, self.folder, rate_per_minute=rate_per_minute, session_s=self.session_s, more=more)

    async def command(self, *args: str, more: str = "", rate_per_minute: int = 60_000, within_s: float = 90.0) -> "Said":
        """Run another command of the consumer to its end."""
        with anyio.fail_after(within_s):
            process = await self.begin(*args, more=more, rate_per_minute=rate_per_minute)
            try:
                out, err = await _read_both(process)
                return Said(await process.wait(), out, err)
            finally:
                if process.returncode is None:
                    process.kill()
                await process.aclose()

    async def begin(self, *args: str, more: str = "", rate_per_minute: int = 60_000) -> Process:
        """Begin another command of the consumer."""
        config = self.config(more=more, rate_per_minute=rate_per_minute)
        words = 2 if args[0] == "dead-letters" else 1
        command = [sys.executable, "-m", "consumer", *args[:words], "--config", str(config), *args[words:]]
        return await anyio.open_process(command, stdin=subprocess.DEVNULL)

    def config(self, *, more: str = "", rate_per_minute: int = 60_000) -> Path:
        """Write settings for a command."""
        return self._pod(rate_per_minute=rate_per_minute, more=more).config

    async def send(self, messages: Iterable[Message], *, partition: int | None = None) -> None:
        sent = [await self._producer.send(self.topic, value=one.value, key=one.key, partition=partition) for one in messages]
        await self._producer.flush()
        told = await asyncio.gather(*sent, return_exceptions=True)  # Whether brokers are there is the test's to say.
        self.ends |= {one.partition: one.offset + 1 for one in told if not isinstance(one, BaseException)}

    async def touch_all(self, *, times: int = 1) -> None:
        """Let every reader be touched."""
        for vendor in VENDORS:
            await self.send(event(vendor, user, "contract.1#update") for user in sorted(self.town.readers(vendor)) for _ in range(times))

    async def agree(self, *, within_s: float = 60.0, accounts: Iterable[str] | None = None) -> None:
        """Wait until every list, or those of `accounts`, agrees with Sesamy."""
        places = [place for place in PLACES if accounts is None or place.account in accounts]

        async def agrees() -> bool:
            return not any(self.town.wrong(place) for place in places)

        def said() -> str:
            wrong = {place.account: list(self.town.wrong(place).items())[:3] for place in places}
            return f"the lists agree, but {wrong}; {[pod.said() for pod in self.pods]}"

        await until(agrees, what=said, within_s=within_s)
        assert self.town.violations() == []

    async def idle(self, pod: Pod, *, within_s: float = 60.0) -> None:
        """Wait until a pod has nothing left, and has committed it."""

        async def nothing_left() -> bool:
            status = await pod.status()
            if status is None or not status.ready or status.users.dirty:
                return False
            # Of a partition whose end is not known yet nothing has been read, and what a pod knows of it may be of before the last events.
            return all(one.lag == 0 and one.committed >= 0 and one.end >= self.ends.get(one.partition, 0) for one in status.partitions)

        await until(nothing_left, what=lambda: f"nothing is left; {pod.said()}", within_s=within_s)

    async def letters(self, count: int, *, within_s: float = 30.0) -> list[dict[str, str]]:
        """Return the headers of `count` letters, with key and value."""
        reader = AIOKafkaConsumer(bootstrap_servers=self.kafka.bootstrap, auto_offset_reset="earliest", enable_auto_commit=False)
        await reader.start()
        try:
            reader.assign([TopicPartition(f"{self.topic}.dead-letter", 0)])
            found: list[ConsumerRecord[bytes, bytes]] = []
            deadline = anyio.current_time() + within_s
            while len(found) < count and anyio.current_time() < deadline:
                for records in (await reader.getmany(timeout_ms=300)).values():
                    found += records
            return [
                {name: value.decode() for name, value in one.headers} | {"key": repr(one.key), "value": (one.value or b"").decode()}
                for one in found
            ]
        finally:
            await reader.stop()

    async def committed(self) -> dict[int, int | None]:
        """Return the group's offsets."""
        reader = AIOKafkaConsumer(bootstrap_servers=self.kafka.bootstrap, group_id=f"readers-of-{self.topic}", enable_auto_commit=False)
        await reader.start()
        try:
            reader.assign([TopicPartition(self.topic, p) for p in range(PARTITIONS)])
            return {p: await reader.committed(TopicPartition(self.topic, p)) for p in range(PARTITIONS)}
        finally:
            await reader.stop()


async def until(holds: Callable[[], object], *, what: Callable[[], str], within_s: float) -> None:
    """Wait until an async question is answered with yes."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if await holds():  # type: ignore[misc]
            return
        await anyio.sleep(0.1)
    raise AssertionError(f"not within {within_s} s: {what()}")


@asynccontextmanager
async def staged(town: Town, kafka: Broker, topic: str, folder: Path) -> AsyncIterator[Stage]:
    """Set the stage; all pods are gone at the end."""
    producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap, acks="all")
    await producer.start()
    stage = Stage(town, kafka, topic, folder, producer)
    try:
        yield stage
    finally:
        for pod in stage.pods:
            if pod._process is not None and pod._process.returncode is None:
                os.kill(pod._process.pid, signal.SIGCONT)
            await pod.kill()
        with anyio.move_on_after(5, shield=True):
            await producer.stop()
