"""The shapes of the last hour."""

from msgspec import Struct


class ListHour(Struct, frozen=True, kw_only=True):
    """The last hour of one list."""

    vendor: str = ""
    account: str = ""
    list: str = ""
    freshness_s: tuple[float | None, ...] = ()
    """By the minute, the newest last; None: nothing was written and nothing due, never written, or not known."""


class LastHour(Struct, frozen=True, kw_only=True):
    """The last hour of this pod, by the minute, the newest last; None: not known."""

    step_s: float = 60.0
    events: tuple[int | None, ...] = ()
    """Records read."""
    resyncs: tuple[int | None, ...] = ()
    """Runs ended."""
    dirty: tuple[int | None, ...] = ()
    """Users that were dirty when the minute ended."""
    lists: tuple[ListHour, ...] = ()
    """Of the first 200 lists."""
