"""The topic, decoded, merged and kept in the ledger, beside the bare `getmany` of a client as it comes, with a decode."""

import time
from collections.abc import Sequence
from statistics import median
from typing import Any, TypeVar

import anyio
import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from confluent_kafka import Producer

from consumer.core.events import URGENT
from consumer.core.model import AccountId
from consumer.core.unknown import UnknownTypes, UnknownVendors
from consumer.core.users.schedule import Schedule
from consumer.kafka.client.clients import Member
from consumer.kafka.intake import Intake
from consumer.kafka.records import Records
from consumer.kafka.topic_watch import TopicWatch
from consumer.sandbox.brokers.broker import broker
from consumer.sandbox.brokers.topics import create_topic
from consumer.sandbox.publishers import event
from consumer.telemetry.metrics import Metrics
from tests.benchmarks.goals import Figure
from tests.fakes.backlog import backlog
from tests.fakes.rules import rules
from tests.simulation.settings import SETTINGS

RECORDS, USERS, PARTITIONS, _ROUNDS = 1_000_000, 10_000, 4, 5
Client = TypeVar("Client", bound=AIOKafkaConsumer)


class Wire(msgspec.Struct):
    eventType: str  # noqa: N815
    vendorId: str  # noqa: N815
    userId: str  # noqa: N815


class Steady:
    """An assignment that never changes."""

    epoch = 0
    watch = TopicWatch("scan")

    def check(self) -> None:
        """Find nothing wrong."""


async def main(rounds: int = _ROUNDS) -> Sequence[Figure]:
    async with broker("jvm", report=lambda _: None) as kafka:
        await create_topic(kafka.bootstrap, "scan", partitions=PARTITIONS)
        await anyio.to_thread.run_sync(produce, kafka.bootstrap)
        ratios, cpu_ratios = [], []
        for _ in range(rounds):
            begun = time.process_time()
            alone, between = await bare(kafka.bootstrap), time.process_time()
            ours, ended = await _ours(kafka.bootstrap), time.process_time()
            ratios.append(ours / alone)
            cpu_ratios.append((between - begun) / (ended - between))
            print(f"  bare getmany + decode {alone:,.0f} records/s; scan {ours:,.0f} records/s; ratio {ratios[-1]:.2f}")
        print(f"  medians of {rounds}: ratio {median(ratios):.2f}; by CPU seconds {median(cpu_ratios):.2f}")
    return [
        Figure(name="scan beside bare getmany + decode", goal=0.8, got=median(ratios), is_best="most", unit="x"),
        Figure(name="the same, by CPU seconds", goal=0.8, got=median(cpu_ratios), is_best="most", unit="x"),
    ]


def produce(bootstrap: str) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 50, "queue.buffering.max.messages": 2_000_000})
    messages = [event("vendor_123", f"email|{number:024d}", "contract.1#update") for number in range(USERS)]
    for number in range(RECORDS):
        message = messages[number * 7919 % USERS]
        producer.produce("scan", value=message.value, key=message.key, partition=number % PARTITIONS)
    producer.flush()


async def _started(kind: type[Client], bootstrap: str) -> Client:
    consumer: Client = kind(bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest")
    await consumer.start()
    consumer.assign([TopicPartition("scan", number) for number in range(PARTITIONS)])
    for number in range(PARTITIONS):
        consumer.seek(TopicPartition("scan", number), 0)
    return consumer


async def bare(bootstrap: str) -> float:
    consumer, decode, seen = await _started(AIOKafkaConsumer, bootstrap), msgspec.json.Decoder(Wire).decode, 0
    started = time.perf_counter()
    while seen < RECORDS:
        for records in (await consumer.getmany(timeout_ms=500, max_records=2000)).values():
            for record in records:
                decode(record.value or b"")
            seen += len(records)
    rate = RECORDS / (time.perf_counter() - started)
    await consumer.stop()
    return rate


async def _ours(bootstrap: str) -> float:
    consumer, done = await _started(Member, bootstrap), anyio.Event()
    made = backlog(Schedule(rules(), {"vendor_123": (AccountId("1"),)}, urgent=URGENT), *range(PARTITIONS))

    def ring() -> None:
        if all(made.ledger.next_offset(number) >= RECORDS // PARTITIONS for number in range(PARTITIONS)):
            done.set()

    made.on_work = ring
    steady: Any = Steady()
    metrics = Metrics(SETTINGS)
    records = Records(made, vendors=["vendor_123"], unknown=UnknownVendors(), unknown_types=UnknownTypes(), metrics=metrics)
    intake = Intake(consumer, steady, records, made, topic="scan", max_dirty_users=1_000_000, metrics=metrics)
    started = time.perf_counter()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(intake.run)
        await done.wait()
        rate = RECORDS / (time.perf_counter() - started)
        tasks.cancel_scope.cancel()
    await consumer.stop()
    return rate
