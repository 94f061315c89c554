"""How the dead-letter topic is created, and what a pod says that may not."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import KafkaError

from consumer.core.errors import Fatal
from consumer.kafka import letters_topic
from consumer.kafka.client import connect
from consumer.settings.model import KafkaSettings

SETTINGS = KafkaSettings(topic="events", dead_letter_topic="letters")
THERE, NOT_ALLOWED, BAD_REPLICAS = 36, 29, 38


class Broker:
    """A cluster that has some topics, and answers each creation with one code."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, code: int = 0, brokers: int = 3, topics: tuple[str, ...] = ()) -> None:
        self.code, self.brokers, self.there = code, brokers, set(topics)
        self.created: list[tuple[Any, bool]] = []
        self.put_down_times = 0
        self.error: Exception | None = None
        monkeypatch.setattr(letters_topic, "Admin", lambda **_: self)
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
    assert await letters_topic.create(SETTINGS) == ""

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

    assert await letters_topic.create(SETTINGS, validate_only=True) == said
    assert ([asked for _, asked in broker.created], broker.put_down_times) == ([True], 1)


async def test_the_client_is_put_down_also_where_the_broker_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    broker = Broker(monkeypatch)
    broker.error = KafkaError("no")
    with pytest.raises(KafkaError) as caught:
        await letters_topic.create(SETTINGS)

    assert caught.value is broker.error
    assert (broker.created, broker.put_down_times) == ([], 1)


@pytest.mark.parametrize(("topics", "created"), [(("events", "letters"), 0), (("events",), 1)])
async def test_the_topic_is_created_where_it_is_missing(monkeypatch: pytest.MonkeyPatch, topics: tuple[str, ...], created: int) -> None:
    broker = Broker(monkeypatch, topics=topics)
    await letters_topic.ensure(SETTINGS)

    assert [is_asked for _, is_asked in broker.created] == [False] * created


@pytest.mark.parametrize(("code", "status"), [(NOT_ALLOWED, 77), (BAD_REPLICAS, 69)])
async def test_a_pod_that_can_not_create_it_says_so_and_what_to_do(monkeypatch: pytest.MonkeyPatch, code: int, status: int) -> None:
    """Without it the first letter would hold up its partition for ever."""
    Broker(monkeypatch, code=code, topics=("events",))
    with pytest.raises(Fatal) as caught:
        await letters_topic.ensure(SETTINGS)

    assert (caught.value.code, caught.value.status) == ("no-dead-letter-topic", status)
    assert "create topic letters (cleanup.policy=delete)" in str(caught.value)
