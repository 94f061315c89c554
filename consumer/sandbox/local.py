"""The whole thing on this machine: broker, stand-ins, traffic, the consumer as its own process, and a check of the end state."""

import os
import random
import signal
import sys
import tempfile
import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp
import anyio
import msgspec
from aiokafka import AIOKafkaProducer
from anyio.abc import Process
from msgspec import Struct

from ..core.errors import Exit, Fatal
from ..pod.status.tree import Status
from . import chaos
from .broker import Broker, Unavailable, broker, create_topic
from .ports import free_port
from .publishers import Message, event, happen, poison
from .town import LETTERS, PLACES, TOPIC, VENDORS, Town, town
from .view import Totals, ended, live

_PARTITIONS: Final = 4
_READERS: Final = 60
_STORM_S: Final = 8.0
_READY_S: Final = 60.0
_AGREE_S: Final = 180.0
_DIFFERS: Final = 1


class Options(Struct, frozen=True, kw_only=True):
    """What `local` is asked for; `config` gives the consumer's numbers (debounce, workers)."""

    broker: str = "auto"
    serve: bool = False
    chaos: bool = False
    output: str = "text"
    config: Path | None = None


class Local:
    """One sitting."""

    def __init__(self, options: Options, here: Town, kafka: Broker, config: Path, admin_url: str) -> None:
        self.options, self.here, self.kafka, self.config, self.admin_url = options, here, kafka, config, admin_url
        self.totals = Totals()
        self.consumer: Process | None = None
        self.struck = anyio.Event()
        """Set once chaos has done its worst, and healed it."""
        self.log = config.parent / "consumer.log"

    # ---- The consumer ----

    async def start_consumer(self) -> None:
        """Start it as a user would, and wait until it is ready."""
        command = [sys.executable, "-m", "consumer", "run", "--config", str(self.config)]
        with self.log.open("ab") as log:
            self.consumer = await anyio.open_process(command, stdin=None, stdout=log, stderr=log, env=dict(os.environ))
        with anyio.move_on_after(_READY_S):
            while self.consumer.returncode is None:
                if await self._is_ready():
                    return
                await anyio.sleep(0.1)
        raise Fatal(f"the consumer did not get ready; it said:\n{self.tail()}", code="not-ready", status=Exit.UNAVAILABLE)

    async def _is_ready(self) -> bool:
        try:
            async with aiohttp.ClientSession() as session, session.get(f"{self.admin_url}/readyz") as answer:
                return answer.status == 200  # noqa: PLR2004
        except aiohttp.ClientError:
            return False

    async def kill_consumer(self) -> None:
        """End it by SIGKILL, as a node that dies would."""
        assert self.consumer is not None
        self.consumer.kill()
        await self.consumer.wait()
        self.totals.kills += 1

    async def stop_consumer(self) -> int:
        """Let it drain; return its exit status."""
        if self.consumer is None or self.consumer.returncode is not None:
            return -1
        self.consumer.send_signal(signal.SIGTERM)
        return await self.consumer.wait()

    async def status(self) -> Status | None:
        """Ask it how it is; None: it does not answer."""
        try:
            async with aiohttp.ClientSession() as session, session.get(f"{self.admin_url}/status.json") as answer:
                return msgspec.json.decode(await answer.read(), type=Status)
        except (aiohttp.ClientError, msgspec.MsgspecError):
            return None

    def tail(self) -> str:
        """Return the last lines it logged."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines() if self.log.exists() else []
        return "\n".join(lines[-12:])

    # ---- Traffic ----

    async def send(self, producer: AIOKafkaProducer, messages: list[Message]) -> None:
        """Write events to the topic."""
        for message in messages:
            await producer.send(TOPIC, value=message.value, key=message.key)
        self.totals.events += len(messages)

    async def traffic(self, *, seconds: float) -> None:
        """Let everybody be seen once, and then things happen, in bursts; one reader is busier than all others."""
        chance = random.Random(7)
        hot = min(self.here.readers(VENDORS[0]))
        async with producing(self.kafka.bootstrap) as producer:
            for vendor in VENDORS:
                await self.send(producer, [event(vendor, user, "userVendor.1#update") for user in sorted(self.here.readers(vendor))])
            if self.options.chaos:
                await self.send(producer, poison())
                self.totals.poison += len(poison())
            deadline = anyio.current_time() + seconds
            while anyio.current_time() < deadline:
                vendor = chance.choice(VENDORS)
                user = chance.choice(sorted(self.here.readers(vendor)))
                await self.send(producer, happen(self.here.sesamy, vendor, user, chance))
                await self.send(producer, happen(self.here.sesamy, VENDORS[0], hot, chance))
                await anyio.sleep(chance.uniform(0.01, 0.1))
            await producer.flush()

    # ---- The end ----

    async def agreed(self) -> bool:
        """Wait until the consumer has nothing left and every list agrees; False: it took too long."""
        with anyio.move_on_after(_AGREE_S):
            while True:
                status = await self.status()
                done = status is not None and status.users.dirty == 0 and status.dead_letters.waiting == 0
                if done and not any(self.here.wrong(place) for place in PLACES):
                    return True
                await anyio.sleep(0.3)
        return False


@asynccontextmanager
async def producing(bootstrap: str) -> AsyncIterator[AIOKafkaProducer]:
    """Be a publisher's side of the topic."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", max_request_size=1_048_576)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


def main(options: Options) -> int:
    """Do it; return 0 only if all lists agree and the consumer drained in order."""
    return anyio.run(_main, options)


async def _main(options: Options) -> int:
    with tempfile.TemporaryDirectory(prefix="sesamy-makeas-") as name:
        folder = Path(name)
        try:
            async with broker(options.broker) as kafka, town(folder, readers=_READERS) as here:
                await create_topic(kafka.bootstrap, TOPIC, partitions=_PARTITIONS)
                if kafka.kind == "memory":  # It makes topics when they are asked for only.
                    await create_topic(kafka.bootstrap, LETTERS, partitions=_PARTITIONS)
                port = free_port()
                config = folder / "consumer.toml"
                config.write_text(
                    here.settings(bootstrap=kafka.bootstrap, admin_port=port, more=_numbers(options.config)), encoding="utf-8"
                )
                return await _sit(Local(options, here, kafka, config, f"http://127.0.0.1:{port}"))
        except Unavailable as error:
            raise Fatal(str(error), code="no-broker", status=Exit.UNAVAILABLE) from None


def _numbers(config: Path | None) -> str:
    """Return the consumer's numbers as TOML: quick ones, or those of a settings file."""
    tables: dict[str, dict[str, Any]] = {"debounce": {"quiet_s": 0.5, "max_wait_s": 3.0}, "workers": {"drain_s": 10.0}}
    if config is not None:
        read = tomllib.loads(config.read_text(encoding="utf-8"))
        tables = {name: read.get(name, {}) for name in ("debounce", "workers")}
    return "\n".join(f"[{name}]\n" + "\n".join(f"{key} = {value}" for key, value in rows.items()) for name, rows in tables.items())


async def _sit(sitting: Local) -> int:
    try:
        await sitting.start_consumer()
        sys.stderr.write(f"status page: {sitting.admin_url}/\n")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(live, sitting)
            if sitting.options.chaos:
                tasks.start_soon(chaos.strike, sitting)
            await sitting.traffic(seconds=_STORM_S * (3 if sitting.options.chaos else 1))
            if sitting.options.chaos:
                await sitting.struck.wait()
            agreed = await sitting.agreed()
            tasks.cancel_scope.cancel()
        ended(sitting, agreed=agreed)
        if sitting.options.serve:
            await _serve(sitting)
        drained = await sitting.stop_consumer()
        if drained != 0:
            sys.stderr.write(f"the consumer ended with {drained}; it said:\n{sitting.tail()}\n")
        return 0 if agreed and drained == 0 and not sitting.here.violations() else _DIFFERS
    finally:
        if sitting.consumer is not None and sitting.consumer.returncode is None:
            with anyio.CancelScope(shield=True):
                sitting.consumer.kill()
                await sitting.consumer.wait()


async def _serve(sitting: Local) -> None:
    """Leave it running, with a little traffic, until interrupted."""
    user = min(sitting.here.readers(VENDORS[0]))
    ask = f"{sys.executable} -m consumer"
    sys.stderr.write(
        f"running until interrupted: {sitting.admin_url}/\nits settings: {sitting.config}\nin another terminal, from this folder:\n"
        f"  {ask} status --config {sitting.config} --watch\n"
        f"  {ask} explain --config {sitting.config} {VENDORS[0]} '{user}'\n"
        f"  {ask} diff --config {sitting.config} {VENDORS[0]} '{user}'\n"
        f"  {ask} replay --config {sitting.config} --from-time 2020-01-01 --dry-run\n"
        f"  {ask} dead-letters list --config {sitting.config}\n"
    )
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_trickle, sitting)
            await anext(signals)
            tasks.cancel_scope.cancel()


async def _trickle(sitting: Local) -> None:
    while True:
        await sitting.traffic(seconds=1.0)
        await anyio.sleep(5)
