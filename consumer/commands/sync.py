"""The command `sync`: the same walk, for users that are named."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import anyio
import click
from msgspec import structs

from ..core.errors import Exit
from ..core.model import PAUSED, GateState, UserKey
from ..core.text import printable
from ..core.users.debts import ABSENT_S
from ..kafka import rights
from ..resync.clients import Upstreams, upstreams
from ..settings.model import Settings
from ..telemetry.metrics import Metrics
from .batch import Batch, Synced
from .console import as_json, check_users, config_option, examples, output_option, quiet_logs, refused, run_async, vendor_settings
from .shell.completion import VENDORS

_NOTICE_S: Final = 5.0
_SHOWN: Final = 20
_KEY_TRIES: Final = 2
"""So often is a key tried that was refused, within 15 s: nobody waits at a terminal for it to be another."""


@click.command("sync", epilog=examples('sync vendor_123 "auth0|5f7c"', "sync --output json vendor_123 user-1 user-2"))
@config_option
@output_option
@click.option("--always", is_flag=True, help="Write contacts also where Make.as shows them as they are to be.")
@click.argument("vendor", shell_complete=VENDORS)
@click.argument("users", nargs=-1, required=True, metavar="USER...")
def command(config: Path, output: str, vendor: str, users: tuple[str, ...], *, always: bool) -> int:
    """Resync these users of VENDOR now."""
    quiet_logs()
    check_users(users)
    settings = vendor_settings(config, vendor)
    if always:
        settings = structs.replace(settings, makeas=structs.replace(settings.makeas, write="always"))
    ended: list[Synced] = []
    report = ended.append if output == "json" else _tell
    status = run_async(partial(sync, settings, vendor, users, report=report, notice=partial(click.echo, err=True)))
    if output == "json":
        as_json(ended)
    return status


def _tell(one: Synced) -> None:
    failed = ", ".join(f"{account}: {code}" for account, code in one.failed.items())
    reason = f": {one.reason}" if one.reason else ""
    click.echo(f"{printable(one.user)}  {one.outcome}{reason}" + (f"  ({failed})" if failed else ""))


async def sync(
    settings: Settings, vendor: str, users: Sequence[str], *, report: Callable[[Synced], None], notice: Callable[[str], None]
) -> int:
    """
    Resync users of one vendor now; return the exit status: 0, 1 where some failed, or 77 where they did while our key was refused.

    Args:
        report: is told each user's end.
        notice: is told every 5 s what is waited for.

    Raises:
        Fatal: the topic can't be followed, so that a pod's newer write could be overwritten.
    """
    await rights.require(settings.kafka, "replay", command="sync")
    metrics = Metrics(settings)
    failed = False

    def tell(one: Synced) -> None:
        nonlocal failed
        failed = failed or one.outcome == "failed"
        report(one)

    async with upstreams(settings, metrics, key_tries=_KEY_TRIES) as up, anyio.create_task_group() as tasks:
        batch = Batch(settings, up, metrics, report=tell)
        tasks.start_soon(_notify, batch, up, vendor, notice)
        await batch.run(UserKey(vendor, user) for user in users)
        tasks.cancel_scope.cancel()
    vendors = [vendor] if up.gates.vendors[vendor].refuses_key else []
    accounts = [one for one in up.account_ids[vendor] if up.gates.accounts[one].refuses_key]
    if failed and (vendors or accounts):
        return refused(vendors=vendors, accounts=accounts)
    return Exit.SOME_FAILED if failed else Exit.FINE


async def _notify(batch: Batch, up: Upstreams, vendor: str, notice: Callable[[str], None]) -> None:
    """Say again and again which users are left, and which gates are shut; of users that only wait for their second look, once."""
    told: set[UserKey] = set()
    while True:
        await anyio.sleep(_NOTICE_S)
        now = anyio.current_time()
        if new := [one for one in batch.unknown if one not in told]:
            told.update(new)
            notice(_unknown([one.user for one in new], vendor))
        states = [(f"sesamy:{vendor}", up.gates.vendors[vendor].state(now=now))]
        states += [(one, up.gates.accounts[one].state(now=now)) for one in up.account_ids[vendor]]
        shut = [f"{name} is shut ({one.cause}){_next_try(one)}" for name, one in states if one.state != "open"]
        left = batch.left - len(batch.unknown)
        if shut:
            notice(f"{batch.left} of the users left: {'; '.join(shut)}")
        elif left > 0:
            notice(f"{left} of the users left: they wait for a rate or a second try")


def _unknown(users: Sequence[str], vendor: str) -> str:
    names = ", ".join(map(printable, users[:_SHOWN])) + (f" and {len(users) - _SHOWN:,} more" if len(users) > _SHOWN else "")
    return (
        f"Sesamy does not know {names} of {vendor}: asked once more {ABSENT_S:g} s after the first time,"
        " for an event may be ahead of Sesamy's API"
    )


def _next_try(gate: GateState) -> str:
    """Say when it is tried next, where the gate knows: what is stopped from outside is asked by others."""
    return "" if gate.cause in {"filter", "unproven", PAUSED} else f", next try in {gate.next_try_s:.0f} s"
