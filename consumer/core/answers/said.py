"""The message of a refusal, for people: what the remote said, without any value of the exchange."""

import re
from base64 import b64decode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Final
from urllib.parse import unquote

import msgspec
from msgspec import Struct

from ..text import shown

LIMIT: Final = 120
"""Characters of a message that are kept."""
_LOOKED_AT: Final = 4096
"""Characters of a body, and values of an exchange, that are looked at."""
_GONE: Final = "…"
_MESSAGES: Final = (
    "message",
    "error_description",
    "detail",
    "title",
    "msg",
    "reason",
    "description",
    "error",
    "errors",
    "data",
    "response",
)
"""Where a message stands, the likeliest first; below an object or an array of these the same holds."""
_DEPTH: Final = 4
_SHORT: Final = 3
"""A shorter value is replaced where it stands as a word alone."""
_ADDRESS: Final = re.compile(r"[^\s<>\"'(),;:]+@[^\s<>\"'(),;]+")
_LINK: Final = re.compile(r"\b[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE)
_QUOTED: Final = re.compile(r"\"[^\"]*\"|(?<!\w)'[^']*'(?!\w)|`[^`]*`|[“„«»][^”“«»]*[”“»«]")
_DIGITS: Final = re.compile(r"\d+(?:[.,:/-]?\d+)*")
_NAME_LIKE: Final = re.compile(r"(?<![.!?:] )(?<!^)\b[^\W\d_]*[A-ZÀ-ÖØ-Þ][^\W\d_]*[a-zß-öø-ÿ][^\W\d_]*")
"""A word with a capital letter behind the beginning of a sentence: it may be a name that the exchange does not hold."""
_GONES: Final = re.compile(r"…(?:[\s.,;/|+&-]*…)+")
_NO_WORDS: Final = re.compile(rb"\s*[<{[]")
"""How a page begins, and JSON that is cut off: no message."""


class Sent(Struct, frozen=True):
    """What was sent, as it was; looked at only where a refusal comes back."""

    path: str = ""
    query: Sequence[tuple[str, str]] = ()
    json: object = None
    form: Mapping[str, str] = {}
    login: str = ""
    """The `Authorization`."""

    def values(self) -> Iterator[str]:
        """Give each value."""
        yield from self.path.split("/")
        yield from (value for _, value in self.query)
        yield from self.form.values()
        kind, _, token = self.login.partition(" ")
        yield token
        if kind == "Basic":
            yield from b64decode(token).decode("utf-8", "replace").split(":", 1)
        yield from _values(self.json, but="")

    def names(self) -> Iterator[str]:
        """Give the names of the fields."""
        yield from (name for name, _ in self.query)
        yield from self.form
        yield from _names(self.json)


def said(body: bytes, sent: Sent = Sent()) -> str:  # noqa: B008 - it is frozen
    """
    Return what a refusal says in words, at most 120 characters; empty: nothing that can be read.

    It promises: no value that was sent or received in the exchange, no address, no run of digits, nothing in quotes and no word that may
    be a name, but the names of fields.
    """
    tree, text = _read(body)
    given = [*islice(chain(sent.values(), _values(tree, but=text)), _LOOKED_AT + 1)]
    if not text or len(given) > _LOOKED_AT:
        return ""
    names = {name.casefold() for name in chain(sent.names(), _names(tree))}
    values = {value for one in given for value in _forms(one)}
    plain = "".join(one if one.isprintable() else _GONE for one in " ".join(text.split())[:_LOOKED_AT])
    return shown(_without(plain, values, names), limit=LIMIT).strip()


def _read(body: bytes) -> tuple[object, str]:
    try:
        tree = msgspec.json.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None, "" if _NO_WORDS.match(body) else body[:_LOOKED_AT].decode("utf-8", "replace").strip()
    return tree, _message(tree, _DEPTH)


def _message(tree: object, depth: int) -> str:
    if isinstance(tree, str):
        return tree
    if depth == 0:
        return ""
    if isinstance(tree, list):
        below: Iterable[object] = tree[:_DEPTH]
    elif isinstance(tree, dict):
        known = [tree[name] for name in _MESSAGES if name in tree]
        # `{"errors": {"email": ["is taken"]}}`: a field's name over its messages.
        below = known or ([*islice(tree.values(), _DEPTH)] if depth < _DEPTH else [])
    else:
        return ""
    return next((text for one in below if (text := _message(one, depth - 1))), "")


def _names(tree: object) -> Iterator[str]:
    if isinstance(tree, dict):
        for name, value in tree.items():
            yield name
            yield from _names(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from _names(value)


def _values(tree: object, *, but: str) -> Iterator[str]:
    if isinstance(tree, dict | list):
        for value in tree.values() if isinstance(tree, dict) else tree:
            yield from _values(value, but=but)
    elif tree is not None and not isinstance(tree, bool) and str(tree) != but:
        yield str(tree)


def _forms(value: str) -> Iterator[str]:
    """Give a value as a message may repeat it: whole, unquoted, and the words of one with spaces or an @."""
    for one in (value, unquote(value)):
        yield one.strip()
        if "@" in one or any(map(str.isspace, one)):
            yield from (word for word in re.split(r"[\W_]+", one) if len(word) >= _SHORT)


def _without(text: str, values: Iterable[str], names: set[str]) -> str:
    def kept(found: re.Match[str]) -> str:
        return found[0] if found[0].strip("\"'`“”„«»").casefold() in names else _GONE

    text = _ADDRESS.sub(_GONE, _LINK.sub(_GONE, text))
    for value in sorted(filter(None, values), key=len, reverse=True):
        if value.casefold() in names:
            continue
        pattern = re.escape(value) if len(value) >= _SHORT else rf"(?<!\w){re.escape(value)}(?!\w)"
        text = re.sub(pattern, _GONE, text, flags=re.IGNORECASE)
    return _GONES.sub(_GONE, _DIGITS.sub(_GONE, _NAME_LIKE.sub(kept, _QUOTED.sub(kept, text))))
