"""Words that all that is told has in common: numbers with their noun, some of many names, and times."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from ....core.model import Failure
from ....core.text import age

_NOT_KEPT: Final[Mapping[str, str]] = {
    "lists": "puts contacts on no list that they were put on",
    "tags": "does not have our tags as they were written",
    "others_tags": "loses the tags of others",
}
_SHUT: Final[Mapping[str, str]] = {
    "denied": "refuses the key",
    "breaker": "failed for five users in a row",
    "absent": "knew none of twenty users in a row",
    "filter": "answers with others' rows, whoever is asked for",
    "unproven": "has not answered yet whether it heeds which user is asked for",
    "retry-after": "asked us to wait",
}
UNASKED: Final = "no pod answers: not known"
"""Stands where only a pod could say what is so."""
ANSWERED: Final = " at the pods that answer"
"""Stands behind what the silent ones may have, too."""
KEY_CURE: Final = "put the right key into its secret: a file is read again by itself; where it comes from a variable, restart the pods"
LIMIT_CURE: Final = "wait; where it comes often, lower its rate in the settings"
RATE_LIMITED: Final = "http-429"
"""The code of an answer that we ask too often."""
_NAMED: Final = 5
LATE_S: Final = 900.0
"""An event that waits for longer is shown as trouble."""
_DAY_S: Final = 86_400.0


def named(number: int, what: str) -> str:
    """Return a number with its noun: `1 partition`, `1,200 partitions`."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def not_kept(what: Iterable[str]) -> str:
    """Say what an account does that takes a contact, and does not keep it."""
    return " and ".join(_NOT_KEPT.get(one, one) for one in what)


def shut(cause: str, code: str = "", *, is_sesamy: bool) -> str:
    """Say what an upstream does whose gate is not open; `code`: of its last failure, empty where that is not known."""
    if cause == "denied" and is_sesamy:
        return "refuses the client"
    if cause != "breaker":
        return _SHUT.get(cause, "has a gate that is not open")
    what = "answers that we ask too often" if code == RATE_LIMITED else _SHUT[cause]
    return f"{what} ({code})" if code else what


def some(names: Sequence[str]) -> str:
    """Return the first few of many names, and how many more there are."""
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more:,} more" if more > 0 else "")


def ago(at: float, *, now: float) -> str:
    """Return how long ago a time was."""
    return f"{age(now - at)} ago"


def clock(at: float, *, now: float) -> str:
    """Return a time of day in UTC, for the reader may be anywhere; with its date where that is not within a day of now."""
    try:
        moment = datetime.fromtimestamp(at, tz=UTC)
    except (ValueError, OverflowError, OSError):
        return "?"
    return f"{moment:%H:%M} UTC" if abs(now - at) < _DAY_S else f"{moment:%Y-%m-%d %H:%M} UTC"


def since(length_s: float, *, now: float) -> str:
    """Return since when, and for how long: `since 14:02 UTC (12 min)`."""
    return f"since {clock(now - length_s, now=now)} ({age(length_s)})"


def last_code(upstream: str, failures: Iterable[Failure]) -> str:
    """Return the code of an upstream's newest failure; empty: none is known."""
    newest = max((one for one in failures if one.upstream == upstream), key=lambda one: one.last_at, default=None)
    return "" if newest is None else newest.code
