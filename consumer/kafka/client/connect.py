"""The connections to Kafka: a member of the group, a reader, a producer."""

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final

import anyio
from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.conn import collect_hosts, create_conn
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.errors import KafkaConnectionError

from ...core.errors import Exit, Fatal
from ...settings import tls
from ...settings.model import KafkaSettings
from ...telemetry.fences import only_ours
from .clients import LEAVE_S, ClientCancelled, Member, Producer, Reader
from .failures import ending

ASSIGNOR: Final = StickyPartitionAssignor
_START_LIMIT_S: Final = 30.0
_FLUSH_LIMIT_S: Final = 25.0
"""Longer than a producer holds on to a record: one that is not stopped in order goes on for ever."""
FETCH_BYTES: Final = 16 * 1024 * 1024
_METADATA_MS: Final = 20_000
"""How long it may take until a new partition is noticed; with the rebalance it is read within 30 s."""


def connection(kafka: KafkaSettings, *, suffix: str = "") -> dict[str, Any]:
    """
    Return the options that all clients share, with password and certificates as their files have them now.

    Args:
        suffix: goes behind the client id.

    Raises:
        tls.Unusable: a file that was good at the start no longer is.
    """
    options: dict[str, Any] = {
        "bootstrap_servers": list(kafka.bootstrap_servers),
        "client_id": kafka.client_id + suffix,
        "request_timeout_ms": 10_000,
    }
    if kafka.security_protocol != "PLAINTEXT":
        options["security_protocol"] = kafka.security_protocol
    if "SSL" in kafka.security_protocol.split("_"):
        options["ssl_context"] = tls.context(kafka.ssl_cafile, kafka.ssl_certfile, kafka.ssl_keyfile)
    if kafka.security_protocol.startswith("SASL"):
        options["sasl_mechanism"] = kafka.sasl_mechanism
        options["sasl_plain_username"] = kafka.sasl_username
        options["sasl_plain_password"] = kafka.sasl_password.read() if kafka.sasl_password else None
    return options


async def say_why(options: Mapping[str, Any]) -> None:
    """
    Ask the brokers one by one why none let us in: the client itself says only that.

    Raises:
        KafkaError, ssl.SSLError: what the first to answer has against us, or we against it.
    """
    names = (
        "security_protocol",
        "ssl_context",
        "sasl_mechanism",
        "sasl_plain_username",
        "sasl_plain_password",
        "client_id",
        "request_timeout_ms",
    )
    rest = {name: options[name] for name in names if name in options}
    for host, port, _ in collect_hosts(options["bootstrap_servers"]):
        try:
            with only_ours(ClientCancelled):
                conn = await create_conn(host, port, **rest)
        except ssl.SSLError:
            raise
        except (OSError, TimeoutError):
            continue
        conn.close()
        return


async def begin(start: Callable[[], Awaitable[None]], options: Mapping[str, Any]) -> None:
    """
    Start a client of these options.

    Raises:
        KafkaError, ssl.SSLError, OSError: no broker lets us in, and why.
    """
    try:
        await start()
    except KafkaConnectionError:
        await say_why(options)
        raise


@asynccontextmanager
async def joined(
    kafka: KafkaSettings, listener: ConsumerRebalanceListener, made: Callable[[Member], None], *, leave_limit_s: Callable[[], float]
) -> AsyncIterator[Member]:
    """
    Be a member of the group.

    Args:
        made: is given the member before it joins, since the listener is called while it does.
        leave_limit_s: how long leaving may take.

    Raises:
        KafkaError, TimeoutError: the group can't be joined.
    """
    options = connection(kafka)
    member = Member(
        **options,
        group_id=kafka.group_id,
        enable_auto_commit=False,
        auto_offset_reset="none",
        session_timeout_ms=int(kafka.session_timeout_s * 1000),
        heartbeat_interval_ms=int(min(3000, kafka.session_timeout_s * 1000 / 10)),
        rebalance_timeout_ms=int(kafka.rebalance_timeout_s * 1000),
        partition_assignment_strategy=(ASSIGNOR,),
        fetch_max_bytes=FETCH_BYTES,
        metadata_max_age_ms=_METADATA_MS,
    )
    made(member)
    try:
        member.subscribe([kafka.topic], listener=listener)
        with anyio.fail_after(kafka.rebalance_timeout_s + 30):
            await begin(member.start, options)
        yield member
    finally:
        await member.put_down(limit_s=leave_limit_s())


@asynccontextmanager
async def reading(kafka: KafkaSettings, *, suffix: str, **options: Any) -> AsyncIterator[Reader]:  # noqa: ANN401 - the client's own
    """
    Give a consumer without a group, which commits nothing.

    Raises:
        KafkaError, TimeoutError: no broker answers within 30 s, or it refuses us.
    """
    options |= connection(kafka, suffix=suffix)
    reader = Reader(**options, enable_auto_commit=False, auto_offset_reset="none")
    try:
        with anyio.fail_after(_START_LIMIT_S):
            await begin(reader.start, options)
        yield reader
    finally:
        await reader.put_down(limit_s=LEAVE_S)


@asynccontextmanager
async def producing(kafka: KafkaSettings, *, suffix: str, **more: Any) -> AsyncIterator[Producer]:  # noqa: ANN401 - the client's own
    """
    Give a producer, with password and certificates as they are now.

    Raises:
        KafkaError, TimeoutError, OSError: no broker answers within 30 s, or it refuses us.
    """
    options = connection(kafka, suffix=suffix)
    producer, limit_s = Producer(**options, acks="all", **more), LEAVE_S
    try:
        with anyio.fail_after(_START_LIMIT_S):
            await begin(producer.start, options)
        yield producer
        limit_s = _FLUSH_LIMIT_S
    finally:
        await producer.put_down(limit_s=limit_s)


def publishing(kafka: KafkaSettings, *, batch_bytes: int) -> AbstractAsyncContextManager[Producer]:
    """
    Give a producer for the topic: what it sends again is written once, and in its order.

    It never gives a record up by itself, and takes none any more once one was refused. Raises as `producing`.
    """
    return producing(kafka, suffix="-receiver", enable_idempotence=True, metadata_max_age_ms=_METADATA_MS, max_batch_size=batch_bytes)


@asynccontextmanager
async def for_command(kafka: KafkaSettings, *, suffix: str) -> AsyncIterator[Reader]:
    """
    Give such a consumer to a command that ends where Kafka does not answer.

    Raises:
        Fatal: no broker (69), or no permission (77).
    """
    with ending(kafka):
        async with reading(kafka, suffix=suffix, fetch_max_bytes=FETCH_BYTES) as reader:
            yield reader


async def partitions_of(reader: Reader, topic: str, setting: str = "kafka.topic") -> list[TopicPartition]:
    """
    Return the partitions of a topic, which `setting` names.

    Raises:
        Fatal: the topic is not there.
    """
    numbers = await reader.partitions_now(topic)
    if not numbers:
        raise Fatal(f"topic {topic} is not there: create it, or correct {setting}", code="no-topic", status=Exit.UNAVAILABLE)
    return [TopicPartition(topic, number) for number in sorted(numbers)]
