"""As much as a screen takes: columns go before rows, rows that are fine before those in trouble, and what is left out is counted."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct
from rich.console import Console
from rich.text import Text

from ...pod.status.told.cells import Table
from ..drawing import lines_of, table, word
from .parts import Parts, drawn

_HEADS: Final = 2
"""Lines above a table's rows: its title and its heads."""


class _Shown(Struct):
    """One table, and how many of its rows are shown: those first in it."""

    table: Table
    rows: int

    @property
    def height(self) -> int:
        """Return how many lines it takes."""
        return 1 if not self.rows else _HEADS + self.rows + (self.rows < len(self.table.rows))

    @property
    def weight(self) -> tuple[int, int]:
        """Return what is given up first where it is the greatest: rows that are fine, then those of no kind, then those in trouble."""
        if not self.rows:
            return -1, 0
        kinds = self.table.kinds
        return (1 if not kinds else 2 if kinds[self.rows - 1] == "fine" else 0), self.rows


def fitted(what: Parts, wrong: Sequence[Text], *, on: Console) -> list[Text]:
    """Return the lines that a screen takes: at most its height, none wider than it."""
    width, height = on.size
    points = [line for one in what.points for line in one.wrap(on, max(1, width), tab_size=1)]
    tables = [_Shown(one, min(len(one.rows), height)) for one in what.tables if one.rows]
    least = min(len(tables) + len(what.pods), height // 3)
    head = _head([*points], [*wrong, *what.lines], room=max(1, height - least))
    room = height - len(head)
    pods = [*what.pods[: max(0, room - len(tables))]]
    if more := len(what.pods) - len(pods):
        pods = [*pods[:-1], word(f"+{more + 1 if pods else more} pods")] if room > len(tables) else []
    bodies = _tables(tables, room=room - len(pods))
    blanks = sum(one.height for one in tables) + len(tables) + len(pods) <= room
    lines = [*head, *(line for one in bodies for line in ([Text(), *_drawn(one, width, on)] if blanks else _drawn(one, width, on)))]
    if left := len(tables) - len(bodies):
        lines.append(word(f"+{left} {'table' if left == 1 else 'tables'}: make the window higher"))
    lines += pods
    if what.foot and len(lines) < height:
        lines.append(word(what.foot))
    for line in lines:
        line.truncate(width, overflow="ellipsis" if on.encoding.startswith("utf") else "crop")
    return lines[:height]


def _head(points: list[Text], lines: list[Text], *, room: int) -> list[Text]:
    """Return the verdict and the lines below it; what does not fit is counted."""
    if len(points) + len(lines) <= room:
        return [*points, *lines]
    if len(points) + 1 < room:
        kept = room - len(points) - 1
        return [*points, *lines[:kept], word(f"+{len(lines) - kept} lines")]
    kept = max(1, room - 2)
    if room <= kept:
        return points[:room]
    return [*points[:kept], word(f"+{max(0, len(points) - kept) + max(0, len(lines) - 1)} lines"), *lines[:1]][:room]


def _tables(tables: list[_Shown], *, room: int) -> list[_Shown]:
    """Take rows away until the tables fit, and at last tables from the end."""
    height = sum(one.height for one in tables)
    while height > room and tables:
        most = max(reversed(tables), key=lambda one: one.weight)  # Of equal ones the later: the first tables say most.
        if not most.rows:
            break
        height -= most.height
        most.rows -= 1
        height += most.height
    return tables if height <= room else tables[: max(0, room - 1)]


def _drawn(one: _Shown, width: int, on: Console) -> Iterator[Text]:
    left = _left(one)
    if not one.rows:
        yield word(f"{one.table.title}: {left}")
        return
    yield word(one.table.title, "bold")
    yield from _narrowed(one, width, on)
    if left:
        yield word(left)


def _narrowed(one: _Shown, width: int, on: Console) -> list[Text]:
    """Draw the rows with as many columns as go into the width; those least needed go first."""
    heads, spare = one.table.heads, [*one.table.spare]
    gone: set[int] = set()
    while True:
        kept = [number for number in range(len(heads)) if number not in gone]
        rows = [tuple(drawn(row[number]) for number in kept) for row in one.table.rows[: one.rows]]
        lines = [*lines_of(table([heads[number] for number in kept], rows), on=on)]
        if not spare or max(line.cell_len for line in lines) <= width:
            return lines
        gone.add(spare.pop(0))


def _left(one: _Shown) -> str:
    """Count in words the rows that are not shown."""
    kinds = one.table.kinds[one.rows :]
    if kinds:
        return ", ".join(f"+{number:,} {kind}" for kind, number in Counter(kinds).items())
    more = len(one.table.rows) - one.rows
    return f"+{more:,} more" if more else ""
