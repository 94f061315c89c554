"""Twenty thousand letters in the topic: how long a starting pod takes to read them, and what it keeps."""

import gc
import time
import tracemalloc
from typing import Any

import anyio
from confluent_kafka import Producer

from consumer import kafka
from consumer.events import encode
from consumer.gates import Gates
from consumer.healing import Healing
from consumer.model import Event, UserKey
from consumer.sandbox.broker import broker, create_topic
from consumer.settings import KafkaSettings

_LETTERS = 20_000


async def main() -> None:
    async with broker("jvm", report=lambda _: None) as real:
        for closed in (0, _LETTERS - 100):
            topic = f"letters-{closed}"
            await create_topic(real.bootstrap, topic, partitions=1)
            await anyio.to_thread.run_sync(_produce, real.bootstrap, topic, closed)
            settings = KafkaSettings(bootstrap_servers=(real.bootstrap,), dead_letter_topic=topic)
            started = time.perf_counter()
            await _read(settings, _LETTERS - closed)
            took_s = time.perf_counter() - started
            tracemalloc.start()  # It makes everything slow, so apart.
            healing = await _read(settings, _LETTERS - closed)
            gc.collect()
            kept = tracemalloc.get_traced_memory()[0]
            tracemalloc.stop()
            print(
                f"  {_LETTERS:,} letters, {closed:,} closed: read in {took_s:.2f} s; {kept / 2**20:.1f} MiB for {len(healing.book):,} open"
            )


async def _read(settings: KafkaSettings, wanted: int) -> Healing:
    nobody: Any = None
    healing = Healing(
        topic=settings.dead_letter_topic,
        schedule=nobody,
        gates=Gates({}, {}),
        accounts={},
        owned=tuple,
        epoch=lambda: 0,
        reading=lambda: kafka.reading(settings, suffix="-bench"),
        partitions=lambda reader: kafka.partitions_of(reader, settings.dead_letter_topic),
        marks=nobody,
        ring=lambda: None,
    )
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(healing.run)
        while not (healing.caught_up and len(healing.book) == wanted):
            await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()
    return healing


def _produce(bootstrap: str, topic: str, closed: int) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "queue.buffering.max.messages": 200_000})
    for number in range(_LETTERS):
        headers = {
            "error.code": "http-422",
            "source.partition": "0",
            "source.offset": str(number),
            "makeas.account": "1",
            "makeas.lists": "1",
        }
        value = encode(Event(UserKey("vendor_123", f"email|{number:024d}"), "contract.1#update"))
        producer.produce(topic, key=b"k", value=value, headers=dict(headers))
    for number in range(closed):
        producer.produce(topic, key=b"k", value=b"", headers={"letter": f"0:{number}", "state": "done"})
    producer.flush()
