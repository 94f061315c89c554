"""The course of one run: what it may wait for, ask and write, at all its accounts together."""

from collections.abc import Awaitable, Callable
from math import inf
from typing import Final

import anyio
from msgspec import Struct, field

from ..core.errors import ConsumerError, Held, Retryable
from ..core.gates.gate import Gate
from ..core.model import AccountId, UserKey
from ..telemetry.fences import BUG, unfenced
from ..telemetry.loop import loop_time
from .waits import Waits

SNAPSHOT_S: Final = 30.0
"""A snapshot is not written any more so long after its last page was asked for."""
TOO_OLD: Final = "snapshot-old"
STOPPING: Final = "stopping"


class Course(Struct):
    """
    How far one run has come.

    It promises: no call before a gate that is shut, and none without a permit; no write without a lease, nor with a snapshot that is too
    old or doubted. A run that has begun to write is never cut here; one that was cut never begins: no user is left half-written for
    a wait.
    """

    waits: Waits
    lease_left_s: Callable[[], float]
    """For how long a write that starts now may last (s); 0 or less: none may start."""
    source: Gate
    """Of the vendor that the snapshot comes from."""
    taken_at: float
    """When the fetch began."""
    read_at: float = inf
    """When its last page was asked for: from then on what it brought ages; inf: when it began."""
    done: list[AccountId] = field(default_factory=list)
    """Accounts of which nothing more is asked, and at which it may have a place: given to others once it waits for another."""
    begun: bool = False
    """Whether a write to any account has been sent, or is under way."""
    cut: bool = False
    """Whether it would have had to wait, not having begun, while all waits were ended."""

    def __post_init__(self) -> None:
        self.read_at = min(self.read_at, self.taken_at)

    def begin_fetch(self, *, now: float) -> None:
        """Note that the first calls of the fetch are made now."""
        self.taken_at = self.read_at = now

    async def wait(self, wait_s: float) -> bool:
        """Sleep; return False where the run was cut instead."""
        if self.cut or wait_s <= 0:
            return not self.cut
        until = loop_time() + wait_s
        if not await self.waits.sleep(wait_s):
            self.cut = not self.begun
            if self.cut:
                return False
            await anyio.sleep_until(until)
        return True

    def permit(self, gate: Gate, user: UserKey) -> Callable[[], Awaitable[None]]:
        """Return what is awaited before each call; it raises `Held` where none may be made."""

        async def permit() -> None:
            admit(gate, user)
            with unfenced():
                wait_s = gate.pay(user, now=loop_time())
            if not await self.wait(wait_s):
                with unfenced():
                    gate.pace.reserve(-1, now=loop_time())  # Nothing is asked.
                raise stopping()
            admit(gate, user)

        return permit

    def limit_s(self) -> float:
        """
        Return how long a write may last that starts now (s): with it, the run has begun to write.

        Raises:
            Held: `lease`, `gate`, `stopping`.
            Retryable: `snapshot-old`.
        """
        left_s = self.lease_left_s()
        if left_s <= 0:
            raise Held("the lease is over", code="lease")
        if loop_time() - self.read_at > SNAPSHOT_S:
            raise Retryable("the snapshot is too old to be written", code=TOO_OLD)
        if self.source.stops.doubts(self.taken_at):
            raise Held("what was fetched may be another's", code="gate")
        if self.cut:
            raise stopping()
        self.begun = True
        return left_s


def admit(gate: Gate, user: UserKey) -> None:
    """
    Let a user that is inside go on.

    Raises:
        Held: `gate`, it was shut meanwhile.
    """
    if not gate.admits(user, now=loop_time()):
        raise Held("the gate was shut meanwhile", code="gate")


def is_passing(error: ConsumerError) -> bool:
    """Say whether another try, at once, may go well."""
    asks_to_wait = isinstance(error, Retryable) and (error.retry_after_s is not None or error.delay_s is not None)
    return isinstance(error, Retryable) and not asks_to_wait and error.code not in {TOO_OLD, BUG}


def stopping() -> Held:
    """Return what ends a run that would have to wait while we stop."""
    return Held("no wait at a gate while we stop", code=STOPPING)
