"""The load of a shared call: which of those that wait go together."""

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

T = TypeVar("T")
Rows = Mapping[str, object]
"""The rows of one reader, by their key at the account."""


def union(some: Iterable[Rows]) -> Rows:
    """Return the rows of several readers, each once."""
    return {key: row for rows in some for key, row in rows.items()}


def load(waiting: Iterable[T], rows_of: Callable[[T], Rows], *, most: int) -> list[T]:
    """
    Return those that go together, the first that wait first.

    It promises: no more than `most` rows; all of a reader's rows or none; nobody whose row says otherwise than one that goes: that one
    waits for the next call. The first always goes.
    """
    going: list[T] = []
    rows: dict[str, object] = {}
    for one in waiting:
        its = rows_of(one)
        if going and not _fits(its, rows, most=most):
            continue
        going.append(one)
        rows.update(its)
    return going


def _fits(its: Rows, rows: Rows, *, most: int) -> bool:
    new = 0
    for key, row in its.items():
        if key not in rows:
            new += 1
        elif rows[key] != row:
            return False
    return len(rows) + new <= most
