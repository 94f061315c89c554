"""Text for people: foreign text made harmless, lengths of time, and moments."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

_SHOWN: Final = 64
_AGE_STEPS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"))


def _escape(one: str) -> str:
    return one.encode("unicode_escape", "surrogatepass").decode("ascii")


def printable(text: str, *, escape: Callable[[str], str] = _escape) -> str:
    """Return text that can't speak to a terminal: each character that does not print is what `escape` makes of it."""
    return text if text.isprintable() else "".join(one if one.isprintable() else escape(one) for one in text)


def shown(text: str, *, limit: int = _SHOWN) -> str:
    """Return foreign text fit to be shown: what does not print is escaped, and it is cut at `limit` characters."""
    short = printable(text[: limit + 1])
    return short if len(short) <= limit else short[: limit - 1] + "…"


def age(seconds: float | None) -> str:
    """Return how long ago something was, for a glance: `3 s`, `4 min`, `2 h`, `5 d`; empty for None."""
    if seconds is None:
        return ""
    for length, unit in _AGE_STEPS:
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def counted(number: int, noun: str) -> str:
    """Return how many there are of something, in words: `1 reader`, `1,200 readers`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def duration(seconds: float) -> str:
    """Return how long something takes, to plan by: `1 h 05 min`, `3 min 20 s`, `4 s`."""
    minutes, rest_s = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest_s:02} s" if minutes else f"{rest_s} s"


def utc(at_s: float) -> str:
    """Return a moment (seconds since 1970) in ISO 8601, to the second."""
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
