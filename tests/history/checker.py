"""Reads a history and says where a promise did not hold: `python -m tests.history.checker FILE`."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from tests.history.invariants import EVERY
from tests.history.operations import Operation, Town, read
from tests.history.seen import RESOURCES, Seen


class Violation(NamedTuple):
    """Where a promise did not hold."""

    invariant: str
    at: float
    text: str

    def __str__(self) -> str:
        return f"{self.invariant} at {self.at:.3f}: {self.text}"


def check(town: Town, history: Iterable[Operation], *, parts: tuple[str, ...] = RESOURCES, is_whole: bool = True) -> list[Violation]:
    """
    Return all violations, in the order of their times.

    Args:
        history: in the order in which it happened.
        parts: the parts of a user of which the history has versions.
        is_whole: whether it has come to its end; if not, nothing is asked of the end.
    """
    seen, invariants = Seen(town, parts), [made() for made in EVERY]
    found: list[Violation] = []
    at = 0.0
    for op in history:
        at = op.at
        found += [Violation(one.name, at, text) for one in invariants for text in one.see(op, seen)]
        seen.take(op)
    if is_whole:
        found += [Violation(one.name, at, text) for one in invariants for text in one.end(seen)]
    return found


if __name__ == "__main__":
    violations = check(*read(Path(sys.argv[1])))
    print("\n".join(map(str, violations)) or "no violation")
    sys.exit(bool(violations))
