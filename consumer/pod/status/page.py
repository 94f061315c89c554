"""The status as a page for a person: one self-contained HTML text, every value escaped."""

import base64
import hashlib
from collections.abc import Sequence
from importlib.resources import files
from typing import Final
from urllib.parse import quote

from jinja2 import Environment, StrictUndefined
from msgspec import Struct, structs

from .hour.charts import Chart, charts, freshness
from .peers.addresses import Peer
from .peers.asking import Answers
from .peers.together import together
from .tables import Sheet, sheet
from .tree import Status
from .verdict import Level

REFRESH_S: Final = 5
"""How often a page without a script is loaded anew; `page.js` asks as often."""


class Look(Struct, frozen=True):
    """How a verdict is shown: in words, as a form and in a colour, so that none of them is needed."""

    words: str
    glyph: str
    icon: str
    """A picture of the glyph, for the tab: the address of an SVG that holds all of itself."""


def _icon(form: str, colour: str, glyph: str) -> str:
    text = f"<text x='16' y='24' font-size='20' font-family='sans-serif' font-weight='bold' text-anchor='middle' fill='#fff'>{glyph}</text>"
    svg = f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'><path fill='{colour}' d='{form}'/>{text}</svg>"
    return f"data:image/svg+xml,{quote(svg, safe='')}"


_ROUND: Final = "M16 1a15 15 0 1 0 .01 0z"
_LOOKS: Final[dict[Level, Look]] = {
    "fine": Look("All is well", "✓", _icon(_ROUND, "#1a7f37", "✓")),
    "notice": Look("It works, and somebody should know", "i", _icon("M2 2h28v28H2z", "#9a6700", "i")),
    "trouble": Look("Trouble: somebody must act", "!", _icon("M16 0L32 31H0z", "#c4121d", "!")),
    "unknown": Look("Not enough is known to say that it is well", "?", _icon("M16 0l16 16-16 16L0 16z", "#59636e", "?")),
}
_GONE: Final = _LOOKS["unknown"].icon


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
    f"default-src 'none'; style-src {_hash(_STYLE)}; script-src {_hash(_SCRIPT)}; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The content security policy: this page's own style, script and icon, and its own address, nothing else."""


class Links(Struct, frozen=True, kw_only=True):
    """What a page links to beside itself."""

    peers: Sequence[Peer] = ()
    """All pods."""
    unresolved: Sequence[str] = ()
    """Names of `admin.peers` whose addresses are not known now."""
    finds_readers: bool = False
    """Whether there is `/reader`."""


_NONE: Final = Links()


def page(status: Status, *, now: float, links: Links = _NONE) -> str:
    """Return the page of a pod; `now`: wall time (s)."""
    return _rendered(sheet(status, now=now), charts(status.last_hour, at=now), now, links, is_all=False)


def page_of_all(answers: Answers, *, now: float, links: Links = _NONE) -> str:
    """Return the page of all pods, which are those that were asked; `now`: wall time (s)."""
    return _rendered(together(answers), (), now, structs.replace(links, peers=tuple(answers)), is_all=True)


def _rendered(shown: Sheet, hour: Sequence[Chart], now: float, links: Links, *, is_all: bool) -> str:
    return _TEMPLATE.render(
        sheet=shown,
        look=_LOOKS[shown.verdict.level],
        looks=_LOOKS,
        gone=_GONE,
        hour=hour,
        drawn=lambda past: freshness(past, at=now),
        links=links,
        is_all=is_all,
        style=_STYLE,
        script=_SCRIPT,
        refresh_s=REFRESH_S,
    )
