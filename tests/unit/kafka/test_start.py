"""What is done before a group is joined: brokers are waited for, the group is given its start, and its letters a topic."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import anyio
import pytest
from aiokafka.errors import (
    CommitFailedError,
    IllegalStateError,
    IncompatibleBrokerVersion,
    InvalidGroupIdError,
    KafkaConnectionError,
    KafkaError,
    TopicAuthorizationFailedError,
)

from consumer.core.errors import Fatal
from consumer.kafka import start
from consumer.kafka.client import connect
from consumer.settings.model import KafkaSettings
from tests.clock import virtual
from tests.unit.kafka.client.test_connect import Brokers

SETTINGS = KafkaSettings(topic="events", dead_letter_topic="letters")
READERS = KafkaSettings(topic="events", group_id="readers")
THERE, NOT_ALLOWED, BAD_REPLICAS = 36, 29, 38


@pytest.fixture
def brokers(monkeypatch: pytest.MonkeyPatch) -> Brokers:
    made = Brokers()
    monkeypatch.setattr(connect, "Reader", made.client)
    return made


# ---- Brokers that do not answer yet ----


@virtual
async def test_a_step_of_the_start_is_tried_again_while_kafka_does_not_answer() -> None:
    tried: list[float] = []
    told: list[float] = []
    errors: list[Exception] = [KafkaConnectionError(), TimeoutError(), ConnectionResetError(), *([KafkaConnectionError()] * 3)]

    async def step() -> None:
        tried.append(anyio.current_time())
        if errors:
            raise errors.pop(0)

    await start.until_broker(step, "x", KafkaSettings(), trying=lambda: told.append(anyio.current_time()))

    assert [at - tried[0] for at in tried] == [0, 0.5, 1.5, 3.5, 7.5, 12.5, 17.5]
    assert told == tried


@virtual
async def test_after_ten_minutes_the_start_ends_and_a_refusal_ends_it_at_once() -> None:
    async def fails(error: Exception) -> float:
        began = anyio.current_time()

        async def step() -> None:
            raise error

        with pytest.raises(Fatal) as raised:
            await start.until_broker(step, "x", KafkaSettings())
        ends.append((raised.value.code, raised.value.status))
        return anyio.current_time() - began

    ends: list[tuple[str, int]] = []
    assert await fails(KafkaConnectionError()) == pytest.approx(600, abs=6)
    assert await fails(TopicAuthorizationFailedError()) == 0
    assert await fails(InvalidGroupIdError()) == 0
    assert await fails(IncompatibleBrokerVersion()) == 0
    assert await fails(Fatal("no", code="letters-compacted", status=78)) == 0
    assert ends == [("no-broker", 69), ("kafka-denied", 77), ("kafka-group", 78), ("kafka-too-old", 69), ("letters-compacted", 78)]


# ---- The start of a group ----


@pytest.mark.parametrize(("start_at", "expected"), [("earliest", {0: 3, 1: 5}), ("latest", {0: 9, 1: 12})])
async def test_a_group_without_any_offset_is_given_its_start(brokers: Brokers, start_at: Any, expected: dict[int, int]) -> None:
    assert await start.pin_group(KafkaSettings(topic="events", group_id="readers", start_at=start_at))

    assert brokers.offsets == expected
    assert [client.options["group_id"] for client in brokers.clients] == ["readers"]


@pytest.mark.parametrize("start_at", ["earliest", "latest"])
async def test_a_group_with_an_offset_is_left_as_it_is_though_it_be_of_one_partition(brokers: Brokers, start_at: Any) -> None:
    """What it has done must neither be repeated nor skipped; a partition without one appeared later."""
    brokers.offsets = {1: 7}

    assert not await start.pin_group(KafkaSettings(topic="events", group_id="readers", start_at=start_at))
    assert brokers.offsets == {1: 7}


@pytest.mark.parametrize("error", [CommitFailedError(), IllegalStateError()])
async def test_where_another_pod_was_first_nothing_is_done(brokers: Brokers, error: KafkaError) -> None:
    brokers.commit_error = error

    assert not await start.pin_group(READERS)
    assert brokers.offsets == {}


async def test_a_start_that_could_not_be_written_is_not_taken_for_done(brokers: Brokers) -> None:
    brokers.commit_error = KafkaConnectionError()

    with pytest.raises(KafkaConnectionError):
        await start.pin_group(READERS)


async def test_a_topic_that_is_not_there_ends_it_with_its_cure(brokers: Brokers) -> None:
    brokers.begins = {}

    with pytest.raises(Fatal, match=r"create it, or correct kafka\.topic") as raised:
        await start.pin_group(READERS)
    assert (raised.value.code, raised.value.status) == ("no-topic", 69)


# ---- The dead-letter topic ----


class Broker:
    """A cluster that has some topics, and answers each creation with one code."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, code: int = 0, brokers: int = 3, topics: tuple[str, ...] = ()) -> None:
        self.code, self.brokers, self.there = code, brokers, set(topics)
        self.created: list[tuple[Any, bool]] = []
        self.put_down_times = 0
        self.error: Exception | None = None
        monkeypatch.setattr(start, "Admin", lambda **_: self)
        monkeypatch.setattr(connect, "reading", self.reading)

    @asynccontextmanager
    async def reading(self, settings: KafkaSettings, *, suffix: str) -> AsyncIterator["Broker"]:
        assert (settings, suffix) == (SETTINGS, "-start")
        yield self

    async def topics(self) -> set[str]:
        return self.there

    async def start(self) -> None: ...

    async def describe_cluster(self) -> dict[str, list[int]]:
        if self.error is not None:
            raise self.error
        return {"brokers": list(range(self.brokers))}

    async def create_topics(self, topics: list[Any], *, validate_only: bool) -> SimpleNamespace:
        (topic,) = topics
        self.created.append((topic, validate_only))
        return SimpleNamespace(topic_errors=[(topic.name, self.code, "")])

    async def put_down(self, *, limit_s: float) -> None:
        assert 0 < limit_s < 10
        self.put_down_times += 1


@pytest.mark.parametrize(("brokers", "replicas"), [(1, 1), (2, 2), (3, 3), (7, 3)])
async def test_letters_are_kept_for_14_days_in_up_to_three_copies(monkeypatch: pytest.MonkeyPatch, brokers: int, replicas: int) -> None:
    """Nothing is compacted: two letters of one user have one key."""
    broker = Broker(monkeypatch, brokers=brokers)
    assert await start.create_letters(SETTINGS) == ""

    ((topic, is_asked),) = broker.created
    assert (topic.name, topic.num_partitions, topic.replication_factor, is_asked) == ("letters", 1, replicas, False)
    assert topic.topic_configs == {"cleanup.policy": "delete", "retention.ms": "1209600000"}


@pytest.mark.parametrize(
    ("code", "said"),
    [(0, ""), (THERE, ""), (NOT_ALLOWED, "TopicAuthorizationFailedError"), (BAD_REPLICAS, "InvalidReplicationFactorError")],
)
async def test_a_topic_that_is_there_already_is_no_error_and_any_other_has_its_name(
    monkeypatch: pytest.MonkeyPatch, code: int, said: str
) -> None:
    """Another pod may have created it between our look and our request."""
    broker = Broker(monkeypatch, code=code)

    assert await start.create_letters(SETTINGS, validate_only=True) == said
    assert ([asked for _, asked in broker.created], broker.put_down_times) == ([True], 1)


async def test_the_client_is_put_down_also_where_the_broker_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    broker = Broker(monkeypatch)
    broker.error = KafkaError("no")
    with pytest.raises(KafkaError) as caught:
        await start.create_letters(SETTINGS)

    assert caught.value is broker.error
    assert (broker.created, broker.put_down_times) == ([], 1)


@pytest.mark.parametrize(("topics", "created"), [(("events", "letters"), 0), (("events",), 1)])
async def test_the_topic_is_created_where_it_is_missing(monkeypatch: pytest.MonkeyPatch, topics: tuple[str, ...], created: int) -> None:
    broker = Broker(monkeypatch, topics=topics)
    await start.ensure_letters(SETTINGS)

    assert [is_asked for _, is_asked in broker.created] == [False] * created


@pytest.mark.parametrize(("code", "status"), [(NOT_ALLOWED, 77), (BAD_REPLICAS, 69)])
async def test_a_pod_that_can_not_create_it_says_so_and_what_to_do(monkeypatch: pytest.MonkeyPatch, code: int, status: int) -> None:
    """Without it the first letter would hold up its partition for ever."""
    Broker(monkeypatch, code=code, topics=("events",))
    with pytest.raises(Fatal) as caught:
        await start.ensure_letters(SETTINGS)

    assert (caught.value.code, caught.value.status) == ("no-dead-letter-topic", status)
    assert "create topic letters (cleanup.policy=delete)" in str(caught.value)
