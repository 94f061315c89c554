"""The shapes of tables of words."""

from collections.abc import Iterator
from typing import Literal

from msgspec import Struct

Tone = Literal["", "good", "mild", "bad"]


class Cell(Struct, frozen=True):
    """One word or number, and how it is to be taken."""

    text: str
    tone: Tone = ""
    past: tuple[float | None, ...] = ()
    """The last hour by the minute (s), the newest last; a page draws it beside the text."""
    link: str = ""
    """An address of the settings, for a page."""


class Column(Struct, frozen=True):
    """What stands over the cells of a table."""

    name: str
    is_number: bool


class Row(Struct, frozen=True):
    """One row before its table is ordered."""

    cells: tuple[Cell, ...]
    rank: int = 0
    """The lowest first."""
    kind: str = "fine"
    """What rows of its kind are counted as, where not all are shown: `+12 stopped`."""


class Table(Struct, frozen=True, kw_only=True):
    """One table; a head that ends with `#` stands over numbers."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    empty: str
    """What to say where there is no row; empty: leave the table out."""
    kinds: tuple[str, ...] = ()
    """What each row is counted as where it is not shown; `fine`: nobody need look. Empty: rows are only rows."""
    spare: tuple[int, ...] = ()
    """The columns that a narrow screen can do without, the least needed first."""

    @property
    def columns(self) -> tuple[Column, ...]:
        """Return its columns, in order."""
        return tuple(Column(head.rstrip("#"), head.endswith("#")) for head in self.heads)

    @property
    def placed(self) -> Iterator[tuple[tuple[Column, Cell], ...]]:
        """Give its rows, each cell with its column."""
        columns = self.columns
        return (tuple(zip(columns, row, strict=True)) for row in self.rows)
