"""Waits: how one that waits is woken, which waits a stop ends, and things done together."""

from collections.abc import Awaitable, Callable

import anyio

from ..core.errors import ConsumerError, weightiest
from ..telemetry.fences import fenced


class Bell:
    """Wakes the one that waits; a ring before the wait counts."""

    def __init__(self) -> None:
        self._rung = anyio.Event()

    def ring(self) -> None:
        """Wake the waiter."""
        self._rung.set()

    async def wait(self, *, until: float) -> None:
        """Return at the first ring or at `until`."""
        with anyio.move_on_after(until - anyio.current_time()):
            await self._rung.wait()
        self._rung = anyio.Event()


class Waits:
    """The waits of runs, all of which can be ended at once: those that stand then, and those to come, until they are allowed again."""

    def __init__(self) -> None:
        """Allow waits."""
        self._ended = anyio.Event()

    def end(self) -> None:
        """End all waits."""
        self._ended.set()

    def allow(self) -> None:
        """Let a task that comes now wait again."""
        if self._ended.is_set():
            self._ended = anyio.Event()

    async def sleep(self, wait_s: float) -> bool:
        """Sleep; return False where all waits were ended before."""
        ended = self._ended
        with anyio.move_on_after(wait_s) as waiting:
            await ended.wait()
        return waiting.cancelled_caught


async def together(*jobs: Callable[[], Awaitable[None]]) -> None:
    """Do all at once; the first error ends the others, and the one that matters most is raised: `bug` for one that is unexpected."""
    errors: list[ConsumerError] = []
    async with anyio.create_task_group() as tasks:

        async def run(job: Callable[[], Awaitable[None]]) -> None:
            try:
                with fenced("exchange"):
                    await job()
            except ConsumerError as error:
                errors.append(error)
                tasks.cancel_scope.cancel()

        for job in jobs[:-1]:
            tasks.start_soon(run, job)
        await run(jobs[-1])  # A task costs as much as a tenth of a call.
    if errors:
        raise weightiest(errors)
