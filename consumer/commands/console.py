"""What all commands share: options, settings, and how data and progress are written."""

import logging
import os
import re
import sys
import time
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

if TYPE_CHECKING:
    from ..settings.model import Settings

ID_CHARS: Final = 256
_PROGRESS_S: Final = 10.0
_LIVE_S: Final = 0.2

_Command = TypeVar("_Command", bound=Callable[..., Any])
_T = TypeVar("_T")


def config_option(command: _Command) -> _Command:
    """Give a command `--config`."""
    path = click.Path(dir_okay=False, path_type=Path)
    return click.option("--config", type=path, default="consumer.toml", show_default=True, metavar="FILE", help="The settings.")(command)


def output_option(command: _Command) -> _Command:
    """Give a command `--output`."""
    choice = click.Choice(["text", "json"])
    return click.option("--output", type=choice, default="text", show_default=True, help="How the data on stdout is written.")(command)


def settings_of(config: Path) -> "Settings":
    """Load the settings; Fatal (78) where they can't be used."""
    from ..settings.load import load  # noqa: PLC0415

    return load(config, os.environ)


def run_async(work: Callable[..., Awaitable[_T]], *args: object) -> _T:
    """
    Run async work to its end.

    Raises:
        PartEnded: it was cancelled, and not by a signal: our bug.
    """
    import anyio  # noqa: PLC0415

    from ..telemetry.fence import PartEnded, only_ours  # noqa: PLC0415

    async def whole() -> _T:
        with only_ours(lambda: PartEnded("command")):
            return await work(*args)

    return anyio.run(whole)


def as_json(data: object, *, one_line: bool = False) -> None:
    """
    Write data to stdout as JSON; what could speak to the terminal is escaped, and is the same value.

    Args:
        one_line: one document a line, for a stream.
    """
    import msgspec  # noqa: PLC0415

    encoded = msgspec.json.encode(data)
    lines = [encoded] if one_line else msgspec.json.format(encoded, indent=2).split(b"\n")
    click.echo(b"\n".join(_escaped(line.decode(), _json_escape).encode() for line in lines))


def printable(text: str) -> str:
    """Escape what could speak to the terminal."""
    return _escaped(text, lambda one: one.encode("unicode_escape", "surrogatepass").decode("ascii"))


def _escaped(text: str, escape: Callable[[str], str]) -> str:
    return text if text.isprintable() else "".join(one if one.isprintable() else escape(one) for one in text)


def _json_escape(one: str) -> str:
    return "".join(f"\\u{unit.hex()}" for unit in re.findall(b"(?s)..", one.encode("utf-16-be")))


def is_dumb() -> bool:
    """Say whether the terminal can do no more than lines."""
    return os.environ.get("TERM") == "dumb"


def has_colours() -> bool:
    """Say whether a terminal may be given colours. Source: https://no-color.org."""
    return not os.environ.get("NO_COLOR") and not is_dumb()


def examples(*lines: str) -> str:
    """Return what a command's help ends with."""
    return "\b\nExamples:\n" + "\n".join(f"  sesamy-makeas {line}" for line in lines)


def ask(question: str, *, yes: bool) -> bool:
    """
    Ask on a terminal; return the answer.

    Raises:
        click.UsageError: there is no terminal, and `--yes` was not given.
    """
    if yes:
        return True
    if not sys.stdin.isatty():
        raise click.UsageError("this asks first, and there is no terminal: add --yes")
    return click.confirm(question, err=True)


class Progress:
    """Progress on stderr: one line that changes on a terminal, else one line of JSON per 10 s."""

    def __init__(self) -> None:
        self._is_live = sys.stderr.isatty()
        self._told_at = time.monotonic() if not self._is_live else 0.0
        self._width = 0

    def tell(self, what: str, done: int, of: int, *, left_s: float | None = None) -> None:
        """Say how far it is."""
        now = time.monotonic()
        if now - self._told_at < (_LIVE_S if self._is_live else _PROGRESS_S):
            return
        self._told_at = now
        if not self._is_live:
            import msgspec  # noqa: PLC0415

            fields = {"progress": what, "done": done, "of": of} | ({} if left_s is None else {"left_s": round(left_s, 1)})
            click.echo(msgspec.json.encode(fields), err=True)
            return
        left = "" if left_s is None else f", {duration(left_s)} left at least"
        line = f"{what} {done:,} of {of:,}{left}"
        click.echo(f"\r{line:<{self._width}}", nl=False, err=True)
        self._width = len(line)

    def clear(self) -> None:
        """Take the line away."""
        if self._width:
            click.echo("\r" + " " * self._width + "\r", nl=False, err=True)
            self._width = 0


def duration(seconds: float) -> str:
    """Write a duration for a person: `1 h 05 min`, `3 min 20 s`, `4 s`."""
    minutes, rest_s = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest_s:02} s" if minutes else f"{rest_s} s"


def quiet_logs() -> None:
    """Let only what is wrong be logged: the data are on stdout."""
    from ..telemetry import metrics as telemetry  # noqa: PLC0415

    telemetry.configure(level=logging.WARNING, colours=has_colours())


def check_users(users: Iterable[str]) -> None:
    """Refuse ids that can't be any (64)."""
    if any(not user.strip() or len(user) > ID_CHARS for user in users):
        raise click.BadParameter("a user id has 1 to 256 characters", param_hint="USER")


def vendor_settings(config: Path, vendor: str) -> "Settings":
    """Load the settings; refuse a vendor that they don't know (64)."""
    settings = settings_of(config)
    if not settings.accounts_of(vendor):
        known = ", ".join(one.id for one in settings.vendors)
        raise click.BadParameter(f"no such vendor in {config}; known: {known}", param_hint="VENDOR")
    return settings
