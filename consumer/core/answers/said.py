"""The message of a refusal, for people: what the remote said, without any value of the exchange."""

import re
from base64 import b64decode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import chain, islice
from typing import Final
from unicodedata import normalize
from urllib.parse import unquote

import msgspec
from msgspec import Struct

from ..text import shown
from .vocabulary import PLAIN, WORDS

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
"""Of a value of several words, those that are shorter are no secret."""
_QUOTED: Final = re.compile(r"\"[^\"]*\"|(?<!\w)'[^']*'(?!\w)|`[^`]*`|[“„«»][^”“„«»]*[”“»«]")
_RUN: Final = re.compile(r"[^\s()\[\]{}<>\"“”„«»`]+")
"""What is shown or hidden as one; what is joined by anything but these (an address, a link, a key) is no word."""
_EDGES: Final = ".,;:!?'*-"
_CUT: Final = re.compile(r"\.{2,}")
_FIELD: Final = re.compile(r"[A-Za-z_-]{1,40}")
"""The name of a field; any other may be a value."""
_GONES: Final = re.compile(r"…(?:[\s.,;:/|+&-]*…)+")
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

    It promises: of the message only words that refusals use (`vocabulary`) and names of fields; of these, too, none that was sent or
    received as a value, and nothing in quotes but names of fields. So there is no address, no digit and no name.
    """
    tree, text = _read(body)
    given = [*islice(chain(sent.values(), _values(tree, but=text)), _LOOKED_AT + 1)]
    if not text or len(given) > _LOOKED_AT:
        return ""
    text = _plain(text)
    used = {word.casefold() for word in _words(text)}
    hidden = {word for value in given for word in _told(value)} & used
    names = _fields(sent.names()) | (_fields(_names(tree)) - hidden)
    found = shown(_without(text, hidden - names, names), limit=LIMIT).strip()
    return found if any(map(str.isalpha, found)) else ""


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


def _fields(names: Iterable[str]) -> set[str]:
    return {name.casefold() for name in names if _FIELD.fullmatch(name)}


def _plain(text: str) -> str:
    """Return the text in one line and one spelling; what was cut off ends in `…`."""
    short = " ".join(text[:_LOOKED_AT].split()) + (_GONE if len(text) > _LOOKED_AT else "")
    return "".join(one if one.isprintable() else _GONE for one in _CUT.sub(_GONE, normalize("NFKC", short)))


def _words(text: str) -> Iterator[str]:
    return (run.strip(_EDGES) for run in _RUN.findall(text))


def _told(value: str) -> Iterator[str]:
    """Give the words, case-folded, by which a message may repeat a value: its own, and those of an address."""
    for one in {value, unquote(value)}:
        plain = normalize("NFKC", one).casefold()
        words = [*_words(plain)]
        yield from [word for word in words if len(word) >= _SHORT] or words
        if "@" in plain:
            yield from (word for word in re.split(r"[\W_]+", plain) if len(word) >= _SHORT)


def _without(text: str, hidden: AbstractSet[str], names: AbstractSet[str]) -> str:
    def quoted(found: re.Match[str]) -> str:
        return found[0] if found[0].strip("\"'`“”„«»").casefold() in names else _GONE

    def kept(found: re.Match[str]) -> str:
        run = found[0]
        word = run.strip(_EDGES)
        same = word.casefold()
        is_known = same in names or same in WORDS or word in PLAIN
        if not word or (is_known and same not in hidden):
            return run
        return _GONE + ("." if run.endswith(".") else "")

    return _GONES.sub(_GONE, _RUN.sub(kept, _QUOTED.sub(quoted, text)))
