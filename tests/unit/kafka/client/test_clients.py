"""What our own clients add to aiokafka's, without a broker."""

import asyncio
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition, codec
from aiokafka.errors import BrokerResponseError, UnknownTopicOrPartitionError
from aiokafka.record.default_records import DefaultRecordBatch

from consumer.kafka.client import unpacking
from consumer.kafka.client.clients import ClientCancelled, Member, Reader
from consumer.kafka.client.metadata import committed_all, topic_id

TP, OTHER = TopicPartition("t", 0), TopicPartition("t", 1)


def made(kind: type[Reader]) -> Any:
    """Return a client that was never started, and need not be stopped."""
    client: Any = kind(bootstrap_servers=["127.0.0.1:1"])
    client._closed = True
    return client


async def test_the_next_offset_is_known_without_waiting_and_only_where_it_is_known() -> None:
    reader = made(Reader)
    assert reader.position_now(TP) is None
    reader.assign([TP])
    assert reader.position_now(TP) is None
    reader._subscription.subscription.assignment.state_value(TP).seek(7)

    assert reader.position_now(TP) == 7
    assert reader.position_now(OTHER) is None


@pytest.mark.parametrize("kind", [Reader, Member])
async def test_what_reads_unpacks_with_a_bound(monkeypatch: pytest.MonkeyPatch, kind: type[Reader]) -> None:
    """It unpacks by functions of ours, in the client's module."""
    module = sys.modules[DefaultRecordBatch.__module__]
    monkeypatch.setattr(module, "zstd_decode", codec.zstd_decode)
    made(kind)

    assert vars(module)["zstd_decode"] is unpacking.zstd_decode


async def test_a_member_that_has_not_joined_has_no_generation() -> None:
    member = made(Member)
    assert member.generation == -1
    member._coordinator = SimpleNamespace(generation=4)

    assert member.generation == 4


async def test_a_member_speaks_of_its_topics_partitions_by_number() -> None:
    member = made(Member)
    assert (member.end_of(0), member.partitions()) == (None, 0)
    member.subscribe(["t"])
    member._subscription.assign_from_subscribed([TP])
    assert (member.end_of(0), member.end_of(1)) == (None, None), "no fetch has shown an end yet"
    member._subscription.subscription.assignment.state_value(TP).highwater = 9
    member._client.cluster = SimpleNamespace(partitions_for_topic={"t": {0, 1, 2}}.get)

    assert (member.end_of(0), member.end_of(1), member.partitions()) == (9, None, 3)


async def test_a_member_knows_the_ends_of_what_it_does_not_fetch_once_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[TopicPartition]] = []

    async def end_offsets(_: Member, tps: list[TopicPartition]) -> dict[TopicPartition, int]:
        asked.append(tps)
        return dict.fromkeys(tps, 20)

    monkeypatch.setattr(Member, "end_offsets", end_offsets)
    member = made(Member)
    member.subscribe(["t"])
    member._subscription.assign_from_subscribed([TP])
    member._subscription.subscription.assignment.state_value(TP).highwater = 9
    await member.ask_ends([TP])
    assert member.end_of(0) == 20
    member._subscription.subscription.assignment.state_value(TP).highwater = 21
    assert member.end_of(0) == 21, "a later fetch knows better"
    member._subscription.subscription.assignment.state_value(TP).highwater = 9
    await member.ask_ends([])
    assert (member.end_of(0), asked) == (9, [[TP]]), "what is fetched is not asked for"


async def test_a_member_commits_by_the_partitions_of_its_topic() -> None:
    member = made(Member)
    member.subscribe(["t"])
    told: list[object] = []

    async def commit(offsets: object) -> None:
        told.append(offsets)

    member.commit = commit
    await member.commit_offsets({0: 7, 1: 0})

    assert told == [{TP: 7, OTHER: 0}]


class Coordinator:
    """Knows the group's offsets; -1 where there is none."""

    def __init__(self) -> None:
        self.requests = 0

    async def fetch_committed_offsets(self, tps: list[TopicPartition]) -> dict[TopicPartition, Any]:
        self.requests += 1
        return {tp: SimpleNamespace(offset={TP: 0, OTHER: -1}[tp]) for tp in tps}


async def test_offsets_are_asked_for_at_once_and_none_is_no_offset() -> None:
    """0 is one: a group that has just begun must not begin anew."""
    at_work = Coordinator()
    consumer: Any = SimpleNamespace(_coordinator=at_work)

    assert await committed_all(consumer, [TP, OTHER]) == {TP: 0}
    assert at_work.requests == 1


class Connection:
    """Answers a request for metadata."""

    def __init__(self, *, code: int = 0, found: bytes = b"", error: Exception | None = None) -> None:
        self._code, self._found, self._error = code, found, error
        self.asked: list[Any] = []

    def get_random_node(self) -> int:
        return 3

    async def send(self, node: int, request: Any) -> Any:
        assert node == 3
        self.asked.append(request.build(lambda *fields: fields))
        if self._error is not None:
            raise self._error
        return SimpleNamespace(topics=[(self._code, "t", self._found, False, [], 0, {})])


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"found": b"a" * 16}, b"a" * 16),
        ({"found": bytes(16)}, None),
        ({"code": 3, "found": bytes(16)}, b""),
        ({"error": NotImplementedError()}, None),
    ],
)
async def test_a_topic_that_is_not_there_is_no_topic_without_an_identity(answer: dict[str, Any], expected: bytes | None) -> None:
    connection: Any = Connection(**answer)

    assert await topic_id(connection, "t") == expected
    ((topics, creates, *_),) = connection.asked
    assert ([name for _, name, _ in topics], creates) == (["t"], False), "asking must not create it"


async def test_any_other_answer_about_it_is_an_error() -> None:
    connection: Any = Connection(code=5, found=bytes(16))

    with pytest.raises(BrokerResponseError) as raised:
        await topic_id(connection, "t")
    assert raised.type is not UnknownTopicOrPartitionError


@pytest.mark.parametrize("ask", ["committed_all", "partitions_now"])
async def test_a_cancellation_of_its_own_comes_out_as_an_error(ask: str) -> None:
    reader = made(Reader)

    async def cancelled(*_: object) -> None:
        raise asyncio.CancelledError

    reader._coordinator = SimpleNamespace(fetch_committed_offsets=cancelled)
    reader._client = SimpleNamespace(fetch_all_metadata=cancelled)
    with pytest.raises(ClientCancelled):
        await getattr(reader, ask)([TP] if ask == "committed_all" else "t")
