"""Creates the dead-letter topic, or asks whether we might."""

from typing import Final

import anyio
from aiokafka.admin import NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code

from ..core.errors import Exit, Fatal
from ..settings.model import KafkaSettings
from .client import connect
from .client.clients import LEAVE_S, Admin

KEPT_MS: Final = 14 * 24 * 3600 * 1000
_REPLICAS: Final = 3
_LIMIT_S: Final = 30.0


async def ensure(settings: KafkaSettings) -> None:
    """
    Create the dead-letter topic where it is missing: as many partitions as one needs (1), letters kept for 14 days.

    Raises:
        Fatal: it is missing and may not be created (77), or can't be (69).
        KafkaError, TimeoutError: as the broker answers.
    """
    async with connect.reading(settings, suffix="-start") as reader:
        with anyio.fail_after(_LIMIT_S):
            if settings.dead_letter_topic in await reader.topics():
                return
    error = await create(settings)
    if not error:
        return
    cure = f"create topic {settings.dead_letter_topic} (cleanup.policy=delete), or let this client create it"
    raise Fatal(
        f"no dead-letter topic, and creating it failed ({error}): {cure}",
        code="no-dead-letter-topic",
        status=Exit.NO_PERMISSION if "Authorization" in error else Exit.UNAVAILABLE,
    )


async def create(settings: KafkaSettings, *, validate_only: bool = False) -> str:
    """
    Ask for the dead-letter topic to be created; return the name of Kafka's error, empty where it is there or would be.

    Raises:
        KafkaError, TimeoutError, NotImplementedError: as the broker answers; it is too old to be asked.
    """
    options = connect.connection(settings, suffix="-start")
    admin = Admin(**options)
    try:
        with anyio.fail_after(_LIMIT_S):
            await connect.begin(admin.start, options)
            config = {"cleanup.policy": "delete", "retention.ms": str(KEPT_MS)}
            replicas = min(_REPLICAS, len((await admin.describe_cluster())["brokers"]))
            topic = NewTopic(settings.dead_letter_topic, 1, replicas, topic_configs=config)
            answer = await admin.create_topics([topic], validate_only=validate_only)
            error = for_code(answer.topic_errors[0][1])
    finally:
        await admin.put_down(limit_s=LEAVE_S)
    return "" if error is TopicAlreadyExistsError or error.errno == 0 else str(error.__name__)
