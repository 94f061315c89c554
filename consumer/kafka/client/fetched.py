"""
Fetched records as aiokafka's parser gives them.

The client wraps each one anew, in an object of eleven fields, and hands it through four calls: half of what a record costs.
Nothing here reads a record; its checksums, offsets and aborted transactions are the client's as before.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from aiokafka import AIOKafkaConsumer
from aiokafka.consumer.fetcher import PartitionRecords


class Record(Protocol):
    """What is read of a record; the client's own object has it, wrapped or not."""

    @property
    def offset(self) -> int:
        """Return its place in its partition."""

    @property
    def timestamp(self) -> int:
        """Return its time (ms since 1970)."""

    @property
    def key(self) -> bytes | None:
        """Return its key."""

    @property
    def value(self) -> bytes | None:
        """Return its value."""

    @property
    def headers(self) -> Sequence[tuple[str, bytes]]:
        """Return its headers."""


class _AsParsed(PartitionRecords):  # type: ignore[misc]  # the client has no types
    """Records of one fetch and partition: the generator itself is iterated, and gives what it was given."""

    def __iter__(self) -> Iterator[Record]:
        # The client asks for an iterator only while there may be more; one that raised ends, as its own does.
        return iter(self._records_iterator or ())

    def _consumer_record(self, _tp: object, record: Record) -> Record:
        return record


class _Fetched(OrderedDict[Any, Any]):
    """What a fetcher holds by partition, ready to be handed out."""

    def __setitem__(self, tp: Any, fetched: Any) -> None:  # noqa: ANN401 - the client's own
        parts = getattr(fetched, "_partition_records", None)  # None: an error of a fetch
        if type(parts) is PartitionRecords:
            parts.__class__ = _AsParsed
        super().__setitem__(tp, fetched)


def hand_out_as_parsed(consumer: AIOKafkaConsumer) -> None:
    """Let a started consumer hand out its records unwrapped."""
    held = _Fetched()
    for tp, fetched in consumer._fetcher._records.items():  # noqa: SLF001 - there is no setting for it
        held[tp] = fetched
    consumer._fetcher._records = held  # noqa: SLF001
