"""Kafka's clients as we use them: what they keep to themselves, and a fence around what they do to themselves."""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Mapping
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from ...telemetry.fences import ClientParts, only_ours, put_down
from . import metadata
from .fetched import hand_out_as_parsed
from .unpacking import begin_poll, unpack_with_bound

P = ParamSpec("P")
T = TypeVar("T")
_Client = TypeVar("_Client", bound=type)

LEAVE_S: Final = 5.0
"""How long stopping a client may take, where nothing is to be written."""


class ClientCancelled(KafkaError):  # type: ignore[misc]  # the client has no types
    """The client cancelled its own work under our hands."""


def _fenced(*names: str) -> Callable[[_Client], _Client]:
    """Let these methods of a client raise a `ClientCancelled` where its own cancellation comes out of them."""

    def decorate(client: _Client) -> _Client:
        for name in names:
            setattr(client, name, _behind_a_fence(getattr(client, name)))
        return client

    return decorate


def _behind_a_fence(method: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    @wraps(method)
    async def call(*args: P.args, **kwargs: P.kwargs) -> T:
        with only_ours(ClientCancelled):
            return await method(*args, **kwargs)

    return call


@_fenced("start", "getmany", "position", "beginning_offsets", "end_offsets", "offsets_for_times", "topics", "committed", "commit")
class Reader(AIOKafkaConsumer):  # type: ignore[misc]
    """A consumer."""

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - the client's own
        unpack_with_bound()
        super().__init__(**options)
        metadata.pace(self._client)

    async def start(self) -> None:
        """
        Connect.

        Raises:
            KafkaError, OSError: there is no broker, or it refuses us.
        """
        await super().start()
        hand_out_as_parsed(self)

    async def getmany(self, *partitions: TopicPartition, **options: Any) -> Any:  # noqa: ANN401 - the client's own
        """
        Poll, as the client does, and unpack no more than one poll may.

        Raises:
            UnpacksTooLarge: a batch, or what is polled together, is larger.
        """
        begin_poll()
        return await super().getmany(*partitions, **options)

    async def committed_all(self, tps: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """Return the group's offsets of those partitions that have one, in one request."""
        with only_ours(ClientCancelled):
            return await metadata.committed_all(self, tps)

    def position_now(self, tp: TopicPartition) -> int | None:
        """Return the next offset to be handed out, without waiting; None where it is not known yet."""
        subscription = self._subscription.subscription
        if subscription is None or subscription.assignment is None or tp not in subscription.assignment.tps:
            return None
        state = subscription.assignment.state_value(tp)
        return int(state.position) if state.has_valid_position else None

    async def partitions_now(self, topic: str) -> set[int]:
        """Ask for the numbers of a topic's partitions; none where it is not there."""
        with only_ours(ClientCancelled):
            cluster = await self._client.fetch_all_metadata()
        return set(cluster.partitions_for_topic(topic) or ())

    async def topic_id(self, topic: str) -> bytes | None:
        """Return what tells the topic from another of its name, see `metadata.topic_id`."""
        with only_ours(ClientCancelled):
            return await metadata.topic_id(self._client, topic)

    async def put_down(self, *, limit_s: float) -> None:
        """Stop, whatever becomes of it; leaves the group where it is in one."""
        await put_down(self.stop, self._parts, limit_s=limit_s)

    def _parts(self) -> ClientParts:
        at_work, fetcher = self._coordinator, self._fetcher
        names = ("_coordination_task", "_heartbeat_task", "_commit_refresh_task", "_reset_committed_task")
        tasks = {getattr(at_work, name, None) for name in names} | {getattr(fetcher, "_fetch_task", None)}
        return {*_going(tasks), *_going(getattr(fetcher, "_pending_tasks", ()))}, self._client.close


class Member(Reader):
    """A consumer in a group."""

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - the client's own
        super().__init__(**options)
        # By partition, its end as it was asked for last: of those alone that are not fetched.
        self._ends: dict[int, int] = {}

    @property
    def generation(self) -> int:
        """Return the group's generation as this member knows it; 0 or less: not a member."""
        return int(getattr(self._coordinator, "generation", -1))

    def end_of(self, partition: int) -> int | None:
        """Return the end of a partition of ours as its last fetch or `ask_ends` has shown it; None where it is not ours, or not known."""
        tp = next((tp for tp in self.assignment() if tp.partition == partition), None)
        end = None if tp is None else self.highwater(tp)
        return None if end is None else max(int(end), self._ends.get(partition, 0))

    async def ask_ends(self, tps: Collection[TopicPartition]) -> None:
        """
        Ask for the ends of partitions that are not fetched, and forget those of all others.

        Raises:
            KafkaError, OSError: as the broker answers.
        """
        self._ends = {tp.partition: end for tp, end in (await self.end_offsets([*tps])).items()} if tps else {}

    def partitions(self) -> int:
        """Return how many partitions the topic has, as far as is known; 0: not known."""
        return sum(len(self.partitions_for_topic(topic) or ()) for topic in self.subscription())

    async def commit_offsets(self, offsets: Mapping[int, int]) -> None:
        """
        Commit, by partition of the topic, the next offset to be read.

        Raises:
            KafkaError, OSError: as the broker answers.
        """
        (topic,) = self.subscription()
        await self.commit({TopicPartition(topic, partition): offset for partition, offset in offsets.items()})


@_fenced("start", "send_and_wait", "partitions_for")
class Producer(AIOKafkaProducer):  # type: ignore[misc]
    """A producer."""

    async def put_down(self, *, limit_s: float) -> None:
        """Write what it holds, and stop, whatever becomes of it."""
        await put_down(self.stop, lambda: (_going({self._sender.sender_task}), self.client.close), limit_s=limit_s)


@_fenced("start", "describe_cluster", "create_topics")
class Admin(AIOKafkaAdminClient):  # type: ignore[misc]
    """The client that makes topics."""

    async def put_down(self, *, limit_s: float) -> None:
        """Close, whatever becomes of it."""
        await put_down(self.close, lambda: (set(), self._client.close), limit_s=limit_s)


@_fenced("bootstrap", "send", "coordinator_lookup")
class Connection(AIOKafkaClient):  # type: ignore[misc]
    """A connection for single questions."""

    async def put_down(self, *, limit_s: float) -> None:
        """Close, whatever becomes of it."""
        await put_down(self.close, lambda: (_going({self._sync_task}), self.close), limit_s=limit_s)


def _going(tasks: Any) -> set["asyncio.Task[Any]"]:  # noqa: ANN401 - the client's own
    return {task for task in tasks if task is not None and not task.done()}
