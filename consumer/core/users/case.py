"""A user's case: what only one in a run or in trouble needs."""

from collections.abc import Collection
from enum import Enum
from math import inf

from msgspec import Struct, field

from ..model import Letter, Reopened
from .debts import Debts


class Phase(Enum):
    """What a dirty user is in."""

    WAITING = 0
    RUNNING = 1
    PARKING = 2


class Newer(Struct):
    """Events that came after what goes on had begun, so that it does not cover them."""

    tokens: dict[int, int] = field(default_factory=dict)
    """Partition -> the oldest offset; -1: the log has lost it."""
    type: str = ""
    """Of the most urgent; empty: there is none."""
    since_ms: int = 0
    """Time of the oldest (ms)."""

    def take(self, type_: str, partition: int, offset: int, *, since_ms: int, urgent: Collection[str]) -> bool:
        """Note an event; return whether a token opens for it at once."""
        if not self.type:
            self.since_ms = since_ms
        if not self.type or (type_ in urgent and self.type not in urgent):
            self.type = type_
        if self.tokens.get(partition, -1) < 0:
            self.tokens[partition] = offset
            return True
        return False

    def join(self, later: "Newer", *, urgent: Collection[str]) -> tuple[tuple[int, int], ...]:
        """Take in what came later still; return the tokens that are covered by ours."""
        if not later.type:
            return ()
        return tuple(
            (partition, offset)
            for partition, offset in later.tokens.items()
            if not self.take(later.type, partition, offset, since_ms=later.since_ms, urgent=urgent) and offset >= 0
        )

    def lose(self, partition: int) -> None:
        """Note that the partition's log has lost the token there."""
        if partition in self.tokens:
            self.tokens[partition] = -1


class Case(Struct):
    """What only a user in a run or in trouble needs."""

    phase: Phase = Phase.WAITING
    debts: Debts = field(default_factory=Debts)
    letters: tuple[Letter, ...] = ()
    """On their way to the dead-letter topic."""
    more: dict[int, int] = field(default_factory=dict)
    """Tokens on further partitions."""
    event_before: bool = False
    """Whether events waited for quiet when the run (of a debt) began: it does not cover them."""
    events_since_ms: int = -1
    """Time of the oldest event that waits, where an older one is owed to some accounts alone; -1: the user's `since_ms` is of all."""
    newer: Newer = field(default_factory=Newer)
    """What came during the run or the parking."""
    looked_at: float = inf
    """When the first look began that did not find the user; inf: Sesamy knows it, or it was not looked at yet."""
    absent_since: float = inf
    """When that look ended."""
    since_look: Newer = field(default_factory=Newer)
    """What came after it had begun: the second look is the first of those. None, where there is no such look."""
    due_since: float = inf
    """When the user first became due, of what is still owed: a retry does not join the end of the line."""
    key: bytes | None = None
    """The record's key, where it can't be made anew from the ids."""
    source: Reopened | None = None
    """The letter that asks for the run, and no event does; None: events do."""

    def note_absent(self, *, looked_at: float, now: float) -> None:
        """Note that a look that began at `looked_at` did not find the user."""
        self.looked_at, self.absent_since = min(self.looked_at, looked_at), min(self.absent_since, now)

    def begin_looks(self) -> None:
        """Let the next look that does not find the user be the first."""
        self.looked_at = self.absent_since = inf
