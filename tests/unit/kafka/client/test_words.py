"""Kafka's errors in words: never a name of a class, and never nothing."""

import errno
import re
import socket
import ssl
import zlib
from typing import Final

import pytest
from aiokafka import errors

from consumer.kafka.client.failures import DAMAGED, damage, fatal, unreachable
from consumer.kafka.client.unpacking import UnpacksTooLarge
from consumer.kafka.client.words import named, said, slug
from consumer.settings.model import KafkaSettings

_CLASS: Final = re.compile(r"[a-z][A-Z]|Error|Exception|None")
_KINDS: Final = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.KafkaError)]


@pytest.mark.parametrize("kind", [*_KINDS, *DAMAGED, TimeoutError, ssl.SSLError, socket.gaierror], ids=lambda kind: kind.__name__)
def test_no_error_is_told_by_the_name_of_its_class(kind: type[Exception]) -> None:
    error = kind() if kind is UnpacksTooLarge else kind("x")
    for words in (named(kind.__name__), said(error), slug(error)):
        assert words.removeprefix("Kafka answers: ").strip()
        assert _CLASS.search(words) is None


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (TimeoutError(), "no answer in time"),
        (socket.gaierror(-2, "x"), "the name is not known"),
        (ConnectionRefusedError(), "could not connect"),
        (ConnectionResetError(), "the connection was cut"),
        (errors.SaslAuthenticationFailed(), "the login is refused"),
        (ssl.SSLCertVerificationError(), "TLS: its certificate is of another name, out of date, or of an authority that is not trusted"),
        (errors.NotEnoughReplicasError(), "Kafka answers: not enough replicas"),
        (OSError(errno.ENETUNREACH, "x"), "network is unreachable"),
        (zlib.error(), "it can't be unpacked"),
        (UnpacksTooLarge(), "it unpacks to more than 64 MiB"),
    ],
    ids=repr,
)
def test_an_error_is_said_in_words(error: Exception, words: str) -> None:
    assert said(error) == words


def test_what_ends_a_command_is_in_words() -> None:
    kafka = KafkaSettings(bootstrap_servers=("k:9092",))

    assert str(unreachable(kafka, TimeoutError())).startswith("Kafka at k:9092 does not answer (no answer in time): ")
    assert str(unreachable(kafka, ssl.SSLError())).startswith("no TLS with Kafka at k:9092 (no agreement on it): ")
    assert str(fatal(errors.GroupAuthorizationFailedError())).startswith("Kafka refuses us (the right to the group is missing): ")
    assert damage(errors.CorruptRecordException()) == "its checksum is wrong"


def test_what_the_brokers_answer_is_a_code_too() -> None:
    assert slug(errors.NotEnoughReplicasError()) == "kafka-not-enough-replicas"
    assert slug(errors.KafkaConnectionError()) == slug(OSError()) == "kafka-lost"
