"""A recorded history: every event, fetch, write, commit and letter, with times of one clock (s), as JSON lines."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec
from msgspec import Struct


class Rate(Struct, frozen=True):
    """What an upstream allows one pod: calls a second, and how many may come at once beside that."""

    per_s: float
    at_once: float


class Place(Struct, frozen=True):
    """One account of one vendor, with its lists."""

    vendor: str
    account: str
    lists: tuple[str, ...]


class Town(Struct, frozen=True, kw_only=True):
    """Where a history plays, and what is allowed there."""

    places: tuple[Place, ...]
    skipped: frozenset[str] = frozenset()
    """Users (`vendor|id`) that are not to be written: guests, those that Sesamy does not know, those without an address."""
    hopeless: frozenset[tuple[str, str]] = frozenset()
    """Account and user of all that can't be written there."""
    parks_only_hopeless: bool = False
    """Whether nobody else may end parked."""
    outside: frozenset[str] = frozenset()
    """Who writes without being in the group, as a replay: it may write late what it fetched before, and makes that good itself."""
    rates: Mapping[str, Rate] = {}
    converge_s: float = 900.0
    """So long after the heal all is to be written."""
    stop_s: float = 60.0
    """So long a pod may take to stop."""
    touched: frozenset[str] = frozenset()
    """The upstreams that had trouble, where the others are to be as fresh as without."""
    calm_s: float | None = None
    """The 99th percentile of freshness without trouble (s); None: not compared."""


class Operation(Struct, frozen=True, kw_only=True, tag=True):
    """Something that happened at a time."""

    at: float


class Sent(Operation, frozen=True, kw_only=True):
    """A record came onto the topic; `version`: of the user's state at Sesamy by then. No user: nobody can read it."""

    partition: int
    offset: int
    user: str = ""
    version: int = 0


class Owned(Operation, frozen=True, kw_only=True):
    """The group gave a pod its partitions, or took them all."""

    pod: str
    partitions: tuple[int, ...]


class Proved(Operation, frozen=True, kw_only=True):
    """A vendor showed a pod whether it heeds whose rows are asked for."""

    pod: str
    vendor: str
    heeds: bool


class Called(Operation, frozen=True, kw_only=True):
    """A request came to an upstream (an account, or `sesamy:` and a vendor); `user`: whom it is about, where that is known."""

    pod: str
    upstream: str
    op: str = ""
    user: str = ""
    others: tuple[str, ...] = ()
    """Whose rows share it."""


class Turned(Operation, frozen=True, kw_only=True):
    """An upstream told a pod to stay away until a time."""

    pod: str
    upstream: str
    until: float


class Fetched(Operation, frozen=True, kw_only=True):
    """Sesamy answered all of a user; version 0: it knows nobody of that id."""

    pod: str
    user: str
    version: int


class Looked(Operation, frozen=True, kw_only=True):
    """
    An account was asked for a user's contact, from `began_at` on.

    `version`: of the contact that it has; `lists`: those that the contact is on. What is so need not be written once more.
    """

    pod: str
    account: str
    user: str
    began_at: float
    version: int = 0
    lists: tuple[str, ...] = ()


class Wrote(Operation, frozen=True, kw_only=True):
    """
    A write reached an account and took effect.

    `part`: contact, products or subscriptions. `lists`: those the contact was put on. `known`: whether its pod got the answer.
    """

    pod: str
    account: str
    user: str
    part: str
    version: int
    began_at: float
    lists: tuple[str, ...] = ()
    known: bool = True


class Left(Operation, frozen=True, kw_only=True):
    """A contact opted out, or came back."""

    account: str
    user: str
    back: bool = False


class Committed(Operation, frozen=True, kw_only=True):
    """The broker took a commit; `before`: what it had."""

    partition: int
    offset: int
    before: int


class Parked(Operation, frozen=True, kw_only=True):
    """
    A dead letter is on its topic.

    No account: all of the user's; no lists: all of the account's. `source`: partition and offset of what it stands for. `replaces`:
    letters (offsets) in whose place it comes. `version`: of the user's state by then.
    """

    letter: int
    user: str = ""
    account: str = ""
    lists: tuple[str, ...] = ()
    code: str = ""
    source: tuple[int, int] = (-1, -1)
    replaces: tuple[int, ...] = ()
    version: int = 0


class Closed(Operation, frozen=True, kw_only=True):
    """A letter was marked as done."""

    letter: int


class Stopping(Operation, frozen=True, kw_only=True):
    """A pod was told to stop."""

    pod: str


class Outcome(Operation, frozen=True, kw_only=True):
    """A pod ended; no status: it was killed."""

    pod: str
    status: int | None = None


class Bounded(Operation, frozen=True, kw_only=True):
    """Something of which there is to be a limited amount was counted."""

    pod: str
    name: str
    value: float
    limit: float


class Leaked(Operation, frozen=True, kw_only=True):
    """A name, an address or a key was found where none may be."""

    where: str


class Said(Operation, frozen=True, kw_only=True):
    """A pod's status or metric said something, and the truth was `truth`."""

    pod: str
    name: str
    value: float
    truth: float


class Healed(Operation, frozen=True, kw_only=True):
    """All trouble is over."""


class Finished(Operation, frozen=True, kw_only=True):
    """The end; `waits_for`: what it was still waited for."""

    waits_for: str = ""


Any = (
    Sent
    | Owned
    | Proved
    | Called
    | Turned
    | Fetched
    | Looked
    | Wrote
    | Left
    | Committed
    | Parked
    | Closed
    | Stopping
    | Outcome
    | Bounded
    | Leaked
    | Said
    | Healed
    | Finished
)


def write(path: Path, town: Town, history: Iterable[Operation]) -> None:
    """Write a history: its town in the first line, then an operation a line."""
    encoder = msgspec.json.Encoder()
    path.write_bytes(b"\n".join(encoder.encode(one) for one in (town, *history)) + b"\n")


def read(path: Path) -> tuple[Town, list[Operation]]:
    """
    Read such a file.

    Raises:
        msgspec.ValidationError: A line is nothing of the kind.
    """
    first, *rest = path.read_bytes().splitlines()
    decoder = msgspec.json.Decoder(Any)
    return msgspec.json.decode(first, type=Town), [decoder.decode(line) for line in rest]
