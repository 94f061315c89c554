"""The scan of a range of the topic, outside the group: which users have events in it."""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import anyio

from ...core.errors import Exit, Fatal, Retryable, Unreadable
from ...core.events import Ignored, Unknown, decode
from ...core.text import shown
from ...core.unknown import OTHER, TYPES_KEPT
from ...kafka.client import connect
from ...kafka.client.failures import Patience, damage
from ...kafka.client.reader import PartitionReader, Poll, offsets_at
from ...settings.model import KafkaSettings
from ...telemetry.fences import fenced
from .plan import Asked, Edges, Range, Scanned, ranges

_POLL_MS: Final = 500
_MAX_RECORDS: Final = 5000


async def resolve(settings: KafkaSettings, asked: Asked) -> tuple[Range, ...]:
    """
    Return what the topic holds of a range.

    Raises:
        Fatal: no broker, no permission, no topic; or the range can't be (64).
    """
    async with connect.for_command(settings, suffix="-replay") as consumer:
        partitions = await connect.partitions_of(consumer, settings.topic)
        consumer.assign(partitions)
        first, end = await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
        found, wrong = ranges(
            asked,
            {tp.partition: Edges(first[tp], end[tp]) for tp in partitions},
            await offsets_at(consumer, partitions, asked.from_ms) if asked.from_ms is not None else {},
            await offsets_at(consumer, partitions, asked.to_ms) if asked.to_ms is not None else {},
        )
    if wrong:
        raise Fatal("\n".join(wrong), code="range", status=Exit.USAGE)
    return found


async def scan(
    settings: KafkaSettings, found: Collection[Range], *, vendors: Collection[str], asked: Asked, progress: Callable[[int, int], None]
) -> Scanned:
    """
    Read `found` to its end.

    Args:
        vendors: those that the settings know.
        asked: which users it is about; those of unknown types are taken where it or the settings say so.
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
    """Reads each range to its end."""

    def __init__(
        self, settings: KafkaSettings, found: Collection[Range], sorting: "_Sorting", progress: Callable[[int, int], None]
    ) -> None:
        self._settings, self._sorting, self._progress = settings, sorting, progress
        self.scanned = sorting.scanned
        self._ranges = {one.partition: one for one in found if one.offsets}
        self._reader = PartitionReader(settings.topic, begin=self._begin, each=self._take_poll, poll_ms=_POLL_MS, max_records=_MAX_RECORDS)
        self._reader.at |= {one.partition: one.start for one in self._ranges.values()}

    async def run(self) -> None:
        """Read to the end, with a new consumer wherever one is lost."""
        await self._reader.run(
            lambda: connect.reading(self._settings, suffix="-replay", fetch_max_bytes=connect.FETCH_BYTES),
            Patience(self._settings, step="scan"),
        )

    async def _begin(self) -> None:
        await self._reader.take_up(self._reader.asked)

    async def _take_poll(self, poll: Poll) -> None:
        self._refuse(poll.damaged)
        for partition, first in poll.gone.items():
            self._skip(partition, first)
        for partition, records in poll.records.items():
            self._take(self._ranges[partition], records)
        done = 0
        for partition, wanted in self._ranges.items():
            done += min(self._reader.at[partition], wanted.end) - wanted.start
        for partition in self._reader.asked:
            if self._reader.at[partition] >= self._ranges[partition].end:
                self._reader.leave(partition)
        self._progress(done, sum(one.offsets for one in self._ranges.values()))

    def _refuse(self, damaged: Mapping[int, Exception]) -> None:
        """
        Say which partitions can't be read any further.

        Raises:
            Fatal: there are such (69): which users' events a damaged batch holds, can't be known.
        """
        lines = []
        for partition, error in damaged.items():
            at = f"{partition}:{self._reader.at[partition]}"
            lines.append(
                f"the batch at {at} is damaged ({damage(error)}), and nothing was resynced: read around it, "
                f"with --to-offset {at} what is before it, with --from-offset {partition}:N what is behind it"
            )
        if lines:
            raise Fatal("\n".join(lines), code="damaged", status=Exit.UNAVAILABLE)

    def _skip(self, partition: int, first: int) -> None:
        at = self._reader.at[partition]
        start = min(max(first, at), self._ranges[partition].end)
        self.scanned.gone[partition] = self.scanned.gone.get(partition, 0) + start - at
        self._reader.go_on(partition, start)

    def _take(self, wanted: Range, records: Sequence[Any]) -> None:
        count, take = 0, self._sorting.take
        for record in records:
            if record.offset >= wanted.end:
                break
            count += 1
            take(record.value)
        self.scanned.records[wanted.partition] = self.scanned.records.get(wanted.partition, 0) + count


class _Sorting:
    """Finds the user of each record, and counts what is passed over."""

    def __init__(self, vendors: frozenset[str], asked: Asked, *, takes_unknown: bool) -> None:
        self._vendors, self._asked, self._takes_unknown = vendors, asked, takes_unknown
        self.scanned = Scanned(takes_unknown_types=takes_unknown)

    def take(self, value: bytes | None) -> None:
        scanned = self.scanned
        try:
            event = decode(value)
        except Exception:
            with suppress(Unreadable, Retryable), fenced("record"):
                raise
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
