"""What a pod knows of one user, frozen: ids, codes and times, nothing personal."""

from typing import Literal

from msgspec import Struct


class HistoryEntry(Struct, frozen=True, kw_only=True, gc=False):
    """One thing that a pod remembers of a user."""

    at: float
    """Wall time (s)."""
    what: Literal["event", "began", "written", "failed", "skipped", "cut-off", "parked", "healed"]
    code: str = ""
    """An event's type, a failure's code, or why the user was skipped."""
    account: str = ""
    """`sesamy`: the fetch itself."""
    lists: tuple[str, ...] = ()
    place: str = ""
    """`P:N` of a letter."""


class ListOfReader(Struct, frozen=True, kw_only=True):
    """One list of one user's vendor, as this pod knows it."""

    account: str
    list: str
    name: str = ""
    """For people; empty: it has none."""
    written_at: float | None = None
    """Wall time (s) of this user's last write there; None: this pod remembers none."""
    state: Literal["well", "waits", "owed", "parked", "paused", "skipped", "unknown"] = "unknown"
    text: str = ""
    """What is so, in a sentence."""
    cure: str = ""
    """What to do; empty: nothing."""
