"""The status as a page for a person: one self-contained HTML text, every value escaped."""

import base64
import hashlib
from importlib.resources import files
from typing import Final

from jinja2 import Environment, StrictUndefined

from .tables import sheet
from .tree import Status

REFRESH_S: Final = 5
"""How often a page without a script is loaded anew; `page.js` asks as often."""


def _read(name: str) -> str:
    return (files(__package__ or "") / name).read_text(encoding="utf-8")


_STYLE: Final = _read("page.css")
_SCRIPT: Final = _read("page.js")
_TEMPLATE: Final = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True).from_string(
    _read("page.html")
)


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


POLICY: Final = (
    f"default-src 'none'; style-src {_hash(_STYLE)}; script-src {_hash(_SCRIPT)}; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The content security policy: this page's own style and script, and its own address, nothing else."""


def page(status: Status, *, now: float) -> str:
    """Return the page; `now`: wall time (s)."""
    return _TEMPLATE.render(sheet=sheet(status, now=now), style=_STYLE, script=_SCRIPT, refresh_s=REFRESH_S)
