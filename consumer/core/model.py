"""The nouns of a run: user, event, job, result, letter; plain, frozen, without behaviour."""

from collections.abc import Mapping
from enum import Enum
from math import inf
from typing import Final, Literal, NamedTuple, NewType

from msgspec import Struct

AccountId = NewType("AccountId", str)
"""One conversation with Make.as: Make's user id, with `-2`, `-3` … behind it where one user id has several keys."""
_DIGITS: Final = 19
ID_CHARS: Final = 256
"""Longest id of a vendor, a user, a SKU or an option."""

PAUSED: Final = "paused"
"""The code of what is not done because the settings say so."""

SESAMY: Final = AccountId("")
"""Stands where an account could: what a user owes to the fetch itself."""


class Door(Enum):
    """What a gate says to the next user."""

    SHUT = "shut"
    OPEN = "open"
    PROBE = "probe"
    """One user may try whether the upstream is there again."""


StopCause = Literal["filter", "paused"]
"""What a gate may be stopped for from outside: `filter`, an upstream that ignores which user is asked for; `paused`, the settings."""
GateCause = Literal["", "breaker", "denied", "absent", "filter", "unproven", "retry-after", "paused"]
"""Why a gate is not open; empty: it is."""


class GateState(Struct, frozen=True, kw_only=True):
    """A gate as an operator sees it; times in seconds from now."""

    state: Literal["open", "closed", "probing"]
    cause: GateCause
    closed_s: float
    next_try_s: float
    share: float
    in_use: int


class UserKey(Struct, frozen=True, order=True, gc=False):
    """A user is always the pair: two vendors may know one user id."""

    vendor: str
    user: str


class Event(Struct, frozen=True, gc=False):
    """Something about `user` changed; what changed is not our business."""

    user: UserKey
    type: str


class Place(NamedTuple):
    """Where a record stands in its topic; people read and write it as `P:N`."""

    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.partition}:{self.offset}"

    @classmethod
    def read(cls, text: str) -> "Place | None":
        """Return the place of `P:N`; None: it is none. Kafka counts in 64 bits."""
        partition, _, offset = text.partition(":")
        if not all(part.isascii() and part.isdecimal() and len(part) <= _DIGITS for part in (partition, offset)):
            return None
        return cls(int(partition), int(offset))


# ---- What is owed and cannot be given. ----


class Addressee(Struct, frozen=True, kw_only=True):
    """An account as letters name it: by Make's user id, and the lists."""

    id: AccountId
    user_id: str
    lists: tuple[str, ...]


class Letter(Struct, frozen=True, kw_only=True):
    """What is to be parked: a record that can't be read (no user), or a user, for one account or (no account) for all."""

    code: str
    stage: Literal["intake", "sesamy", "makeas"]
    partition: int
    offset: int
    """The oldest event not covered; -1 where the user has no token."""
    user: UserKey | None = None
    type: str | None = None
    account: AccountId | None = None
    lists: tuple[str, ...] = ()
    """Lists of the account that it is about; empty: all of them."""
    attempts: int = 0
    key: bytes | None = None
    """The record's key; None, for a user: `vendor|user`, as usual."""
    partitions: int | None = None
    """How many the source topic had when an older letter told of the source, 0: that did not say; None: as many as now."""


class Reopened(Struct, frozen=True, kw_only=True):
    """What a letter said is owed, to be tried again: without a token, after all users that are due."""

    user: UserKey
    type: str
    accounts: tuple[AccountId, ...]
    partition: int
    offset: int
    """Of the letter's source."""
    partitions: int = 0
    """Of the source topic, when the letter was parked; 0: it does not say."""
    key: bytes | None = None
    """The letter's; None: the usual one."""
    since_ms: int
    tried_at: float
    """When a run was last made for it; -inf: never."""


# ---- A run. ----


class Verdict(Enum):
    """How a run ended at one upstream."""

    DONE = "done"
    RETRY = "retry"
    """Failed, and it counts against the user."""
    HELD = "held"
    """Not tried, or failed for a reason that is not the user's: owed as before."""
    REFUSED = "refused"
    """It is to be parked; with `lists`, those alone are owed, and the rest of the account is done."""
    ABSENT = "absent"
    """Sesamy only: no such user."""
    SKIPPED = "skipped"
    """Sesamy only: nothing is to be written for this user."""


class Result(Struct, frozen=True):
    """A verdict, the code of the error behind it, and whether the upstream was really asked."""

    verdict: Verdict
    code: str = ""
    tried: bool = True
    delay_s: float = 0.0
    """The upstream asks that this user is not tried again before (s)."""
    lists: Mapping[str, str] = {}
    """List -> code, of the account's lists that are owed the user where its others have all; none: it is about the whole account."""
    said: str = ""
    """What the remote said of it, for people."""
    kept_off: tuple[str, ...] = ()
    """Lists that the contact was put on no more, since it has left them."""


class Job(Struct, frozen=True, kw_only=True):
    """One run to make: fetch `user`, write to `accounts`."""

    user: UserKey
    accounts: tuple[AccountId, ...]
    started_at: float
    since_ms: Mapping[AccountId, int]
    """By account, the time of the oldest event that it has not had (ms)."""
    begins_at: float = -inf
    """When its calls can be made: it waits till then, before the fetch."""


class Outcome(Struct, frozen=True, kw_only=True):
    """What follows from the end of a run or of a parking."""

    closed: tuple[tuple[int, int], ...] = ()
    """(partition, offset) of the tokens that are covered now."""
    letters: tuple[Letter, ...] = ()
    """To be parked; the user's tokens stay open until `parked` is called."""
    owed: tuple[AccountId, ...] = ()
    absent_at: float = -inf
    """When the first look was made at a user that the second did not find either: what had asked for it by then is settled."""


class Failure(Struct, frozen=True, kw_only=True):
    """One kind of recent failure."""

    code: str
    upstream: str
    count: int
    last_at: float
    """Wall time (s)."""
    said: str = ""
    """What the remote said, the last time that it said anything; without any value."""
