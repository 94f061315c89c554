"""A scene for each fault; they take long, so that a run tries one share of them, and `make faults` all."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from consumer.sandbox.brokers.broker import Broker
from consumer.sandbox.town import town
from tests.faults.scene import Scene
from tests.faults.scene import scene as setting
from tests.integration.conftest import kafka, session_broker, topic

__all__ = ["kafka", "session_broker", "topic"]

_TIMEOUT_S = 300
_FOLDER = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave all but the share that FAULTS names (I/N) to the slow sweeps."""
    turn, _, parts = os.environ.get("FAULTS", "0/0").partition("/")
    scenes = [item for item in items if _FOLDER in item.path.parents and item.path.name != "test_table.py"]
    for number, item in enumerate(scenes):
        item.add_marker(pytest.mark.kafka)
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(_TIMEOUT_S))
        if parts == "0" or number % int(parts) != int(turn):
            item.add_marker(pytest.mark.long)


@pytest_asyncio.fixture
async def scene(kafka: Broker, topic: str, tmp_path: Path) -> AsyncIterator[Scene]:
    """Give a scene of twelve readers a vendor on the session's broker."""
    async with town(tmp_path, readers=12) as here, setting(here, kafka, topic, tmp_path) as made:
        yield made
