"""The description of what Kafka lets us do, asked with requests that change nothing."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any, Final

import anyio
from aiokafka.coordinator.protocol import ConsumerProtocol
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    NotCoordinatorForGroupError,
    for_code,
)
from aiokafka.protocol.admin import DescribeConfigsRequest, DescribeGroupsRequest_v3, DescribeGroupsResponse_v3
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.transaction import InitProducerIdRequest
from aiokafka.protocol.types import Array, Boolean, Int16, Int32, Schema, String
from msgspec import Struct

from ..settings.model import KafkaSettings
from .client import connect
from .client.clients import LEAVE_S, Connection

READ: Final = 3
WRITE: Final = 4
_KIND: Final = ConsumerProtocol.PROTOCOL_TYPE
_NOT_SAID: Final = -(2**31)
_TOPIC_RESOURCE: Final = 2
_LIMIT_S: Final = 30.0
_GROUP_TRIES: Final = 10
_GROUP_PAUSE_S: Final = 0.5
_SETTLING: Final = (GroupCoordinatorNotAvailableError, GroupLoadInProgressError, NotCoordinatorForGroupError)
_SETTLES: Final = frozenset(one.__name__ for one in _SETTLING)


class Described(Struct, frozen=True, kw_only=True):
    """A topic or group as the broker shows it to us."""

    error: str = ""
    """Name of Kafka's error; empty: none."""
    partitions: int = 0
    may: frozenset[int] | None = None
    """Operations allowed to us (numbers as in Kafka's ACLs); None: the broker does not say."""
    is_taken: bool | None = False
    """Whether a group has members that share the partitions in another way than we do; None: it can't be known while they rejoin."""

    def lacks(self, operation: int) -> bool:
        """Say whether the operation is surely not allowed."""
        return self.may is not None and operation not in self.may


class _MetadataResponse(Response):  # type: ignore[misc]  # the client has no types
    API_KEY = 3
    API_VERSION = 8
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("brokers", Array(("node_id", Int32), ("host", String("utf-8")), ("port", Int32), ("rack", String("utf-8")))),
        ("cluster_id", String("utf-8")),
        ("controller_id", Int32),
        (
            "topics",
            Array(
                ("error_code", Int16),
                ("topic", String("utf-8")),
                ("is_internal", Boolean),
                (
                    "partitions",
                    Array(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", Array(Int32)),
                        ("isr", Array(Int32)),
                        ("offline_replicas", Array(Int32)),
                    ),
                ),
                ("authorized_operations", Int32),
            ),
        ),
        ("cluster_authorized_operations", Int32),
    )


class _MetadataRequest(RequestStruct):  # type: ignore[misc]  # the client has no types
    API_KEY = 3
    API_VERSION = 8
    RESPONSE_TYPE = _MetadataResponse
    SCHEMA = Schema(
        ("topics", Array(String("utf-8"))),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
    )


class _Metadata(Request[_MetadataRequest]):  # type: ignore[misc]  # the client has no types
    """Metadata as of Kafka 2.3, which names our rights."""

    API_KEY = 3

    def __init__(self, topics: Collection[str]) -> None:
        self._topics = list(topics)

    def build(self, request_struct_class: type[_MetadataRequest]) -> _MetadataRequest:
        return request_struct_class(self._topics, False, False, True)  # noqa: FBT003 - the protocol's order


class _GroupsRequest(RequestStruct):  # type: ignore[misc]  # the client has no types
    """The library's own request with the answer that belongs to it."""

    API_KEY = DescribeGroupsRequest_v3.API_KEY
    API_VERSION = DescribeGroupsRequest_v3.API_VERSION
    RESPONSE_TYPE = DescribeGroupsResponse_v3
    SCHEMA = DescribeGroupsRequest_v3.SCHEMA


class _Groups(Request[_GroupsRequest]):  # type: ignore[misc]  # the client has no types
    """One group, with our rights to it."""

    API_KEY = 15

    def __init__(self, group: str) -> None:
        self._group = group

    def build(self, request_struct_class: type[_GroupsRequest]) -> _GroupsRequest:
        return request_struct_class([self._group], True)  # noqa: FBT003 - the protocol's order


class Rights:
    """What one connection to Kafka can find out; nothing is written, created or joined."""

    def __init__(self, client: Connection) -> None:
        """Take a client that has reached a broker."""
        self._client = client

    async def silent(self) -> tuple[str, ...]:
        """Return the addresses that brokers give of themselves and that can't be connected, as `host:port`."""
        brokers = list(self._client.cluster.brokers())
        answers: dict[int, bool] = {}

        async def ask(node: int) -> None:
            answers[node] = bool(await self._client.ready(node))

        async with anyio.create_task_group() as tasks:
            for broker in brokers:
                tasks.start_soon(ask, broker.nodeId)
        return tuple(f"{broker.host}:{broker.port}" for broker in brokers if not answers[broker.nodeId])

    async def topics(self, names: Collection[str]) -> dict[str, Described]:
        """
        Describe topics.

        Raises:
            KafkaError, NotImplementedError: as the broker answers; it is older than Kafka 2.3.
        """
        answer: Any = await self._send(_Metadata(names))
        return {
            topic: Described(error=_name(code), partitions=len(partitions), may=_operations(may))
            for code, topic, _, partitions, may in answer.topics
        }

    async def group(self, name: str, *, settled: bool = False) -> Described:
        """
        Describe a consumer group; one that has no member yet is empty, not an error. A young cluster gets 5 s.

        Args:
            settled: whether a group whose members rejoin gets them, too, since only after that it is known how they share.
        """
        described = Described()
        for _ in range(_GROUP_TRIES):
            try:
                node = await self._client.coordinator_lookup(0, name)
            except (*_SETTLING, GroupAuthorizationFailedError) as error:
                described = Described(error=type(error).__name__)
            else:
                answer: Any = await self._send(_Groups(name), node=node)
                code, _, _, kind, assignor, members, may = answer.groups[0]
                taken = _is_taken(kind, assignor) if members else False
                described = Described(error=_name(code), may=_operations(may), is_taken=taken)
            if described.error not in _SETTLES and not (settled and described.is_taken is None):
                break
            await anyio.sleep(_GROUP_PAUSE_S)
        return described

    async def configuration(self, topic: str) -> dict[str, str] | None:
        """Return a topic's configuration; None: we may not read it."""
        answer: Any = await self._send(DescribeConfigsRequest([(_TOPIC_RESOURCE, topic, ["retention.ms", "cleanup.policy"])]))
        code, _, _, _, entries = answer.resources[0]
        return None if code else {entry[0]: entry[1] for entry in entries}

    async def numbering(self) -> str:
        """
        Return Kafka's error against a producer that numbers its records; empty: none.

        It is asked for as such a producer does: what it takes differs by the brokers' age, so no list of rights tells. All that becomes
        of it is a number that nobody uses.
        """
        for _ in range(_GROUP_TRIES):
            answer: Any = await self._send(InitProducerIdRequest(None, 0))
            if _name(answer.error_code) not in _SETTLES:
                break
            await anyio.sleep(_GROUP_PAUSE_S)
        return _name(answer.error_code)

    async def _send(self, request: Request[Any], *, node: int | None = None) -> Response:
        answer: Response = await self._client.send(self._client.get_random_node() if node is None else node, request)
        return answer


@asynccontextmanager
async def connected(settings: KafkaSettings) -> AsyncIterator[Rights]:
    """
    Connect to Kafka, under a limit.

    Raises:
        KafkaError, OSError, TimeoutError: no broker, or it does not let us in.
    """
    options = connect.connection(settings, suffix="-check")
    client = Connection(**options)
    try:
        with anyio.fail_after(_LIMIT_S):
            await connect.begin(client.bootstrap, options)
            yield Rights(client)
    finally:
        await client.put_down(limit_s=LEAVE_S)


def _name(code: int) -> str:
    return for_code(code).__name__ if code else ""


def _is_taken(kind: str, assignor: str) -> bool | None:
    """Say whether members that take part in this way refuse us; of those that rejoin no assignor is said."""
    if kind != _KIND:
        return True
    return assignor != connect.ASSIGNOR.name if assignor else None


def _operations(bits: int) -> frozenset[int] | None:
    return None if bits == _NOT_SAID else frozenset(place for place in range(31) if bits >> place & 1)
