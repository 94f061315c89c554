"""One real Kafka for the whole session, a topic of its own for each test, and own brokers for those who break them."""

import os
import uuid
from collections.abc import AsyncIterator
from typing import NoReturn

import pytest
import pytest_asyncio

from consumer.sandbox.brokers.broker import Broker, broker
from consumer.sandbox.brokers.topics import create_topic
from consumer.sandbox.brokers.unavailable import Unavailable

_TIMEOUT_S = 240


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is here, and give it time: the first one to ask waits for the broker, and maybe for its download."""
    for item in items:
        if "integration" in item.path.parts:
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(_TIMEOUT_S))
            if {"kafka", "topic"} & set(getattr(item, "fixturenames", ())):
                item.add_marker(pytest.mark.kafka)


def lacking(reason: str) -> NoReturn:
    """Skip the test with its reason, or fail it where a Kafka is required."""
    if os.environ.get("REQUIRE_KAFKA") == "1":
        pytest.fail(f"REQUIRE_KAFKA=1, but {reason}", pytrace=False)
    pytest.skip(reason)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def session_broker() -> AsyncIterator[Broker | str]:
    """The session's broker, or why there is none."""
    lacks: list[str] = []
    for kind in ("jvm", "testcontainers"):
        opened = broker(kind)
        try:
            found = await opened.__aenter__()
        except Unavailable as error:
            lacks.append(f"{kind}: {error}")
            continue
        try:
            yield found
        finally:
            await opened.__aexit__(None, None, None)
        return
    yield "no Kafka: " + "; ".join(lacks)


@pytest.fixture
def kafka(session_broker: Broker | str) -> Broker:
    """Give a real Apache Kafka, shared by all tests: make topics and groups of your own in it, and don't stop it."""
    if isinstance(session_broker, str):
        lacking(session_broker)
    return session_broker


@pytest.fixture
async def topic(kafka: Broker) -> str:
    """Give the name of a new topic with four partitions."""
    name = f"events-{uuid.uuid4().hex[:12]}"
    await create_topic(kafka.bootstrap, name, partitions=4)
    return name
