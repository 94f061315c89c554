"""The parts that commands share: options, settings, questions, and data as JSON."""

import asyncio
import logging
import math
import os
import re
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import anyio
import click
import msgspec

from ..core.answers.bounds import identifier
from ..core.errors import Exit
from ..core.text import printable
from ..settings.load import load
from ..settings.model import Settings
from ..telemetry import loop
from ..telemetry import metrics as telemetry
from ..telemetry.fences import PartEnded
from .replay.plan import parse_offset, parse_time_ms

_AGO: Final = re.compile("([0-9]{1,6})([smhd])")
_AGO_S: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}

_LINE_BYTES: Final = 4096
_ANSWERS: Final = {"y": True, "yes": True, "n": False, "no": False, "": False}

_Command = TypeVar("_Command", bound=Callable[..., Any])
_T = TypeVar("_T")


# ---- Options ----


def config_option(command: _Command) -> _Command:
    """Give a command `--config`."""
    path = click.Path(dir_okay=False, path_type=Path)
    return click.option("--config", type=path, default="consumer.toml", show_default=True, metavar="FILE", help="The settings.")(command)


def output_option(command: _Command) -> _Command:
    """Give a command `--output`."""
    choice = click.Choice(["text", "json"])
    return click.option("--output", type=choice, default="text", show_default=True, help="How the data on stdout is written.")(command)


def url_option(command: _Command) -> _Command:
    """Give a command `--url`, repeatable, as `urls`."""
    return click.option("--url", "urls", multiple=True, help="A pod's admin address; repeatable. Default: that of the settings.")(command)


def url_dns_option(command: _Command) -> _Command:
    """Give a command `--url-dns`, repeatable, as `names`."""
    return click.option(
        "--url-dns", "names", multiple=True, metavar="NAME:PORT", help="A name that resolves to the addresses of all pods; repeatable."
    )(command)


class Parsed(click.ParamType[Any]):
    """An option's value that one of our functions reads; its ValueError says what to write instead."""

    def __init__(self, name: str, parse: Callable[[str], object]) -> None:
        self.name, self._parse = name, parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> object:  # noqa: ANN401 - click's
        """Return what was read; click.BadParameter (64) where it can't be."""
        try:
            return self._parse(value) if isinstance(value, str) else value
        except ValueError as error:
            self.fail(str(error), param, ctx)


class FiniteRange(click.FloatRange):
    """A number in a range; click's own lets `nan` through any, and `inf` through one that is open."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401 - click's
        """Return the number; click.BadParameter (64) where it is none, or outside."""
        with suppress(ValueError):
            if not math.isfinite(float(value)):
                self.fail(f"{printable(str(value))} is not a finite number", param, ctx)
        return super().convert(value, param, ctx)


def _time_ms(text: str) -> int:
    ago = _AGO.fullmatch(text)
    return int((time.time() - int(ago[1]) * _AGO_S[ago[2]]) * 1000) if ago else parse_time_ms(text)


OFFSET: Final = Parsed("P:N", parse_offset)
TIME: Final = Parsed("TIME", _time_ms)


def rate_share_option(command: _Command) -> _Command:
    """Give a command that works beside the pods `--rate-share`."""
    share, said = FiniteRange(0, 1, min_open=True), "The part of every limit to use; a 429 halves it."
    return click.option("--rate-share", type=share, default=0.25, show_default=True, help=said)(command)


def examples(*lines: str) -> str:
    """Return what a command's help ends with."""
    return "\b\nExamples:\n" + "\n".join(f"  sesamy-makeas {line}" for line in lines)


# ---- Settings, and what is asked for by name ----


def settings_of(config: Path) -> Settings:
    """Load the settings; Fatal (78) where they can't be used."""
    return load(config, os.environ)


def vendor_settings(config: Path, vendor: str) -> Settings:
    """Load the settings; refuse a vendor that they don't know (64)."""
    settings = settings_of(config)
    if not settings.accounts_of(vendor):
        known = ", ".join(one.id for one in settings.vendors)
        raise click.BadParameter(f"no such vendor in {config}; known: {known}", param_hint="VENDOR")
    return settings


def refused(*, vendors: Iterable[str] = (), accounts: Iterable[str] = ()) -> Exit:
    """Say which upstreams refuse our key, and the cure; return the exit status of that."""
    for vendor in dict.fromkeys(vendors):
        _note(f"Sesamy refuses the client of {vendor}: correct its client_id and client_secret, or give it the right to read users")
    for account in dict.fromkeys(accounts):
        _note(f"Make.as refuses the key of account {account}: correct its userId and apiKey")
    return Exit.NO_PERMISSION


def _note(text: str) -> None:
    click.echo(f"sesamy-makeas: {printable(text)}", err=True)


def check_users(users: Iterable[str]) -> None:
    """Refuse ids that can't be any (64)."""
    if any(identifier(user) is None for user in users):
        raise click.BadParameter("a user id has 1 to 256 characters", param_hint="USER")


# ---- Work ----


def quiet_logs(level: int = logging.WARNING) -> None:
    """Let only what is wrong be said, as plain lines, for people read them: the data are on stdout."""
    telemetry.configure(plain=True, level=level)


def run_async(work: Callable[..., Awaitable[_T]], *args: object) -> _T:
    """
    Run async work to its end.

    Raises:
        PartEnded: it was cancelled, and not by a signal: our bug.
    """
    try:
        return loop.run(work, *args)
    except asyncio.CancelledError as cancelled:  # A signal's own is no such one any more, and nothing else tells them apart.
        raise PartEnded("command") from cancelled


async def until_signal(scope: anyio.CancelScope) -> None:
    """End a scope at SIGTERM or Ctrl-C."""
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for _ in signals:
            scope.cancel()


def refuse_unknown(asked: Iterable[str], known: Iterable[str], *, option: str, said: str) -> None:
    """
    Refuse names that the settings don't have; `said`: what the line begins with, before the names.

    Raises:
        click.BadParameter: the names, and those that there are.
    """
    there = list(dict.fromkeys(known))
    if unknown := [one for one in asked if one not in there]:
        raise click.BadParameter(f"{said}: {', '.join(unknown)}; known: {', '.join(there)}", param_hint=option)


def confirm(question: str, *, yes: bool) -> bool:
    """
    Ask on a terminal; return the answer.

    Raises:
        click.UsageError: there is no terminal, and `--yes` was not given.
        click.Abort: Ctrl-C, or the end of the input.
    """
    return loop.run(partial(ask, question, yes=yes))


async def ask(question: str, *, yes: bool) -> bool:
    """
    Ask as `confirm` does, while other work goes on.

    Raises:
        click.UsageError, click.Abort: as `confirm`; Ctrl-C cancels.
    """
    if yes:
        return True
    if sys.stdin is None or not sys.stdin.isatty():
        raise click.UsageError("this asks first, and there is no terminal: add --yes")
    while (answer := _ANSWERS.get(await _answered(f"{question} [y/N]: "))) is None:
        click.echo("answer y or n", err=True)
    return answer


async def _answered(question: str) -> str:
    line = b""
    click.echo(question, err=True, nl=False)
    try:
        line = await _line(sys.stdin.fileno())
    finally:
        if not line:
            click.echo(err=True)  # Else what is said next stands behind the question.
    if not line:
        raise click.Abort
    return line.decode(errors="replace").strip().lower()


async def _line(file: int) -> bytes:
    """Return a line; empty: the input has ended."""
    line = b""
    with suppress(OSError):  # The terminal is gone.
        while not line.endswith(b"\n"):
            await anyio.wait_readable(file)
            # What is there, be it but a part: to wait for the rest in a read would stop all other work.
            if not (part := await anyio.to_thread.run_sync(os.read, file, _LINE_BYTES)):
                return b""
            line += part
        return line
    return b""


# ---- Data ----


def as_json(data: object, *, one_line: bool = False) -> None:
    """
    Write data to stdout as JSON; what could speak to the terminal is escaped, and is the same value.

    Args:
        one_line: one document a line, for a stream.
    """
    encoded = msgspec.json.encode(data)
    lines = [encoded] if one_line else msgspec.json.format(encoded, indent=2).split(b"\n")
    click.echo(b"\n".join(printable(line.decode(), escape=_json_escape).encode() for line in lines))


def _json_escape(one: str) -> str:
    return "".join(f"\\u{unit.hex()}" for unit in re.findall(b"(?s)..", one.encode("utf-16-be")))
