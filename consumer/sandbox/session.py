"""One sitting of `local`: receiver and consumer as processes of their own, the traffic they are given, and what was done to them."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import aiohttp
import anyio
import msgspec
from aiokafka import AIOKafkaProducer
from msgspec import Struct

from ..pod.status.tree import Status
from .brokers.broker import Broker
from .children import Program
from .forwarding.endpoint import Endpoint
from .forwarding.forwarder import Forwarder
from .ports import free_port
from .publishers import Message, event, happen, poison
from .town import PLACES, TOPIC, VENDORS, Town

RECEIVER: Final = "receiver.toml"
"""The receiver's settings, beside the consumer's."""
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
        self.consumer = Program("consumer", ["run", "--config", str(config)], log=config.parent / "consumer.log", admin_url=admin_url)
        self.struck = anyio.Event()
        """Set once chaos has done its worst, and healed it."""
        self.endpoint = Endpoint(free_port(), config.parent / "webhook-secret")
        self.receiver = _receiver(config.parent)
        self.forwarder = Forwarder(self.endpoint.url, self.endpoint.headers)

    def write_settings(self, *, admin_port: int, numbers: str) -> None:
        """Write the settings of both; `numbers`: further tables of the consumer's."""
        settings, bootstrap = self.here.settings, self.kafka.bootstrap
        self.config.write_text(settings(bootstrap=bootstrap, admin_port=admin_port, more=numbers), encoding="utf-8")
        port = int(self.receiver.admin_url.rpartition(":")[2])
        text = settings(bootstrap=bootstrap, admin_port=port, more=self.endpoint.settings())
        (self.config.parent / RECEIVER).write_text(text, encoding="utf-8")

    # ---- The consumer, and the receiver before it ----

    async def start_consumer(self) -> None:
        """Start it as a user would, and wait until it is ready."""
        await self.consumer.start()

    async def kill_consumer(self) -> None:
        """End it by SIGKILL."""
        await self.consumer.kill()
        self.totals.kills += 1

    async def start_receiver(self) -> None:
        """Start it as a user would, and wait until it is ready."""
        await self.receiver.start()

    async def kill_receiver(self) -> None:
        """End it by SIGKILL."""
        await self.receiver.kill()
        self.totals.kills += 1

    async def bury(self) -> None:
        """End both, whatever they do."""
        await self.receiver.bury()
        await self.consumer.bury()

    async def status(self) -> Status | None:
        """Ask it how it is; None: it does not answer."""
        try:
            async with aiohttp.ClientSession() as session, session.get(f"{self.admin_url}/status.json") as answer:
                return msgspec.json.decode(await answer.read(), type=Status)
        except (aiohttp.ClientError, msgspec.MsgspecError):
            return None

    # ---- Traffic ----

    def send(self, messages: list[Message]) -> None:
        """Let Sesamy forward events to the webhook."""
        self.forwarder.send(message.value for message in messages if message.value is not None)
        self.totals.events += len(messages)

    async def traffic(self, *, seconds: float) -> None:
        """
        Let every reader be seen once, and then things happen, in bursts; one reader is busier than all others.

        It returns once the webhook has taken all of it.
        """
        chance = self._chance
        hot = min(self.here.readers(VENDORS[0]))
        async with self.forwarder.running():
            for vendor in VENDORS:
                self.send([event(vendor, user, "userVendor.1#update") for user in sorted(self.here.readers(vendor))])
            deadline = anyio.current_time() + seconds
            while anyio.current_time() < deadline:
                vendor = chance.choice(VENDORS)
                user = chance.choice(sorted(self.here.readers(vendor)))
                self.send(happen(self.here.sesamy, vendor, user, chance))
                self.send(happen(self.here.sesamy, VENDORS[0], hot, chance))
                await anyio.sleep(chance.uniform(0.01, 0.1))
            await self.forwarder.all_taken()

    async def poison(self, *, every: bool = False) -> None:
        """Let another publisher write a record that can't be read: the next kind of it, or one of every kind."""
        kinds = poison()
        records = kinds if every else [kinds[self.totals.poison % len(kinds)]]
        async with producing(self.kafka.bootstrap) as producer:
            for record in records:
                await producer.send(TOPIC, value=record.value, key=record.key)
            await producer.flush()
        self.totals.events += len(records)
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


def _receiver(folder: Path) -> Program:
    arguments = ["receive", "--config", str(folder / RECEIVER)]
    return Program("receiver", arguments, log=folder / "receiver.log", admin_url=f"http://127.0.0.1:{free_port()}")


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
