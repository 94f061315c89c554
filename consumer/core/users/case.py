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
    # Of the events that came during the run or the parking.
    newer: dict[int, int] = field(default_factory=dict)
    newer_type: str = ""
    newer_since_ms: int = 0
    absent_since: float = inf
    due_since: float = inf
    """When the user first became due, of what is still owed: a retry does not join the end of the line."""
    key: bytes | None = None
    """The record's key, where it can't be made anew from the ids."""
    source: Reopened | None = None
    """The letter that asks for the run, and no event does; None: events do."""

    def take_newer(self, type_: str, partition: int, offset: int, *, since_ms: int, urgent: Collection[str]) -> bool:
        """Note an event during a run or a parking; return whether a token opens for it at once."""
        if not self.newer_type:
            self.newer_since_ms = since_ms
        if not self.newer_type or (type_ in urgent and self.newer_type not in urgent):
            self.newer_type = type_
        if self.newer.get(partition, -1) < 0:
            self.newer[partition] = offset
            return True
        return False
