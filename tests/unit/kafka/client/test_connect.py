"""What aiokafka is handed, and what is done with a group before it is joined: brokers in memory, a virtual clock."""

import ssl
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import anyio
import pytest
from aiokafka import TopicPartition
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    KafkaConnectionError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
)

from consumer.core.errors import Fatal, Retryable
from consumer.kafka.client import connect
from consumer.settings.model import KafkaSettings
from consumer.settings.secret import Secret
from tests.clock import virtual

SETTINGS = KafkaSettings(topic="events", group_id="readers", bootstrap_servers=("a:1", "b:2"), client_id="us")
LISTENER: Any = object()


class Brokers:
    """A topic and its group's offsets; every client that was made of it."""

    def __init__(self) -> None:
        self.clients: list[Client] = []
        self.begins, self.ends = {0: 3, 1: 5}, {0: 9, 1: 12}
        self.offsets: dict[int, int] = {}
        self.start_error: Exception | None = None
        self.commit_error: Exception | None = None
        self.is_silent = False

    def client(self, **options: Any) -> "Client":
        self.clients.append(Client(self, options))
        return self.clients[-1]


class Client:
    """What we use of a consumer or producer; says in `did` what was done with it, in order."""

    def __init__(self, brokers: Brokers, options: Mapping[str, Any]) -> None:
        self._brokers, self.options = brokers, options
        self.did: list[str] = []
        self.listener: object = None
        self.put_down_s: float | None = None

    def subscribe(self, topics: list[str], *, listener: object) -> None:
        self.did.append(f"subscribe {topics}")
        self.listener = listener

    async def start(self) -> None:
        self.did.append("start")
        if self._brokers.is_silent:
            await anyio.sleep(10_000)
        if self._brokers.start_error is not None:
            raise self._brokers.start_error

    def assign(self, partitions: Iterable[TopicPartition]) -> None:
        self.did.append(f"assign {[tp.partition for tp in partitions]}")

    async def partitions_now(self, topic: str) -> set[int]:
        assert topic == "events"
        return set(self._brokers.begins)

    async def committed_all(self, tps: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        return {tp: self._brokers.offsets[tp.partition] for tp in tps if tp.partition in self._brokers.offsets}

    async def beginning_offsets(self, tps: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        return {tp: self._brokers.begins[tp.partition] for tp in tps}

    async def end_offsets(self, tps: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        return {tp: self._brokers.ends[tp.partition] for tp in tps}

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        if self._brokers.commit_error is not None:
            raise self._brokers.commit_error
        self._brokers.offsets |= {tp.partition: offset for tp, offset in offsets.items()}

    async def put_down(self, *, limit_s: float) -> None:
        self.did.append("put down")
        self.put_down_s = limit_s


@pytest.fixture
def brokers(monkeypatch: pytest.MonkeyPatch) -> Brokers:
    made = Brokers()
    for name in ("Member", "Reader", "Producer"):
        monkeypatch.setattr(connect, name, made.client)
    return made


def on_the_clock(test: Callable[[], Any]) -> None:
    """Run the rest of a test, whose fixtures are made, on the virtual clock."""
    virtual(test)()


async def join(settings: KafkaSettings, *, leave_s: float = 5.0) -> Client:
    made: list[Any] = []
    async with connect.joined(settings, LISTENER, made.append, leave_limit_s=lambda: leave_s) as member:
        assert made == [member]
    client = made[0]
    assert isinstance(client, Client)
    return client


# ---- A member ----


async def test_a_member_commits_nothing_by_itself_and_never_jumps_over_records(brokers: Brokers) -> None:
    client = await join(SETTINGS)

    assert brokers.clients == [client]
    assert (client.options["enable_auto_commit"], client.options["auto_offset_reset"]) == (False, "none")
    assert client.options["group_id"] == "readers"
    assert client.options["partition_assignment_strategy"] == (StickyPartitionAssignor,)


@pytest.mark.parametrize(
    ("session_s", "rebalance_s", "expected"), [(30.0, 60.0, (30_000, 3_000, 60_000)), (10.0, 90.5, (10_000, 1_000, 90_500))]
)
async def test_its_times_are_those_of_the_settings_in_milliseconds(
    brokers: Brokers, session_s: float, rebalance_s: float, expected: tuple[int, int, int]
) -> None:
    """Ten heartbeats fit into a session."""
    assert not brokers.clients
    client = await join(KafkaSettings(topic="events", session_timeout_s=session_s, rebalance_timeout_s=rebalance_s))

    assert tuple(client.options[name] for name in ("session_timeout_ms", "heartbeat_interval_ms", "rebalance_timeout_ms")) == expected
    assert client.options["metadata_max_age_ms"] <= 20_000, "else a new partition is read later than after 30 s"


async def test_it_is_known_to_us_before_it_joins_and_left_whatever_happens(brokers: Brokers) -> None:
    """The listener is called while it joins, and asks for it."""
    known: list[list[str]] = []
    brokers.start_error = TopicAuthorizationFailedError()
    with pytest.raises(TopicAuthorizationFailedError):
        async with connect.joined(SETTINGS, LISTENER, lambda member: known.append([*member.did]), leave_limit_s=lambda: 0.5):
            pytest.fail("it has joined")

    assert known == [[]]
    assert brokers.clients[0].did == ["subscribe ['events']", "start", "put down"]
    assert brokers.clients[0].listener is LISTENER


async def test_how_long_leaving_may_take_is_asked_when_it_leaves(brokers: Brokers) -> None:
    """A second signal shortens it."""
    limit_s = 5.0
    async with connect.joined(SETTINGS, LISTENER, lambda _: None, leave_limit_s=lambda: limit_s):
        limit_s = 0.5

    assert brokers.clients[0].put_down_s == 0.5


def test_joining_may_take_a_rebalance_and_half_a_minute_and_no_more(brokers: Brokers) -> None:
    async def run() -> None:
        brokers.is_silent = True
        began = anyio.current_time()
        with pytest.raises(TimeoutError):
            await join(SETTINGS)
        assert anyio.current_time() - began == pytest.approx(90)

    on_the_clock(run)
    assert brokers.clients[0].did[-1] == "put down"


# ---- Others ----


async def test_a_reader_joins_no_group_commits_nothing_and_never_jumps(brokers: Brokers) -> None:
    async with connect.reading(SETTINGS, suffix="-tail", metadata_max_age_ms=5000):
        options = brokers.clients[0].options

    assert "group_id" not in options
    assert (options["enable_auto_commit"], options["auto_offset_reset"]) == (False, "none")
    assert (options["client_id"], options["metadata_max_age_ms"], options["bootstrap_servers"]) == ("us-tail", 5000, ["a:1", "b:2"])
    assert brokers.clients[0].put_down_s == 5


@pytest.mark.parametrize("make", [connect.reading, connect.producing])
def test_a_client_that_no_broker_answers_ends_within_half_a_minute(brokers: Brokers, make: Callable[..., Any]) -> None:
    async def run() -> None:
        brokers.is_silent = True
        began = anyio.current_time()
        with pytest.raises(TimeoutError):
            async with make(SETTINGS, suffix="-x"):
                pytest.fail("it has started")
        assert anyio.current_time() - began == pytest.approx(30)

    on_the_clock(run)
    assert brokers.clients[0].put_down_s == 5


async def test_a_producer_waits_for_all_replicas_and_is_given_time_to_write_what_it_holds(brokers: Brokers) -> None:
    """Less than it holds on to a record, and it would go on for ever."""
    async with connect.producing(SETTINGS, suffix="-letters"):
        pass
    with pytest.raises(Retryable):
        async with connect.producing(SETTINGS, suffix="-letters"):
            raise Retryable("no", code="no")

    assert [client.options["acks"] for client in brokers.clients] == ["all", "all"]
    assert [client.put_down_s for client in brokers.clients] == [25, 5]


# ---- Connections ----


def test_without_security_nothing_of_it_is_handed_over() -> None:
    assert connect.connection(SETTINGS) == {"bootstrap_servers": ["a:1", "b:2"], "client_id": "us", "request_timeout_ms": 10_000}


@pytest.mark.parametrize(
    ("protocol", "has_tls", "has_sasl"), [("SSL", True, False), ("SASL_PLAINTEXT", False, True), ("SASL_SSL", True, True)]
)
def test_each_protocol_gets_what_it_needs(protocol: Any, has_tls: bool, has_sasl: bool) -> None:
    settings = KafkaSettings(
        security_protocol=protocol, sasl_mechanism="SCRAM-SHA-512", sasl_username="u", sasl_password=Secret("text", "word")
    )
    options = connect.connection(settings)

    assert options["security_protocol"] == protocol
    assert isinstance(options.get("ssl_context"), ssl.SSLContext) == has_tls
    given = tuple(options.get(name) for name in ("sasl_mechanism", "sasl_plain_username", "sasl_plain_password"))
    assert given == (("SCRAM-SHA-512", "u", "word") if has_sasl else (None, None, None))


def test_the_brokers_certificate_is_looked_at() -> None:
    context = connect.connection(KafkaSettings(security_protocol="SSL"))["ssl_context"]

    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


def test_a_password_is_read_anew_for_each_client(tmp_path: Path) -> None:
    """It may have been rotated since."""
    path = tmp_path / "password"
    path.write_text("old")
    secret = Secret("file", str(path))
    settings = KafkaSettings(security_protocol="SASL_SSL", sasl_mechanism="PLAIN", sasl_username="u", sasl_password=secret)
    assert connect.connection(settings)["sasl_plain_password"] == "old"
    path.write_text("new")
    secret.expire()

    assert connect.connection(settings)["sasl_plain_password"] == "new"


class Conn:
    """A connection that stands."""

    def __init__(self) -> None:
        self.is_closed = False

    def close(self) -> None:
        self.is_closed = True


async def test_the_first_broker_to_answer_says_why_none_lets_us_in(brokers: Brokers, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    async def create_conn(host: str, port: int, **options: Any) -> Conn:
        assert options["client_id"] == "us-x"
        asked.append(f"{host}:{port}")
        if host == "a":
            raise ConnectionRefusedError
        raise SaslAuthenticationFailed

    monkeypatch.setattr(connect, "create_conn", create_conn)
    monkeypatch.setattr(connect, "collect_hosts", lambda servers: [(*one.split(":"), 0) for one in servers])
    brokers.start_error = KafkaConnectionError()
    with pytest.raises(SaslAuthenticationFailed):
        async with connect.reading(SETTINGS, suffix="-x"):
            pytest.fail("it has started")

    assert asked == ["a:1", "b:2"]


async def test_a_certificate_that_is_not_trusted_is_said_and_no_silence(brokers: Brokers, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an OSError, too."""

    async def create_conn(*_: object, **__: object) -> Conn:
        raise ssl.SSLCertVerificationError

    monkeypatch.setattr(connect, "create_conn", create_conn)
    brokers.start_error = KafkaConnectionError()
    with pytest.raises(ssl.SSLCertVerificationError):
        async with connect.reading(SETTINGS, suffix="-x"):
            pytest.fail("it has started")


async def test_where_a_broker_lets_us_in_after_all_the_clients_own_error_stands(brokers: Brokers, monkeypatch: pytest.MonkeyPatch) -> None:
    conn = Conn()

    async def create_conn(*_: object, **__: object) -> Conn:
        return conn

    monkeypatch.setattr(connect, "create_conn", create_conn)
    brokers.start_error = KafkaConnectionError()
    with pytest.raises(KafkaConnectionError):
        async with connect.reading(SETTINGS, suffix="-x"):
            pytest.fail("it has started")

    assert conn.is_closed


# ---- How a command ends ----


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (KafkaConnectionError(), ("no-broker", 69)),
        (TimeoutError(), ("no-broker", 69)),
        (ConnectionResetError(), ("no-broker", 69)),
        (ssl.SSLError(), ("no-broker", 69)),
        (TopicAuthorizationFailedError(), ("kafka-denied", 77)),
        (GroupAuthorizationFailedError(), ("kafka-denied", 77)),
        (SaslAuthenticationFailed(), ("kafka-denied", 77)),
    ],
)
async def test_a_command_ends_as_kafka_answers(brokers: Brokers, error: Exception, expected: tuple[str, int]) -> None:
    with pytest.raises(Fatal) as raised:
        async with connect.for_command(SETTINGS, suffix="-replay"):
            raise error

    assert (raised.value.code, raised.value.status) == expected
    assert raised.value.__cause__ is error
    assert brokers.clients[0].did == ["start", "put down"]


async def test_what_is_not_kafkas_passes_through(brokers: Brokers) -> None:
    with pytest.raises(Fatal) as raised:
        async with connect.for_command(SETTINGS, suffix="-replay"):
            raise Fatal("no", code="range", status=64)

    assert (raised.value.code, brokers.clients[0].did[-1]) == ("range", "put down")
