"""One sitting of `local`: the consumer as a process of its own, the traffic it is given, and what was done to it."""

import random
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import aiohttp
import anyio
import msgspec
from aiokafka import AIOKafkaProducer
from anyio.abc import Process
from msgspec import Struct

from ..core.errors import Exit, Fatal
from ..pod.status.tree import Status
from .brokers.broker import Broker
from .children import start_child
from .publishers import Message, event, happen, poison
from .town import PLACES, TOPIC, VENDORS, Town

_READY_S: Final = 60.0
_AGREE_S: Final = 180.0


class Options(Struct, frozen=True, kw_only=True):
    """What `local` is asked for; `config` gives the consumer's numbers (debounce, workers)."""

    broker: str = "auto"
    serve: bool = False
    chaos: bool = False
    reconcile: bool = False
    output: str = "text"
    config: Path | None = None


class Totals(Struct):
    """What was done to the consumer."""

    events: int = 0
    poison: int = 0
    kills: int = 0


class Local:
    """One sitting."""

    def __init__(self, options: Options, here: Town, kafka: Broker, config: Path, admin_url: str) -> None:
        self.options, self.here, self.kafka, self.config, self.admin_url = options, here, kafka, config, admin_url
        self.totals = Totals()
        self._chance = random.Random(7)  # One for all its traffic: else the same would happen again and again, which changes nothing.
        self.consumer: Process | None = None
        self.struck = anyio.Event()
        """Set once chaos has done its worst, and healed it."""
        self.log = config.parent / "consumer.log"

    # ---- The consumer ----

    async def start_consumer(self) -> None:
        """Start it as a user would, and wait until it is ready."""
        command = [sys.executable, "-m", "consumer", "run", "--config", str(self.config)]
        self.consumer = await start_child(command, log=self.log)
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
        await self._ended()
        self.totals.kills += 1

    async def stop_consumer(self) -> int:
        """Let it drain; return its exit status."""
        if self.consumer is None or self.consumer.returncode is not None:
            return -1
        self.consumer.send_signal(signal.SIGTERM)
        return await self._ended()

    async def bury_consumer(self) -> None:
        """End it whatever it does, if it runs still."""
        if self.consumer is not None and self.consumer.returncode is None:
            with anyio.CancelScope(shield=True):
                self.consumer.kill()
                await self._ended()

    async def _ended(self) -> int:
        assert self.consumer is not None
        status = await self.consumer.wait()
        await self.consumer.aclose()
        return status

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
        """Let every reader be seen once, and then things happen, in bursts; one reader is busier than all others."""
        chance = self._chance
        hot = min(self.here.readers(VENDORS[0]))
        async with producing(self.kafka.bootstrap) as producer:
            for vendor in VENDORS:
                await self.send(producer, [event(vendor, user, "userVendor.1#update") for user in sorted(self.here.readers(vendor))])
            deadline = anyio.current_time() + seconds
            while anyio.current_time() < deadline:
                vendor = chance.choice(VENDORS)
                user = chance.choice(sorted(self.here.readers(vendor)))
                await self.send(producer, happen(self.here.sesamy, vendor, user, chance))
                await self.send(producer, happen(self.here.sesamy, VENDORS[0], hot, chance))
                await anyio.sleep(chance.uniform(0.01, 0.1))
            await producer.flush()

    async def poison(self, *, every: bool = False) -> None:
        """Write a record that can't be read: the next kind of it, or one of every kind."""
        kinds = poison()
        records = kinds if every else [kinds[self.totals.poison % len(kinds)]]
        async with producing(self.kafka.bootstrap) as producer:
            await self.send(producer, records)
            await producer.flush()
        self.totals.poison += len(records)

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
    try:
        await producer.start()
        yield producer
    finally:
        with anyio.CancelScope(shield=True):  # Else it leaves connections behind, and says so.
            await producer.stop()
