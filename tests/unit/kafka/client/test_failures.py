"""What Kafka's errors mean: which are about a batch, and how long a command is patient with the others."""

from gzip import BadGzipFile

import anyio
import pytest
from aiokafka.errors import CorruptRecordException, KafkaConnectionError, SaslAuthenticationFailed, TopicAuthorizationFailedError

from consumer.core.errors import Fatal
from consumer.kafka.client.failures import Patience, is_damage
from consumer.settings.model import KafkaSettings
from tests.clock import virtual


@pytest.mark.parametrize(
    ("error", "expected"),
    [(CorruptRecordException(), True), (ValueError(), True), (BadGzipFile(), True), (OSError(), False), (ConnectionResetError(), False)],
)
def test_what_is_about_a_batch(error: Exception, expected: bool) -> None:
    assert is_damage(error) is expected


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
