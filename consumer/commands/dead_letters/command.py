"""The command `dead-letters`: list, show, requeue."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from ...core.errors import Exit
from ...core.letters.history import Entry, Selection
from ...core.model import Place
from ..console import OFFSET, TIME, as_json, config_option, confirm, examples, output_option, quiet_logs, run_async, settings_of
from ..drawing import Progress, show, table, word
from . import topic

_Command = TypeVar("_Command", bound=Callable[..., Any])
_COLUMNS = ("place", "state", "parked_at", "vendor", "user", "account", "code", "attempts", "source")


def _selectors(command: _Command) -> _Command:
    for option in reversed(
        (
            click.option("--vendor", default="", help="Only letters of this vendor."),
            click.option("--user", default="", help="Only letters of this user id."),
            click.option("--account", default="", help="Only letters owed to this Make.as user id."),
            click.option("--code", default="", help="Only letters with this error code."),
            click.option("--since", type=TIME, help="Only letters parked at this time or later (ISO 8601; or 90m, 2h, 3d ago)."),
            click.option("--until", type=TIME, help="Only letters parked before this time."),
        )
    ):
        command = option(command)
    return command


@click.group("dead-letters", epilog=examples("dead-letters list", "dead-letters requeue --code http-422 --wait"))
def command() -> None:
    """Work with what was parked."""


@command.command("list", epilog=examples("dead-letters list --vendor vendor_123", "dead-letters list --all-states --output json"))
@config_option
@output_option
@_selectors
@click.option("--all-states", is_flag=True, help="Closed ones, too, with what became of each.")
def list_(config: Path, output: str, *, all_states: bool, **selectors: Any) -> int:  # noqa: ANN401
    """List letters: the open ones, unless told otherwise."""
    quiet_logs()
    entries = _find(config, _selection((), selectors), all_states=all_states)
    if output == "json":
        as_json(entries)
        return 0
    _tell(entries, (*_COLUMNS, "closed_at", "replaced_by") if all_states else _COLUMNS)
    if not entries:
        click.echo("no letters" if all_states else "no open letters", err=True)
    return 0


@command.command("show", epilog=examples("dead-letters show 0:17", "dead-letters show 0:17 --output json"))
@config_option
@output_option
@click.argument("place", type=OFFSET, metavar="P:N")
def show_(config: Path, output: str, place: Place) -> int:
    """Show all that is known of the letter at P:N in the dead-letter topic."""
    quiet_logs()
    found = _find(config, Selection(places=(place,)), all_states=True)
    if not found:
        raise click.BadParameter("no letter is there", param_hint="P:N")
    if output == "json":
        as_json(found[0])
        return 0
    said = msgspec.to_builtins(found[0]).items()
    show(table(("", ""), [(word(name), word(str(value))) for name, value in said if value != ""]))
    if not found[0].can_be_requeued:
        click.echo("It has no value, since its record could not be read: see the source, and let the publisher send it again.", err=True)
    return 0


@command.command("requeue", epilog=examples("dead-letters requeue 0:17 0:21", "dead-letters requeue --code http-422 --yes --wait"))
@config_option
@output_option
@_selectors
@click.option("--all", "everything", is_flag=True, help="All open letters.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@click.option("--wait", "and_wait", is_flag=True, help="Stay until they are done or refused again; exit 1 where some were refused.")
@click.argument("places", nargs=-1, type=OFFSET, metavar="[P:N...]")
def requeue(
    config: Path,
    output: str,
    places: Sequence[Place],
    *,
    everything: bool,
    yes: bool,
    and_wait: bool,
    **selectors: Any,  # noqa: ANN401
) -> int:
    """Ask the pods to try letters again: those at P:N, those selected, or --all."""
    quiet_logs()
    selection = _selection(places, selectors)
    if selection.is_everything != everything:
        raise click.UsageError("say which: positions P:N, selectors, or --all (and not both)")
    found = _find(config, selection, all_states=True, requeues=True)
    _say_missing(selection, found)
    entries = _that_can_be_requeued(found, are_named=bool(places))
    if not entries:
        return 0
    if not confirm(f"Requeue {len(entries):,} letters?", yes=yes):
        return 0
    settings = settings_of(config)
    run_async(topic.requeue, settings, entries)
    if not and_wait:
        _tell_requeued(entries, output)
        return 0
    with Progress() as progress:
        ended = run_async(partial(topic.wait, settings, entries, progress=partial(progress.tell, "letters closed")))
    _tell_requeued(ended, output)
    return Exit.FINE if all(entry.state == "done" for entry in ended) else Exit.SOME_FAILED


def _that_can_be_requeued(found: Sequence[Entry], *, are_named: bool) -> list[Entry]:
    """Return the open letters that have a value; say how many others are passed over."""
    entries = [entry for entry in found if entry.is_open and entry.can_be_requeued]
    if without := sum(entry.is_open and not entry.can_be_requeued for entry in found):
        click.echo(f"{without:,} have no value, since their records could not be read: passed over", err=True)
    if closed := sum(not entry.is_open for entry in found) if are_named else 0:
        click.echo(f"{closed:,} are closed already: passed over", err=True)
    if not entries:
        click.echo("nothing to requeue", err=True)
    return entries


def _find(config: Path, selection: Selection, *, all_states: bool, requeues: bool = False) -> list[Entry]:
    return run_async(partial(topic.find, settings_of(config), selection, all_states=all_states, requeues=requeues))


def _selection(places: Sequence[Place], selectors: dict[str, Any]) -> Selection:
    times = {name: _iso(selectors.pop(name)) for name in ("since", "until")}
    return Selection(places=tuple(places), **selectors, **times)


def _iso(at_ms: int | None) -> str:
    if at_ms is None:
        return ""
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _say_missing(selection: Selection, found: Sequence[Entry]) -> None:
    there = {entry.place for entry in found}
    missing = [str(place) for place in selection.places if str(place) not in there]
    if missing:
        raise click.BadParameter(f"no letter is at {', '.join(missing)}", param_hint="P:N")


def _tell_requeued(entries: Sequence[Entry], output: str) -> None:
    if output == "json":
        as_json(entries)
        return
    done = sum(entry.state == "done" for entry in entries)
    refused = [entry for entry in entries if entry.state == "replaced"]
    if not (done or refused):
        click.echo(f"{len(entries):,} letters requeued; the pods take them up: dead-letters list shows how far they are")
        return
    click.echo(f"{done:,} done, {len(refused):,} refused again")
    _tell(refused, ("place", "vendor", "user", "account", "code", "replaced_by"))


def _tell(entries: Iterable[Entry], columns: Sequence[str]) -> None:
    rows = [[word(str(getattr(entry, name))) for name in columns] for entry in entries]
    if rows:
        show(table(columns, rows))
