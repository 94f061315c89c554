"""The selectors of `dead-letters`: the options, which letters they mean, and what can't be meant."""

import re
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any, Final, TypeVar

import click

from ...core.letters.history import Entry, Selection
from ...core.model import Place
from ...core.text import shown
from ...settings.model import Settings
from ..console import TIME
from ..shell.completion import ACCOUNTS, VENDORS
from .codes import CODES

_Command = TypeVar("_Command", bound=Callable[..., Any])
_PLAIN: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_HTTP: Final = re.compile(r"http-[1-5][0-9]{2}")
_SHOWN: Final = 40


def _codes(_context: click.Context, _: click.Parameter, begun: str) -> list[str]:
    return [code for code in CODES if code.startswith(begun)]


def selectors(command: _Command) -> _Command:
    """Give a command the options that `selection` reads."""
    for option in reversed(
        (
            click.option("--vendor", default="", shell_complete=VENDORS, help="Only letters of this vendor."),
            click.option("--user", default="", help="Only letters of this user id."),
            click.option("--account", default="", shell_complete=ACCOUNTS, help="Only letters owed to this Make.as user id."),
            click.option("--code", default="", shell_complete=_codes, help="Only letters with this error code."),
            click.option("--since", type=TIME, help="Only letters parked at this time or later (ISO 8601; or 90m, 2h, 3d ago)."),
            click.option("--until", type=TIME, help="Only letters parked before this time."),
        )
    ):
        command = option(command)
    return command


def selection(places: Sequence[Place], said: dict[str, Any], *, now_ms: int | None = None) -> Selection:
    """
    Return which letters are meant.

    Raises:
        click.UsageError: no letter can be in that time (64).
    """
    since, until = said.pop("since"), said.pop("until")
    if since is not None and since > (int(time.time() * 1000) if now_ms is None else now_ms):
        raise click.BadParameter("this time is in the future: no letter is parked yet", param_hint="--since")
    if since is not None and until is not None and until <= since:
        raise click.UsageError("--until is not after --since: no letter is between them")
    return Selection(places=tuple(places), **said, since=_iso(since), until=_iso(until))


def _iso(at_ms: int | None) -> str:
    if at_ms is None:
        return ""
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def refuse_unknown(selected: Selection, entries: Collection[Entry], settings: Settings) -> None:
    """
    Refuse what neither the settings nor any letter knows: "no letters" would sound as if all were well.

    Raises:
        click.BadParameter: with what is known (64).
    """
    vendors = [one.id for one in settings.vendors]
    accounts = [one.user_id for one in settings.accounts]
    _known("--vendor", "vendor", selected.vendor, [*vendors, *(entry.vendor for entry in entries)])
    _known("--account", "account", selected.account, [*accounts, *(entry.account for entry in entries)])
    if not _HTTP.fullmatch(selected.code):
        _known("--code", "code", selected.code, [*CODES, *(entry.code for entry in entries)], more=", and http-NNN of any status")


def _known(option: str, what: str, wanted: str, known: Iterable[str], *, more: str = "") -> None:
    # A user id of Make.as may be an address, which is not for others' eyes.
    names = list(dict.fromkeys(known))
    if not wanted or wanted in names:
        return
    seen = [name for name in names if _PLAIN.fullmatch(name)]
    close = get_close_matches(wanted, seen, n=1)
    guess = f"did you mean {close[0]}? " if close else ""
    rest = f", and {len(seen) - _SHOWN} more" if len(seen) > _SHOWN else ""
    raise click.BadParameter(f"no such {what}: {shown(wanted)}; {guess}known: {', '.join(seen[:_SHOWN])}{rest}{more}", param_hint=option)


def none_found(entries: Collection[Entry], *, all_states: bool, is_everything: bool) -> str:
    """Say that no letter was selected, and what there is."""
    there = [entry for entry in entries if all_states or entry.is_open]
    kind = "letters" if all_states else "open letters"
    if is_everything or not there:
        return f"no {kind}"
    times = sorted(entry.parked_at for entry in there)
    return f"no {kind} are selected; there are {len(there):,}, parked from {times[0]} to {times[-1]}"
