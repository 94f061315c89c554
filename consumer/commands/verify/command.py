"""The command `verify`: its options, and how what is seen is told."""

import secrets
import sys
from functools import partial
from pathlib import Path

import click

from ...core.errors import Exit
from ...resync.sesamy import nobody
from ...settings.account import Account
from ...settings.model import Settings, VendorSettings
from ..console import (
    as_json,
    ask,
    check_users,
    config_option,
    examples,
    output_option,
    quiet_logs,
    rate_share_option,
    run_async,
    settings_of,
)
from ..drawing import console, show, table
from ..shell.completion import LISTS, VENDORS
from .make_contact import TIDYING
from .may_write import same_twice
from .plan import folded, possible, reading, writing
from .question import Known, Question, Value
from .report import HEADS, cells, drawn, sentences, toml
from .sesamy import TOKEN
from .work import Asker, Found, Work, clients

_EXAMPLES = ("verify", "verify --email me+a@x.no --email-2 me+b@x.no --list 1466 --plan --write")
_QUESTION = "Write to the two test contacts, and to the one that opted out, if it is given?"


@click.command("verify", epilog=examples(*_EXAMPLES))
@config_option
@output_option
@rate_share_option
@click.option("--vendor", shell_complete=VENDORS, help="The vendor; needed where the settings have several.")
@click.option("--user", default="", help="A reader of Sesamy's, whose fields are looked at: their names and kinds alone.")
@click.option("--email", default="", metavar="ADDRESS", help="Your own test address; without it Make.as is asked nothing.")
@click.option("--email-2", default="", metavar="ADDRESS", help="A second one.")
@click.option("--opted-out-email", default="", metavar="ADDRESS", help="A third one, of a contact that opted out by hand.")
@click.option("--list", "list_id", default="", metavar="ID", shell_complete=LISTS, help="The list that the test contacts are put on.")
@click.option("--write", "writes", is_flag=True, help="Write to the test contacts, too; asks first.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@click.option("--plan", "plans", is_flag=True, help="Show the calls that may be made, and make none.")
def command(
    config: Path,
    output: str,
    rate_share: float,
    vendor: str | None,
    *,
    user: str,
    email: str,
    email_2: str,
    opted_out_email: str,
    list_id: str,
    writes: bool,
    yes: bool,
    plans: bool,
) -> int:
    """Say which way the APIs of Sesamy and Make.as are where no document says it, and which settings to write."""
    quiet_logs()
    settings = settings_of(config)
    check_users([user] if user else [])
    mine = _vendor(settings, vendor)
    known = Known(
        ways=_ways(settings, mine),
        nobody=nobody(secrets.randbits(128)),
        user=user,
        email=email,
        email_2=email_2,
        opted_out_email=opted_out_email,
        list_id=list_id,
    )
    account = _account(settings, mine, known, writes=writes)
    if writes and not (yes or plans or _has_terminal()):
        raise click.UsageError("--write asks first, and there is no terminal: add --yes")
    if plans:
        _tell_plan(known, output, writes=writes)
        return Exit.FINE
    work = partial(_verify, settings, mine, account, known)
    found = run_async(partial(work, rate_share=rate_share, writes=writes, yes=yes))
    _tell(found, output, mine.id)
    return found.status


# ---- What is asked for ----


def _vendor(settings: Settings, name: str | None) -> VendorSettings:
    """Return the vendor, where it is clear which; else refuse (64)."""
    ids = [one.id for one in settings.vendors]
    if name is None and len(ids) > 1:
        raise click.UsageError(f"there are several vendors, add --vendor: {', '.join(ids)}")
    if name is not None and name not in ids:
        raise click.BadParameter(f"no such vendor; known: {', '.join(ids)}", param_hint="--vendor")
    return settings.vendors[0 if name is None else ids.index(name)]


def _account(settings: Settings, vendor: VendorSettings, known: Known, *, writes: bool) -> Account | None:
    """Return the account of the list; None: Make.as is not to be asked. Refuse what is incomplete (64)."""
    given = (known.email, known.email_2, known.list_id)
    if not any((*given, known.opted_out_email, writes)):
        return None
    if not all(given):
        raise click.UsageError("for Make.as --email, --email-2 and --list are needed together: they are never guessed")
    if any(len(one.strip("@").split("@")) != 2 for one in (known.email, known.email_2, known.opted_out_email) if one):  # noqa: PLR2004
        raise click.UsageError("a test address is NAME@DOMAIN")
    if same_twice(known.email, known.email_2, known.opted_out_email):
        raise click.UsageError("the test addresses are to be of different contacts")
    accounts = settings.accounts_of(vendor.id)
    found = next((one for one in accounts if known.list_id in one.lists), None)
    if found is None:
        lists = ", ".join(one for account in accounts for one in account.lists)
        raise click.BadParameter(f"no such list of the vendor in the settings; known: {lists}", param_hint="--list")
    if writes and (vendor.paused or known.list_id in found.paused):
        raise click.UsageError("the list is paused: nothing is written to it")
    return found


def _ways(settings: Settings, vendor: VendorSettings) -> dict[str, Value]:
    make = settings.makeas
    return {
        TOKEN.setting: vendor.sesamy.audience or "",
        "sesamy.requests_per_minute": settings.sesamy.requests_per_minute,
        **{
            f"makeas.{name}": getattr(make, name)
            for name in ("list_parameter", "tags", "bulk_body", "subscriber_key", "dates", "opted_out", "rows_shared")
        },
    }


def _has_terminal() -> bool:
    """Say whether somebody could answer a question: else it is refused before anything is read."""
    return sys.stdin is not None and sys.stdin.isatty()


# ---- The work ----


async def _verify(
    settings: Settings,
    vendor: VendorSettings,
    account: Account | None,
    known: Known,
    *,
    rate_share: float,
    writes: bool,
    yes: bool,
) -> Found:
    made: list[str] = []

    def shown(told: str) -> None:
        made.append(told)
        click.echo(told, err=True)

    async with clients(settings, vendor, account, rate_share=rate_share) as opened:
        asker = Asker(opened, vendor=vendor, account=account, show=shown)
        found = await Work(asker.ask, known).run(writes=writes, agree=partial(ask, _QUESTION, yes=yes))
    click.echo(f"-- {len(made)} calls made\n", err=True)
    return found


# ---- What is said ----


def _questions(known: Known, *, writes: bool) -> tuple[Question, ...]:
    return (*reading(known, writes=writes), *((*writing(known), TIDYING) if writes else ()))


def _tell_plan(known: Known, output: str, *, writes: bool) -> None:
    questions = _questions(known, writes=writes)
    if output == "json":
        as_json([{"asks": [one.text for one in each.unknowns], "calls": [c.told for c in possible(each, known)]} for each in questions])
        return
    calls = {"; ".join(one.text for one in each.unknowns): possible(each, known) for each in questions}
    for head, is_write in (("reads, which change nothing", False), ("writes", True)):
        told = {text: lines for text, all_ in calls.items() if (lines := folded(one for one in all_ if one.writes is is_write))}
        for line in [head, *(line for text, lines in told.items() for line in (f"  {text}", *(f"    {one}" for one in lines)))]:
            click.echo(line)
    click.echo("not all of these are made; later ones take the forms that earlier ones have shown to be right", err=True)


def _tell(found: Found, output: str, vendor: str) -> None:
    lines = list(toml(found.rows, vendor))
    if output == "json":
        as_json({"rows": found.rows, "toml": "\n".join(lines)})
        return
    out = console()
    if out.is_terminal:
        out.print(drawn(found.rows))  # It wraps.
    else:
        show(table(HEADS, cells(found.rows)))
    click.echo("\n" + "\n".join(sentences(found.rows)), err=True)
    if lines:
        click.echo()
        click.echo("\n".join(lines))
