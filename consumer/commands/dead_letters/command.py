"""The command `dead-letters`: list, show, requeue."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click
import msgspec

from ...core.errors import Exit
from ...core.letters.history import Entry, Selection
from ...core.model import Place
from ..console import OFFSET, as_json, config_option, confirm, examples, output_option, quiet_logs, run_async, settings_of
from ..drawing import Progress, show, table, word
from . import topic
from .data import as_data, repeated
from .places import complete_places
from .selectors import none_found, refuse_unknown, selection, selectors

_COLUMNS = ("place", "state", "parked_at", "vendor", "user", "account", "code", "attempts", "source")


@click.group("dead-letters", epilog=examples("dead-letters list", "dead-letters requeue --code http-422 --wait"))
def command() -> None:
    """Work with what was parked."""


@command.command("list", epilog=examples("dead-letters list --vendor vendor_123", "dead-letters list --all-states --output json"))
@config_option
@output_option
@selectors
@click.option("--all-states", is_flag=True, help="Closed ones, too, with what became of each.")
def list_(config: Path, output: str, *, all_states: bool, **said: Any) -> int:  # noqa: ANN401
    """List letters: the open ones, unless told otherwise."""
    quiet_logs()
    selected = selection((), said)
    letters = _read(config, selected)
    entries = _selected(letters, selected, all_states=all_states)
    again = repeated(letters)
    if output == "json":
        as_json([as_data(entry, repeats=again.get(entry.place, "")) for entry in entries])
    else:
        _tell(entries, (*_COLUMNS, "closed_at", "replaced_by") if all_states else _COLUMNS, again)
    if not entries:
        click.echo(none_found(letters, all_states=all_states, is_everything=selected.is_everything), err=True)
    return 0


@command.command("show", epilog=examples("dead-letters show 0:17", "dead-letters show 0:17 --output json"))
@config_option
@output_option
@click.argument("place", type=OFFSET, metavar="P:N", shell_complete=complete_places)
def show_(config: Path, output: str, place: Place) -> int:
    """Show all that is known of the letter at P:N in the dead-letter topic."""
    quiet_logs()
    selected = Selection(places=(place,))
    letters = _read(config, selected)
    found = _selected(letters, selected, all_states=True)
    if not found:
        raise click.BadParameter(f"no letter is there; `list --all-states` has all {len(letters):,}", param_hint="P:N")
    again = repeated(letters).get(found[0].place, "")
    if output == "json":
        as_json(as_data(found[0], repeats=again))
        return 0
    said = {**msgspec.to_builtins(found[0]), "repeats": again}
    show(table(("", ""), [(word(name), word(str(value))) for name, value in said.items() if value != ""]))
    if not found[0].can_be_requeued:
        click.echo("It has no value, since its record could not be read: see the source, and let the publisher send it again.", err=True)
    return 0


@command.command("requeue", epilog=examples("dead-letters requeue 0:17 0:21", "dead-letters requeue --code http-422 --yes --wait"))
@config_option
@output_option
@selectors
@click.option("--all", "everything", is_flag=True, help="All open letters.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@click.option("--wait", "and_wait", is_flag=True, help="Stay until they are done or refused again; exit 1 where some were refused.")
@click.argument("places", nargs=-1, type=OFFSET, metavar="[P:N...]", shell_complete=complete_places)
def requeue(
    config: Path,
    output: str,
    places: Sequence[Place],
    *,
    everything: bool,
    yes: bool,
    and_wait: bool,
    **said: Any,  # noqa: ANN401
) -> int:
    """Ask the pods to try letters again: those at P:N, those selected, or --all."""
    quiet_logs()
    selected = selection(places, said)
    if selected.is_everything != everything:
        raise click.UsageError("say which: positions P:N, selectors, or --all (and not both)")
    letters = _read(config, selected, requeues=True)
    found = _selected(letters, selected, all_states=True)
    _say_missing(selected, found)
    entries = _that_can_be_requeued(found, are_named=bool(places))
    if not entries:
        if not found:
            click.echo(none_found(letters, all_states=False, is_everything=selected.is_everything), err=True)
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


def _read(config: Path, selected: Selection, *, requeues: bool = False) -> Sequence[Entry]:
    """Return all letters; refuse what can't be meant by a selection of them."""
    settings = settings_of(config)
    letters = run_async(partial(topic.read, settings, requeues=requeues))
    refuse_unknown(selected, letters, settings)
    return letters


def _selected(letters: Iterable[Entry], selected: Selection, *, all_states: bool) -> list[Entry]:
    return [entry for entry in letters if (all_states or entry.is_open) and selected.takes(entry)]


def _say_missing(selection: Selection, found: Sequence[Entry]) -> None:
    there = {entry.place for entry in found}
    missing = [str(place) for place in selection.places if str(place) not in there]
    if missing:
        raise click.BadParameter(f"no letter is at {', '.join(missing)}", param_hint="P:N")


def _tell_requeued(entries: Sequence[Entry], output: str) -> None:
    if output == "json":
        as_json([as_data(entry) for entry in entries])
        return
    done = sum(entry.state == "done" for entry in entries)
    refused = [entry for entry in entries if entry.state == "replaced"]
    if not (done or refused):
        click.echo(f"{len(entries):,} letters requeued; the pods take them up: dead-letters list shows how far they are")
        return
    click.echo(f"{done:,} done, {len(refused):,} refused again")
    _tell(refused, ("place", "vendor", "user", "account", "code", "replaced_by"))


def _tell(entries: Sequence[Entry], columns: Sequence[str], again: Mapping[str, str] | None = None) -> None:
    rows = [[word(str(getattr(entry, name))) for name in columns] for entry in entries]
    heads = tuple(columns)
    if again and any(entry.place in again for entry in entries):
        heads = (*columns, "")
        notes = [again.get(entry.place, "") for entry in entries]
        rows = [[*row, word(f"repeats {note}" if note else "")] for row, note in zip(rows, notes, strict=True)]
    if rows:
        show(table(heads, rows))
