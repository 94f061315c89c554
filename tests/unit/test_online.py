"""What `check --online` makes of the answers it gets."""

import socket
from collections.abc import Awaitable, Callable
from typing import Final, cast

import pytest

from consumer.errors import ConsumerError, Denied, Held, Refused, Retryable
from consumer.makeas import MakeAs
from consumer.model import UserKey
from consumer.online import _group, _kafka, _kept, _letters, _list, _sesamy, _source
from consumer.rights import CREATE, READ, WRITE, Described
from consumer.secret import Secret
from consumer.sesamy import Sesamy
from consumer.settings import KafkaSettings, Settings
from consumer.settings_checks import Finding

ALL = frozenset({READ, WRITE, CREATE})


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
    ("topic", "cluster", "expected"),
    [
        (Described(partitions=1, may=ALL), Described(), ("fine", 0)),
        (Described(partitions=1), Described(), ("fine", 0)),
        (Described(partitions=1, may=frozenset({READ})), Described(may=ALL), ("error", 77)),
        (Described(partitions=1, may=frozenset({WRITE})), Described(may=ALL), ("error", 77)),
        (Described(error="TopicAuthorizationFailedError"), Described(), ("error", 77)),
        (Described(error="LeaderNotAvailableError"), Described(), ("error", 69)),
        (Described(error="UnknownTopicOrPartitionError"), Described(may=ALL), ("fine", 0)),
        (Described(error="UnknownTopicOrPartitionError"), Described(may=frozenset()), ("warning", 0)),
        (Described(error="UnknownTopicOrPartitionError"), Described(), ("warning", 0)),
    ],
)
def test_the_dead_letter_topic(topic: Described, cluster: Described, expected: tuple[str, int]) -> None:
    assert brief(_letters(topic, cluster)) == expected


@pytest.mark.parametrize(
    ("lacking", "cure"),
    [
        ({READ}, "grant READ on the topic to this principal"),
        ({WRITE}, "grant WRITE on the topic to this principal"),
        ({READ, WRITE}, "grant READ and WRITE on the topic to this principal"),
    ],
)
def test_the_cure_names_the_right_that_is_missing(lacking: set[int], cure: str) -> None:
    assert _letters(Described(partitions=1, may=ALL - lacking), Described()).cure == cure


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


class Upstream:
    """Stands where a client of Sesamy or Make.as could: gives or raises one answer, and keeps what was asked."""

    def __init__(self, answer: ConsumerError | None) -> None:
        self.answer = answer
        self.asked: list[object] = []

    async def snapshot(self, user: UserKey, *, permit: Callable[[], Awaitable[None]]) -> None:
        await permit()
        self._tell(user)

    async def list_title(self, list_id: str) -> str:
        self._tell(list_id)
        return "News"

    def _tell(self, asked: object) -> None:
        self.asked.append(asked)
        if self.answer is not None:
            raise self.answer


_ANSWERS: Final = (
    (None, ("fine", 0), ("fine", 0)),
    (Refused("no", code="http-400"), ("fine", 0), ("error", 78)),
    (Denied("no", code="http-401"), ("error", 77), ("error", 77)),
    (Retryable("no", code="timeout"), ("error", 69), ("error", 69)),
    (Held("no", code="gate"), ("error", 69), ("error", 69)),
)


@pytest.mark.parametrize(("answer", "sesamy", "makeas"), _ANSWERS)
async def test_an_upstream(answer: ConsumerError | None, sesamy: tuple[str, int], makeas: tuple[str, int]) -> None:
    client, other = Upstream(answer), Upstream(answer)

    assert brief(await _sesamy("vendors[0].sesamy", client=cast(Sesamy, client), vendor="v")) == sesamy
    assert brief(await _list("vendors[0].makeas[0]", client=cast(MakeAs, other), list_id="7")) == makeas
    assert (client.asked, other.asked) == ([UserKey("v", "sesamy-makeas-check")], ["7"])


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
    found: list[Finding] = []
    await _kafka(Settings(vendors=(), kafka=kafka), found, "run")

    assert [(finding.path, *brief(finding)) for finding in found] == [("kafka.bootstrap_servers", "error", 69)]
    assert "hunter2-canary" not in repr(found)
