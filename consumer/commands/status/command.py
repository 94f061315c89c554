"""The command `status`: what a pod's page shows, on a terminal."""

import os
import signal
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from types import FrameType

import anyio
import click
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from ...core.errors import Fatal
from ...pod.status.tree import Status
from .. import pods
from ..console import (
    FiniteRange,
    as_json,
    config_option,
    examples,
    output_option,
    quiet_logs,
    run_async,
    settings_of,
    url_dns_option,
    url_option,
)
from ..drawing import console, show, table, word
from ..terminal import is_dumb
from .fit import fitted
from .parts import COLOURS, Parts, drawn, parts

_Found = Mapping[str, Status | Fatal]


@click.command(
    "status",
    epilog=examples(
        "status --url http://10.0.0.7:8080 --url http://10.0.0.8:8080",
        "status --url-dns consumer-headless:8080",
        "status --watch --config /etc/consumer.toml",
    ),
)
@config_option
@output_option
@url_option
@url_dns_option
@click.option("--watch", is_flag=True, help="Go on until stopped.")
@click.option("--every", "every_s", type=FiniteRange(0.5, 3600), default=5.0, show_default=True, metavar="S", help="With --watch.")
def command(config: Path, output: str, *, urls: tuple[str, ...], names: tuple[str, ...], watch: bool, every_s: float) -> int:
    """Show what the pods say of themselves: lists, what waits and why, gates, partitions, failures."""
    with _stopped_in_peace() if watch else nullcontext():
        quiet_logs()
        addresses = pods.named(urls, names) or pods.urls_of(settings_of(config))
        if not watch:
            return run_async(_show_once, addresses, output)
        is_screen = output == "text" and sys.stdout.isatty() and not is_dumb()
        run_async(partial(_watch_on_screen if is_screen else partial(_watch, output=output), every_s=every_s), addresses)
    return 0


@contextmanager
def _stopped_in_peace() -> Iterator[None]:
    """End the block quietly at SIGINT and SIGTERM, and where nothing reads on."""
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


# ---- Once, or for ever ----


async def _show_once(urls: list[str], output: str) -> int:
    """Show it; return 69 where a pod did not answer."""
    found = await pods.statuses(urls)
    if output == "json":
        as_json(_rows(found))
    else:
        show(*_drawn(found))
    silent = _silent(found)
    _complain(silent)
    return max((one.status for one in silent), default=0)


async def _watch(urls: list[str], *, output: str, every_s: float) -> None:
    """Write it again and again, as a stream."""
    while True:
        found = await pods.statuses(urls)
        if output == "json":
            as_json(_rows(found), one_line=True)
        elif drawn := [*_drawn(found)]:
            show(*drawn, Text())
        _complain(_silent(found))
        await anyio.sleep(every_s)


async def _watch_on_screen(urls: list[str], *, every_s: float) -> None:
    """Draw it again and again, on a screen that is gone at the end."""
    out = console()
    with Live(console=out, screen=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False) as screen:
        while True:
            found = await pods.statuses(urls)
            screen.update(_on_screen(found, on=out), refresh=True)
            if not sys.stderr.isatty():  # Else it is on the screen already.
                _complain(_silent(found))
            await anyio.sleep(every_s)


def _silent(found: _Found) -> list[Fatal]:
    return [one for one in found.values() if isinstance(one, Fatal)]


def _complain(silent: Iterable[Fatal]) -> None:
    for one in silent:
        click.echo(f"sesamy-makeas: {one}", err=True)


def _rows(found: _Found) -> list[dict[str, object]]:
    return [
        {"url": url, "error": str(one).removeprefix(f"{url}: ")} if isinstance(one, Fatal) else {"url": url, "status": one}
        for url, one in found.items()
    ]


# ---- What is drawn ----


def _on_screen(found: _Found, *, on: Console) -> Group:
    """Fill the screen, and no more of it than there is: what is wrong stands first."""
    wrong = [word(str(one), COLOURS["bad"]) for one in _silent(found)]
    return Group(*fitted(_parts(found, is_ascii=_is_ascii(on), width=on.width), wrong, on=on))


def _parts(found: _Found, *, is_ascii: bool, width: int | None = None) -> Parts:
    answers = {url: one for url, one in found.items() if not isinstance(one, Fatal)}
    return parts(answers, [url for url in found if url not in answers], is_ascii=is_ascii, width=width)


def _is_ascii(on: Console) -> bool:
    return not on.encoding.startswith("utf")


def _drawn(found: _Found) -> Iterator[RenderableType]:
    """Draw all of it, as wide and as high as it is; nothing of a single pod that did not answer, for its error says all."""
    if len(found) == len(_silent(found)) == 1:
        return
    what = _parts(found, is_ascii=_is_ascii(console()))
    yield from what.points
    yield from what.lines
    for each in what.tables:
        if each.rows:
            yield Text()
            yield word(each.title, "bold")
            yield table(each.heads, (tuple(map(drawn, row)) for row in each.rows))
        elif each.empty:
            yield Text()
            yield word(f"{each.title}: {each.empty}")
    if what.pods or what.foot:
        yield Text()
    yield from what.pods
    if what.foot:
        yield word(what.foot)
