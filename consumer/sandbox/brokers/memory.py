"""The broker in this process, confluent-kafka's mock; importing this needs the extra `local`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from anyio import to_thread
from confluent_kafka import KafkaException, Producer

from .unavailable import Unavailable

_ANSWER_S: Final = 15.0


@asynccontextmanager
async def memory_kafka() -> AsyncIterator[str]:
    """
    Run the mock; gives its address.

    Raises:
        Unavailable: It did not start.
    """
    # The cluster lives as long as this client, hence as this frame; the address is only there to please its settings.
    keeper = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "in-process", "log_level": 0})
    try:
        found = await to_thread.run_sync(lambda: keeper.list_topics(timeout=_ANSWER_S))
    except KafkaException as error:
        raise Unavailable("the in-process broker did not start") from error
    address = next(f"{one.host}:{one.port}" for one in found.brokers.values())
    yield address
