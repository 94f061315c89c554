"""The place of a setting, for people: the variable that may give it, the vendor and list it is about, the line of the file."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from msgspec import Struct, structs

from ..core.text import printable
from .findings import Finding
from .model import Settings

_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_VENDOR: Final = re.compile(r"vendors\[(\d+)\](?:(\.makeas)(?:\[(\d+)\])?)?")
_TABLE: Final = re.compile(r"[ \t]*(\[\[?)([^\[\]\n]+)\]")
_KEY: Final = re.compile(r"[ \t]*([^\s=#\[][^\n=#]*)=")
_EQUALS: Final = re.compile(r"[ \t]*=")
_TOKEN: Final = re.compile(
    r'''"""(?:\\.|[^\\])*?"{3,5}|\'\'\'.*?'{3,5}|"(?:\\.|[^"\\\n])*"|'[^'\n]*'|#[^\n]*|[\[\]{},=\n]|[^\s\[\]{},=#"']+''', re.DOTALL
)
"""A string, a comment, a mark or a bare word of TOML."""

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
    places, found = [*_places(text)], list[Finding]()
    for one in findings:
        line, column = _nearest(text, places, one.path)
        found.append(structs.replace(one, shown=shown(one.path, names), line=line, column=column))
    return found


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


def place_of(text: str, path: str) -> tuple[int | None, int | None]:
    """Return the line and column of a key of the file, as `clearer` says them."""
    return _nearest(text, [*_places(text)], path)


def _nearest(text: str, places: Iterable["_Place"], path: str) -> tuple[int | None, int | None]:
    """
    Return the line of a path, counted from 1; that of its table or its parent where it stands nowhere itself.

    What is in an inline array has a column, too: several rows may share a line, and have none of their own.
    """
    there = [place for place in places if _leads_to(place.path, path)]
    if not there:
        return None, None
    best = max(there, key=lambda place: len(place.path))
    before = text[: best.at]
    return before.count("\n") + 1, best.at - before.rfind("\n") if best.is_in_array else None


class _Place(Struct, frozen=True):
    """Where a table, a key or a row of an inline array begins."""

    path: str
    at: int
    is_in_array: bool = False


class _Open(Struct):
    """An inline table or array whose end has not come."""

    path: str
    is_array: bool
    rows: int = 0


def _places(text: str) -> Iterator[_Place]:
    """Give the places of a file that is TOML."""
    table, counts, at = "", dict[str, int](), 0
    while at < len(text):
        if header := _TABLE.match(text, at):
            table = _numbered(_plain(header[2]), counts, is_row=header[1] == "[[")
            yield _Place(table, header.start(1))
        elif key := _KEY.match(text, at):
            here = f"{table}.{_plain(key[1])}" if table else _plain(key[1])
            yield _Place(here, key.start(1))
            inside = _Inside(text, here, key.end())
            yield from inside.places()
            at = inside.at
        at = text.find("\n", at) + 1 or len(text)


class _Inside:
    """The value of a key: its places, and then, at `at`, where it ends."""

    def __init__(self, text: str, path: str, at: int) -> None:
        self._text, self._next, self.at = text, path, at
        self._open: list[_Open] = []

    def places(self) -> Iterator[_Place]:
        for token in _TOKEN.finditer(self._text, self.at):
            self.at = token.end()
            if token[0][0] in "#\n,=":  # A line's end is none of the value: it ends with its last token.
                continue
            if token[0] in "]}":
                self._open.pop()
            else:
                yield from self._begun(token)
            if not self._open:
                return

    def _begun(self, token: re.Match[str]) -> Iterator[_Place]:
        inner = self._open[-1] if self._open else None
        if inner is not None and inner.is_array:
            self._next = f"{inner.path}[{inner.rows}]"
            inner.rows += 1
            yield _Place(self._next, token.start(), is_in_array=True)
        elif inner is not None and _EQUALS.match(self._text, token.end()):
            self._next = f"{inner.path}.{_plain(token[0])}"
            yield _Place(self._next, token.start(), is_in_array=any(one.is_array for one in self._open))
            return
        if token[0] in "[{":
            self._open.append(_Open(self._next, is_array=token[0] == "["))


def _plain(key: str) -> str:
    return re.sub(r"[\s\"']", "", key)


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
