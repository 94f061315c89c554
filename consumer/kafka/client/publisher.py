"""A publisher: records on their way to one topic, known to be there, or not known to be."""

import asyncio
from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, NoReturn, Protocol

import anyio
from aiokafka.errors import MessageSizeTooLargeError, UnknownTopicOrPartitionError

from ...telemetry.fences import only_ours
from ...telemetry.logs import log
from ...telemetry.loop import loop_time
from .clients import ClientCancelled, Producer
from .failures import LOST, REBUILD_MAX_S, cure, denied
from .words import said, slug

_log = log(__name__)
_FIRST_PAUSE_S: Final = 0.5
_SILENT_S: Final = 30.0
"""A producer that has had nothing taken for so long is replaced: password, certificates and brokers may be others by now."""
_PENDING: Final = 100_000
"""Records that a producer holds at most: it keeps those for which nobody waits any more, and they are a few hundred bytes each."""

_BATCH_BYTES: Final = 256 * 1024
"""Of one partition; with the usual 16 KiB a webhook of a thousand events takes twenty turns."""
_BATCH_LEAST_BYTES: Final = 8 * 1024


class Producing(Protocol):
    """Gives an idempotent producer whose batches of one partition are at most so large."""

    def __call__(self, *, batch_bytes: int) -> AbstractAsyncContextManager[Producer]:
        """Give one."""
        ...


class NotTaken(Exception):
    """It is not known that Kafka has all of the records: some may be there, or come to be; `code` is a slug."""

    def __init__(self, code: str) -> None:
        """Take why."""
        super().__init__(code)
        self.code = code


class _Replaced(Exception):
    """A producer takes no records any more."""


class _Waiting:
    """How many records one producer has of which nothing is known yet; it goes with its producer, which may never say of them."""

    def __init__(self) -> None:
        self.count = 0


class Publisher:
    """
    Writes records to a topic.

    It promises: what `publish` returns for is in the topic, on as many brokers as the topic wants; where it raises, nothing is
    known. A producer that was refused a record takes no more, so that a new one stands in its place. The producer decides by the
    key on which partition a record goes, as Kafka's own clients do.
    """

    def __init__(self, producing: Producing, topic: str) -> None:
        """
        Take where to write.

        Args:
            producing: gives a producer.
            topic: is never made here.
        """
        self._producing, self._topic = producing, topic
        self._producer: Producer | None = None
        self._come, self._broken = anyio.Event(), anyio.Event()
        # Since when nothing was taken of what was given (loop's clock); None: the last was.
        self._silent_since: float | None = None
        self._gets_on = False
        self._waiting = _Waiting()
        self._batch_bytes = _BATCH_BYTES

    @property
    def pending(self) -> int:
        """Return how many records the producer has of which nothing is known yet."""
        return self._waiting.count

    @property
    def is_ready(self) -> bool:
        """Say whether there is a producer, and it knows the topic."""
        return self._producer is not None

    async def run(self) -> None:
        """
        Keep a producer, for ever.

        Raises:
            Fatal: Kafka refuses us (77).
        """
        pause_s = _FIRST_PAUSE_S
        while True:
            self._gets_on = False
            try:
                async with self._producing(batch_bytes=self._batch_bytes) as producer:
                    await producer.partitions_for(self._topic)
                    await self._serve(producer)
            except _Replaced:
                _log.warning("a producer is replaced: it takes no records", pending=self.pending)
            except LOST as error:
                if (refusal := denied(error)) is not None:
                    raise refusal from error
                is_missing = isinstance(error, UnknownTopicOrPartitionError)
                what = "the topic is not there" if is_missing else "Kafka does not answer"
                _log.warning(what, step="producer", error=said(error), cause=self._cure(error))
            pause_s = _FIRST_PAUSE_S if self._gets_on else min(REBUILD_MAX_S, pause_s * 2)
            await anyio.sleep(pause_s)

    async def publish(self, records: Iterable[tuple[bytes, bytes]], *, limit_s: float) -> None:
        """
        Write records, each a key and a value; return once all of them are in the topic.

        Raises:
            NotTaken: `kafka-slow`, not within `limit_s`; `kafka-away`, there was no producer; `kafka-full`, too much waits for Kafka
                already; `kafka-lost`, it gave no answer; else its own answer, as `kafka-not-enough-replicas`.
        """
        if self.is_ready and self.pending >= _PENDING:
            self._note_silence(loop_time())  # Full for long is silence, too, and nothing else would end it.
            raise NotTaken("kafka-full")
        began_at = loop_time()
        try:
            async with asyncio.timeout(limit_s):
                await self._publish(records)
        except TimeoutError:
            code = "kafka-away" if self._producer is None else "kafka-slow"
            self._note_silence(began_at)
            raise NotTaken(code) from None

    async def _publish(self, records: Iterable[tuple[bytes, bytes]]) -> None:
        while (producer := self._producer) is None:
            await self._come.wait()
        sent, waiting = list[asyncio.Future[Any]](), self._waiting
        try:
            with only_ours(ClientCancelled):
                for key, value in records:
                    sent.append(_kept(await producer.send(self._topic, value=value, key=key), waiting))
                if sent:
                    await asyncio.wait(sent)
                for one in sent:
                    one.result()
        except LOST as error:
            if isinstance(error, MessageSizeTooLargeError) and self._producer is producer:
                # The topic's max.message.bytes is smaller; else a webhook of many would be refused for ever, and all beside it.
                less = max(_BATCH_LEAST_BYTES, self._batch_bytes // 2)
                self._gets_on, self._batch_bytes = less < self._batch_bytes, less
            self._give_up(producer)
            raise NotTaken(slug(error)) from error
        self._silent_since, self._gets_on = None, True

    async def _serve(self, producer: Producer) -> NoReturn:
        """Let records go through this producer until it is broken."""
        self._broken, self._silent_since = anyio.Event(), None
        self._producer, self._waiting = producer, _Waiting()
        self._come.set()
        try:
            await self._broken.wait()
        finally:
            self._give_up(producer)
        # Raised, so that what it holds is not waited for: nobody waits for it any more.
        raise _Replaced

    def _give_up(self, producer: Producer) -> None:
        """Give nobody this producer any more."""
        if self._producer is producer:
            self._producer, self._come = None, anyio.Event()
            self._broken.set()

    def _note_silence(self, began_at: float) -> None:
        self._silent_since = began_at if self._silent_since is None else self._silent_since
        if self._producer is not None and loop_time() - self._silent_since > _SILENT_S:
            self._give_up(self._producer)

    def _cure(self, error: Exception) -> str | None:
        return f"create topic {self._topic}, or correct kafka.topic" if isinstance(error, UnknownTopicOrPartitionError) else cure(error)


def _kept(sent: "asyncio.Future[Any]", waiting: _Waiting) -> "asyncio.Future[Any]":
    def known(sent: "asyncio.Future[Any]") -> None:
        waiting.count -= 1
        _ = sent.cancelled() or sent.exception()  # Looked at: else asyncio complains of those for which nobody waits any more.

    waiting.count += 1
    sent.add_done_callback(known)
    return sent
