"""A pod that finds no Kafka."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiokafka.errors import KafkaConnectionError

from consumer.pod.service import Service
from consumer.pod.status.report import Report
from consumer.resync.clients import Upstreams, gates
from consumer.telemetry.metrics import Metrics
from tests.simulation.settings import SETTINGS


@asynccontextmanager
async def no_kafka(*_: object) -> AsyncIterator[Any]:
    raise KafkaConnectionError
    yield


async def no_partitions(_: object) -> list[Any]:
    return []


def service(up: Upstreams | None = None) -> Service:
    """Give a pod that finds no Kafka."""
    up = Upstreams({}, gates(SETTINGS)) if up is None else up
    return Service(SETTINGS, Metrics(SETTINGS), up, join=no_kafka, producing=no_kafka, reading=no_kafka, partitions=no_partitions)


def is_live(pod: Service) -> bool:
    return Report(pod, started_at=time.time()).status().live
