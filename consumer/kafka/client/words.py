"""Kafka's errors in words: a name of a class tells nobody what happened."""

import socket
import ssl
import struct
import zlib
from gzip import BadGzipFile
from typing import Final

from aiokafka import errors

from ...settings.findings import reason
from .unpacking import UnpacksTooLarge

_WORDS: Final[tuple[tuple[tuple[type[BaseException], ...], str], ...]] = (
    ((TimeoutError, errors.KafkaTimeoutError, errors.RequestTimedOutError), "no answer in time"),
    ((ssl.SSLCertVerificationError,), "TLS: its certificate is of another name, out of date, or of an authority that is not trusted"),
    ((ssl.SSLError,), "TLS: no agreement on it"),
    ((socket.gaierror,), "the name is not known"),
    ((ConnectionRefusedError, errors.NoBrokersAvailable, errors.KafkaUnavailableError), "could not connect"),
    ((errors.KafkaConnectionError, errors.NodeNotReadyError), "could not connect, or the connection was cut"),
    ((ConnectionError,), "the connection was cut"),
    ((errors.SaslAuthenticationFailed, errors.AuthenticationFailedError), "the login is refused"),
    ((errors.UnsupportedSaslMechanismError, errors.AuthenticationMethodNotSupported), "the brokers take no login of this sasl_mechanism"),
    ((errors.TopicAuthorizationFailedError,), "the right to the topic is missing"),
    ((errors.GroupAuthorizationFailedError,), "the right to the group is missing"),
    ((errors.ClusterAuthorizationFailedError,), "a right to the cluster is missing"),
    ((errors.IncompatibleBrokerVersion, errors.UnrecognizedBrokerVersion, errors.UnsupportedVersionError), "its version is too old"),
    ((errors.CommitFailedError,), "the group has given the partitions away"),
    ((errors.CorruptRecordException,), "its checksum is wrong"),
    ((errors.UnsupportedCodecError,), "it is packed in a way that can't be unpacked here"),
    ((errors.RecordTooLargeError,), "a record is larger than may be read"),
    ((errors.KafkaProtocolError,), "the answer can't be read"),
    ((zlib.error, BadGzipFile, EOFError), "it can't be unpacked"),
    ((ValueError, LookupError, struct.error), "it can't be read"),
)
_ELSE: Final = "the Kafka client gives no reason"


def said(error: BaseException) -> str:
    """Say in a few words what an error of a client means; what the brokers answer is in their own."""
    if isinstance(error, UnpacksTooLarge):
        return str(error)
    words = _of(type(error))
    return reason(error) if words == _ELSE and isinstance(error, OSError) else words


def named(name: str) -> str:
    """Say the same of an error that is kept by its name."""
    return _of(getattr(errors, name, errors.KafkaError))


def slug(error: BaseException) -> str:
    """Return a code for what the brokers answer, `kafka-not-enough-replicas`; `kafka-lost`: they gave no answer."""
    answer = _answer(type(error))
    return f"kafka-{answer.replace(' ', '-')}" if answer else "kafka-lost"


def _of(kind: type[BaseException]) -> str:
    for kinds, words in _WORDS:
        if issubclass(kind, kinds):
            return words
    answer = _answer(kind)
    return f"Kafka answers: {answer}" if answer else _ELSE


def _answer(kind: type[BaseException]) -> str:
    message = getattr(kind, "message", "") if issubclass(kind, errors.BrokerResponseError) else ""
    return str(message or "").lower().replace("_", " ")
