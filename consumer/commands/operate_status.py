"""The command `status`: what a pod's page shows, on a terminal."""

import os
import re
import shutil
import signal
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Final

import click

from .console import as_json, config_option, examples, is_dumb, output_option, printable, quiet_logs, run_async, settings_of

if TYPE_CHECKING:
    from ..core.errors import Fatal
    from ..pod.status.tables import Cell, Table
    from ..pod.status.tree import Status

_COLOURS: Final = {"good": "green", "mild": "yellow", "bad": "red"}
_CLEAR: Final = "\x1b[H\x1b[2J"
_PLAIN: Final = "\x1b[0m"
_STYLE: Final = re.compile(r"\x1b\[[0-9;]*m|.")
"""A change of style, or one character."""
_GAP: Final = "  "


@click.command(
    epilog=examples("status --url http://10.0.0.7:8080 --url http://10.0.0.8:8080", "status --watch --config /etc/consumer.toml")
)
@config_option
@output_option
@click.option("--url", "urls", multiple=True, help="A pod's admin address; repeatable. Default: that of the settings.")
@click.option("--watch", is_flag=True, help="Go on until stopped.")
@click.option("--every", "every_s", type=click.FloatRange(0.5, 3600), default=5.0, show_default=True, metavar="S", help="With --watch.")
def status(config: Path, output: str, *, urls: tuple[str, ...], watch: bool, every_s: float) -> int:
    """Show what the pods say of themselves: lists, what waits and why, gates, partitions, failures."""
    with _stopped_in_peace() if watch else nullcontext():
        quiet_logs()

        from . import pods as work  # noqa: PLC0415

        addresses = work.named(urls) or work.urls_of(settings_of(config))
        return run_async(partial(_watch, every_s=every_s) if watch else _show, addresses, output)
    return 0


@contextmanager
def _stopped_in_peace() -> Iterator[None]:
    """End the block quietly at SIGINT and SIGTERM, and where nobody reads on."""
    before = signal.signal(signal.SIGTERM, _as_ctrl_c)
    try:
        yield
    except KeyboardInterrupt:
        pass
    except BrokenPipeError:
        # What is left in the buffer would be tried once more at the end. Source: the note on SIGPIPE in Python's `signal`.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.dup2(nowhere, sys.stderr.fileno())
    finally:
        signal.signal(signal.SIGTERM, before)


def _as_ctrl_c(number: int, frame: FrameType | None) -> None:
    """Do what SIGINT would: asyncio's handler for it cancels, and at the second one interrupts."""
    on_int = signal.getsignal(signal.SIGINT)
    (on_int if callable(on_int) else signal.default_int_handler)(number, frame)


async def _show(urls: list[str], output: str) -> int:
    """Show it once; return 69 where a pod did not answer."""
    from . import pods as work  # noqa: PLC0415

    found = await work.statuses(urls)
    if output == "json":
        as_json(_rows(found))
    elif text := _text(found):
        click.echo(text)
    silent = _silent(found)
    _complain(silent)
    return max((one.status for one in silent), default=0)


async def _watch(urls: list[str], output: str, *, every_s: float) -> int:
    """Show it for ever: on a screen that is drawn anew, or as a stream."""
    import anyio  # noqa: PLC0415

    from . import pods as work  # noqa: PLC0415

    is_screen = output == "text" and sys.stdout.isatty() and not is_dumb()
    while True:
        found = await work.statuses(urls)
        if is_screen:
            _draw(found)
        elif output == "json":
            as_json(_rows(found), one_line=True)
        elif text := _text(found):
            click.echo(f"{text}\n")
        if not (is_screen and sys.stderr.isatty()):  # It is on the screen already.
            _complain(_silent(found))
        await anyio.sleep(every_s)


def _silent(found: "Mapping[str, Status | Fatal]") -> "list[Fatal]":
    from ..core.errors import Fatal  # noqa: PLC0415

    return [one for one in found.values() if isinstance(one, Fatal)]


def _complain(silent: "Iterable[Fatal]") -> None:
    for one in silent:
        click.echo(f"sesamy-makeas: {one}", err=True)


def _rows(found: "Mapping[str, Status | Fatal]") -> list[dict[str, object]]:
    from ..core.errors import Fatal  # noqa: PLC0415

    return [
        {"url": url, "error": str(one).removeprefix(f"{url}: ")} if isinstance(one, Fatal) else {"url": url, "status": one}
        for url, one in found.items()
    ]


# ---- What is drawn ----


def _draw(found: "Mapping[str, Status | Fatal]") -> None:
    """Fill the screen, and no more of it than there is: what is wrong stands first."""
    columns, rows = shutil.get_terminal_size()
    wrong = [click.style(printable(str(one)), fg=_COLOURS["bad"]) for one in _silent(found)]
    lines = "\n".join(filter(None, (*wrong, _text(found)))).split("\n")
    click.echo(_CLEAR, nl=False, color=True)  # Not a colour: NO_COLOR leaves it.
    click.echo("\n".join(_cropped(lines, columns=columns, rows=rows)))


def _cropped(lines: Sequence[str], *, columns: int, rows: int) -> Iterator[str]:
    room = max(1, rows - 1)  # The cursor stands in the last row.
    shown = lines if len(lines) <= room else lines[: room - 1]
    yield from (_short(line, columns) for line in shown)
    if len(shown) < len(lines):
        yield _short(f"… {len(lines) - len(shown):,} more lines: make the window higher", columns)


def _short(line: str, columns: int) -> str:
    if sum(map(_width, click.unstyle(line))) <= columns:
        return line
    kept, left = "", columns - 1
    for part in _STYLE.findall(line):
        left -= 0 if part.startswith("\x1b") else _width(part)
        if left < 0:
            break
        kept += part
    return f"{kept}…{_PLAIN}"


def _width(one: str) -> int:
    """Return how many columns a character takes on a terminal."""
    if unicodedata.category(one) in {"Mn", "Me"}:
        return 0
    return 2 if unicodedata.east_asian_width(one) in {"W", "F"} else 1


def _text(found: "Mapping[str, Status | Fatal]") -> str:
    from ..core.errors import Fatal  # noqa: PLC0415

    return "\n\n".join("\n".join(_lines(url, one)) for url, one in found.items() if not isinstance(one, Fatal))


def _lines(url: str, one: "Status") -> Iterator[str]:
    import time  # noqa: PLC0415

    from ..pod.status.tables import board  # noqa: PLC0415

    shown = board(one, now=one.at or time.time())
    yield f"{_drawn(shown.state)}  {printable(url)}"
    yield from (_drawn(line) for line in shown.lines)
    for table in shown.tables:
        yield from _table(table)
    yield f"\n{printable(shown.foot)}"


def _table(table: "Table") -> Iterator[str]:
    if not table.rows:
        if table.empty:
            yield f"\n{table.title}: {table.empty}"
        return
    heads = [head.rstrip("#") for head in table.heads]
    widths = [max(len(head), *(len(printable(row[i].text)) for row in table.rows)) for i, head in enumerate(heads)]
    right = [head.endswith("#") for head in table.heads]
    yield f"\n{click.style(table.title, bold=True)}"
    yield _columns((_placed(head, width, is_right=side) for head, width, side in zip(heads, widths, right, strict=True)))
    for row in table.rows:
        yield _columns((_drawn(cell, width, is_right=side) for cell, width, side in zip(row, widths, right, strict=True)))


def _columns(parts: Iterable[str]) -> str:
    return _GAP.join(parts).rstrip()


def _placed(text: str, width: int, *, is_right: bool) -> str:
    return text.rjust(width) if is_right else text.ljust(width)


def _drawn(cell: "Cell", width: int = 0, *, is_right: bool = False) -> str:
    text = _placed(printable(cell.text), width, is_right=is_right)
    return click.style(text, fg=_COLOURS[cell.tone]) if cell.tone and cell.text else text
