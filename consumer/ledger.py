"""Completions in any order -> the offset that is safe to commit."""

from collections import OrderedDict
from collections.abc import Collection

from msgspec import Struct


class Page(Struct):
    """One partition: what is open, and how far it was read."""

    next_offset: int
    """The first offset that was not handed to the schedule."""
    open: OrderedDict[int, int]
    """Open offset -> event time (ms), in order of opening, which is the order of offsets."""

    @property
    def watermark(self) -> int:
        """Return the offset to commit: every record before it is covered."""
        return next(iter(self.open), self.next_offset)


class Ledger:
    """
    Open offsets per partition.

    It promises: a watermark never passes an open offset; opening, closing and asking for the oldest take constant
    time; a closed offset leaves nothing behind.
    """

    def __init__(self) -> None:
        # Exactly the partitions that are ours.
        self._pages: dict[int, Page] = {}

    @property
    def partitions(self) -> Collection[int]:
        """Return the partitions that are ours."""
        return self._pages.keys()

    def begin(self, partition: int, page: Page | int) -> None:
        """Take up a partition: at the offset to read next, or with the page it had when it was set aside."""
        self._pages[partition] = page if isinstance(page, Page) else Page(page, OrderedDict())

    def end(self, partition: int) -> Page | None:
        """Give a partition up and return its page."""
        return self._pages.pop(partition, None)

    def open(self, partition: int, offset: int, *, since_ms: int) -> None:
        """Open `offset`: it is not to be committed past."""
        self._pages[partition].open[offset] = since_ms

    def close(self, partition: int, offset: int) -> None:
        """Close an open offset; KeyError where it is not open (our bug)."""
        del self._pages[partition].open[offset]

    def read(self, partition: int, next_offset: int) -> None:
        """Note that every record before `next_offset` is covered or open."""
        self._pages[partition].next_offset = next_offset

    def forget_open(self, partition: int) -> None:
        """Drop the open offsets of a partition whose log no longer holds them."""
        self._pages[partition].open.clear()

    def next_offset(self, partition: int) -> int:
        """Return the first offset that was not handed out."""
        return self._pages[partition].next_offset

    def watermarks(self) -> dict[int, int]:
        """Return, per partition, the offset that is safe to commit."""
        return {partition: page.watermark for partition, page in self._pages.items()}

    def open_count(self, partition: int) -> int:
        """Return how many offsets are open."""
        return len(self._pages[partition].open)

    def oldest_since_ms(self, partition: int) -> int | None:
        """Return the event time of the oldest open offset."""
        return next(iter(self._pages[partition].open.values()), None)
