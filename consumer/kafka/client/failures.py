"""Kafka's errors, and what each means to us: wait, end with a cure, or a damaged batch."""

import ssl
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from gzip import BadGzipFile
from typing import Final

import anyio
from aiokafka.errors import (
    CorruptRecordException,
    GroupAuthorizationFailedError,
    IncompatibleBrokerVersion,
    InconsistentGroupProtocolError,
    InvalidGroupIdError,
    InvalidSessionTimeoutError,
    KafkaError,
    RecordTooLargeError,
    TopicAuthorizationFailedError,
    UnsupportedCodecError,
    UnsupportedVersionError,
)

from ...core.errors import Exit, Fatal
from ...settings import tls
from ...settings.model import KafkaSettings
from ...telemetry.logs import log
from .unpacking import UnpacksTooLarge
from .words import said

__all__ = ["KafkaError"]  # For files that must not know the client.

_log = log(__name__)
LOST: Final[tuple[type[Exception], ...]] = (KafkaError, TimeoutError, OSError)
"""What a client raises whose brokers are lost, or refuse us; what is damaged is among it, so `DAMAGED` is caught first."""
DAMAGED: tuple[type[Exception], ...] = (
    CorruptRecordException,
    RecordTooLargeError,
    UnsupportedCodecError,
    ValueError,
    LookupError,
    EOFError,
    OSError,
    struct.error,
    zlib.error,
)
"""What a batch raises in the client that is damaged, or packed in a way that it can't unpack; see `is_damage`."""
with suppress(ImportError):  # Without it such a batch is an UnsupportedCodecError.
    from cramjam import DecompressionError

    DAMAGED += (DecompressionError,)
WITHOUT_BROKER_S: Final = 600.0
"""How long a pod waits for Kafka before it ends."""
REBUILD_MAX_S: Final = 5.0
"""The longest pause between two tries to reach Kafka: a client that comes back from an outage must not be late by more."""
_COMMAND_WITHOUT_BROKER_S: Final = 120.0
_AGAIN_S: Final = 1.0
TOO_LARGE_CURE: Final = "stop what writes such batches, and delete the partition's records up to behind it (kafka-delete-records.sh)"
TLS_CURE: Final = "correct kafka.ssl_* and kafka.security_protocol"
GROUP_TAKEN: Final = "can't be joined: another member of it uses another assignor or protocol"
GROUP_TAKEN_CURE: Final = "give this consumer a group of its own (kafka.group_id), or stop the other"


def is_damage(error: Exception) -> bool:
    """Say whether what a poll raised (one of `DAMAGED`) is about a batch, and not about the network."""
    return not isinstance(error, OSError) or isinstance(error, BadGzipFile)


def damage(error: Exception) -> str:
    """Say in a few words what is wrong with a batch."""
    return said(error)


def denied(error: BaseException) -> Fatal | None:
    """Return what a lack of permission means; None for any other error."""
    return fatal(error) if isinstance(error, KafkaError) else None


def fatal(error: KafkaError) -> Fatal | None:
    """Return what a lack of permission at the start means; None for any other error."""
    name = type(error).__name__
    if (
        isinstance(error, GroupAuthorizationFailedError | TopicAuthorizationFailedError)
        or "Authorization" in name
        or "Authentication" in name
    ):
        return Fatal(
            f"Kafka refuses us ({said(error)}): grant the rights, or correct kafka.sasl_*", code="kafka-denied", status=Exit.NO_PERMISSION
        )
    return None


def final(error: BaseException, kafka: KafkaSettings) -> Fatal | None:
    """Return what an error means that no wait heals: no permission, a group that can't be joined, too old a Kafka; None for any other."""
    if isinstance(error, IncompatibleBrokerVersion | UnsupportedVersionError):
        text = "Kafka is too old for what this consumer asks of it: update its brokers"
        return Fatal(text, code="kafka-too-old", status=Exit.UNAVAILABLE)
    why = _misfit(error, kafka)
    return denied(error) if why is None else Fatal(why, code="kafka-group", status=Exit.SETTINGS)


def _misfit(error: BaseException, kafka: KafkaSettings) -> str | None:
    """Return why the group is not for us, and what to do; None: that is not the matter."""
    group = kafka.group_id
    match error:
        case InconsistentGroupProtocolError():
            return f"consumer group {group} {GROUP_TAKEN}; {GROUP_TAKEN_CURE}"
        case InvalidSessionTimeoutError():
            limits = "group.min.session.timeout.ms and group.max.session.timeout.ms"
            return f"Kafka takes no session of {kafka.session_timeout_s:g} s: set kafka.session_timeout_s between the brokers' {limits}"
        case InvalidGroupIdError():
            return f"Kafka takes no consumer group {group}: correct kafka.group_id"
    return None


def cure(error: BaseException) -> str | None:
    """Return what to do about an error that is waited out, where it is about TLS or too large a batch; it is a constant for each file."""
    if isinstance(error, tls.Unusable):
        return str(error)
    if isinstance(error, UnpacksTooLarge):
        return f"{error}: {TOO_LARGE_CURE}"
    return f"no TLS: {TLS_CURE}" if isinstance(error, ssl.SSLError) else None


def unreachable(kafka: KafkaSettings, error: BaseException) -> Fatal:
    """Return what the end of all patience means."""
    where = ", ".join(kafka.bootstrap_servers)
    if isinstance(error, tls.Unusable):
        return Fatal(str(error), code="no-broker", status=Exit.UNAVAILABLE)
    if isinstance(error, ssl.SSLError):
        text = f"no TLS with Kafka at {where} ({said(error).removeprefix('TLS: ')}): {TLS_CURE}"
        return Fatal(text, code="no-broker", status=Exit.UNAVAILABLE)
    text = f"Kafka at {where} does not answer ({said(error)}): correct kafka.bootstrap_servers, or start it"
    return Fatal(text, code="no-broker", status=Exit.UNAVAILABLE)


@contextmanager
def ending(kafka: KafkaSettings) -> Iterator[None]:
    """
    Turn what a client raises into the end of a command.

    Raises:
        Fatal: no broker (69), or no permission (77).
    """
    try:
        yield
    except LOST as error:
        raise final(error, kafka) or unreachable(kafka, error) from error


class Patience:
    """
    The patience of one command.

    It promises: one that has never reached Kafka ends at once, and so does one that is refused; one that has lost it tries again for
    two minutes after it was last there.
    """

    def __init__(self, settings: KafkaSettings, *, step: str) -> None:
        """Take where Kafka is, and a name for what waits."""
        self._settings, self._step = settings, step
        self._good_at: float | None = None

    def good(self) -> None:
        """Note that Kafka answers."""
        self._good_at = anyio.current_time()

    async def lost(self, error: Exception) -> None:
        """
        Wait a little before the next try.

        Raises:
            Fatal: no permission (77), or no broker, or too old a one (69).
        """
        if (refusal := final(error, self._settings)) is not None:
            raise refusal from error
        if self._good_at is None or anyio.current_time() - self._good_at > _COMMAND_WITHOUT_BROKER_S:
            raise unreachable(self._settings, error) from error
        _log.warning("Kafka does not answer", step=self._step, error=said(error), cause=cure(error))
        await anyio.sleep(_AGAIN_S)
