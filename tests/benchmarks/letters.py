"""Letters in the topic: how long a starting pod takes to read them, what it keeps, and what a round costs with very many open."""

import gc
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import anyio
from confluent_kafka import Producer

from consumer.core.backlog import Backlog
from consumer.core.events import URGENT, encode
from consumer.core.gates.gates import Gates
from consumer.core.letters.healing import Healing
from consumer.core.letters.record import parse
from consumer.core.model import Event, Job, Outcome, Place, Result, UserKey, Verdict
from consumer.core.users.schedule import Schedule
from consumer.kafka.client import connect
from consumer.kafka.letter_follower import LetterFollower
from consumer.resync.clients import gates
from consumer.sandbox.brokers.broker import broker
from consumer.sandbox.brokers.topics import create_topic
from consumer.settings.model import KafkaSettings
from tests.fakes.rules import rules
from tests.simulation.settings import SETTINGS

_LETTERS = 20_000
_OPEN = 250_000


async def main() -> None:
    _rounds()
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
    healing = Healing(nobody, Gates({}, {}), {"v1": ()})
    follower = LetterFollower(
        Backlog(nobody, healing),
        topic=settings.dead_letter_topic,
        reading=lambda: connect.reading(settings, suffix="-bench"),
        partitions=lambda reader: connect.partitions_of(reader, settings.dead_letter_topic),
        metrics=nobody,
    )
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(follower.run)
        while not (follower.caught_up and len(healing.book) == wanted):
            await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()
    return healing


def _rounds() -> None:
    """Held letters, all ours: what reading one costs, the first rounds, a round once each has had a run in vain, and a look at all."""
    accounts = SETTINGS.accounts_of("v1")
    owned = range(12)
    schedule = Schedule(rules(), {"v1": tuple(one.id for one in accounts)}, urgent=URGENT)
    healing = Healing(schedule, gates(SETTINGS, heals=True), {"v1": accounts})
    records = []
    for number in range(_OPEN):
        said = {"error.code": "held", "source.partition": str(number % 12), "source.offset": str(number), "source.partitions": "12"}
        said |= {"makeas.account": "1", "makeas.lists": "10", "parked_at": "2026-11-24T08:00:00.000Z"}
        value = encode(Event(UserKey("v1", f"email|{number:024d}"), "contract.1#update"))
        records.append(([(name, text.encode()) for name, text in said.items()], value))
    took = time.perf_counter()
    for number, (headers, value) in enumerate(records):
        healing.read(Place(0, number), parse(headers, value, None, timestamp_ms=0, now=0.0))
    read_s = (time.perf_counter() - took) / _OPEN
    slowest_s, sorting = _slowest(lambda: healing.offer(owned, of_topic=12, now=1.0), _OPEN // 2000 + 2)
    held = Result(Verdict.HELD)
    for number in range(_OPEN):
        job = Job(user=UserKey("v1", f"email|{number:024d}"), accounts=(accounts[0].id,), started_at=0.5, since_ms={})
        healing.note_run(job, Result(Verdict.DONE), {accounts[0].id: held}, Outcome(owed=job.accounts))
    idle_s, _ = _slowest(lambda: healing.offer(owned, of_topic=12, now=1.0), 20)
    oldest_s, _ = _slowest(healing.book.oldest_parked_ms, 20)
    all_s, _ = _slowest(lambda: sum(1 for _ in healing.waiting(owned)), 3)
    print(
        f"  {_OPEN:,} open: read {read_s * 1e6:.1f} us a letter; the first {sorting} rounds at most {slowest_s * 1e3:.1f} ms;"
        f" then {idle_s * 1e3:.2f} ms a round; the oldest {oldest_s * 1e3:.3f} ms; a look at all {all_s * 1e3:.0f} ms"
    )


def _slowest(what: Callable[[], object], times: int) -> tuple[float, int]:
    took = []
    for _ in range(times):
        started = time.perf_counter()
        what()
        took.append(time.perf_counter() - started)
    return max(took), times


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
