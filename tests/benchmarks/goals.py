"""The goals: what a figure was to be, and what it came to."""

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct


class Figure(Struct, frozen=True, kw_only=True):
    """A figure that has a goal."""

    name: str
    goal: float
    got: float
    is_best: Literal["least", "most"] = "least"
    """Whether the goal is the most that it may be, or the least."""
    unit: str = ""
    digits: int = 2

    @property
    def is_met(self) -> bool:
        """Say whether it is as good as it was to be."""
        return self.got <= self.goal if self.is_best == "least" else self.got >= self.goal

    def line(self) -> tuple[str, str, str, str]:
        """Return it in words: name, goal, got, verdict."""
        sign, digits, unit = ("≤" if self.is_best == "least" else "≥"), self.digits, f" {self.unit}".rstrip()
        return self.name, f"{sign} {self.goal:.{digits}f}{unit}", f"{self.got:.{digits}f}{unit}", "met" if self.is_met else "NOT MET"


def table(figures: Sequence[Figure]) -> str:
    """Return all in one table."""
    lines = [("figure", "goal", "got", ""), *(one.line() for one in figures)]
    widths = [max(len(line[place]) for line in lines) for place in range(3)]
    return "\n".join(
        f"  {name:<{widths[0]}}  {goal:<{widths[1]}}  {got:<{widths[2]}}  {verdict}".rstrip() for name, goal, got, verdict in lines
    )
