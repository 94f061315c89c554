"""The body of a success: done, refused, or nothing that we know."""

import re
from collections import deque
from collections.abc import Collection, Mapping
from itertools import islice
from typing import Final, Literal

from msgspec import Struct

MAX_NODES: Final = 4096
"""Objects and arrays that are looked at; a call has at most 1,000 rows."""
_MAX_DEPTH: Final = 6
_HEAD: Final = 64
"""Characters of a text that are looked at."""
_NAMES: Final = 8
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z_]{0,31}")
_KEPT: Final = 64

# ---- The shapes. Assumption: every row of an answer is about the one user whose rows were sent. ----

_REFUSED_ROWS: Final = frozenset(
    {
        "error", "errors", "failed", "failure", "failures", "invalid", "rejected", "not_found", "notFound", "failed_rows", "failedRows",
        "invalid_rows", "invalidRows", "rejected_rows", "rejectedRows", "error_count", "errorCount", "failed_count", "failedCount",
    }
)  # fmt: skip
"""Refused where they hold anything: a row, a text, a number."""
_NOTHING: Final = frozenset({"", "0", "false", "no", "none", "null"})
_FLAGS: Final = frozenset({"success", "ok"})
_STATUSES: Final = frozenset({"status", "status_code", "statusCode", "code"})
"""An HTTP status as a number or at the head of a text (`422 Unprocessable`), or a word. A contact's own `status` is neither of ours."""
_MESSAGES: Final = frozenset({"message", "result", "msg"})
_NO_WORDS: Final = frozenset({"error", "errors", "fail", "failed", "failure", "invalid", "rejected"})
_YES_WORDS: Final = frozenset({"ok", "success", "successful", "done", "created", "updated", "accepted", "inserted"})
_INSIDE: Final = frozenset(
    {"data", "results", "result", "response", "rows", "items", "records", "subscriber", "subscribers", "subscriptions", "products"}
    | {"summary", "meta", "report"}
)
"""Where answers to our calls may hold rows."""
_ROW: Final = frozenset({"id", "ids", "external_id", "email", "inserted", "updated", "created", "affected", "imported", "count", "total"})
"""What a row or a count of rows that was taken has."""
_STATUS_IN_TEXT: Final = re.compile(r"\s*(\d{3})\b")
_CLIENT_ERROR: Final = 400
_OK: Final = range(200, 300)


class Reading(Struct, frozen=True):
    """What an answer says; `shape`: the names of its fields where it says nothing that we know."""

    says: Literal["done", "refused", "unknown"]
    shape: str = ""


def read(tree: object) -> Reading:
    """
    Read the decoded body of a success.

    No more than 4,096 objects and arrays, 6 deep, are looked at: what is beyond is of an unknown shape. An empty answer is done.
    """
    if tree is False or _is_word(tree, _NO_WORDS):
        return Reading("refused")
    if tree is None or tree is True or tree in ({}, []) or _is_word(tree, _YES_WORDS):
        return Reading("done")
    known, looked = isinstance(tree, dict | list), 0
    waiting: deque[tuple[object, int]] = deque([(tree, 1)])
    while waiting:
        node, depth = waiting.popleft()
        looked += 1
        if isinstance(node, dict):
            if _is_refused(node):
                return Reading("refused")
            inside = [node[name] for name in node.keys() & _INSIDE if node[name] is None or isinstance(node[name], dict | list)]
            is_known = _is_known(node)
            known = known and (not node or is_known or bool(inside))
            below: Collection[object] = inside if is_known or inside else node.values()  # Else by a name that is an id.
        else:
            below = node if isinstance(node, list) else ()
            scalars = [one for one in islice(below, MAX_NODES) if not isinstance(one, dict | list)]
            if any(one is False for one in scalars):
                return Reading("refused")
            known = known and not any(isinstance(one, str) for one in scalars)  # What a text says is not known.
        room = MAX_NODES - looked - len(waiting)
        parts = [one for one in islice(below, room) if isinstance(one, dict | list)]
        known = known and len(below) <= room and (depth < _MAX_DEPTH or not parts)
        if depth < _MAX_DEPTH:
            waiting.extend((one, depth + 1) for one in parts)
    return Reading("done") if known else Reading("unknown", _shape(tree))


def _is_refused(node: Mapping[str, object]) -> bool:
    return (
        any(_holds(node[name]) for name in node.keys() & _REFUSED_ROWS)
        or any(_is_false(node[name]) for name in node.keys() & _FLAGS)
        or any(_status(node[name]) >= _CLIENT_ERROR or _is_word(node[name], _NO_WORDS) for name in node.keys() & _STATUSES)
        or _is_word(node.get("result"), _NO_WORDS)
        or node.get("result") is False
    )


def _is_known(node: Mapping[str, object]) -> bool:
    return (
        bool(node.keys() & (_ROW | _FLAGS | _REFUSED_ROWS))
        or any(_status(node[name]) in _OK or _is_word(node[name], _YES_WORDS) for name in node.keys() & _STATUSES)
        or any(node[name] is True or _is_word(node[name], _YES_WORDS) for name in node.keys() & _MESSAGES)
    )


def _holds(value: object) -> bool:
    if isinstance(value, str):
        return value[:_HEAD].strip().lower() not in _NOTHING
    return bool(value)


def _is_false(value: object) -> bool:
    return value is False or value == 0 or (isinstance(value, str) and not _holds(value))


def _status(value: object) -> int:
    """Return an HTTP status; -1: it is none."""
    if isinstance(value, str):
        found = _STATUS_IN_TEXT.match(value[:_HEAD])
        return int(found[1]) if found else -1
    if isinstance(value, bool) or not isinstance(value, int | float):
        return -1
    return int(value) if 0 <= value < 1000 else -1  # noqa: PLR2004 - three digits


def _is_word(value: object, words: frozenset[str]) -> bool:
    return isinstance(value, str) and value[:_HEAD].strip(" .!").lower() in words


def _shape(tree: object) -> str:
    """Return the names of an answer's fields, sorted, without any value: what looks like no name is `*`, so that no id is one."""
    if isinstance(tree, list):
        return f"[{_shape(tree[0])}]"
    if not isinstance(tree, dict):
        return type(tree).__name__
    names = [name if _NAME.fullmatch(name) else "*" for name in islice(tree, _NAMES)]
    return ",".join(sorted(set(names))) + (",..." if len(tree) > _NAMES else "")


class UnknownShape(Struct):
    """How often an upstream answered so."""

    upstream: str
    op: str
    shape: str
    count: int = 0


class UnknownShapes:
    """The answers of unknown shape, by upstream, operation and shape; at most 64 of them, what comes later is not kept."""

    def __init__(self) -> None:
        """Begin with none."""
        self._seen: dict[tuple[str, str, str], UnknownShape] = {}

    def note(self, upstream: str, op: str, shape: str) -> bool:
        """Count one; return whether it is the first of its kind."""
        key = (upstream, op, shape)
        is_new = key not in self._seen and len(self._seen) < _KEPT
        if is_new:
            self._seen[key] = UnknownShape(upstream, op, shape)
        if key in self._seen:
            self._seen[key].count += 1
        return is_new

    def seen(self) -> tuple[UnknownShape, ...]:
        """Return them, the oldest first."""
        return tuple(self._seen.values())
