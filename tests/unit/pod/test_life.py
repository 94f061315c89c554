"""A pod works, or says that it does not and ends."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from aiokafka.errors import KafkaConnectionError

from consumer.pod.service import Service
from consumer.pod.status.report import Report
from consumer.resync.clients import Upstreams, gates
from consumer.telemetry.fences import PartEnded
from consumer.telemetry.metrics import Metrics
from tests.simulation.settings import SETTINGS
from tests.unit.telemetry.test_fences import cancelled_by_itself


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


async def returns() -> None:
    """End by itself."""


@pytest.mark.parametrize("end", [returns, cancelled_by_itself])
@pytest.mark.parametrize("part", ["writer", "follower", "commits"])
async def test_a_part_that_ends_by_itself_ends_the_pod_with_an_error(part: str, end: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody goes on without it, and until the end the pod says that it is not alive."""
    pod = service()
    assert is_live(pod)
    monkeypatch.setattr(getattr(pod, part), "run", end)

    with pytest.raises(ExceptionGroup) as raised:
        await pod.live()

    assert raised.group_contains(PartEnded)
    assert not is_live(pod)


async def test_being_stopped_is_no_end_by_itself() -> None:
    pod = service()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(pod.live)
        await anyio.sleep(0.1)
        assert is_live(pod)
        tasks.cancel_scope.cancel()
    assert is_live(pod)


async def test_a_pod_that_no_longer_tries_to_join_is_not_alive() -> None:
    """Each try is a sign of life, however often it fails."""
    pod = service()
    pod.membership.tried_at -= pod.membership.join_limit_s
    assert not is_live(pod)
    pod.membership.tried_at = anyio.current_time()
    assert is_live(pod)


async def test_a_member_must_poll_and_commit() -> None:
    """Either alone is no life; while a pod drains, nothing is polled."""
    pod = service()
    pod.membership.assignment.joined = True
    pod.membership.intake = type("Polled", (), {"polled_at": anyio.current_time(), "paused": False, "out": {}})()
    assert is_live(pod)

    pod.commits.tried_at -= 200.0
    assert not is_live(pod)
    pod.commits.tried_at = anyio.current_time()
    pod.membership.intake.polled_at -= 200.0
    assert not is_live(pod)
    pod.membership.state = "draining"
    assert is_live(pod)
