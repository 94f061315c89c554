"""The start of a pod at Kafka: brokers that answer, a start for the group, and a topic for its letters."""

from collections.abc import Awaitable, Callable
from typing import Final

import anyio
from aiokafka.admin import NewTopic
from aiokafka.errors import CommitFailedError, IllegalStateError, TopicAlreadyExistsError, for_code

from ..core.errors import Exit, Fatal
from ..settings.model import KafkaSettings
from ..telemetry.logs import log
from .client import connect
from .client.clients import LEAVE_S, Admin, Reader
from .client.failures import LOST, REBUILD_MAX_S, WITHOUT_BROKER_S, cure, final
from .client.words import named, said

_log = log(__name__)
KEPT_MS: Final = 14 * 24 * 3600 * 1000
"""For how long letters are kept: they hold user ids."""
_REPLICAS: Final = 3
_LIMIT_S: Final = 30.0


async def until_broker(
    what: Callable[[], Awaitable[object]], name: str, kafka: KafkaSettings, *, trying: Callable[[], None] = lambda: None
) -> None:
    """
    Do `what`, again and again while Kafka does not answer.

    Args:
        trying: told of each try.

    Raises:
        Fatal: no broker for 10 minutes, what no wait heals (see `final`), or what `what` raises.
    """
    deadline, wait_s = anyio.current_time() + WITHOUT_BROKER_S, 0.5
    while True:
        trying()
        try:
            await what()
        except LOST as error:
            if (refusal := final(error, kafka)) is not None:
                raise refusal from error
            if anyio.current_time() > deadline:
                text = f"no Kafka broker for 10 minutes: {cure(error) or said(error)}"
                raise Fatal(text, code="no-broker", status=Exit.UNAVAILABLE) from error
            _log.warning("Kafka does not answer", step=name, error=said(error), cause=cure(error))
            await anyio.sleep(wait_s)
            wait_s = min(REBUILD_MAX_S, wait_s * 2)
        else:
            return


async def pin_group(kafka: KafkaSettings) -> bool:
    """
    Give a group without any offset its start; return whether that was done here.

    The group is empty then, so the broker takes a commit without a generation; if it is refused, another pod was first.
    A partition without an offset after that appeared later, and is read from its earliest record.

    Raises:
        Fatal: the topic is not there.
        KafkaError, TimeoutError: as the broker answers.
    """
    async with connect.reading(kafka, suffix="-start", group_id=kafka.group_id) as reader:
        with anyio.fail_after(_LIMIT_S):
            return await _pin(reader, kafka)


async def _pin(reader: Reader, kafka: KafkaSettings) -> bool:
    partitions = await connect.partitions_of(reader, kafka.topic)
    reader.assign(partitions)
    if await reader.committed_all(partitions):
        return False
    ask = reader.beginning_offsets if kafka.start_at == "earliest" else reader.end_offsets
    try:
        await reader.commit(await ask(partitions))
    except (CommitFailedError, IllegalStateError):
        return False
    return True


# ---- The dead-letter topic ----


async def ensure_letters(settings: KafkaSettings) -> None:
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
    error = await create_letters(settings)
    if not error:
        return
    what_to_do = f"create topic {settings.dead_letter_topic} (cleanup.policy=delete), or let this client create it"
    raise Fatal(
        f"no dead-letter topic, and creating it failed ({named(error)}): {what_to_do}",
        code="no-dead-letter-topic",
        status=Exit.NO_PERMISSION if "Authorization" in error else Exit.UNAVAILABLE,
    )


async def create_letters(settings: KafkaSettings, *, validate_only: bool = False) -> str:
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
