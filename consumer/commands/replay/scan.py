"""A range of the topic, read outside the group: whose events are in it."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

import anyio

from ...core.errors import Exit, Fatal, Retryable, Unreadable
from ...core.events import Ignored, Unknown, decode
from ...core.text import shown
from ...core.unknown import OTHER, TYPES_KEPT
from ...kafka.client import connect
from ...kafka.client.failures import Patience
from ...kafka.client.reader import Outside, Turn, offsets_at
from ...settings.model import KafkaSettings
from ...telemetry.fences import fenced
from .plan import Asked, Edges, Scanned, Span, spans

_POLL_MS: Final = 500
_MAX_RECORDS: Final = 5000


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
            await offsets_at(consumer, partitions, asked.from_ms) if asked.from_ms is not None else {},
            await offsets_at(consumer, partitions, asked.to_ms) if asked.to_ms is not None else {},
        )
    if wrong:
        raise Fatal("\n".join(wrong), code="range", status=Exit.USAGE)
    return found


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
    reading = _Reading(settings, found, _Sorting(frozenset(vendors), asked, takes_unknown=takes_unknown), progress)
    await reading.run()
    reading.scanned.took_s = anyio.current_time() - started
    return reading.scanned


class _Reading:
    """Reads each span to its end."""

    def __init__(self, settings: KafkaSettings, found: Collection[Span], sorting: "_Sorting", progress: Callable[[int, int], None]) -> None:
        self._settings, self._sorting, self._progress = settings, sorting, progress
        self.scanned = sorting.scanned
        self._spans = {one.partition: one for one in found if one.offsets}
        self._outside = Outside(settings.topic, begin=self._begin, each=self._turn, poll_ms=_POLL_MS, max_records=_MAX_RECORDS)
        self._outside.at |= {one.partition: one.start for one in self._spans.values()}

    async def run(self) -> None:
        """Read to the end, with a new consumer wherever one is lost."""
        await self._outside.run(
            lambda: connect.reading(self._settings, suffix="-replay", fetch_max_bytes=connect.FETCH_BYTES),
            Patience(self._settings, step="scan"),
        )

    async def _begin(self) -> None:
        await self._outside.take_up(self._outside.asked)

    async def _turn(self, turn: Turn) -> None:
        self._refuse(turn.damaged)
        for partition, first in turn.gone.items():
            self._skip(partition, first)
        for partition, records in turn.records.items():
            self._take(self._spans[partition], records)
        done = 0
        for partition, span in self._spans.items():
            done += min(self._outside.at[partition], span.end) - span.start
        for partition in self._outside.asked:
            if self._outside.at[partition] >= self._spans[partition].end:
                self._outside.leave(partition)
        self._progress(done, sum(one.offsets for one in self._spans.values()))

    def _refuse(self, damaged: Mapping[int, Exception]) -> None:
        """
        Say which partitions can't be read any further.

        Raises:
            Fatal: there are such (69): whose events a damaged batch holds, nobody can say.
        """
        lines = []
        for partition, error in damaged.items():
            at = f"{partition}:{self._outside.at[partition]}"
            lines.append(
                f"the batch at {at} is damaged ({type(error).__name__}), and nothing was resynced: read around it, "
                f"with --to-offset {at} what is before it, with --from-offset {partition}:N what is behind it"
            )
        if lines:
            raise Fatal("\n".join(lines), code="damaged", status=Exit.UNAVAILABLE)

    def _skip(self, partition: int, first: int) -> None:
        at = self._outside.at[partition]
        start = min(max(first, at), self._spans[partition].end)
        self.scanned.gone[partition] = self.scanned.gone.get(partition, 0) + start - at
        self._outside.go_on(partition, start)

    def _take(self, span: Span, records: Sequence[Any]) -> None:
        count = 0
        for record in records:
            if record.offset >= span.end:
                break
            count += 1
            self._sorting.take(record.value)
        self.scanned.records[span.partition] = self.scanned.records.get(span.partition, 0) + count


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
