"""The pages of a long fetch: each after the first is paid behind others, and the accounts are left to others meanwhile."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import anyio
from msgspec import Struct

from ..core.errors import ConsumerError, Held, Retryable
from ..core.gates.gates import Gates
from ..core.model import AccountId, Job, UserKey
from ..telemetry.fences import unfenced
from ..telemetry.loop import loop_time
from .course import SNAPSHOT_S, TOO_OLD, Course, admit, stopping

WHOLE_S: Final = 300.0
"""A fetch ends within this, waits for our own permits and all."""
_PLACE_S: Final = 0.2
"""Between two looks whether a place is free."""


class Pages(Struct):
    """
    What one fetch may ask for beyond its first calls.

    It promises: it is given up once no call of it has begun or ended a wait for 30 s, and after five minutes in any case; its waits for
    permits of ours count for the five minutes alone. From the second page on it keeps no place, no permit and no probe at any account
    from others, until it comes back there.
    """

    course: Course
    gates: Gates
    job: Job
    scope: anyio.CancelScope
    waiting: int = 0
    """How many of its calls wait for a permit."""
    is_long: bool = False
    """Whether it has asked for more than its first calls, and so holds nothing at any account."""

    async def permit(self) -> None:
        """
        Wait for a call that is made once more.

        Raises:
            Held: `gate`, `stopping`.
        """
        with self._uncounted():
            await self.course.permit(self.course.source, self.job.user)()

    async def page(self) -> None:
        """
        Wait for the turn of one more page; its answer is the newest of the fetch.

        Raises:
            Held: `lease`, `gate`, `stopping`.
        """
        if not self.is_long:
            self.is_long = True
            self._step_back()
        with self._uncounted():
            await self._turn()
        self.course.read_at = loop_time()

    async def _turn(self) -> None:
        user, gate = self.job.user, self.course.source
        while True:
            if self.course.lease_left_s() <= 0:
                raise Held("the lease is over", code="lease")
            admit(gate, user)
            with unfenced():
                wait_s = gate.pace.take_late(user, now=loop_time())
            if not wait_s:
                return
            if not await self.course.wait(wait_s):
                raise stopping()

    def _step_back(self) -> None:
        now = loop_time()
        with unfenced():
            self.gates.step_back(self.job.user, self.job.accounts, now=now)
            if self.course.source.closed(now=now):  # The probe: its first calls were answered, and others need not wait for all of it.
                self.course.source.succeeded(self.job.user, now=now)

    @contextmanager
    def _uncounted(self) -> Iterator[None]:
        self.waiting += 1
        self._bound()
        try:
            yield
        finally:
            self.waiting -= 1
            self._bound()

    def _bound(self) -> None:
        whole_at = self.course.taken_at + WHOLE_S
        self.scope.deadline = whole_at if self.waiting else min(whole_at, loop_time() + SNAPSHOT_S)


@contextmanager
def pages(course: Course, gates: Gates, job: Job) -> Iterator[Pages]:
    """
    Bound a fetch that begins now.

    Raises:
        Retryable: `snapshot-old`, it took too long.
    """
    with anyio.move_on_after(SNAPSHOT_S) as scope:
        yield Pages(course, gates, job, scope)
    if scope.cancelled_caught:
        raise Retryable("the fetch takes longer than a snapshot may be old", code=TOO_OLD)


async def come_back(course: Course, gates: Gates, user: UserKey, account: AccountId) -> None:
    """
    Take again what was given up at an account, by a long fetch or by a first try.

    Raises:
        Held: `gate`, `stopping`.
        Retryable: `snapshot-old`, no place is free in time, or no permit.
    """
    try:
        wait_s = await _place(course, gates, user, account)
        if loop_time() + wait_s - course.read_at > SNAPSHOT_S:
            raise Retryable("no permit at the account before the snapshot is too old", code=TOO_OLD)
    except ConsumerError:
        gates.step_aside(user, account)
        raise
    if not await course.wait(wait_s):
        raise stopping()


async def _place(course: Course, gates: Gates, user: UserKey, account: AccountId) -> float:
    while (wait_s := gates.come_back(user, account, now=loop_time())) is None:
        while course.done:  # Else two runs would wait for each other's places.
            gates.step_aside(user, course.done.pop())
        admit(gates.accounts[account], user)
        if not await course.wait(_PLACE_S):
            raise stopping()
        if loop_time() - course.read_at > SNAPSHOT_S:
            raise Retryable("no place at the account before the snapshot is too old", code=TOO_OLD)
    return wait_s
