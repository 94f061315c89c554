"""Tables and bars, as `rich` draws them: as wide as they are, and plain where no terminal shows them."""

import io
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import Final, Self

import click
from rich import progress
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from ..core.text import duration, printable
from .shell.stdout import NoReader
from .terminal import has_colours, is_dumb

_WIDE: Final = 1_000_000
"""Columns: no line is ever cut or wrapped at it."""
_PROGRESS_S: Final = 10.0
_LIVE_S: Final = 0.2


class _Console(Console):
    """A console that lets a broken pipe be an error, as any print does."""

    def on_broken_pipe(self) -> None:
        raise NoReader


def console(*, err: bool = False) -> Console:
    """
    Return what writes to stdout, or stderr, with colours on a terminal that takes them.

    It never reads markup, and writes `?` where the stream has no such character.
    """
    stream = sys.stderr if err else sys.stdout
    is_terminal = stream.isatty()
    if isinstance(stream, io.TextIOWrapper) and not stream.encoding.lower().startswith("utf"):
        stream.reconfigure(errors="replace")  # A name in other letters is no reason to show nothing.
    return _Console(
        file=stream,
        force_terminal=is_terminal,
        color_system="standard" if is_terminal and has_colours() else None,
        markup=False,
        emoji=False,
        highlight=False,
    )


def word(text: str, style: str = "") -> Text:
    """Return foreign text, harmless, as one cell or line."""
    return Text().append(printable(text), style)


def table(heads: Sequence[str], rows: Iterable[Sequence[Text]]) -> Table:
    """Return a table; a head that ends with `#` stands over numbers. Without any head there is no line of them."""
    made = Table(box=None, pad_edge=False, show_header=any(heads), header_style="")
    for head in heads:
        made.add_column(word(head.rstrip("#")), justify="right" if head.endswith("#") else "left", no_wrap=True)
    # One row of cells with many lines: rich takes a fifth of the time of as many rows, and lists can be long.
    if columns := [Text("\n").join(column) for column in zip(*rows, strict=True)]:
        made.add_row(*columns)
    return made


def lines_of(what: RenderableType, *, on: Console) -> Iterator[Text]:
    """Draw as wide as it is; give its lines, none of which ends with a space."""
    options = on.options.update(width=_WIDE, height=None, no_wrap=True, overflow="ignore")
    for line in on.render_lines(what, options, pad=False):
        text = Text()
        for part in line:
            text.append(part.text, part.style)
        text.rstrip()
        yield text


def show(*what: RenderableType, err: bool = False) -> None:
    """Write to stdout, or stderr, as wide as it is."""
    out = console(err=err)
    if lines := [line for one in what for line in lines_of(one, on=out)]:
        out.print(Text("\n").join(lines), soft_wrap=True)


class Progress:
    """
    Progress on stderr: a bar on a terminal, else one line per 10 s.

    Use it as a context: at its end nothing of it is left on the terminal.
    """

    def __init__(self) -> None:
        """Look where stderr leads."""
        self._is_live = sys.stderr.isatty() and not is_dumb()
        self._told_at = time.monotonic() if not self._is_live else 0.0
        self._bar: progress.Progress | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.clear()

    def tell(self, what: str, done: int, of: int, *, left_s: float | None = None) -> None:
        """Say how far it is."""
        now = time.monotonic()
        if now - self._told_at < (_LIVE_S if self._is_live else _PROGRESS_S):
            return
        self._told_at = now
        said = f"{done:,} of {of:,}" + ("" if left_s is None else f", {duration(left_s)} left at least")
        if not self._is_live:
            click.echo(f"{what} {said}", err=True)
            return
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], description=what, completed=done, total=of, said=said, refresh=True)
            return
        self._bar = _bar()
        self._bar.add_task(what, completed=done, total=of, said=said)
        self._bar.start()

    def clear(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def _bar() -> progress.Progress:
    return progress.Progress(
        progress.TextColumn("{task.description}", markup=False),
        progress.BarColumn(),
        progress.TextColumn("{task.fields[said]}", markup=False),
        console=console(err=True),
        transient=True,
        auto_refresh=False,
        redirect_stdout=False,
        redirect_stderr=False,
    )
