"""The command `replay`: its options, and what is told of it."""

import time
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import click
from rich.console import RenderableType
from rich.text import Text

from ...core.text import duration
from ..batch import failed_lines
from ..console import (
    OFFSET,
    TIME,
    as_json,
    ask,
    config_option,
    examples,
    output_option,
    quiet_logs,
    rate_share_option,
    refuse_unknown,
    run_async,
    settings_of,
)
from ..drawing import Progress, show, table, word
from ..shell.completion import VENDORS
from .files import Report
from .plan import Asked, Plan, Range
from .work import Options, replay

_FILE: Final = click.Path(dir_okay=False, path_type=Path)


@click.command(
    "replay",
    epilog=examples(
        "replay --from-time 2026-11-24T08:00:00Z --dry-run",
        "replay --from-offset 0:1200 --from-offset 3:980 --yes --state replay.state --report replay.json",
    ),
)
@config_option
@output_option
@click.option("--from-offset", "from_offsets", type=OFFSET, multiple=True, help="Begin a partition here; repeatable, others are left out.")
@click.option("--to-offset", "to_offsets", type=OFFSET, multiple=True, help="End a partition before this offset; repeatable.")
@click.option(
    "--from-time", "from_ms", type=TIME, help="Begin every partition at this time (ISO 8601, UTC where it says none; or 90m, 2h, 3d ago)."
)
@click.option("--to-time", "to_ms", type=TIME, help="End every partition before this time.")
@click.option("--vendor", "vendors", multiple=True, shell_complete=VENDORS, help="Only users of this vendor; repeatable.")
@click.option("--user", "users", multiple=True, help="Only this user id; repeatable.")
@click.option(
    "--unknown-types", is_flag=True, help="Take events of unknown type, too, where they name a known vendor; `status` shows which."
)
@click.option("--dry-run", is_flag=True, help="Show the plan and end; neither Sesamy nor Make.as is called.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@rate_share_option
@click.option("--state", type=_FILE, help="Keep here which users are done, and go on from here after an interruption.")
@click.option("--report", type=_FILE, help="Write here how it went, as JSON.")
@click.option("--retry-report", type=_FILE, help="Run just the users that failed, of an earlier --report.")
def command(config: Path, output: str, *, yes: bool, from_offsets: tuple[Any, ...], to_offsets: tuple[Any, ...], **rest: Any) -> int:  # noqa: ANN401
    """Resync every user seen in a range of the topic, beside the running pods."""
    quiet_logs()
    asked = _asked(from_offsets, to_offsets, rest)
    if rest["state"] is not None and rest["retry_report"] is not None:
        raise click.UsageError("--state and --retry-report don't go together: a report is short enough to begin anew")
    settings = settings_of(config)
    known = [vendor.id for vendor in settings.vendors]
    refuse_unknown(asked.vendors, known, option="--vendor", said=f"no such vendor in {config}")
    names = ("dry_run", "rate_share", "state", "report", "retry_report")
    options = Options(asked=asked, **{name: rest[name] for name in names})
    with Progress() as progress:
        return run_async(replay, settings, options, _Telling(options, progress, yes=yes, json=output == "json"))


def _asked(from_offsets: Iterable[tuple[int, int]], to_offsets: Iterable[tuple[int, int]], rest: dict[str, Any]) -> Asked:
    asked = Asked(
        from_offsets=_by_partition(from_offsets, "--from-offset"),
        to_offsets=_by_partition(to_offsets, "--to-offset"),
        from_ms=rest["from_ms"],
        to_ms=rest["to_ms"],
        vendors=rest["vendors"],
        users=rest["users"],
        unknown_types=rest["unknown_types"],
    )
    timed = asked.from_ms is not None or asked.to_ms is not None
    if timed and not asked.by_time:
        raise click.UsageError("a range is one of offsets or one of time, not both")
    if rest["retry_report"] is None and not timed and asked.by_time:
        raise click.UsageError("say which range: --from-offset P:N, or --from-time TIME")
    if rest["retry_report"] is not None and (timed or not asked.by_time):
        raise click.UsageError("--retry-report has its users from the report: name no range")
    _refuse_empty(asked, now_ms=int(time.time() * 1000))
    return asked


def _refuse_empty(asked: Asked, *, now_ms: int) -> None:
    """Refuse a range in which no record can be: a plan without users would sound as if all were well."""
    if asked.from_ms is not None and asked.from_ms > now_ms:
        raise click.BadParameter("this time is in the future: no record is there yet", param_hint="--from-time")
    if asked.from_ms is not None and asked.to_ms is not None and asked.to_ms <= asked.from_ms:
        same = asked.to_ms == asked.from_ms
        raise click.UsageError(f"--to-time is {'the same as' if same else 'before'} --from-time: no record is between them")
    for partition, start in asked.from_offsets.items():
        if asked.to_offsets.get(partition) == start:
            raise click.UsageError(f"the range of partition {partition} is empty: --to-offset is where it ends, exclusive")


def _by_partition(offsets: Iterable[tuple[int, int]], option: str) -> dict[int, int]:
    found: dict[int, int] = {}
    for partition, offset in offsets:
        if partition in found:
            raise click.BadParameter(f"partition {partition} stands twice", param_hint=option)
        found[partition] = offset
    return found


class _Telling:
    """Tells of a replay on the terminal, and asks there."""

    def __init__(self, options: Options, progress: Progress, *, yes: bool, json: bool) -> None:
        self._options, self._progress, self._yes, self._json = options, progress, yes, json

    def scanning(self, offsets: int, of: int) -> None:
        self._progress.tell("reading the range, offset", offsets, of)

    def planned(self, plan: Plan) -> None:
        self._progress.clear()
        show(*_drawn(plan), err=self._json)
        if self._json and self._options.dry_run:
            as_json(plan)

    async def may_run(self) -> bool:
        return await ask("Resync them?", yes=self._yes)

    def running(self, done: int, of: int, *, left_s: float) -> None:
        self._progress.tell("resynced", done, of, left_s=left_s)

    def ended(self, report: Report) -> None:
        self._progress.clear()
        if self._json:
            as_json(report)
            return
        stopped = "" if report.complete else "stopped before its end: "
        click.echo(
            f"{stopped}{report.synced:,} synced, {report.skipped:,} skipped, {report.failed:,} failed; "
            f"{report.resyncs:,} resyncs in {duration(report.took_s)}"
        )
        for line in failed_lines(report.failures):
            click.echo(line)


def _drawn(plan: Plan) -> Iterator[RenderableType]:
    if plan.ranges:
        yield table(("partition#", "from#", "to#", "records#", ""), map(partial(_row, plan), plan.ranges))
    yield from map(word, _lines(plan))


def _row(plan: Plan, one: Range) -> tuple[Text, ...]:
    gone = f"{one.gone:,} offsets are gone (retention)" if one.gone else one.beside
    numbers = (f"{one.partition}", f"{one.start:,}", f"{one.end:,}", f"{plan.records[str(one.partition)]:,}")
    return (*map(word, numbers), word(gone))


def _lines(plan: Plan) -> Iterator[str]:
    before = f", {plan.done_before:,} of them done already" if plan.done_before else ""
    yield f"{plan.users:,} users{before}; one resync each" if plan.users else "no user to resync"
    if plan.ranges and not any(plan.records.values()):
        yield "no record in this range"
    if plan.unreadable:
        yield f"{plan.unreadable:,} unreadable records are passed over"
    if plan.ignored:
        yield f"{plan.ignored:,} records of unknown type or without value are passed over"
    for vendor, count in plan.unknown_vendors.items():
        yield f"{count:,} events of vendor {vendor}, which the settings don't know, are passed over"
    taken = "are taken" if plan.takes_unknown_types else "are passed over: --unknown-types takes them"
    for type_, count in plan.unknown_types.items():
        yield f"{count:,} events of type {type_}, which is none of the eight, {taken}"
    for load in plan.loads if plan.users > plan.done_before else ():
        yield load.said(plan.rate_share)
    if plan.users > plan.done_before:
        yield f"takes {duration(plan.takes_s)} at least"
