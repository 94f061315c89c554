"""Reads a range of the topic outside the group, and says whose events are in it."""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Final

import anyio
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from ...core.errors import Exit, Fatal, Retryable, Unreadable
from ...core.events import Ignored, Unknown, decode
from ...core.text import shown
from ...core.unknown import OTHER, TYPES_KEPT
from ...kafka.client import connect
from ...kafka.client.clients import Reader
from ...kafka.client.connect import DAMAGED
from ...kafka.client.damage import damaged, is_damage
from ...kafka.client.patience import Patience
from ...kafka.client.silence import Answers
from ...settings.model import KafkaSettings
from ...telemetry.bugs import fenced
from .plan import Asked, Edges, Scanned, Span, spans

_POLL_MS: Final = 500
_MAX_RECORDS: Final = 5000
_ASK_LIMIT_S: Final = 30.0


async def resolve(settings: KafkaSettings, asked: Asked) -> tuple[Span, ...]:
    """
    Return what the topic holds of a range.

    Raises:
        Fatal: no broker, no permission, no topic; or the range can't be (64).
    """
    async with connect.asking(settings, suffix="-replay") as consumer:
        partitions = await connect.partitions_of(consumer, settings.topic)
        consumer.assign(partitions)
        first, end = await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
        found, wrong = spans(
            asked,
            {tp.partition: Edges(first[tp], end[tp]) for tp in partitions},
            await _at(consumer, partitions, asked.from_ms),
            await _at(consumer, partitions, asked.to_ms),
        )
    if wrong:
        raise Fatal("\n".join(wrong), code="range", status=Exit.USAGE)
    return found


async def _at(consumer: Reader, partitions: Iterable[TopicPartition], at_ms: int | None) -> dict[int, int | None]:
    if at_ms is None:
        return {}
    with anyio.fail_after(_ASK_LIMIT_S):
        found = await consumer.offsets_for_times(dict.fromkeys(partitions, at_ms))
    return {tp.partition: one.offset if one is not None else None for tp, one in found.items()}


async def scan(
    settings: KafkaSettings, found: Collection[Span], *, vendors: Collection[str], asked: Asked, progress: Callable[[int, int], None]
) -> Scanned:
    """
    Read `found` to its end.

    Args:
        vendors: those that the settings know.
        asked: whom it is about; users of unknown types are taken where it or the settings say so.
        progress: told now and then how many offsets are behind us, of how many.

    Raises:
        Fatal: no broker (69; one that was lost is waited for, two minutes), no permission (77), or a damaged batch (69).
    """
    started = anyio.current_time()
    if not any(one.offsets for one in found):
        return Scanned()
    takes_unknown = asked.unknown_types or settings.unknown_types == "resync"
    left = {TopicPartition(settings.topic, one.partition): one for one in found if one.offsets}
    reading = _Reading(settings, left, _Sorting(frozenset(vendors), asked, takes_unknown=takes_unknown), progress)
    await reading.run()
    reading.scanned.took_s = anyio.current_time() - started
    return reading.scanned


class _Reading:
    def __init__(
        self, settings: KafkaSettings, left: dict[TopicPartition, Span], sorting: "_Sorting", progress: Callable[[int, int], None]
    ) -> None:
        self._settings, self._left, self._sorting, self._progress = settings, left, sorting, progress
        self.scanned = sorting.scanned
        self._next = {tp: one.start for tp, one in left.items()}
        self._offsets = sum(one.offsets for one in left.values())
        self._started = {tp: one.start for tp, one in left.items()}

    async def run(self) -> None:
        """Read to the end, with a new consumer wherever one is lost."""
        patience = Patience(self._settings, step="scan")
        while self._left:
            try:
                async with connect.reading(self._settings, suffix="-replay", fetch_max_bytes=connect.FETCH_BYTES) as consumer:
                    patience.good()
                    await self._read(consumer, patience)
            except (KafkaError, TimeoutError, OSError) as error:
                await patience.lost(error)

    async def _read(self, consumer: Reader, patience: Patience) -> None:
        consumer.assign(list(self._left))
        for tp in self._left:
            consumer.seek(tp, self._next[tp])
        answers = Answers(anyio.current_time())
        while self._left:
            try:
                batches = await consumer.getmany(*self._left, timeout_ms=_POLL_MS, max_records=_MAX_RECORDS)
            except OffsetOutOfRangeError as error:
                await self._skip(consumer, list(error.args[0]))
                continue
            except DAMAGED as error:
                if not is_damage(error):
                    raise
                await self._refuse_damaged(consumer)
                continue
            self._take(consumer, batches)
            if answers.has_come(consumer, self._left, now=anyio.current_time()):
                patience.good()
            self._progress(sum(at - self._started[tp] for tp, at in self._next.items()), self._offsets)

    async def _refuse_damaged(self, consumer: Reader) -> None:
        """
        Say which partitions can't be read any further.

        Raises:
            Fatal: there are such (69): whose events a damaged batch holds, nobody can say.
        """
        lines = []
        for tp, error in (await damaged(consumer, {tp: self._next[tp] for tp in self._left})).items():
            at = f"{tp.partition}:{self._next[tp]}"
            lines.append(
                f"the batch at {at} is damaged ({type(error).__name__}), and nothing was resynced: read around it, "
                f"with --to-offset {at} what is before it, with --from-offset {tp.partition}:N what is behind it"
            )
        if lines:
            raise Fatal("\n".join(lines), code="damaged", status=Exit.UNAVAILABLE)

    def _take(self, consumer: Reader, batches: Mapping[TopicPartition, list[Any]]) -> None:
        for tp, records in batches.items():
            span = self._left.get(tp)
            if span is None:
                continue
            count = 0
            for record in records:
                if record.offset >= span.end:
                    break
                count += 1
                self._sorting.take(record.value)
            self.scanned.records[tp.partition] = self.scanned.records.get(tp.partition, 0) + count
            self._next[tp] = records[-1].offset + 1
        for tp, span in list(self._left.items()):
            # Behind the last record may stand control records, or nothing where the topic is compacted.
            self._next[tp] = min(span.end, max(self._next[tp], consumer.position_now(tp) or 0))
            if self._next[tp] >= span.end:
                del self._left[tp]
                consumer.pause(tp)

    async def _skip(self, consumer: Reader, lost: list[TopicPartition]) -> None:
        for tp, earliest in (await consumer.beginning_offsets(lost)).items():
            start = min(max(earliest, self._next[tp]), self._left[tp].end)
            self.scanned.gone[tp.partition] = self.scanned.gone.get(tp.partition, 0) + start - self._next[tp]
            self._next[tp] = start
            consumer.seek(tp, start)
            if start >= self._left[tp].end:
                del self._left[tp]
                consumer.pause(tp)


class _Sorting:
    """Says of each record whose it is, and counts what is passed over."""

    def __init__(self, vendors: frozenset[str], asked: Asked, *, takes_unknown: bool) -> None:
        self._vendors, self._asked, self._takes_unknown = vendors, asked, takes_unknown
        self.scanned = Scanned(takes_unknown_types=takes_unknown)

    def take(self, value: bytes | None) -> None:
        scanned = self.scanned
        try:
            with fenced("record"):
                event = decode(value)
        except (Unreadable, Retryable):
            scanned.unreadable += 1
            return
        if isinstance(event, Ignored):
            scanned.ignored += 1
        elif not self._asked.wants(event.user):
            return
        elif event.user.vendor not in self._vendors:
            scanned.unknown_vendors[event.user.vendor] = scanned.unknown_vendors.get(event.user.vendor, 0) + 1
        elif isinstance(event, Unknown) and not self._passes(event):
            scanned.ignored += 1
        else:
            scanned.users.setdefault(event.user)

    def _passes(self, event: Unknown) -> bool:
        """Count an event of unknown type; return whether it counts for its user."""
        types, name = self.scanned.unknown_types, shown(event.type)
        if name not in types and len(types) >= TYPES_KEPT:
            name = OTHER
        types[name] = types.get(name, 0) + 1
        return self._takes_unknown
