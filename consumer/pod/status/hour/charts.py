"""Charts of the last hour: each a row of minutes as the outline of an SVG, and the same in words for those that don't see it."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import Final

from msgspec import Struct

from ....core.text import age
from .shapes import LastHour

HEIGHT: Final = 20
"""Of the picture, whose width is the number of minutes; it is stretched to its place."""
_LEAST: Final = 0.7
"""Height of what is 0: seen as something that is known, unlike a gap."""
_LATE_S: Final = 900.0

Words = Callable[[float], str]
Values = Sequence[float | None]


class Chart(Struct, frozen=True, kw_only=True):
    """One picture."""

    name: str
    now: str
    """The newest value, in words; empty: not known."""
    most: str
    """The greatest value, in words; empty: none is known."""
    words: str
    """All that it shows, in words."""
    width: int
    path: str
    """What is filled; minutes that are not known are gaps."""
    late: str = ""
    """The part of it that is too late."""


def charts(hour: LastHour | None, *, at: float) -> tuple[Chart, ...]:
    """
    Return the pictures of a pod; none, where no minute has ended.

    Args:
        at: wall time (s), for when the hour began.
    """
    if hour is None:
        return ()
    rows: tuple[tuple[str, Values, str], ...] = (
        ("events in", hour.events, " a minute"),
        ("resyncs ended", hour.resyncs, " a minute"),
        ("dirty users", hour.dirty, ""),
    )
    return tuple(_chart(name, values, _number, unit=unit, at=at, step_s=hour.step_s) for name, values, unit in rows)


def freshness(values: Values, *, at: float, step_s: float = 60.0) -> Chart:
    """Return the small picture of one list; what is later than 15 minutes is marked."""
    return _chart("fresh after", values, age, unit="", at=at, step_s=step_s, late_from=_LATE_S)


def _number(value: float) -> str:
    return f"{value:,.0f}"


def _chart(name: str, values: Values, words: Words, *, unit: str, at: float, step_s: float, late_from: float | None = None) -> Chart:
    known = [value for value in values if value is not None]
    newest, greatest = values[-1] if values else None, max(known, default=0.0)
    now, most = "" if newest is None else words(newest) + unit, words(greatest) if known else ""
    said = [f"{now} now" if now else "not known now", f"at most {most}"] if known else ["nothing known"]
    if known:
        first = next(number for number, value in enumerate(values) if value is not None)
        end = at // step_s * step_s
        said.append(f"began {datetime.fromtimestamp(end - (len(values) - first) * step_s, tz=UTC):%H:%M} UTC")
        gaps = len(values) - first - len(known)
        said += [f"{gaps} minute{'' if gaps == 1 else 's'} without a value"] * bool(gaps)
    tops = [None if value is None else _top(value, greatest) for value in values]
    is_late = [late_from is not None and value is not None and value > late_from for value in values]
    return Chart(
        name=name,
        now=now,
        most=most,
        words=f"{name}, last hour: {', '.join(said)}",
        width=len(values),
        path="".join(_outline(tops)),
        late="".join(_outline([top if late else None for top, late in zip(tops, is_late, strict=True)])),
    )


def _top(value: float, greatest: float) -> float:
    """Return how far from the top edge a minute's column begins."""
    share = value / greatest if greatest > 0 else 0.0
    return round(HEIGHT - max(_LEAST, share * HEIGHT), 1)


def _outline(tops: Sequence[float | None]) -> Iterator[str]:
    """Give the columns as one path; neighbours of one height are one column."""
    at = 0
    for top, run in groupby(tops):
        begin, at = at, at + len(list(run))
        if top is not None:
            yield f"M{begin} {HEIGHT}V{top:g}H{at}V{HEIGHT}z"
