"""What is made of what Kafka says we may do."""

import socket

import pytest

from consumer.grants import _creatable, _group, _kept, _letters, _source, findings
from consumer.rights import READ, WRITE, Described
from consumer.secret import Secret
from consumer.settings import KafkaSettings
from consumer.settings_checks import Finding

ALL = frozenset({READ, WRITE})


def brief(finding: Finding) -> tuple[str, int]:
    assert (finding.cure != "") == (finding.level != "fine")
    return finding.level, finding.status


@pytest.mark.parametrize(
    ("topic", "expected"),
    [
        (Described(partitions=4, may=ALL), ("fine", 0)),
        (Described(partitions=4), ("fine", 0)),
        (Described(partitions=4, may=frozenset({WRITE})), ("error", 77)),
        (Described(error="TopicAuthorizationFailedError"), ("error", 77)),
        (Described(error="UnknownTopicOrPartitionError"), ("error", 69)),
    ],
)
def test_the_topic(topic: Described, expected: tuple[str, int]) -> None:
    assert brief(_source(topic)) == expected


@pytest.mark.parametrize(
    ("group", "expected"),
    [
        (Described(may=ALL), ("fine", 0)),
        (Described(), ("fine", 0)),
        (Described(may=frozenset({WRITE})), ("error", 77)),
        (Described(error="GroupAuthorizationFailedError"), ("error", 77)),
        (Described(error="GroupCoordinatorNotAvailableError"), ("error", 69)),
    ],
)
def test_the_group(group: Described, expected: tuple[str, int]) -> None:
    assert brief(_group(group)) == expected


@pytest.mark.parametrize(
    ("topic", "expected"),
    [
        (Described(partitions=1, may=ALL), ("fine", 0)),
        (Described(partitions=1), ("fine", 0)),
        (Described(partitions=1, may=frozenset({READ})), ("error", 77)),
        (Described(partitions=1, may=frozenset({WRITE})), ("error", 77)),
        (Described(error="TopicAuthorizationFailedError"), ("error", 77)),
        (Described(error="LeaderNotAvailableError"), ("error", 69)),
        (Described(error="UnknownTopicOrPartitionError", may=ALL), ("warning", 0)),
        (Described(error="UnknownTopicOrPartitionError", may=frozenset({READ})), ("error", 77)),
        (Described(error="UnknownTopicOrPartitionError"), ("warning", 0)),
    ],
)
def test_the_dead_letter_topic(topic: Described, expected: tuple[str, int]) -> None:
    assert brief(_letters(topic)) == expected


def test_who_only_reads_letters_need_not_write() -> None:
    assert brief(_letters(Described(partitions=1, may=frozenset({READ})), writes=False)) == ("fine", 0)
    assert _letters(Described(error="TopicAuthorizationFailedError"), writes=False).cure == "grant READ on the topic to this principal"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ("", ("fine", 0)),
        ("TopicAuthorizationFailedError", ("error", 77)),
        ("ClusterAuthorizationFailedError", ("error", 77)),
        ("PolicyViolationError", ("error", 69)),
        (None, ("warning", 0)),
    ],
)
def test_a_topic_that_is_not_there_may_be_creatable(error: str | None, expected: tuple[str, int]) -> None:
    assert brief(_creatable(error)) == expected


@pytest.mark.parametrize(
    ("lacking", "cure"),
    [
        ({READ}, "grant READ on the topic to this principal"),
        ({WRITE}, "grant WRITE on the topic to this principal"),
        ({READ, WRITE}, "grant READ and WRITE on the topic to this principal"),
    ],
)
def test_the_cure_names_the_right_that_is_missing(lacking: set[int], cure: str) -> None:
    assert _letters(Described(partitions=1, may=ALL - lacking)).cure == cure


@pytest.mark.parametrize(
    ("configuration", "warnings"),
    [
        ({"cleanup.policy": "delete", "retention.ms": "1209600000"}, 0),
        ({"cleanup.policy": "delete", "retention.ms": "1209600001"}, 1),
        ({"cleanup.policy": "delete", "retention.ms": "-1"}, 1),
        ({"cleanup.policy": "compact,delete", "retention.ms": "1000"}, 1),
        ({"cleanup.policy": "compact", "retention.ms": "-1"}, 2),
        (None, 1),
    ],
)
def test_how_letters_are_kept_is_advice(configuration: dict[str, str] | None, warnings: int) -> None:
    found = [brief(finding) for finding in _kept(configuration)]

    assert found == [("warning", 0)] * warnings


async def test_no_broker_is_69_and_no_secret_shows() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    kafka = KafkaSettings(
        bootstrap_servers=(f"127.0.0.1:{port}",),
        security_protocol="SASL_PLAINTEXT",
        sasl_mechanism="PLAIN",
        sasl_username="u",
        sasl_password=Secret("text", "hunter2-canary"),
    )
    found = await findings(kafka, "run")

    assert [(finding.path, *brief(finding)) for finding in found] == [("kafka.bootstrap_servers", "error", 69)]
    assert "hunter2-canary" not in repr(found)
