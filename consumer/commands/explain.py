"""The command `explain`: why a user gets no newsletter, as the pods say it, and as Sesamy and Make.as do."""

import re
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import click
from msgspec import Struct

from ..core.errors import Exit, Fatal
from ..core.text import duration, printable
from ..pod.reader.answer import clock, told
from ..pod.reader.facts import Explanation, ListOfReader, OwedAccount
from ..pod.reader.lookup import Found, Lookup
from ..pod.reader.routes import is_address
from ..resync.clients import upstreams
from ..settings.model import Settings
from ..telemetry.metrics import Metrics
from . import pods
from .console import (
    as_json,
    check_users,
    config_option,
    examples,
    output_option,
    quiet_logs,
    run_async,
    settings_of,
    url_dns_option,
    url_option,
    vendor_settings,
)
from .shell.completion import VENDORS

_PLACE: Final = re.compile("[0-9]+:[0-9]+")


class Online(Struct, frozen=True, kw_only=True):
    """What `--online` prints as JSON."""

    online: Found
    pod: Explanation | None = None
    """None: no pod was asked, or none answered."""


@click.command(
    "explain",
    epilog=examples(
        'explain vendor_123 "auth0|5f7c"',
        "explain --online vendor_123 ann@example.com",
        "explain --url http://10.0.0.7:8080 vendor_123 user-1",
    ),
)
@config_option
@output_option
@url_option
@url_dns_option
@click.option("--online", is_flag=True, help="Ask Sesamy and Make.as, too, now; nothing is written.")
@click.option("--email/--id", "by_email", default=None, help="What USER is. Default: an address where it looks like one.")
@click.argument("vendor", shell_complete=VENDORS)
@click.argument("user")
def command(config: Path, output: str, vendor: str, user: str, *, online: bool, by_email: bool | None, **where: tuple[str, ...]) -> int:
    """
    Say why USER of VENDOR gets no newsletter, asked of the running pods.

    With --online Sesamy and Make.as are asked, too, and USER may be an e-mail address.
    """
    quiet_logs()
    check_users((user,))
    urls = pods.named(where["urls"], where["names"])
    by_email = is_address(user) if by_email is None else by_email
    if online:
        settings = vendor_settings(config, vendor)
        return run_async(partial(_online, settings, vendor, user, by_email=by_email, urls=urls, output=output))
    if by_email:  # A pod knows none, and an address has no place in a URL.
        raise click.UsageError("an e-mail address is found with --online only; where it is an id that looks like one, add --id")
    return _tell(run_async(pods.explain, urls or pods.urls_of(settings_of(config)), vendor, user), output)


def _tell(found: pods.Explained, output: str) -> int:
    if output == "json":
        as_json(found.best)
    else:
        for line in _lines(found.best):
            click.echo(printable(line))
    for silent in found.silent:
        click.echo(f"sesamy-makeas: {silent}", err=True)
    if found.silent and not found.is_known:
        click.echo("sesamy-makeas: no pod that answered has this user as its own: one that is silent may know more", err=True)
    return Exit.USAGE if found.best.state == "unknown-vendor" else Exit.FINE


async def _online(settings: Settings, vendor: str, user: str, *, by_email: bool, urls: Sequence[str], output: str) -> int:
    """Ask Sesamy and Make.as with clients of our own, then the pods, which may be silent, for what they remember."""
    names = {one: name for account in settings.accounts_of(vendor) for one, name in account.names.items()}
    async with upstreams(settings, Metrics(settings)) as up:
        lookup = Lookup(up, names)
        online = await (lookup.find(vendor, email=user) if by_email else lookup.find(vendor, user=user))
    pod, silent = None, ""
    if online.user:
        try:
            pod = (await pods.explain(urls or pods.urls_of(settings), vendor, online.user)).best
        except Fatal as error:
            silent = str(error)
    if output == "json":
        as_json(Online(online=online, pod=pod))
    else:
        click.echo(printable(online.sentence))
        for line in _beside(online, pod) if pod is not None else ():
            click.echo(printable(f"  {line}"))
    if silent:
        click.echo(f"sesamy-makeas: no pod says what it remembers: {silent}", err=True)
    if online.outcome == "failed" and online.refuses_key:
        return Exit.NO_PERMISSION
    return Exit.UNAVAILABLE if online.outcome == "failed" else Exit.FINE


def _beside(online: Found, pod: Explanation) -> Iterator[str]:
    """Give what a pod adds to the answer of Sesamy and Make.as: of a user that nothing is owed, only what it remembers."""
    if pod.state not in {"clean", "unknown", "elsewhere"} or online.outcome == "failed":
        yield from _lines(pod)
        return
    for of in pod.lists:
        if of.written_at is not None:
            yield f"  {_title(of)}: last written {clock(of.written_at, now=time.time())}"
    yield from _remembered(pod)


def _lines(one: Explanation) -> Iterator[str]:
    if one.sentence:
        yield one.sentence
        yield from _of_lists(one)
    yield f"  {one.state}: {one.why}" if one.sentence else f"{one.state}: {one.why}"
    if one.since_s is not None:
        yield f"  running for {duration(one.since_s)}"
    if one.due_s is not None:
        yield f"  due in {duration(one.due_s)}"
    for owed in one.owed:
        yield f"  {_owed(owed)}"
    for letter in one.letters:
        how = "tried again by itself" if letter.heals else _requeue(letter.place)
        code = f" ({letter.code})" if letter.code else ""
        since = "" if letter.parked_at is None else f" since {clock(letter.parked_at, now=time.time())}"
        yield f"  parked at {letter.place}, for {letter.account or 'all accounts'}{code}{since}: {how}"
    if one.tokens:
        yield f"  oldest events not covered: {', '.join(one.tokens)}"
    if one.partition is not None:
        yield f"  its key belongs to partition {one.partition}, which is {'ours' if one.is_ours else 'not of this pod'}"
    yield from _remembered(one)


def _remembered(one: Explanation) -> Iterator[str]:
    if one.history:
        yield "  what this pod remembers:"
        yield from (f"    {told(entry, now=time.time())}" for entry in one.history)


def _of_lists(one: Explanation) -> Iterator[str]:
    for of in one.lists:
        written = "no write remembered" if of.written_at is None else f"written {clock(of.written_at, now=time.time())}"
        rest = "" if of.state in {"well", "unknown"} else f"; {of.text}{f'; {of.cure}' if of.cure else ''}"
        yield f"  {_title(of)}: {written}{rest}"


def _title(of: ListOfReader) -> str:
    return f"list {of.list}{f' ({of.name})' if of.name else ''} of account {of.account}"


def _owed(owed: OwedAccount) -> str:
    """Tell of one debt; it is tried again once both its own time and its gate's have come."""
    next_s = owed.next_try_s if owed.gate == "open" else max(owed.next_try_s, owed.gate_next_try_s)
    gate = "" if owed.gate == "open" else f"; its gate is {owed.gate} ({owed.gate_cause})"
    said = f" ({owed.said})" if owed.said else ""
    if owed.attempts:
        tried = f"{owed.attempts} {'attempt' if owed.attempts == 1 else 'attempts'}" + (
            f", last error {owed.code}{said}" if owed.code else ""
        )
    else:  # What says nothing of the user, such as a shut gate, is no attempt of it.
        tried = f"no attempt that counts: {owed.code}{said}" if owed.code else "not tried yet"
    return f"owed to {owed.account}: {tried}, next try in {duration(next_s)}{gate}"


def _requeue(place: str) -> str:
    """Return the command that is to be pasted into a shell, never with what a pod made up."""
    if not _PLACE.fullmatch(place):
        return "waits for a requeue; see: sesamy-makeas dead-letters list"
    return f"waits for: sesamy-makeas dead-letters requeue {place}"
