"""The work of a reconcile: look at every reader of both sides, compare, ask, repair, report."""

import time
from collections.abc import Mapping
from typing import Any, Final, Protocol

import anyio

from ...core.errors import Exit, Fatal
from ...core.model import UserKey
from ...core.text import utc
from ...kafka import rights
from ...resync.clients import Upstreams, upstreams
from ...settings.model import Settings
from ...telemetry.fences import for_ever
from ...telemetry.metrics import Metrics
from ..batch import Batch, Synced
from ..console import until_signal
from ..replay.files import require_regular, write_report
from ..replay.plan import Load, loads
from .again import Again, chosen, look_again
from .first_load import FirstLoad
from .looking import Looked, Looking, prints_for
from .plan import Options, Scope, scope
from .published import now_ms, publish, results
from .report import Ended, Report, counts
from .retire import Retired, retire
from .state import State

_TELL_EVERY_S: Final = 1.0


class Listener(Protocol):
    """What is told of a reconcile, and asked."""

    def begins(self, scope: Scope) -> None:
        """Take what is looked at."""

    def costs(self, plans: tuple[Load, ...]) -> None:
        """Take, once, what reading costs, as soon as that is known."""

    def reading(self, done: int, of: int, *, left_s: float) -> None:
        """Take how far the reading is."""

    def found(self, looked: Looked) -> None:
        """Take what was found."""

    def too_many(self, over: Mapping[str, int], changes: Mapping[str, int]) -> None:
        """Be told that more would be changed than may be."""

    def repair_costs(self, loads: tuple[Load, ...]) -> None:
        """Take what the repair costs, at least."""

    async def may_run(self, readers: int, retired: int) -> bool:
        """Say whether to go on."""

    def repairing(self, done: int, of: int) -> None:
        """Take how far the repair is."""

    def looking_again(self, done: int, of: int) -> None:
        """Take how far the look at some repaired readers is."""

    def cut_off(self) -> None:
        """Be told that it was stopped before its end."""

    def ended(self, report: Report) -> None:
        """Take the end."""


async def reconcile(settings: Settings, options: Options, listener: Listener) -> int:
    """
    Reconcile; return the exit status: 0 where all agrees now, 1 where differences remain, 75 where it was stopped before its end.

    Raises:
        Fatal: an upstream or Kafka does not answer or is not to be believed (69), refuses us (77), or the options can't be (64).
    """
    for path in (options.state, options.report):
        if path is not None:
            require_regular(path)
    the_scope = scope(settings, options.asked)
    if not the_scope.accounts:
        raise Fatal(
            "nothing is left to look at: " + "; ".join(the_scope.left_out or ("no vendor that is chosen writes a list that is chosen",)),
            code="scope",
            status=Exit.USAGE,
        )
    if not options.dry_run:
        await rights.require(settings.kafka, "reconcile", writes=options.publish)
    return await _Run(settings, options, the_scope, listener).run()


class _Run:
    """One reconcile."""

    def __init__(self, settings: Settings, options: Options, the_scope: Scope, listener: Listener) -> None:
        self._settings, self._options, self._scope, self._listener = settings, options, the_scope, listener
        prints = prints_for(settings, the_scope.vendors, kept=options.state is not None)
        self._prints, self._state = prints, State(options.state, options.asked, prints)
        self._metrics, self._began_at = Metrics(settings), time.time()
        self._synced: dict[UserKey, Synced] = {}
        self._to_repair: dict[UserKey, None] = {}
        self._again = Again()
        self._retired = Retired()
        self._first_load = FirstLoad(settings, the_scope.vendors) if options.from_bulk and not options.dry_run else None
        self._looked: Looked | None = None
        self._ended: Ended = "cut-off"

    async def run(self) -> int:
        options = self._options
        self._listener.begins(self._scope)
        try:
            async with (
                upstreams(self._settings, self._metrics, rate_share=options.rate_share, courteous=True) as up,
                anyio.create_task_group() as tasks,
            ):
                tasks.start_soon(until_signal, tasks.cancel_scope)
                if self._first_load is not None:
                    # What was read before is too old, and was not kept whole.
                    self._state.drop_pages()
                    tasks.start_soon(for_ever, "tail", self._first_load.run)
                    await self._first_load.ready()
                self._looked = await self._look(up)
                self._ended = await self._decide(up, self._looked)
                tasks.cancel_scope.cancel()
        finally:
            self._state.close(remove=self._ended in {"agreed", "differs"})
        report = self._report()
        if self._ended == "cut-off":
            self._listener.cut_off()
        if report is not None:
            self._tell(report)
            await self._publish()
        return Exit.CUT_OFF if self._ended == "cut-off" else Exit.FINE if report is not None and self._agrees(report) else Exit.SOME_FAILED

    async def _look(self, up: Upstreams) -> Looked:
        looking = Looking(
            self._settings,
            self._options.asked,
            self._scope,
            up,
            state=self._state,
            prints=self._prints,
            rate_share=self._options.rate_share,
            bulks=None if self._first_load is None else self._first_load.bulks,
        )
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._keep_telling, looking)
            looked = await looking.look(may_be_empty=self._options.from_bulk)
            tasks.cancel_scope.cancel()
        return looked

    async def _keep_telling(self, looking: Looking) -> None:
        is_told = False
        while True:
            await anyio.sleep(_TELL_EVERY_S)
            if not is_told and looking.knows_costs:
                self._listener.costs(tuple(looking.loads()))
                is_told = True
            done, of, left_s = looking.told()
            self._listener.reading(done, of, left_s=left_s)

    async def _decide(self, up: Upstreams, looked: Looked) -> Ended:
        """Say what was found, and repair it where that is wanted and allowed."""
        findings, options = looked.findings, self._options
        self._listener.found(looked)
        self._to_repair = findings.to_repair | {user: None for user in self._state.unfinished if user.vendor in self._scope.vendors}
        moved = [one for one in findings.all if one.kind == "moved" and one.contact] if options.retire_moved else []
        if not self._to_repair and not moved:
            return "differs" if self._remains else "agreed"
        changes = findings.changes_with(moved, self._scope.lists_of)
        for user in self._to_repair.keys() - findings.to_repair.keys():
            changes.update(one for account in self._scope.accounts for one in self._scope.lists_of(account, user.vendor))
        over = options.max_changes.over(changes, looked.of_list)
        if over:
            self._listener.too_many(over, changes)
        if over and not options.dry_run:
            return "too-many"
        costs = loads(self._settings, list(self._to_repair), rate_share=options.rate_share)
        self._listener.repair_costs(tuple(one for one in costs if one.calls))
        if options.dry_run:
            return "dry-run"
        if not await self._listener.may_run(len(self._to_repair), len(moved)):
            return "declined"
        # First, since a batch shuts Sesamy's gates until it has judged its filters, and ends without it where there is nobody.
        self._retired = await retire(up, moved)
        self._to_repair |= dict.fromkeys(self._retired.to_repair)
        if self._to_repair:
            self._state.keep_todo(self._to_repair)
            await self._repair(up, list(self._to_repair))
            await self._look_again(up, looked)
        return "differs" if self._remains else "agreed"

    async def _repair(self, up: Upstreams, users: list[UserKey]) -> None:
        load, more = self._first_load, dict[str, Any]()
        if load is not None and self._looked is not None:
            await load.keep_new(self._looked.findings)
            more = {"tail": load.tail, "settling": load.settling, "bulk": load.snapshot}
        batch = Batch(self._settings, up, self._metrics, report=self._note, unsaved=lambda: 0, **more)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._keep_telling_repair, len(users))
            await batch.run(users)
            tasks.cancel_scope.cancel()

    def _note(self, one: Synced) -> None:
        self._synced[one.key] = one
        if one.outcome != "failed":
            self._state.keep_done(one.key)

    async def _look_again(self, up: Upstreams, looked: Looked) -> None:
        self._again = await look_again(
            up,
            chosen(looked.findings.all, self._with("synced")),
            self._scope.accounts,
            after_s=self._settings.debounce.max_wait_s,
            told=self._listener.looking_again,
        )

    def _with(self, *outcomes: str) -> set[UserKey]:
        return {user for user, one in self._synced.items() if one.outcome in outcomes}

    async def _keep_telling_repair(self, of: int) -> None:
        while True:
            await anyio.sleep(_TELL_EVERY_S)
            self._listener.repairing(len(self._synced), of)

    @property
    def _failures(self) -> tuple[Synced, ...]:
        return tuple(one for one in self._synced.values() if one.outcome == "failed")

    @property
    def _remains(self) -> int:
        """Return how much is left that is not as Sesamy says."""
        assert self._looked is not None
        undone = self._to_repair.keys() - self._with("synced", "skipped") if not self._options.dry_run else ()
        return self._looked.findings.left - self._retired.done + len(undone) + len(self._again.users)

    def _agrees(self, report: Report) -> bool:
        return report.ended == "agreed" or (report.ended == "dry-run" and not report.to_repair and not report.left)

    def _report(self) -> Report | None:
        looked = self._looked
        if looked is None:
            return None
        return Report(
            ended=self._ended,
            started_at=utc(self._began_at),
            took_s=round(time.time() - self._began_at, 3),
            vendors=self._scope.vendors,
            lists=tuple(dict.fromkeys(one for lists in self._scope.accounts.values() for one in lists)),
            readers=looked.readers,
            skipped=looked.skipped,
            contacts=looked.contacts,
            counts=tuple(counts(looked)),
            unknown_ids=looked.unknown_ids,
            no_account=looked.no_account,
            not_compared=looked.not_compared,
            to_repair=len(self._to_repair),
            repaired=len(self._with("synced")),
            skipped_at_repair=len(self._with("skipped")),
            retired=self._retired.done,
            from_bulk=self._first_load.written if self._first_load is not None else 0,
            left=self._remains,
            findings=tuple(looked.findings.all),
            failures=self._failures,
            looked_again=self._again.looked,
            not_looked_again=len(self._again.unasked),
            still=self._again.still,
        )

    def _tell(self, report: Report) -> None:
        if self._options.report is not None:
            write_report(self._options.report, report)
        self._listener.ended(report)

    async def _publish(self) -> None:
        if self._looked is None or not self._options.publish:
            return
        some = results(
            self._looked,
            self._scope,
            ended=self._ended,
            done=self._with("synced", "skipped") - self._again.users,
            synced=self._with("synced") - self._again.users,
            all_retired=self._retired.done > 0 and not self._retired.kept + self._retired.failed,
            at_ms=now_ms(),
        )
        await publish(self._settings, tuple(some))
