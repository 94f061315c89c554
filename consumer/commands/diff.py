"""The command `diff`: what a resync would change, field by field; nothing is written."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import click
from msgspec import structs

from ..core.errors import Exit
from ..core.model import UserKey
from ..core.text import printable
from ..pod.reader.compare import UNSEEN, UserDiff, compared
from ..resync.clients import upstreams
from ..resync.make_reader import LEFT_UNKNOWN
from ..settings.model import Settings
from ..telemetry.metrics import Metrics
from .console import as_json, check_users, config_option, examples, output_option, quiet_logs, refused, run_async, vendor_settings
from .shell.completion import VENDORS

_SIGNS: Final = {"add": "+", "change": "~", "remove": "-", "same": "=", "keep": " ", "unknown": "?", "paused": "."}
_LEGEND: Final = """

\b
Signs:
  +  would be added              =     is the same
  ~  would be changed            ?     is written, but can't be read back
  -  would be taken away         none  is not ours, and kept
  .  waits: the list is paused
"""
_SHOWN: Final = 20
"""Rows that can't be read back, of one account, in text."""


# ---- The command ----


@click.command("diff", epilog=examples('diff vendor_123 "auth0|5f7c"', "diff --mask --output json vendor_123 user-1 user-2") + _LEGEND)
@config_option
@output_option
@click.option("--mask", is_flag=True, help="Hide personal values.")
@click.argument("vendor", shell_complete=VENDORS)
@click.argument("users", nargs=-1, required=True, metavar="USER...")
def command(config: Path, output: str, vendor: str, users: tuple[str, ...], *, mask: bool) -> int:
    """Show what a resync of these users of VENDOR would change; exit 1 where something would. Nothing is written."""
    quiet_logs()
    check_users(users)
    settings = vendor_settings(config, vendor)
    found: list[UserDiff] = []

    def tell(one: UserDiff) -> None:
        shown = masked(one) if mask else one
        found.append(shown)
        for line in _lines(shown) if output != "json" else ():
            click.echo(line)

    status = run_async(partial(diff, settings, vendor, users, report=tell))
    if output == "json":
        as_json(found)
    return status


def _lines(one: UserDiff) -> Iterator[str]:
    reason = f": {one.reason}" if one.reason not in {"", one.outcome} else ""
    yield f"{printable(one.user)}  {one.outcome}{reason}"
    for account in one.accounts:
        failed = f"  could not be asked: {account.failed}" if account.failed else ""
        failed = f"  {UNSEEN}: a resync writes nothing of it" if account.failed == LEFT_UNKNOWN else failed
        paused = f" (paused: {', '.join(account.paused)})" if account.paused else ""
        yield f"  account {account.account}, lists {', '.join(account.lists)}{paused}{failed}"
        if account.is_spared:
            yield "    the contact is as it is to be: a resync does not write it"
        unknown = [change for change in account.changes if change.action == "unknown"]
        for change in [change for change in account.changes if change.action != "unknown"] + unknown[:_SHOWN]:
            values = [printable(value) for value in (change.now, change.wanted) if value is not None]
            if change.action in {"same", "keep"}:
                values = values[:1]
            note = {"keep": "  (kept)", "unknown": "  (written, but can't be read back)", "paused": "  (paused)"}.get(change.action, "")
            yield f"    {_SIGNS[change.action]} {printable(change.field)}: {' -> '.join(values)}{note}"
        if len(unknown) > _SHOWN:
            yield f"    ? and {len(unknown) - _SHOWN:,} more that can't be read back: --output json has all of them"


# ---- Asking ----


async def diff(settings: Settings, vendor: str, users: Sequence[str], *, report: Callable[[UserDiff], None]) -> int:
    """
    Compare users of one vendor.

    Return the exit status: 0, 1 where something would change or nothing tells whether a contact left, 69 where one could not be asked,
    77 where our key is refused.
    """
    outcomes, refusing = set[str](), list[UserDiff]()
    async with upstreams(settings, Metrics(settings)) as up:
        for user in dict.fromkeys(users):
            found = await compared(up, UserKey(vendor, user))
            outcomes.add(found.outcome)
            refusing += [found] if found.refuses_key else []
            report(found)
    if refusing:
        accounts = [of.account for one in refusing for of in one.accounts if of.refuses_key]
        return refused(vendors=[] if all(one.accounts for one in refusing) else [vendor], accounts=accounts)
    return Exit.UNAVAILABLE if "failed" in outcomes else Exit.SOME_FAILED if outcomes & {"drift", "unknown"} else Exit.FINE


def masked(one: UserDiff) -> UserDiff:
    """Return the same without personal values."""
    accounts = tuple(structs.replace(of, changes=tuple(change.masked() for change in of.changes)) for of in one.accounts)
    return structs.replace(one, accounts=accounts)
