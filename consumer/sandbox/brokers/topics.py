"""Topics of a broker of any kind: they are made, and waited for until they can be written."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

import anyio
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaConnectionError

from .unavailable import Unavailable

MEMORY_PARTITIONS: Final = 4
"""What the in-process broker gives every topic; it can't be told another number."""
_ANSWER_S: Final = 15.0
_ALREADY_EXISTS: Final = 36


@asynccontextmanager
async def asking(bootstrap: str) -> AsyncIterator[AIOKafkaAdminClient]:
    """
    Give a client that makes and describes topics.

    Raises:
        Unavailable: No Kafka answers there.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=int(_ANSWER_S * 1000))
    try:
        try:
            await admin.start()
        except KafkaConnectionError as error:
            raise Unavailable(f"no Kafka answers at {bootstrap}") from error
        yield admin
    finally:
        with anyio.CancelScope(shield=True):  # Else it leaves connections behind, and says so.
            await admin.close()


async def create_topic(bootstrap: str, name: str, *, partitions: int, replicas: int = 1, config: Mapping[str, str] | None = None) -> None:
    """
    Make a topic, and return once it can be written; one that is there already stays as it is.

    Raises:
        Unavailable: No broker answers, it refuses, or it is the in-process one and can't give so many partitions.
    """
    async with asking(bootstrap) as admin:
        cluster = await admin.describe_cluster()
        # The in-process broker has no controller, hence no way to make a topic: being asked for is what makes one.
        if cluster["controller_id"] in {one["node_id"] for one in cluster["brokers"]}:
            answer = await admin.create_topics([NewTopic(name, partitions, replicas, topic_configs=dict(config or {}))])
            code = answer.topic_errors[0][1]
            if code not in (0, _ALREADY_EXISTS):
                raise Unavailable(f"the broker refuses to make topic {name}: error {code}")
        elif partitions != MEMORY_PARTITIONS:
            raise Unavailable(f"the in-process broker gives every topic {MEMORY_PARTITIONS} partitions, not {partitions}")
        with anyio.move_on_after(_ANSWER_S):
            while not await _is_led(admin, name):
                await anyio.sleep(0.05)
            return
    raise Unavailable(f"topic {name} has no leader")


async def _is_led(admin: AIOKafkaAdminClient, name: str) -> bool:
    topic = (await admin.describe_topics([name]))[0]
    partitions = topic["partitions"]
    return bool(partitions) and all(one["error_code"] == 0 and one["leader"] >= 0 for one in partitions)
