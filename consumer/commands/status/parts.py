"""The parts of a drawing of some pods: the verdict first, then one pod, or several as one."""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct
from rich.text import Text

from ...pod.status.tables import Sheet, sheet
from ...pod.status.told.all_pods import all_pods
from ...pod.status.told.backlog import backlog, in_words
from ...pod.status.told.cells import Cell, Table
from ...pod.status.told.merged import lists_of
from ...pod.status.told.weigh import of
from ...pod.status.tree import Status
from ...pod.status.verdict import Level, Verdict
from ..drawing import word
from .charts import charts

COLOURS: Final = {"": "", "good": "green", "mild": "yellow", "bad": "red"}
_HOUR: Final = ("what", "last", "at most", "minute by minute")
_GAP: Final = 2
"""Spaces between two columns."""
_FEW: Final = 16
"""Marks that a chart has at least."""
_LEVELS: Final[Mapping[Level, str]] = {"fine": "green", "notice": "yellow", "unknown": "yellow", "trouble": "red"}


class Parts(Struct, frozen=True, kw_only=True):
    """All that is drawn, from the top down."""

    points: tuple[Text, ...]
    """The verdict, a line a point."""
    lines: tuple[Text, ...]
    """Where the pods stand, the first matters most."""
    tables: tuple[Table, ...]
    pods: tuple[Text, ...] = ()
    """Of several pods, each one's own line."""
    foot: str = ""


def parts(answers: Mapping[str, Status], silent: Sequence[str], *, is_ascii: bool, width: int | None = None) -> Parts:
    """Return what is drawn of pods that answered, by address, and of the addresses that did not; `width`: of a screen, in columns."""
    now = max((one.at for one in answers.values()), default=0.0) or time.time()
    points = tuple(_points(of(answers, silent, now=now)))
    extra = word(in_words(backlog(answers.values()), silent=len(silent), now=now))
    if not answers:
        return Parts(points=points, lines=(extra,), tables=())
    hour = _hour(answers, is_ascii=is_ascii, width=width)
    if len(answers) == 1:
        ((url, status),) = answers.items()
        shown = sheet(status, now=now)
        return Parts(points=points, lines=(*_heads(url, shown), extra), tables=_with(hour, shown.tables), foot=shown.foot)
    together = all_pods(answers, silent=len(silent), now=now)
    pods = tuple(_header(url, sheet(one, now=one.at or now)) for url, one in answers.items())
    return Parts(points=points, lines=(*map(drawn, together.lines), extra), tables=_with(hour, together.tables), pods=pods)


def _with(hour: Table, tables: tuple[Table, ...]) -> tuple[Table, ...]:
    """Put the last hour behind lists, what waits, gates and partitions."""
    return (*tables[:4], hour, *tables[4:])


def drawn(cell: Cell) -> Text:
    """Return a cell in its colour."""
    return word(cell.text, COLOURS[cell.tone])


def _points(verdict: Verdict) -> Iterator[Text]:
    if not verdict.points:
        scope = f", {verdict.scope}" if verdict.scope else ""
        yield word(f"fine: events are read, and every list is written or has nothing owed{scope}", _LEVELS["fine"])
    for one in verdict.points:
        more = "; ".join(part for part in (one.cure, f"runbook: {one.runbook}" if one.runbook else "") if part)
        yield word(f"{one.level}: {one.text}", _LEVELS[one.level]).append_text(word(f" -> {more}" if more else ""))


def _heads(url: str, shown: Sheet) -> Iterator[Text]:
    yield drawn(shown.state).append_text(word(f"  {url}"))
    yield from map(drawn, shown.facts)


def _header(url: str, shown: Sheet) -> Text:
    """Return one line of a pod among several: its address, its state, and where it stands."""
    said = "; ".join(one.text for one in shown.facts[:-2])
    return drawn(shown.state).append_text(word(f"  {url}  {said}  ({shown.foot})"))


def _hour(answers: Mapping[str, Status], *, is_ascii: bool, width: int | None) -> Table:
    """Return the charts of the last hour; on a screen of `width` columns the oldest marks go first."""
    lists = lists_of(answers.values())
    rows = [
        (f"{status.host} {name}" if len(answers) > 1 else name, *more)
        for status in answers.values()
        for name, *more in charts(status.last_hour, lists, is_ascii=is_ascii)
    ]
    taken = sum(max([len(head), *(word(row[number]).cell_len for row in rows)]) + _GAP for number, head in enumerate(_HOUR[:3]))
    cut = None if width is None else -max(_FEW, width - taken)
    return Table(
        title="Last hour",
        heads=_HOUR,
        rows=tuple(tuple(Cell(one) for one in (*row[:3], row[3][cut:])) for row in rows),
        empty="",
        spare=(0,),
    )
