"""The page that finds a reader: a form, and the answer below it; one self-contained HTML text without a script."""

import base64
import hashlib
from collections.abc import Sequence
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from jinja2 import Environment, StrictUndefined
from msgspec import Struct

from .answer import called, clock, told
from .lookup import Found

if TYPE_CHECKING:
    from .facts import Explanation


def _read(name: str) -> str:
    return (files(__package__ or "") / name).read_text(encoding="utf-8")


_STYLE: Final = _read("form.css")
_TEMPLATE: Final = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True).from_string(
    _read("form.html")
)
_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
POLICY: Final = f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
"""The content security policy: this page's own style, and a form that goes nowhere else."""


class Said(Struct, frozen=True, kw_only=True):
    """What stands below the form."""

    title: str
    lines: Sequence[str] = ()
    history: Sequence[str] = ()


def form(vendors: Sequence[str], *, vendor: str = "", reader: str = "", said: Said | None = None) -> str:
    """Return the page; `reader`: what was typed, for the one that typed it."""
    return _TEMPLATE.render(vendors=vendors, vendor=vendor, reader=reader, said=said, style=_STYLE)


def remembered(one: "Explanation", *, now: float) -> Said:
    """Return what a pod knows; `now`: wall time (s)."""
    lines = []
    for of in one.lists:
        name = f"{of.name} (list {of.list})" if of.name else f"List {of.list}"
        written = "" if of.written_at is None else f"; last written {clock(of.written_at, now=now)}"
        lines.append(f"{name}, {called(of.account)}: {of.text}{f'; {of.cure}' if of.cure else ''}{written}")
    return Said(title=one.sentence, lines=lines, history=[told(entry, now=now) for entry in one.history])


def asked(found: Found) -> Said:
    """Return what Sesamy and Make.as answered."""
    return Said(title=found.sentence, lines=[f"User {found.user} of {found.vendor}, asked just now"] if found.user else ())
