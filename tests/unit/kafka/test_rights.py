"""What is made of what Kafka says we may do."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiokafka.errors import IncompatibleBrokerVersion, InconsistentGroupProtocolError, KafkaConnectionError, SaslAuthenticationFailed

from consumer.core.errors import Fatal
from consumer.kafka import rights
from consumer.kafka.client.failures import final
from consumer.kafka.describe import READ, WRITE, Described
from consumer.kafka.rights import Purpose, _creatable, _group, _kept, _letters, _sink, _source, findings, permitted, require
from consumer.settings.findings import Finding
from consumer.settings.model import KafkaSettings
from consumer.settings.secret import Secret

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
    assert brief(_source(topic, "events")) == expected


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


def test_who_only_leaves_a_result_need_not_read_letters() -> None:
    assert brief(_letters(Described(partitions=1, may=frozenset({WRITE})), reads=False)) == ("fine", 0)
    denied = _letters(Described(partitions=1, may=frozenset({READ})), reads=False)
    assert (denied.status, denied.cure) == (77, "grant WRITE on the topic to this principal")


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
    ("configuration", "expected"),
    [
        ({"cleanup.policy": "delete", "retention.ms": "1209600000"}, []),
        ({"cleanup.policy": "delete", "retention.ms": "1209600001"}, [("warning", 0)]),
        ({"cleanup.policy": "delete", "retention.ms": "-1"}, [("warning", 0)]),
        ({"cleanup.policy": "compact,delete", "retention.ms": "1000"}, [("error", 78)]),
        ({"cleanup.policy": "compact", "retention.ms": "-1"}, [("error", 78), ("warning", 0)]),
        (None, [("warning", 0)]),
    ],
)
def test_how_long_letters_are_kept_is_advice_that_each_is_kept_is_not(
    configuration: dict[str, str] | None, expected: list[tuple[str, int]]
) -> None:
    assert [brief(finding) for finding in _kept(KafkaSettings(), configuration)] == expected


class Answers:
    """A broker that says what the test says of the dead-letter topic."""

    def __init__(self, configuration: dict[str, str] | None, may: frozenset[int] = ALL) -> None:
        self._configuration, self._may, self.asked = configuration, may, 0
        self.silent_at: tuple[str, ...] = ()
        self.numbered = ""
        self.of_group, self.settled = Described(may=ALL), False

    async def silent(self) -> tuple[str, ...]:
        return self.silent_at

    async def topics(self, names: list[str]) -> dict[str, Described]:
        return {name: Described(partitions=1, may=self._may) for name in names}

    async def group(self, _: str, *, settled: bool) -> Described:
        self.settled = settled
        return self.of_group

    async def numbering(self) -> str:
        return self.numbered

    async def configuration(self, _: str) -> dict[str, str] | None:
        self.asked += 1
        return self._configuration


def answered(monkeypatch: pytest.MonkeyPatch, answers: Answers) -> None:
    @asynccontextmanager
    async def connected(_: KafkaSettings) -> AsyncIterator[Answers]:
        yield answers

    monkeypatch.setattr(rights, "connected", connected)


async def test_run_ends_where_letters_would_overwrite_each_other_and_check_says_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the command that mends it."""
    answered(monkeypatch, Answers({"cleanup.policy": "compact", "retention.ms": "1"}))
    kafka = KafkaSettings(bootstrap_servers=("kafka:9092",), dead_letter_topic="letters")
    with pytest.raises(Fatal) as caught:
        await permitted(kafka, "run")
    (wrong,) = [one for one in await findings(kafka, "run") if one.level == "error"]

    assert (caught.value.status, wrong.status) == (78, 78)
    assert str(caught.value) == f"{wrong.path}: {wrong.what}; {wrong.cure}"
    assert wrong.cure.startswith("kafka-configs.sh --bootstrap-server kafka:9092 --alter --entity-type topics --entity-name letters ")


async def test_settings_come_before_rights_and_both_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    answered(monkeypatch, Answers({"cleanup.policy": "compact"}, may=frozenset({READ})))
    with pytest.raises(Fatal) as caught:
        await permitted(KafkaSettings(), "run")

    assert (caught.value.status, "is compacted" in str(caught.value), "grant WRITE" in str(caught.value)) == (78, True, True)


@pytest.mark.parametrize(
    ("purpose", "may", "named"),
    [
        ("run", {READ}, ["kafka.dead_letter_topic"]),
        ("run", {WRITE}, ["kafka.topic", "kafka.dead_letter_topic"]),
        ("replay", {WRITE}, ["kafka.topic"]),
        ("dead-letters", {WRITE}, ["kafka.dead_letter_topic"]),
        ("replay", {READ}, []),
        ("receive", {READ}, ["kafka.topic"]),
        ("receive", {WRITE}, []),
    ],
)
async def test_each_purpose_ends_with_77_where_a_right_that_it_needs_is_missing(
    monkeypatch: pytest.MonkeyPatch, purpose: Purpose, may: set[int], named: list[str]
) -> None:
    answered(monkeypatch, Answers({"cleanup.policy": "delete"}, may=frozenset(may)))
    if not named:
        await permitted(KafkaSettings(), purpose)
        return
    with pytest.raises(Fatal) as caught:
        await permitted(KafkaSettings(), purpose)

    assert (caught.value.code, caught.value.status) == ("kafka-denied", 77)
    assert [line.partition(":")[0] for line in str(caught.value).splitlines()] == named


@pytest.mark.parametrize(("command", "named"), [("", "replay"), ("sync", "sync"), ("reconcile", "reconcile")])
async def test_a_command_that_may_not_says_its_own_name(monkeypatch: pytest.MonkeyPatch, command: str, named: str) -> None:
    answered(monkeypatch, Answers({"cleanup.policy": "delete"}, may=frozenset({WRITE})))
    with pytest.raises(Fatal) as caught:
        await require(KafkaSettings(), "replay", command=command)

    first, last = str(caught.value).splitlines()
    assert (caught.value.code, caught.value.status, first.partition(":")[0]) == ("kafka-denied", 77, "kafka.topic")
    assert last == f"{named} needs that; all that it needs: sesamy-makeas check --online --for replay"


@pytest.mark.parametrize(("configuration", "said"), [(None, 1), ({"cleanup.policy": "delete", "retention.ms": "-1"}, 0)])
async def test_run_warns_where_it_can_not_be_read_how_letters_are_kept(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, configuration: dict[str, str] | None, said: int
) -> None:
    answered(monkeypatch, Answers(configuration))
    await permitted(KafkaSettings(), "run")

    assert len([line for line in caplog.records if "can't be read" in line.getMessage()]) == said


@pytest.mark.parametrize("purpose", ["replay", "dead-letters"])
async def test_who_writes_no_letters_does_not_ask_how_they_are_kept(monkeypatch: pytest.MonkeyPatch, purpose: Purpose) -> None:
    """Letters that are there can be looked at, however they are kept."""
    answers = Answers({"cleanup.policy": "compact"})
    answered(monkeypatch, answers)
    await permitted(KafkaSettings(), purpose)

    assert answers.asked == 0


@pytest.mark.parametrize("purpose", ["run", "dry-run"])
async def test_check_says_of_a_group_that_others_share_in_another_way_what_run_ends_with(
    monkeypatch: pytest.MonkeyPatch, purpose: Purpose
) -> None:
    answers = Answers({"cleanup.policy": "delete", "retention.ms": "1"})
    answers.of_group = Described(may=ALL, is_taken=True)
    answered(monkeypatch, answers)
    (wrong,) = [one for one in await findings(KafkaSettings(group_id="readers"), purpose) if one.level != "fine"]
    ends = final(InconsistentGroupProtocolError(), KafkaSettings(group_id="readers"))

    assert ends is not None
    assert (wrong.path, wrong.status, answers.settled) == ("kafka.group_id", ends.status, True)
    assert f"consumer group readers {wrong.what}; {wrong.cure}" == str(ends)


async def test_check_does_not_say_that_a_group_may_be_joined_whose_members_can_not_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = Answers({"cleanup.policy": "delete", "retention.ms": "1"})
    answers.of_group = Described(may=ALL, is_taken=None)
    answered(monkeypatch, answers)

    assert [one.level for one in await findings(KafkaSettings(), "run") if one.path == "kafka.group_id"] == ["warning"]
    answers.of_group = Described(may=frozenset({WRITE}), is_taken=True)
    (missing,) = [one for one in await findings(KafkaSettings(), "run") if one.path == "kafka.group_id"]
    assert brief(missing) == ("error", 77)


@pytest.mark.parametrize("taken", [True, None])
async def test_a_pod_learns_only_by_joining_how_its_group_is_shared(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, taken: bool | None
) -> None:
    """And waits for no member that rejoins."""
    answers = Answers({"cleanup.policy": "delete"})
    answers.of_group = Described(may=ALL, is_taken=taken)
    answered(monkeypatch, answers)
    await permitted(KafkaSettings(), "run")

    assert (answers.settled, caplog.records) == (False, [])


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


async def test_an_address_that_a_broker_gives_of_itself_and_nobody_reaches_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = Answers({})
    answers.silent_at = ("broker-0.internal:9092",)
    answered(monkeypatch, answers)
    found = await findings(KafkaSettings(), "run")

    assert [brief(one) for one in found] == [("fine", 0), ("error", 69)]
    assert "broker-0.internal:9092" in found[1].what
    assert "advertised.listeners" in found[1].cure


def test_the_topic_that_is_missing_is_named() -> None:
    assert _source(Described(error="UnknownTopicOrPartitionError"), "events").what == "topic events is not there"


async def test_a_broker_that_can_not_say_what_there_is_is_not_said_to_be_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    class Old(Answers):
        async def topics(self, names: list[str]) -> dict[str, Described]:
            assert names
            raise IncompatibleBrokerVersion

    answered(monkeypatch, Old({}))
    *_, last = await findings(KafkaSettings(), "run")

    assert (brief(last), "Kafka answers, but" in last.what, "2.3" in last.cure) == (("error", 69), True, True)


# ---- Receiving ----


@pytest.mark.parametrize(
    ("topic", "expected"),
    [
        (Described(partitions=4, may=frozenset({WRITE})), ("fine", 0)),
        (Described(partitions=4), ("fine", 0)),
        (Described(partitions=4, may=frozenset({READ})), ("error", 77)),
        (Described(error="TopicAuthorizationFailedError"), ("error", 77)),
        (Described(error="UnknownTopicOrPartitionError"), ("error", 69)),
    ],
)
def test_the_topic_that_a_receiver_writes(topic: Described, expected: tuple[str, int]) -> None:
    assert brief(_sink(topic, "events")) == expected
    assert _sink(Described(may=frozenset()), "events").cure == "grant WRITE on the topic to this principal"


@pytest.mark.parametrize(
    ("error", "status", "word"),
    [("ClusterAuthorizationFailedError", 77, "grant IDEMPOTENT_WRITE on the cluster"), ("UnknownError", 69, "look at the brokers")],
)
async def test_brokers_that_want_more_of_a_producer_that_numbers_its_records_are_heard(
    monkeypatch: pytest.MonkeyPatch, error: str, status: int, word: str
) -> None:
    """Those older than 2.8; where the topic may not be written at all, that is what is said."""
    answers = Answers({}, may=frozenset({WRITE}))
    answers.numbered = error
    answered(monkeypatch, answers)
    (wrong,) = [one for one in await findings(KafkaSettings(), "receive") if one.level == "error"]
    assert (wrong.path, wrong.status, word in wrong.cure) == ("kafka.topic", status, True)
    if status == 77:
        with pytest.raises(Fatal) as caught:
            await permitted(KafkaSettings(), "receive")
        assert (caught.value.code, caught.value.status) == ("kafka-denied", 77)

    denied = Answers({}, may=frozenset({READ}))
    denied.numbered = error
    answered(monkeypatch, denied)
    (wrong,) = [one for one in await findings(KafkaSettings(), "receive") if one.level == "error"]
    assert wrong.cure == "grant WRITE on the topic to this principal"


async def test_a_receiver_needs_no_group_and_no_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    class Events(Answers):
        async def topics(self, names: list[str]) -> dict[str, Described]:
            assert names == ["events"]
            return await super().topics(names)

        async def group(self, _: str, *, settled: bool) -> Described:
            raise AssertionError(settled)

    answered(monkeypatch, Events(None, may=frozenset({WRITE})))
    found = await findings(KafkaSettings(topic="events"), "receive")
    assert [(one.path, *brief(one)) for one in found] == [("kafka.bootstrap_servers", "fine", 0), ("kafka.topic", "fine", 0)]


@pytest.mark.parametrize(
    ("error", "status", "what"),
    [
        (KafkaConnectionError(), 69, "no broker answers as it should (could not connect, or the connection was cut)"),
        (TimeoutError(), 69, "no broker answers as it should (no answer in time)"),
        (SaslAuthenticationFailed(), 77, "refuses us (the login is refused)"),
    ],
)
async def test_why_no_broker_answers_is_said_in_words(monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, what: str) -> None:
    @asynccontextmanager
    async def connected(_: KafkaSettings) -> AsyncIterator[None]:
        raise error
        yield

    monkeypatch.setattr(rights, "connected", connected)
    (found,) = await findings(KafkaSettings(), "run")

    assert (found.status, found.what) == (status, what)
