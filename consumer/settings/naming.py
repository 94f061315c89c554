"""The place of a setting, for people: the variable that may give it, the vendor and list it is about, the line of the file."""

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

from msgspec import structs

from ..core.text import printable
from .findings import Finding
from .model import Settings

_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_VENDOR: Final = re.compile(r"vendors\[(\d+)\](?:(\.makeas)(?:\[(\d+)\])?)?")
_TABLE: Final = re.compile(r"\s*(\[\[?)\s*([\w.]+)\s*\]\]?\s*(?:#.*)?")
_KEY: Final = re.compile(r"\s*(\w+)\s*=")

Names = Sequence[tuple[str, Sequence[str]]]
"""Of each vendor, in order: its id and the ids of its lists; what is none is empty."""


def names_in(tree: dict[str, Any]) -> Names:
    """Return the names that a tree of settings gives, whatever else is wrong with it."""
    vendors = _tables(tree.get("vendors"))
    return [(_text(vendor.get("id")), [_text(one.get("listId")) for one in _tables(vendor.get("makeas"))]) for vendor in vendors]


def names_of(settings: Settings) -> Names:
    """Return the names that settings give."""
    return [(vendor.id, [one.list_id for one in vendor.makeas]) for vendor in settings.vendors]


def clearer(findings: Iterable[Finding], names: Names, *, text: str = "") -> list[Finding]:
    """Return the findings with the words of where they are; `text` is the file's."""
    return [structs.replace(one, shown=shown(one.path, names), line=line_of(text, one.path)) for one in findings]


def shown(path: str, names: Names) -> str:
    """Return a path with what it is about: `kafka.topic (or KAFKA_TOPIC)`, `vendors[0] (vendor_123).makeas[1] (1466).apiKey`."""
    if path in _leaves():
        return f"{path} (or {path.replace('.', '_').upper()})"
    found = _VENDOR.match(path)
    if found is None or int(found[1]) >= len(names):
        return path
    vendor, lists = names[int(found[1])]
    said = f"vendors[{found[1]}]" + (f" ({printable(vendor)})" if _ID.fullmatch(vendor) else "") + (found[2] or "")
    if found[3] is not None:
        name = lists[int(found[3])] if int(found[3]) < len(lists) else ""
        said += f"[{found[3]}]" + (f" ({name})" if name.isdecimal() and _ID.fullmatch(name) else "")
    return said + path[found.end() :]


def line_of(text: str, path: str) -> int | None:
    """Return the line of a key of the file, counted from 1; that of its table or its parent where it stands on no line of its own."""
    best: tuple[int, int] | None = None
    table, counts = "", dict[str, int]()
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _TABLE.fullmatch(line):
            table = _numbered(header[2], counts, is_row=header[1] == "[[")
            here = table
        elif key := _KEY.match(line):
            here = f"{table}.{key[1]}" if table else key[1]
        else:
            continue
        if _leads_to(here, path) and (best is None or len(here) > best[0]):
            best = (len(here), number)
    return None if best is None else best[1]


def _numbered(name: str, counts: dict[str, int], *, is_row: bool) -> str:
    """Return a table's path as findings write it: the rows of an array have numbers."""
    said = ""
    parts = name.split(".")
    for place, part in enumerate(parts):
        said = f"{said}.{part}" if said else part
        if place == len(parts) - 1 and is_row:
            counts[said] = counts.get(said, -1) + 1
        if said in counts:
            said = f"{said}[{counts[said]}]"
    return said


def _leads_to(here: str, path: str) -> bool:
    rest = path.removeprefix(here)
    return rest != path and (not rest or rest[0] in ".[")


def _leaves() -> set[str]:
    found: set[str] = set()
    for section in structs.fields(Settings):
        if section.name != "vendors":
            found |= {f"{section.name}.{part.name}" for part in structs.fields(section.type)}
    return found


def _tables(value: object) -> list[dict[str, Any]]:
    rows = [value] if isinstance(value, dict) else value
    return [one if isinstance(one, dict) else {} for one in rows] if isinstance(rows, list) else []


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
