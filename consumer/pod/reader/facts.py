"""The facts that a pod has of one user, frozen: ids, codes and times, nothing personal."""

from typing import Literal

from msgspec import Struct


class HistoryEntry(Struct, frozen=True, kw_only=True, gc=False):
    """One thing that a pod remembers of a user."""

    at: float
    """Wall time (s)."""
    what: Literal["event", "began", "written", "kept-off", "would-write", "failed", "skipped", "cut-off", "parked", "would-park", "healed"]
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


class OwedAccount(Struct, frozen=True, kw_only=True):
    """What one user is owed at one upstream."""

    account: str
    """`sesamy`: the fetch itself failed."""
    attempts: int = 0
    code: str = ""
    """Of the last error."""
    said: str = ""
    """What the remote said then; without any value."""
    next_try_s: float = 0.0
    """Not before so many seconds from now."""
    gate: Literal["open", "closed", "probing"] = "open"
    gate_cause: str = ""
    gate_next_try_s: float = 0.0


class OpenLetterStatus(Struct, frozen=True, kw_only=True):
    """An open letter of one user."""

    place: str
    """`P:N` in the dead-letter topic."""
    account: str
    """Make's user id; empty: owed to all accounts."""
    heals: bool
    """Whether it is tried again by itself, or was requeued."""
    code: str = ""
    """Why it was parked; empty: a pod that has started since does not know."""
    lists: str = ""
    """The lists that it is about, by commas."""
    parked_at: float | None = None
    """Wall time (s)."""


State = Literal[
    "clean", "unknown", "waiting", "due", "running", "owed", "parking", "parked", "paused", "elsewhere", "unknown-vendor", "not-ready"
]
"""How it stands with a user; `clean`: all that is remembered of it is done, `unknown`: nothing is, and it may not be there."""


class Explanation(Struct, frozen=True, kw_only=True):
    """Why one user is not synced yet: ids only."""

    vendor: str
    user: str
    state: State
    why: str
    """In words, for a person."""
    since_s: float | None = None
    """For how long the run goes on."""
    due_s: float | None = None
    """When the run is due."""
    owed: tuple[OwedAccount, ...] = ()
    tokens: tuple[str, ...] = ()
    """`P:N` of the oldest events not covered."""
    letters: tuple[OpenLetterStatus, ...] = ()
    partition: int | None = None
    """Where the usual key belongs, by Kafka's default partitioner; None: not known."""
    is_ours: bool = False
    sentence: str = ""
    """The answer, for a person."""
    lists: tuple[ListOfReader, ...] = ()
    history: tuple[HistoryEntry, ...] = ()
    """What this pod remembers, the oldest first."""
    known_since: float | None = None
    """Since when this pod remembers; wall time (s)."""
    vendors: tuple[str, ...] = ()
    """Those of the settings, where they don't know this one."""
