"""Metadata beyond aiokafka: no topic made by asking, a pause between refreshes, topics of one name told apart, many offsets at once."""

import asyncio
from collections.abc import Collection
from functools import partial
from io import BytesIO
from typing import Any, Final

import aiokafka.client
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import NoError, UnknownTopicOrPartitionError, for_code
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import AbstractType, Boolean, CompactArray, CompactString, Int16, Int32, Schema, TaggedFields

MISSING: Final = b""
"""Stands where a topic that is not there has no identity."""
_PAUSE_S: Final = 0.5

# There is no setting for it: aiokafka's clients let a broker that makes topics by itself (Kafka's default) make those that they ask
# about, with its own number of partitions, on which every user's key would lie elsewhere.
aiokafka.client.MetadataRequest = partial(aiokafka.client.MetadataRequest, allow_auto_topic_creation=False)


def pace(client: AIOKafkaClient) -> None:
    """Let half a second pass between two refreshes: without its topic, aiokafka's fetcher asks as fast as it is answered."""
    refresh, loop = client._metadata_update, asyncio.get_running_loop()  # noqa: SLF001 - there is no setting for it
    next_at = 0.0

    async def refresh_in_time(*args: Any) -> bool:  # noqa: ANN401 - the client's own
        nonlocal next_at
        await asyncio.sleep(next_at - loop.time())
        next_at = loop.time() + _PAUSE_S
        return bool(await refresh(*args))

    client._metadata_update = refresh_in_time  # noqa: SLF001


async def committed_all(consumer: AIOKafkaConsumer, tps: Collection[TopicPartition]) -> dict[TopicPartition, int]:
    """Return the group's offsets of those partitions that have one, in one request: one by one, far brokers would take minutes."""
    found = await consumer._coordinator.fetch_committed_offsets(list(tps))  # noqa: SLF001 - committed() takes one
    return {tp: one.offset for tp, one in found.items() if one.offset >= 0}


class _Uuid(AbstractType[bytes]):  # type: ignore[misc]  # the client has no types
    @classmethod
    def encode(cls, value: bytes) -> bytes:
        return value

    @classmethod
    def decode(cls, data: BytesIO) -> bytes:
        return data.read(16)


_TEXT: Final = CompactString("utf-8")
_NO_UUID: Final = bytes(16)
_TAGS: Final = ("tags", TaggedFields)


class _MetadataResponse(Response):  # type: ignore[misc]  # the client has no types
    API_KEY = 3
    API_VERSION = 10
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("brokers", CompactArray(("node_id", Int32), ("host", _TEXT), ("port", Int32), ("rack", _TEXT), _TAGS)),
        ("cluster_id", _TEXT),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("topic", _TEXT),
                ("topic_id", _Uuid),
                ("is_internal", Boolean),
                (
                    "partitions",
                    CompactArray(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", CompactArray(Int32)),
                        ("isr", CompactArray(Int32)),
                        ("offline_replicas", CompactArray(Int32)),
                        _TAGS,
                    ),
                ),
                ("authorized_operations", Int32),
                _TAGS,
            ),
        ),
        ("cluster_authorized_operations", Int32),
        _TAGS,
    )


class _MetadataRequest(RequestStruct):  # type: ignore[misc]  # the client has no types
    API_KEY = 3
    API_VERSION = 10
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _MetadataResponse
    SCHEMA = Schema(
        ("topics", CompactArray(("topic_id", _Uuid), ("name", _TEXT), _TAGS)),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
        _TAGS,
    )


class _Metadata(Request[_MetadataRequest]):  # type: ignore[misc]  # the client has no types
    """Metadata as of Kafka 2.8, which give each topic an identity."""

    API_KEY = 3

    def __init__(self, topics: Collection[str]) -> None:
        self._topics = topics

    def build(self, request_struct_class: type[_MetadataRequest]) -> _MetadataRequest:
        asked: list[tuple[bytes, str, dict[int, bytes]]] = [(_NO_UUID, topic, {}) for topic in self._topics]
        return request_struct_class(asked, False, False, False, {})  # noqa: FBT003 - the protocol's order


async def topic_id(client: AIOKafkaClient, topic: str) -> bytes | None:
    """
    Return what tells a topic from another of its name: one that is deleted and made anew has another.

    Returns MISSING where it is not there, None where the broker is too old to tell.

    Raises:
        KafkaError, OSError: as the broker answers.
    """
    try:
        answer: Any = await client.send(client.get_random_node(), _Metadata([topic]))
    except NotImplementedError:
        return None
    ((code, _, found, *_),) = answer.topics
    error = for_code(code)
    if error is UnknownTopicOrPartitionError:
        return MISSING
    if error is not NoError:
        raise error
    return bytes(found) if found != _NO_UUID else None
