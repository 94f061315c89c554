"""The commands of an operator: replay, diff, explain, dead-letters. Options only, no logic."""

import re
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from ..core.errors import Exit
from .console import (
    Progress,
    as_json,
    ask,
    check_users,
    config_option,
    duration,
    examples,
    output_option,
    printable,
    quiet_logs,
    run_async,
    settings_of,
    vendor_settings,
)

if TYPE_CHECKING:
    from ..pod.status.tree import Explanation
    from .diff import UserDiff
    from .replay.files import Report
    from .replay.plan import Asked, Plan
    from .replay.work import Options

_FILE: Final = click.Path(dir_okay=False, path_type=Path)
_SHOWN: Final = 20
_PLACE: Final = re.compile("[0-9]+:[0-9]+")


class _Parsed(click.ParamType[Any]):
    """An option's value that one of our functions reads; its ValueError says what to write instead."""

    def __init__(self, name: str, parse: Callable[[str], object]) -> None:
        self.name, self._parse = name, parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> object:  # noqa: ANN401 - click's
        try:
            return self._parse(value) if isinstance(value, str) else value
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _offset(text: str) -> tuple[int, int]:
    from .replay.plan import parse_offset  # noqa: PLC0415

    return parse_offset(text)


def _time_ms(text: str) -> int:
    from .replay.plan import parse_time_ms  # noqa: PLC0415

    ago = re.fullmatch(r"([0-9]{1,6})([smhd])", text)
    return int((time.time() - int(ago[1]) * _AGO_S[ago[2]]) * 1000) if ago else parse_time_ms(text)


_AGO_S: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
OFFSET: Final = _Parsed("P:N", _offset)
TIME: Final = _Parsed("TIME", _time_ms)


# ---- replay ----


@click.command(
    epilog=examples(
        "replay --from-time 2026-11-24T08:00:00Z --dry-run",
        "replay --from-offset 0:1200 --from-offset 3:980 --yes --state replay.state --report replay.json",
    )
)
@config_option
@output_option
@click.option("--from-offset", "from_offsets", type=OFFSET, multiple=True, help="Begin a partition here; repeatable, others are left out.")
@click.option("--to-offset", "to_offsets", type=OFFSET, multiple=True, help="End a partition before this offset; repeatable.")
@click.option(
    "--from-time", "from_ms", type=TIME, help="Begin every partition at this time (ISO 8601, UTC where it says none; or 90m, 2h, 3d ago)."
)
@click.option("--to-time", "to_ms", type=TIME, help="End every partition before this time.")
@click.option("--vendor", "vendors", multiple=True, help="Only users of this vendor; repeatable.")
@click.option("--user", "users", multiple=True, help="Only this user id; repeatable.")
@click.option(
    "--unknown-types", is_flag=True, help="Take events of unknown type, too, where they name a known vendor; `status` shows which."
)
@click.option("--dry-run", is_flag=True, help="Show the plan and end; neither Sesamy nor Make.as is called.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@click.option(
    "--rate-share",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.25,
    show_default=True,
    help="The part of every limit to use; a 429 halves it.",
)
@click.option("--state", type=_FILE, help="Keep here who is done, and go on from here after an interruption.")
@click.option("--report", type=_FILE, help="Write here how it went, as JSON.")
@click.option("--retry-report", type=_FILE, help="Run just those who failed, of an earlier --report.")
def replay(config: Path, output: str, *, yes: bool, from_offsets: tuple[Any, ...], to_offsets: tuple[Any, ...], **rest: Any) -> int:  # noqa: ANN401
    """Resync every user seen in a range of the topic, beside the running pods."""
    quiet_logs()
    asked = _asked(from_offsets, to_offsets, rest)
    if rest["state"] is not None and rest["retry_report"] is not None:
        raise click.UsageError("--state and --retry-report don't go together: a report is short enough to begin anew")
    settings = settings_of(config)
    known = {vendor.id for vendor in settings.vendors}
    if strangers := [vendor for vendor in asked.vendors if vendor not in known]:
        raise click.BadParameter(f"no such vendor in {config}: {', '.join(strangers)}", param_hint="--vendor")

    from .replay import work  # noqa: PLC0415

    names = ("dry_run", "rate_share", "state", "report", "retry_report")
    options = work.Options(asked=asked, **{name: rest[name] for name in names})
    return run_async(work.replay, settings, options, _Telling(options, yes=yes, json=output == "json"))


def _asked(from_offsets: Iterable[tuple[int, int]], to_offsets: Iterable[tuple[int, int]], rest: dict[str, Any]) -> "Asked":
    from .replay.plan import Asked  # noqa: PLC0415

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
    if asked.from_ms is not None and asked.to_ms is not None and asked.to_ms < asked.from_ms:
        raise click.UsageError("--to-time is before --from-time")
    return asked


def _by_partition(offsets: Iterable[tuple[int, int]], option: str) -> dict[int, int]:
    found: dict[int, int] = {}
    for partition, offset in offsets:
        if partition in found:
            raise click.BadParameter(f"partition {partition} stands twice", param_hint=option)
        found[partition] = offset
    return found


class _Telling:
    """Tells of a replay on the terminal, and asks there."""

    def __init__(self, options: "Options", *, yes: bool, json: bool) -> None:
        self._options, self._yes, self._json, self._progress = options, yes, json, Progress()

    def scanning(self, offsets: int, of: int) -> None:
        self._progress.tell("reading the range, offset", offsets, of)

    def planned(self, plan: "Plan") -> None:
        self._progress.clear()
        for line in _plan_lines(plan):
            click.echo(line, err=self._json)
        if self._json and self._options.dry_run:
            as_json(plan)

    def may_run(self) -> bool:
        return ask("Resync them?", yes=self._yes)

    def running(self, done: int, of: int, *, left_s: float) -> None:
        self._progress.tell("resynced", done, of, left_s=left_s)

    def ended(self, report: "Report") -> None:
        self._progress.clear()
        if self._json:
            as_json(report)
            return
        stopped = "" if report.complete else "stopped before its end: "
        click.echo(
            f"{stopped}{report.synced:,} synced, {report.skipped:,} skipped, {report.failed:,} failed; "
            f"{report.resyncs:,} resyncs in {duration(report.took_s)}"
        )
        for one in report.failures[:_SHOWN]:
            codes = ", ".join(f"{account}: {code}" for account, code in one.failed.items())
            click.echo(f"failed  {printable(one.vendor)}  {printable(one.user)}  ({codes})")
        if len(report.failures) > _SHOWN:
            click.echo(f"and {len(report.failures) - _SHOWN:,} more: --report FILE has all of them")


def _plan_lines(plan: "Plan") -> Iterable[str]:
    if plan.spans:
        yield f"{'partition':>9} {'from':>12} {'to':>12} {'records':>12}"
    for span in plan.spans:
        gone = f"  {span.gone:,} offsets are gone (retention)" if span.gone else ""
        yield f"{span.partition:>9} {span.start:>12,} {span.end:>12,} {plan.records[str(span.partition)]:>12,}{gone}"
    before = f", {plan.done_before:,} of them done already" if plan.done_before else ""
    yield f"{plan.users:,} users{before}; one resync each"
    if plan.unreadable or plan.ignored:
        yield f"{plan.unreadable:,} unreadable records and {plan.ignored:,} of unknown type or without value are passed over"
    for vendor, count in plan.unknown_vendors.items():
        yield f"{count:,} events of vendor {printable(vendor)}, which the settings don't know, are passed over"
    taken = "are taken" if plan.takes_unknown_types else "are passed over: --unknown-types takes them"
    for type_, count in plan.unknown_types.items():
        yield f"{count:,} events of type {printable(type_)}, which is none of the eight, {taken}"
    for load in plan.loads:
        yield f"{load.upstream}: {load.calls:,} calls, {duration(load.takes_s)} at {plan.rate_share:g} of the limit"
    yield f"takes {duration(plan.takes_s)} at least"


# ---- diff ----


@click.command(epilog=examples('diff vendor_123 "auth0|5f7c"', "diff --mask --output json vendor_123 user-1 user-2"))
@config_option
@output_option
@click.option("--mask", is_flag=True, help="Hide personal values.")
@click.argument("vendor")
@click.argument("users", nargs=-1, required=True, metavar="USER...")
def diff(config: Path, output: str, vendor: str, users: tuple[str, ...], *, mask: bool) -> int:
    """Show what a resync of these users of VENDOR would change; exit 1 where something would. Nothing is written."""
    quiet_logs()
    check_users(users)
    settings = vendor_settings(config, vendor)

    from . import diff as work  # noqa: PLC0415

    found: list[UserDiff] = []

    def tell(one: "UserDiff") -> None:
        shown = work.masked(one) if mask else one
        found.append(shown)
        for line in _diff_lines(shown) if output != "json" else ():
            click.echo(line)

    status = run_async(partial(work.diff, settings, vendor, users, report=tell))
    if output == "json":
        as_json(found)
    return status


_SIGNS: Final = {"add": "+", "change": "~", "remove": "-", "same": "=", "keep": " ", "unknown": "?"}


def _diff_lines(one: "UserDiff") -> Iterable[str]:
    reason = f": {one.reason}" if one.reason else ""
    yield f"{printable(one.user)}  {one.outcome}{reason}"
    for account in one.accounts:
        failed = f"  could not be asked: {account.failed}" if account.failed else ""
        yield f"  account {account.account}, lists {', '.join(account.lists)}{failed}"
        unknown = [change for change in account.changes if change.action == "unknown"]
        for change in [change for change in account.changes if change.action != "unknown"] + unknown[:_SHOWN]:
            values = [printable(value) for value in (change.now, change.wanted) if value is not None]
            if change.action in {"same", "keep"}:
                values = values[:1]
            note = {"keep": "  (kept)", "unknown": "  (written, but can't be read back)"}.get(change.action, "")
            yield f"    {_SIGNS[change.action]} {printable(change.field)}: {' -> '.join(values)}{note}"
        if len(unknown) > _SHOWN:
            yield f"    ? and {len(unknown) - _SHOWN:,} more that can't be read back: --output json has all of them"


# ---- explain ----


@click.command(epilog=examples('explain vendor_123 "auth0|5f7c"', "explain --url http://10.0.0.7:8080 vendor_123 user-1"))
@config_option
@output_option
@click.option("--url", "urls", multiple=True, help="A pod's admin address; repeatable. Default: that of the settings.")
@click.argument("vendor")
@click.argument("user")
def explain(config: Path, output: str, vendor: str, user: str, *, urls: tuple[str, ...]) -> int:
    """Say why USER of VENDOR is not synced yet, asked of the running pods."""
    quiet_logs()
    check_users((user,))

    from . import pods as work  # noqa: PLC0415

    found = run_async(work.explain, work.named(urls) or work.urls_of(settings_of(config)), vendor, user)
    if output == "json":
        as_json(found.best)
    else:
        for line in _explanation_lines(found.best):
            click.echo(printable(line))
    for silent in found.silent:
        click.echo(f"sesamy-makeas: {silent}", err=True)
    if found.silent and not found.is_known:
        click.echo("sesamy-makeas: no pod that answered has this user as its own: one that is silent may know more", err=True)
    return Exit.USAGE if found.best.state == "unknown-vendor" else Exit.FINE


def _explanation_lines(one: "Explanation") -> Iterable[str]:
    yield f"{one.state}: {one.why}"
    if one.since_s is not None:
        yield f"  running for {duration(one.since_s)}"
    if one.due_s is not None:
        yield f"  due in {duration(one.due_s)}"
    for owed in one.owed:
        gate = "" if owed.gate == "open" else f"; its gate is {owed.gate} ({owed.gate_cause}), next try in {duration(owed.gate_next_try_s)}"
        last = f", last error {owed.code}" if owed.code else ""
        yield f"  owed to {owed.account}: {owed.attempts} attempts{last}, next try in {duration(owed.next_try_s)}{gate}"
    for letter in one.letters:
        how = "tried again by itself" if letter.heals else _requeue(letter.place)
        yield f"  parked at {letter.place}, for {letter.account or 'all accounts'}: {how}"
    if one.tokens:
        yield f"  oldest events not covered: {', '.join(one.tokens)}"
    if one.partition is not None:
        yield f"  its key belongs to partition {one.partition}, which is {'ours' if one.is_ours else 'not of this pod'}"


def _requeue(place: str) -> str:
    """Return the command that is to be pasted into a shell, never with what a pod made up."""
    if not _PLACE.fullmatch(place):
        return "waits for a requeue; see: sesamy-makeas dead-letters list"
    return f"waits for: sesamy-makeas dead-letters requeue {place}"
