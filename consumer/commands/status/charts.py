"""The last hour as charts of one line: a mark a minute, with the last value and the most."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from ...core.text import age
from ...pod.status.hour.shapes import LastHour
from ...pod.status.tree import ListStatus

_MARKS: Final = "▁▂▃▄▅▆▇█"
_ASCII: Final = "_.:-=+*#"
_NONE: Final = " "


def chart(values: Sequence[float | None], *, is_ascii: bool) -> str:
    """Return a mark a value, by its part of the greatest; a space where it is not known."""
    marks = _ASCII if is_ascii else _MARKS
    most = max((one for one in values if one is not None), default=0.0)
    last = len(marks) - 1
    return "".join(_NONE if one is None else marks[round(max(0.0, one) / most * last)] if most > 0 else marks[0] for one in values)


def charts(hour: LastHour | None, lists: Sequence[ListStatus], *, is_ascii: bool) -> Iterator[tuple[str, str, str, str]]:
    """Give each chart's name, its last value, the most and its marks; nothing of what is not known."""
    if hour is None:
        return
    titles: Mapping[tuple[str, str, str], str] = {(one.vendor, one.account, one.list): one.title for one in lists}
    step = "a minute" if hour.step_s == 60 else f"in {age(hour.step_s)}"  # noqa: PLR2004 - a minute's seconds
    rows: list[tuple[str, Sequence[float | None], Callable[[float], str], str]] = [
        ("events read", hour.events, _number, f" {step}"),
        ("resyncs", hour.resyncs, _number, f" {step}"),
        ("dirty users", hour.dirty, _number, ""),
        *((f"{titles.get((one.vendor, one.account, one.list), one.list)} fresh after", one.freshness_s, age, "") for one in hour.lists),
    ]
    for name, values, told, unit in rows:
        known = [one for one in values if one is not None]
        if known:
            last = "?" if values[-1] is None else told(values[-1])
            yield name, last, f"{told(max(known))}{unit}", chart(values, is_ascii=is_ascii)


def _number(value: float) -> str:
    return f"{value:,.0f}"
