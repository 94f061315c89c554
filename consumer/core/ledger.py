"""The ledger: completions in any order in, the offset that is safe to commit out."""

from array import array
from bisect import bisect_left
from collections.abc import Collection
from itertools import compress

from msgspec import Struct


class Offsets:
    """
    Open offsets, each with its event's time, added in ascending order.

    It promises: adding, and asking for the oldest, take constant time, removing O(log n), all amortised; memory is 17
    bytes for each that is open, and at most as much again for removed ones.
    """

    __slots__ = ("_first", "_is_open", "_offsets", "_removed", "_since_ms")

    def __init__(self) -> None:
        self._offsets, self._since_ms, self._is_open = array("q"), array("q"), bytearray()
        # The place of the oldest that is open, and how many places behind it are of removed ones.
        self._first = self._removed = 0

    def __len__(self) -> int:
        return len(self._offsets) - self._first - self._removed

    def add(self, offset: int, since_ms: int) -> None:
        """Add an offset behind all others."""
        assert not self._offsets or offset > self._offsets[-1], "offsets are opened in order"
        self._offsets.append(offset)
        self._since_ms.append(since_ms)
        self._is_open.append(1)

    def remove(self, offset: int) -> None:
        """Remove an offset; KeyError where it is not open."""
        place = bisect_left(self._offsets, offset, self._first)
        if place == len(self._offsets) or self._offsets[place] != offset or not self._is_open[place]:
            raise KeyError(offset)
        self._is_open[place] = 0
        self._removed += 1
        while self._first < len(self._is_open) and not self._is_open[self._first]:
            self._first += 1
            self._removed -= 1
        if (self._first + self._removed) * 2 > len(self._offsets):
            self._compact()

    def oldest(self) -> tuple[int, int] | None:
        """Return the oldest offset and its event's time (ms); None: none is open."""
        if self._first == len(self._offsets):
            return None
        return self._offsets[self._first], self._since_ms[self._first]

    def _compact(self) -> None:
        self._offsets = array("q", compress(self._offsets, self._is_open))
        self._since_ms = array("q", compress(self._since_ms, self._is_open))
        self._is_open = bytearray(b"\1") * len(self._offsets)
        self._first = self._removed = 0


class Progress(Struct):
    """One partition: what is open, and how far it was read."""

    next_offset: int
    """The first offset that was not handed to the schedule."""
    open: Offsets

    @property
    def watermark(self) -> int:
        """Return the offset to commit: every record before it is covered."""
        oldest = self.open.oldest()
        return self.next_offset if oldest is None else oldest[0]


class Ledger:
    """
    Open offsets per partition.

    It promises: a watermark never passes an open offset; memory is O(open offsets), however many were closed behind an
    old one; each step takes constant time or O(log n).
    """

    def __init__(self) -> None:
        # Exactly the partitions that are ours.
        self._progress: dict[int, Progress] = {}

    @property
    def partitions(self) -> Collection[int]:
        """Return the partitions that are ours."""
        return self._progress.keys()

    def begin(self, partition: int, progress: Progress | int) -> None:
        """Take up a partition: at the offset to read next, or with the progress it had when it was set aside."""
        self._progress[partition] = progress if isinstance(progress, Progress) else Progress(progress, Offsets())

    def end(self, partition: int) -> Progress | None:
        """Give a partition up and return its progress."""
        return self._progress.pop(partition, None)

    def open(self, partition: int, offset: int, *, since_ms: int) -> None:
        """Open `offset`: it is not to be committed past."""
        self._progress[partition].open.add(offset, since_ms)

    def close(self, partition: int, offset: int) -> None:
        """Close an open offset; KeyError where it is not open (our bug)."""
        self._progress[partition].open.remove(offset)

    def read(self, partition: int, next_offset: int) -> None:
        """Note that every record before `next_offset` is covered or open."""
        self._progress[partition].next_offset = next_offset

    def next_offset(self, partition: int) -> int:
        """Return the first offset that was not handed out."""
        return self._progress[partition].next_offset

    def watermarks(self) -> dict[int, int]:
        """Return, per partition, the offset that is safe to commit."""
        return {partition: progress.watermark for partition, progress in self._progress.items()}

    def open_count(self, partition: int) -> int:
        """Return how many offsets are open."""
        return len(self._progress[partition].open)

    def oldest_since_ms(self, partition: int) -> int | None:
        """Return the event time of the oldest open offset."""
        oldest = self._progress[partition].open.oldest()
        return None if oldest is None else oldest[1]
