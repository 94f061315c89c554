"""
Shapes of JSON that others wrote: odd is not wrong, and what can't be read harms nothing else.

What can be read as it is meant, is. Else it goes by what hangs on the value: a field that decides makes the answer
unusable, any other counts as absent, and a row without what identifies it is left out.
"""

import json
import re
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from math import isfinite
from typing import Any, Final, Generic, TypeVar

import msgspec
from msgspec import Struct, field

from ..errors import Retryable

EPOCH: Final = "[1-9][0-9]{8,9}(?:[0-9]{3})?"
"""Digits that can be a time of 1973 to 2286, in seconds or milliseconds; fewer may be a day (20260301), more a day and a time."""

_EPOCH: Final = re.compile(EPOCH)
_SECONDS, _MILLISECONDS = (1e8, 1e10), (1e11, 1e13)
_HALF: Final = re.compile("[\ud800-\udfff]")
"""Half a character: of a text that was cut within one, or that was no UTF-8."""
_REPLACEMENT: Final = "\ufffd"
_FLAGS: Final = {"true": True, "1": True, "false": False, "0": False}
_BOM: Final = b"\xef\xbb\xbf"
_ODD_BYTES: Final = 1024 * 1024
"""No more is read a second time: the second reader is slow, and has the loop for itself."""
_DIGITS: Final = 400
_WHOLE_FLOAT: Final = 2.0**53

T = TypeVar("T")


class Odd(Exception):
    """A value can't be read as the kind that is wanted."""


class Json(Struct):
    """A decoded body, which is mended in place as it is read."""

    tree: object
    plain: bool = True
    """All of its text is whole."""

    odd: list[str] = field(default_factory=list)
    """Names of the fields and rows that could not be read; never a value."""

    left: int = 5_000
    """So many objects and odd values are looked at; beyond, mending would hold up the loop."""

    def spend(self, count: int) -> None:
        """
        Look at `count` more.

        Raises:
            Retryable: `wrong-shape`, those are too many.
        """
        self.left -= count
        if self.left < 0:
            raise unusable("more than can be mended")

    def note(self, name: str) -> None:
        """Note that one could not be read; raises as `spend`."""
        self.odd.append(name)
        self.spend(1)


def decoded(body: bytes) -> Json:
    """
    Decode a body; a byte order mark, half a character, a raw control character and a number without end are no hindrance.

    Raises:
        ValueError, RecursionError: it is not JSON.
    """
    try:
        return Json(msgspec.json.decode(body.removeprefix(_BOM)))
    except (msgspec.MsgspecError, ValueError):
        if len(body) > _ODD_BYTES:
            raise
    text = body.decode("utf-8-sig", "surrogateescape")
    return Json(json.loads(text, strict=False, parse_int=_integer), plain=False)


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) < _DIGITS else float(digits)


# ---- Kinds: each reads a value that is there, or raises `Odd`. ----

Kind = Callable[[Any, Json], object]


def text(value: object, _: Json) -> str:
    """Read text, or a number as text; of half a character U+FFFD is left."""
    if isinstance(value, str):
        return value if value.isascii() else _HALF.sub(_REPLACEMENT, value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise Odd
    return str(int(value)) if isinstance(value, float) and value.is_integer() and abs(value) < _WHOLE_FLOAT else str(value)


def word(value: object, said: Json) -> str:
    """Read text that is compared or looked up: half a character makes it another one."""
    if isinstance(value, str) and _HALF.search(value):
        raise Odd
    return text(value, said)


def date(value: object, said: Json) -> str:
    """Read a date: text as it is, seconds and milliseconds since 1970 in ISO 8601, UTC."""
    if isinstance(value, str) and ("-" in value or not _EPOCH.fullmatch(value)):
        return text(value, said)
    since = value if type(value) is int else number(value) or 0.0
    if _MILLISECONDS[0] <= since < _MILLISECONDS[1]:
        since /= 1000
    elif not _SECONDS[0] <= since < _SECONDS[1]:
        raise Odd
    found: str = msgspec.to_builtins(datetime.fromtimestamp(since, UTC))
    return f"{found[:-4]}Z" if "." in found else found  # Milliseconds, not micro.


def flag(value: object, _: Json | None = None) -> bool:
    """Read true, false, 1 and 0, be they booleans, numbers or text."""
    found = _FLAGS.get(value.strip().lower()) if isinstance(value, str) else None
    if found is None and isinstance(value, int | float) and value in (0, 1):
        found = bool(value)
    if found is None:
        raise Odd
    return found


def each(kind: Kind, name: str) -> Kind:
    """Return the kind of a list: null stands for no entry, one that can't be read is left out, unless all would be."""

    def read(value: object, said: Json) -> list[object]:
        if value in ({}, ""):  # As some write an empty list.
            return []
        if not isinstance(value, list):
            raise Odd
        said.spend(len(value))
        there = [one for one in value if one is not None]
        found = []
        for one in there:
            try:
                found.append(kind(one, said))
            except Odd:
                said.note(name)
        if there and not found:
            raise Odd
        return found

    return read


_RIGHT: Final[Mapping[Kind, type]] = {text: str, word: str, flag: bool}
"""Where no text is cut, a value of this type is read as it is."""


def number(value: object) -> float | None:
    """Return a number, be it written as text, as a float; None: it is none, not finite, or too large for one."""
    if isinstance(value, str):
        value = value[:_DIGITS].strip()
        # What `float` takes beyond that (`nan`, `1_000`, other digits) is not meant.
        if not (value.isascii() and value.replace(".", "", 1).isdigit()):
            return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if isfinite(found) else None


# ---- Objects and rows ----


def unusable(what: str) -> Retryable:
    """Return what is raised where an answer is none that can be used."""
    return Retryable(f"{what}: the answer has an unknown shape", code="wrong-shape")


class Shape(Generic[T]):
    """
    How the objects of one noun are read: the kind of each field, by its name on the wire.

    It promises: what is well typed is read as it is; an optional field that can't be read counts as absent; a row that
    does not say what identifies it is left out. Their names are noted.
    """

    def __init__(self, noun: type[T], name: str, kinds: Mapping[str, Kind], *, identifies: str = "", decides: Collection[str] = ()) -> None:
        """
        Take the table.

        Args:
            noun: a struct, which has all those fields.
            name: stands before the names of the fields.
            identifies: the field without which there is no object.
            decides: fields that are never absent for their type: the answer is unusable then.
        """
        self.name, self.kinds, self.decides = name, kinds, frozenset(decides)
        self._noun, self._nouns, self._identifies = noun, list[noun], identifies  # type: ignore[valid-type]
        self._table = tuple((field, kind, _RIGHT.get(kind)) for field, kind in kinds.items())

    def mend(self, tree: object, said: Json) -> dict[str, object]:
        """
        Bring an object's fields into their kinds, in place.

        Raises:
            Odd: it is none, or does not say what identifies it.
            Retryable: `wrong-shape`, a field that decides can't be read.
        """
        if not isinstance(tree, dict):
            raise Odd
        plain = said.plain
        for name, kind, right in self._table:
            value = tree.get(name)
            if value is None or (type(value) is right and plain):
                continue
            try:
                tree[name] = kind(value, said)
            except Odd:
                said.note(f"{self.name}.{name}")
                if name in self.decides:
                    raise unusable(f"{self.name}.{name}") from None
                tree[name] = None
        if self._identifies and not (tree.get(self._identifies) or "").strip():
            raise Odd
        return tree

    def one(self, tree: object, said: Json) -> T:
        """
        Return one object.

        Raises:
            Odd, Retryable: as `mend`.
        """
        if said.plain:
            with suppress(msgspec.ValidationError):
                return msgspec.convert(tree, self._noun)
        return msgspec.convert(self.mend(tree, said), self._noun)

    def rows(self, trees: list[object], said: Json) -> list[T]:
        """
        Return the rows that can be used.

        Raises:
            Retryable: `wrong-shape`, as `mend`, or where none of them can.
        """
        if said.plain:
            with suppress(msgspec.ValidationError):
                return msgspec.convert(trees, self._nouns)
        said.spend(len(trees))
        mended = []
        for tree in trees:
            try:
                mended.append(self.mend(tree, said))
            except Odd:
                said.note(self.name)
        if trees and not mended:
            raise unusable(self.name)
        return msgspec.convert(mended, self._nouns)
