"""The workers: they run due users, a bounded number at once."""

from collections.abc import Awaitable, Callable, Mapping
from math import inf
from typing import Final

import anyio
from anyio.abc import TaskGroup
from msgspec.structs import replace

from ..core.backlog import Backlog
from ..core.gates.gates import Gates
from ..core.model import AccountId, Job, Result, UserKey
from ..telemetry.loop import loop_time
from .waits import Bell, Waits

_PARK_AT_ONCE: Final = 200
"""Users whose letters are under way because a gate is shut; the rest wait their turn."""
Run = Callable[[Job], Awaitable[tuple[Result, Mapping[AccountId, Result]]]]


class Workers:
    """
    The workers.

    They promise: at most `concurrency` runs, none while `may_run` says no; a run that is cancelled leaves its user
    dirty; stopping starts no other run and ends those that have not begun to write and must wait; above
    `max_dirty_users` no more users are parked than are over it, and only behind gates that are shut for long.
    """

    def __init__(
        self,
        backlog: Backlog,
        gates: Gates,
        *,
        run: Run,
        waits: Waits,
        concurrency: int,
        max_dirty_users: int,
        may_run: Callable[[], bool],
        uniform: Callable[[], float],
    ) -> None:
        """
        Take what they work on.

        Args:
            run: makes one run; never raises one of our errors.
            waits: those of runs that have not begun to write.
            max_dirty_users: a user that is being parked does not count: it is as good as gone.
            may_run: whether runs may begin at all (the lease).
            uniform: draws from [0, 1).
        """
        self._backlog, self._schedule, self._gates = backlog, backlog.schedule, gates
        self._run, self._waits, self._bell = run, waits, Bell()
        backlog.on_work = gates.made_room = self._bell.ring
        self._concurrency, self._max_dirty_users = concurrency, max_dirty_users
        self._may_run, self._uniform = may_run, uniform
        self._scopes: dict[UserKey, anyio.CancelScope] = {}
        self._since: dict[UserKey, float] = {}
        self._idle = anyio.Event()
        self._idle.set()
        self._paused = False

    async def work(self) -> None:
        """Start runs as they come due, for ever."""
        async with anyio.create_task_group() as tasks:
            while True:
                now = loop_time()
                if self._start_one(tasks, now):
                    continue
                if not self._paused:  # Else a letter could be written behind the last commit.
                    self._park_held(now)
                due_at = self._schedule.next_at()
                # A user that was not taken out, though its time has come, is waited for by the bell: no run may begin now.
                times = (due_at if due_at > now else inf, self._gates.next_change(now=now), now + 1.0)
                await self._bell.wait(until=min(times))

    def pause(self) -> None:
        """Start no more runs, park nobody behind a gate, and end those runs that have not begun to write and must wait."""
        self._paused = True
        self._waits.end()

    def resume(self) -> None:
        """Go on starting runs."""
        self._paused = False
        self._waits.allow()
        self._bell.ring()

    async def drained(self) -> None:
        """Return when no run is going."""
        await self._idle.wait()

    async def cancel(self) -> None:
        """Cut all runs off; their users are dirty again when this returns."""
        self.cut()
        with anyio.CancelScope(shield=True):
            await self._idle.wait()

    def cut(self) -> None:
        """Cut all runs off without waiting for their end."""
        for scope in self._scopes.values():
            scope.cancel()

    def since(self, key: UserKey) -> float | None:
        """Return when the user's run began; None: none is going."""
        return self._since.get(key)

    def longest_s(self, *, now: float) -> float:
        """Return for how long the longest run goes on (s)."""
        return max((now - at for at in self._since.values()), default=0.0)

    def _start_one(self, tasks: TaskGroup, now: float) -> bool:
        if self._paused or len(self._scopes) >= self._concurrency or not self._may_run():
            return False
        job = self._backlog.take(self._gates, now=now)
        if job is None:
            return False
        job = replace(job, begins_at=now + self._gates.enter(job.user, job.accounts, now=now))
        self._scopes[job.user], self._since[job.user] = anyio.CancelScope(), now
        self._idle = anyio.Event() if self._idle.is_set() else self._idle
        tasks.start_soon(self._work_on, job)
        return True

    async def _work_on(self, job: Job) -> None:
        outcome = None
        try:
            with self._scopes[job.user]:
                outcome = await self._run(job)
        finally:
            self._end(job, outcome)

    def _end(self, job: Job, outcome: tuple[Result, Mapping[AccountId, Result]] | None) -> None:
        now = loop_time()
        self._gates.leave(job.user, job.accounts, now=now)
        if outcome is None:
            self._backlog.abandon(job, now=now)
        else:
            self._backlog.end_run(job, *outcome, now=now, uniform=self._uniform())
        del self._scopes[job.user], self._since[job.user]
        if not self._scopes:
            self._idle.set()

    def _park_held(self, now: float) -> None:
        """Park users that were held for too long, and, above the limit of dirty users, what is over it behind gates shut for long."""
        gates = self._gates
        self._park_behind(
            lambda vendor: gates.vendor_expired(vendor, now=now),
            lambda account: gates.account_expired(account, now=now),
            now=now,
            most=_PARK_AT_ONCE,
        )
        over = len(self._schedule) - self._schedule.counts()["parking"] - self._max_dirty_users
        self._park_behind(
            lambda vendor: gates.vendors[vendor].out_for_long(now=now),
            lambda account: gates.accounts[account].out_for_long(now=now),
            now=now,
            most=over,
        )

    def _park_behind(self, vendor_out: Callable[[str], bool], account_out: Callable[[AccountId], bool], *, now: float, most: int) -> None:
        room = min(most, _PARK_AT_ONCE - self._schedule.counts()["parking"])
        if room <= 0:
            return
        self._backlog.park_held(vendor_out, account_out, self._gates, now=now, most=room)
