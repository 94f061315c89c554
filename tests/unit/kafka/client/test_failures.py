"""What Kafka's errors mean: which are about a batch, and how long a command is patient with the others."""

from gzip import BadGzipFile

import anyio
import pytest
from aiokafka.errors import (
    CorruptRecordException,
    InconsistentGroupProtocolError,
    InvalidGroupIdError,
    InvalidSessionTimeoutError,
    KafkaConnectionError,
    RebalanceInProgressError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
    UnsupportedVersionError,
)

from consumer.core.errors import Fatal
from consumer.kafka.client.failures import Patience, final, is_damage
from consumer.settings.model import KafkaSettings
from tests.clock import virtual


@pytest.mark.parametrize(
    ("error", "expected"),
    [(CorruptRecordException(), True), (ValueError(), True), (BadGzipFile(), True), (OSError(), False), (ConnectionResetError(), False)],
)
def test_what_is_about_a_batch(error: Exception, expected: bool) -> None:
    assert is_damage(error) is expected


@pytest.mark.parametrize(
    ("error", "code", "status", "words"),
    [
        (
            InconsistentGroupProtocolError(),
            "kafka-group",
            78,
            ("group readers can't", "another assignor", "(kafka.group_id), or stop the other"),
        ),
        (InvalidSessionTimeoutError(), "kafka-group", 78, ("30 s", "kafka.session_timeout_s", "group.max.session.timeout.ms")),
        (InvalidGroupIdError(), "kafka-group", 78, ("group readers:", "kafka.group_id")),
        (UnsupportedVersionError(), "kafka-too-old", 69, ("too old", "update its brokers")),
        (SaslAuthenticationFailed(), "kafka-denied", 77, ("grant the rights",)),
    ],
)
def test_what_no_wait_heals_is_told_with_its_cure(error: Exception, code: str, status: int, words: tuple[str, ...]) -> None:
    found = final(error, KafkaSettings(group_id="readers"))
    assert found is not None

    assert (found.code, found.status) == (code, status)
    assert [word for word in words if word not in str(found)] == []


@pytest.mark.parametrize("error", [KafkaConnectionError(), RebalanceInProgressError(), TimeoutError(), OSError()])
def test_what_may_heal_by_itself_is_waited_for(error: Exception) -> None:
    assert final(error, KafkaSettings()) is None


def patience() -> Patience:
    return Patience(KafkaSettings(), step="x")


@virtual
async def test_patience_lasts_from_the_last_answer_on() -> None:
    one = patience()
    one.good()
    for _ in range(3):
        await anyio.sleep(118)
        await one.lost(KafkaConnectionError())
        one.good()
    await anyio.sleep(120.5)
    with pytest.raises(Fatal) as raised:
        await one.lost(KafkaConnectionError())
    assert raised.value.status == 69


@virtual
async def test_between_two_tries_a_second_passes() -> None:
    one = patience()
    one.good()
    began = anyio.current_time()
    await one.lost(TimeoutError())

    assert anyio.current_time() - began == 1


@virtual
async def test_who_is_refused_does_not_try_again() -> None:
    for error in (TopicAuthorizationFailedError(), SaslAuthenticationFailed()):
        one = patience()
        one.good()
        with pytest.raises(Fatal) as raised:
            await one.lost(error)
        assert (raised.value.code, raised.value.status) == ("kafka-denied", 77)


@virtual
async def test_what_has_never_reached_kafka_ends_at_once() -> None:
    with pytest.raises(Fatal) as raised:
        await patience().lost(KafkaConnectionError())

    assert (raised.value.status, anyio.current_time()) == (69, 0)
