"""The verdict: what is so and what to do, in one look, of one pod or of all that were asked."""

from collections.abc import Iterable
from typing import Final, Literal

from msgspec import Struct

Level = Literal["fine", "notice", "trouble", "unknown"]
"""`notice`: works, and somebody should know, or it will be well by itself; `unknown`: not enough is known to say that it is fine."""


class Point(Struct, frozen=True, kw_only=True):
    """One thing that is so, and what to do."""

    level: Level
    text: str
    """Subject, how many, since when, why: `1 of 4 lists stopped since 14:02 (12 min): account 1001 refuses the key`."""
    cure: str = ""
    """What to do, as an order, without a full stop."""
    runbook: str = ""
    """The heading in deploy/RUNBOOK.md that has more; empty: none has."""


class Verdict(Struct, frozen=True, kw_only=True):
    """What is shown first."""

    level: Level
    """The worst of the points; without any: fine."""
    points: tuple[Point, ...] = ()
    """The worst first."""
    scope: str = ""
    """As far as it goes, where that is not everything: `for 2 of 12 partitions`."""


_ORDER: Final[tuple[Level, ...]] = ("trouble", "unknown", "notice", "fine")


def weighed(points: Iterable[Point]) -> Verdict:
    """Return the verdict of some points; those of one level stay in their order."""
    ordered = tuple(sorted(points, key=lambda one: _ORDER.index(one.level)))
    return Verdict(level=ordered[0].level if ordered else "fine", points=ordered)
