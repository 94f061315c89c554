"""The command `reconcile`: its options, and what is told of it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click

from ...core.drift.sound import MaxChanges
from ...core.text import counted
from ..console import (
    Parsed,
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
from ..drawing import Progress, show, word
from ..replay.plan import Load
from ..shell.completion import LISTS, VENDORS
from . import told
from .looking import Looked
from .plan import Asked, Options, Scope
from .report import Report
from .work import reconcile

_FILE: Final = click.Path(dir_okay=False, path_type=Path)


@click.command("reconcile", epilog=examples("reconcile --dry-run", "reconcile --yes --state reconcile.state --report reconcile.json"))
@config_option
@output_option
@click.option("--vendor", "vendors", multiple=True, shell_complete=VENDORS, help="Only readers of this vendor; repeatable.")
@click.option(
    "--list", "lists", multiple=True, shell_complete=LISTS, help="Only this list, by its id; repeatable. What differs is resynced whole."
)
@click.option("--dry-run", is_flag=True, help="Read both sides, show what differs, and end; nothing is written.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@rate_share_option
@click.option(
    "--max-changes",
    type=Parsed("N|P%", MaxChanges.read),
    default=MaxChanges(),
    help="Write nothing where more readers of a list would be changed. Default: 10% of it, at least 20, at most 1000.",
)
@click.option("--deep", is_flag=True, help="Ask reader by reader for what Sesamy's lists don't tell: takes as long as a replay of all.")
@click.option(
    "--from-bulk", is_flag=True, help="First load: write readers that are nowhere at Make.as from what was read, without a fetch of each."
)
@click.option("--retire-moved", is_flag=True, help="Take the sesamy_ tags, and nothing else, from addresses that their readers have left.")
@click.option("--state", type=_FILE, help="Keep here what is read and done, without names, and go on from here later.")
@click.option("--report", type=_FILE, help="Write here what was found and how it went, as JSON: counts and ids.")
@click.option(
    "--publish", is_flag=True, help="Leave the result of each list in the dead-letter topic, for the pods to show; not in a dry run."
)
def command(config: Path, output: str, *, yes: bool, vendors: tuple[str, ...], lists: tuple[str, ...], deep: bool, **rest: Any) -> int:  # noqa: ANN401
    """Look at every reader at Sesamy and every contact at Make.as, and resync those that differ; exit 1 where differences remain."""
    if rest["publish"] and rest["dry_run"]:
        raise click.UsageError("--publish writes to Kafka, and --dry-run writes nothing: give one of them")
    quiet_logs()
    settings = settings_of(config)
    refuse_unknown(vendors, [one.id for one in settings.vendors], option="--vendor", said=f"not in {config}")
    known = [one for account in settings.accounts for one in account.lists]
    refuse_unknown(lists, known, option="--list", said=f"not in {config}")
    options = Options(asked=Asked(vendors=vendors, lists=lists, deep=deep), **rest)
    names = {one: name for account in settings.accounts for one, name in account.names.items()}
    with Progress() as progress:
        return run_async(reconcile, settings, options, _Telling(options, progress, names, yes=yes, json=output == "json"))


class _Telling:
    """Tells of a reconcile on the terminal, and asks there."""

    def __init__(self, options: Options, progress: Progress, names: dict[str, str], *, yes: bool, json: bool) -> None:
        self._options, self._progress, self._names, self._yes, self._json = options, progress, names, yes, json

    def begins(self, scope: Scope) -> None:
        for one in scope.left_out:
            click.echo(f"{one}: it is left out", err=True)

    def costs(self, plans: tuple[Load, ...]) -> None:
        self._progress.clear()
        for one in plans:
            click.echo(f"to read: {one.said(self._options.rate_share)}", err=True)

    def reading(self, done: int, of: int, *, left_s: float) -> None:
        self._progress.tell("reading both sides, page", done, of, left_s=left_s)

    def found(self, looked: Looked) -> None:
        self._progress.clear()
        show(*told.drawn(looked, self._names, retires=self._options.retire_moved), err=self._json)

    def too_many(self, over: Mapping[str, int], changes: Mapping[str, int]) -> None:
        show(*map(word, told.too_many(over, changes)), err=True)

    def repair_costs(self, loads: tuple[Load, ...]) -> None:
        for one in loads:
            click.echo(f"to resync: {one.said(self._options.rate_share)}", err=True)

    async def may_run(self, readers: int, retired: int) -> bool:
        contacts = counted(retired, "contact")
        more = f", and take the sesamy_ tags from {contacts} at addresses that their readers have left" if retired else ""
        return await ask(f"Resync {counted(readers, 'reader')}{more}?", yes=self._yes)

    def repairing(self, done: int, of: int) -> None:
        self._progress.tell("resynced", done, of)

    def looking_again(self, done: int, of: int) -> None:
        self._progress.tell("looked at again", done, of)

    def cut_off(self) -> None:
        self._progress.clear()
        on = "the same command goes on from there" if self._options.state is not None else "with --state it would go on from there"
        click.echo(f"stopped before its end: {on}", err=True)

    def ended(self, report: Report) -> None:
        self._progress.clear()
        if report.failures and self._options.state is not None:
            click.echo(f"those that failed stay in {self._options.state}: the same command tries them again", err=True)
        if self._json:
            as_json(report)
            return
        show(*map(word, told.ended(report)))
