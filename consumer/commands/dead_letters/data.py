"""Letters as data: numbers are numbers, lists are lists, and what is not known is null."""

from collections.abc import Collection, Mapping
from typing import Any, Final

import msgspec

from ...core.letters.headers import Identity, number, read_time
from ...core.letters.history import Entry

_TIMES: Final = ("parked_at", "requeued_at", "closed_at")


def as_data(entry: Entry, *, repeats: str = "") -> dict[str, Any]:
    """
    Return a letter for JSON: an empty text is null, beside each time stands its number (ms since 1970), beside each place its two.

    Args:
        repeats: the place of an earlier letter of the same, empty: there is none.
    """
    said: dict[str, Any] = {name: None if value == "" else value for name, value in msgspec.to_builtins(entry).items()}
    said["attempts"] = _number(entry.attempts)
    said["lists"] = [one for one in entry.lists.split(",") if one]
    for name in _TIMES:
        said[name.replace("_at", "_ms")] = read_time(said[name]) if said[name] is not None else None
    said["partition"], said["offset"] = entry.at
    said["source_partition"], said["source_offset"] = map(_number, entry.source.partition(":")[::2])
    said["repeats"] = repeats or None
    return said


def repeated(entries: Collection[Entry]) -> Mapping[str, str]:
    """
    Return the place of each open letter that says again what an earlier open one says -> the place of that one.

    The status counts such letters once.
    """
    first: dict[Identity, str] = {}
    found: dict[str, str] = {}
    for entry in sorted(entries, key=lambda one: (one.parked_at, one.at)):
        same = entry.identity
        if not entry.is_open or same is None:
            continue
        if same in first:
            found[entry.place] = first[same]
        else:
            first[same] = entry.place
    return found


def _number(text: str) -> int | None:
    found = number(text)
    return None if found < 0 else found
