"""The command `explain`: why a user is not synced yet, as the pods say it."""

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from ..core.errors import Exit
from ..core.text import duration, printable
from ..pod.reader.answer import clock, told
from ..pod.status.tree import Explanation
from . import pods
from .console import as_json, check_users, config_option, examples, output_option, quiet_logs, run_async, settings_of, url_option

_PLACE: Final = re.compile("[0-9]+:[0-9]+")


@click.command("explain", epilog=examples('explain vendor_123 "auth0|5f7c"', "explain --url http://10.0.0.7:8080 vendor_123 user-1"))
@config_option
@output_option
@url_option
@click.argument("vendor")
@click.argument("user")
def command(config: Path, output: str, vendor: str, user: str, *, urls: tuple[str, ...]) -> int:
    """Say why USER of VENDOR is not synced yet, asked of the running pods."""
    quiet_logs()
    check_users((user,))
    found = run_async(pods.explain, pods.named(urls) or pods.urls_of(settings_of(config)), vendor, user)
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
        gate = "" if owed.gate == "open" else f"; its gate is {owed.gate} ({owed.gate_cause}), next try in {duration(owed.gate_next_try_s)}"
        last = (f", last error {owed.code}" if owed.code else "") + (f" ({owed.said})" if owed.said else "")
        yield f"  owed to {owed.account}: {owed.attempts} attempts{last}, next try in {duration(owed.next_try_s)}{gate}"
    for letter in one.letters:
        how = "tried again by itself" if letter.heals else _requeue(letter.place)
        code = f" ({letter.code})" if letter.code else ""
        since = "" if letter.parked_at is None else f" since {clock(letter.parked_at, now=time.time())}"
        yield f"  parked at {letter.place}, for {letter.account or 'all accounts'}{code}{since}: {how}"
    if one.tokens:
        yield f"  oldest events not covered: {', '.join(one.tokens)}"
    if one.partition is not None:
        yield f"  its key belongs to partition {one.partition}, which is {'ours' if one.is_ours else 'not of this pod'}"
    if one.history:
        yield "  what this pod remembers:"
        yield from (f"    {told(entry, now=time.time())}" for entry in one.history)


def _of_lists(one: Explanation) -> Iterator[str]:
    for of in one.lists:
        name = f" ({of.name})" if of.name else ""
        written = "no write remembered" if of.written_at is None else f"written {clock(of.written_at, now=time.time())}"
        rest = "" if of.state in {"well", "unknown"} else f"; {of.state}: {of.text}{f'; {of.cure}' if of.cure else ''}"
        yield f"  list {of.list}{name} of account {of.account}: {written}{rest}"


def _requeue(place: str) -> str:
    """Return the command that is to be pasted into a shell, never with what a pod made up."""
    if not _PLACE.fullmatch(place):
        return "waits for a requeue; see: sesamy-makeas dead-letters list"
    return f"waits for: sesamy-makeas dead-letters requeue {place}"
