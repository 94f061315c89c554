"""The work of a replay: every user seen in a range of the topic is resynced; plan, ask, run, report."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Protocol

import anyio
from msgspec import Struct

from ...core.errors import Exit
from ...core.model import UserKey
from ...core.text import utc
from ...kafka import rights
from ...resync.clients import upstreams
from ...settings.model import Settings
from ...telemetry.metrics import Metrics
from ..batch import Batch, Synced
from ..console import until_signal
from .files import Keeper, Report, State, read_failed, read_state, require_regular, write_report
from .plan import Asked, Plan, Scanned, loads, plan
from .scan import resolve, scan

_TELL_EVERY_S: Final = 1.0


class Options(Struct, frozen=True, kw_only=True):
    """How a replay is to be done."""

    asked: Asked
    rate_share: float = 0.25
    dry_run: bool = False
    state: Path | None = None
    report: Path | None = None
    retry_report: Path | None = None


class Listener(Protocol):
    """What is told of a replay, and asked."""

    def scanning(self, offsets: int, of: int) -> None:
        """Take how far the scan is."""

    def planned(self, plan: Plan) -> None:
        """Take the plan."""

    async def may_run(self) -> bool:
        """Say whether to go on."""

    def running(self, done: int, of: int, *, left_s: float) -> None:
        """Take how far the run is, and how long it takes from here at least (s)."""

    def ended(self, report: Report) -> None:
        """Take the end."""


async def replay(settings: Settings, options: Options, listener: Listener) -> int:
    """
    Replay; return the exit status: 0, 1 where some users failed, 75 where it was stopped before its end.

    It joins no group, commits nothing and parks nothing; what it writes, it writes beside the pods (see `Settling`).

    Raises:
        Fatal: Kafka does not answer (69) or refuses us (77), or the options can't be (64).
    """
    for path in (options.state, options.report):
        if path is not None:
            require_regular(path)
    await rights.require(settings.kafka, "replay")
    state, scanned = await _begin(settings, options, listener)
    keeper = Keeper(options.state, state, concurrency=settings.workers.concurrency)
    done = keeper.done
    left = [user for user in scanned.users if user not in done]
    the_plan = plan(settings, state.ranges, scanned, left, rate_share=options.rate_share)
    listener.planned(the_plan)
    if options.dry_run or (left and not await listener.may_run()):
        return 0
    return await _Run(settings, options, listener, keeper, the_plan).run(left)


async def _begin(settings: Settings, options: Options, listener: Listener) -> tuple[State, Scanned]:
    topic, asked = settings.kafka.topic, options.asked
    if options.retry_report is not None:
        known = {vendor.id for vendor in settings.vendors}
        users = [user for user in read_failed(options.retry_report) if user.vendor in known and asked.wants(user)]
        return State(topic=topic, asked=asked, ranges=()), Scanned(users=dict.fromkeys(users))
    state = read_state(options.state, topic=topic, asked=asked) if options.state is not None else None
    if state is None:
        state = State(topic=topic, asked=asked, ranges=await resolve(settings.kafka, asked))
    vendors = [vendor.id for vendor in settings.vendors]
    return state, await scan(settings.kafka, state.ranges, vendors=vendors, asked=asked, progress=listener.scanning)


class _Run:
    """The part of a replay that writes."""

    def __init__(self, settings: Settings, options: Options, listener: Listener, keeper: Keeper, the_plan: Plan) -> None:
        self._settings, self._options, self._listener = settings, options, listener
        self._keeper, self._plan = keeper, the_plan
        self._counts = dict.fromkeys(("synced", "skipped", "failed"), 0)
        self._resyncs_before = keeper.state.resyncs
        self._started = time.time()
        self._batch: Batch | None = None

    async def run(self, left: Sequence[UserKey]) -> int:
        self._keeper.save()
        complete = not left
        try:
            if left:
                complete = await self._resync(left)
        finally:
            self._keeper.save()
            self._tell_end(complete=complete)
        return Exit.CUT_OFF if not complete else Exit.SOME_FAILED if self._keeper.state.failed else Exit.FINE

    async def _resync(self, left: Sequence[UserKey]) -> bool:
        """Resync all; return False where a signal came first."""
        unsaved: Callable[[], int] | None = (lambda: self._keeper.unsaved) if self._options.state is not None else None
        metrics, complete = Metrics(self._settings), False
        async with upstreams(self._settings, metrics, rate_share=self._options.rate_share, courteous=True) as up:
            self._batch = Batch(self._settings, up, metrics, report=self._note, unsaved=unsaved)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._keep_telling, left)
                tasks.start_soon(until_signal, tasks.cancel_scope)
                await self._batch.run(left)
                complete = sum(self._counts.values()) == len(left)
                tasks.cancel_scope.cancel()
        return complete

    def _note(self, one: Synced) -> None:
        assert self._batch is not None
        self._counts[one.outcome] += 1
        self._keeper.add(one, resyncs=self._resyncs_before + self._batch.resyncs)

    async def _keep_telling(self, users: Sequence[UserKey]) -> None:
        full_s = max((one.takes_s for one in loads(self._settings, users, rate_share=self._options.rate_share)), default=0.0)
        while True:
            await anyio.sleep(_TELL_EVERY_S)
            self._keeper.save()
            done = sum(self._counts.values())
            self._listener.running(done, len(users), left_s=full_s * (1 - done / len(users)))

    def _tell_end(self, *, complete: bool) -> None:
        state = self._keeper.state
        report = Report(
            complete=complete,
            started_at=utc(self._started),
            took_s=round(time.time() - self._started, 3),
            plan=self._plan,
            users=self._plan.users,
            resyncs=state.resyncs,
            failures=tuple(state.failed),
            **self._counts,
        )
        if self._options.report is not None:
            write_report(self._options.report, report)
        if complete:
            self._keeper.remove()
        self._listener.ended(report)
