"""The panel as HTML: one self-contained text, with a form for each trouble and no script, every value escaped."""

import base64
import hashlib
from collections.abc import Iterator
from importlib.resources import files
from typing import Final

from jinja2 import Environment, StrictUndefined
from msgspec import Struct

from ...core.text import age
from ..session import Totals
from ..town import PLACES, VENDORS
from ..troubles import BROKER, HEALS_S, KILL, RECEIVER, On, Trouble

_REFRESH_S: Final = 5
_WORDS: Final = {
    "429": "429: too many requests",
    "500": "500: broken",
    "slow": "slow: 5 s an answer",
    "key": "401: another key",
    "refuses": "refuses all",
    "poison": "a broken record",
    "kill": "kill the consumer",
    "receiver": "kill the receiver",
    "broker": "broker away, 20 s",
}


def _read(name: str) -> str:
    return (files(__package__ or "") / name).read_text(encoding="utf-8")


_STYLE: Final = _read("page.css")
_TEMPLATE: Final = Environment(undefined=StrictUndefined, autoescape=True, trim_blocks=True, keep_trailing_newline=True).from_string(
    _read("page.html")
)
_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
POLICY: Final = f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
"""The content security policy: this page's own style, forms to its own address, nothing else."""


class Button(Struct, frozen=True):
    """What begins one trouble."""

    key: str
    words: str
    is_on: bool


class Row(Struct, frozen=True):
    """One place where things go wrong, with its buttons."""

    name: str
    buttons: tuple[Button, ...]


class Going(Struct, frozen=True):
    """One trouble that is on, in words."""

    key: str
    words: str
    since: str
    ends: str


class Shown(Struct, frozen=True, kw_only=True):
    """What the panel shows."""

    rows: tuple[Row, ...]
    going: tuple[Going, ...]
    totals: Totals
    notice: str
    """Why a button was not obeyed; empty: it was."""
    no_outage: str | None
    """Why there is no button for the broker; None: there is."""
    status_url: str
    letters: str
    """The command that lists the dead letters."""
    heals: str


def shown(
    known: dict[str, Trouble],
    on: dict[str, On],
    totals: Totals,
    *,
    now: float,
    notice: str,
    no_outage: str | None,
    status_url: str,
    letters: str,
) -> Shown:
    """Put it into words; `now`: event loop time (s)."""
    return Shown(
        rows=tuple(_rows(known, on)),
        going=tuple(_going(one, now) for one in on.values()),
        totals=totals,
        notice=notice,
        no_outage=no_outage,
        status_url=status_url,
        letters=letters,
        heals=age(HEALS_S),
    )


def page(what: Shown) -> str:
    """Return the page."""
    return _TEMPLATE.render(shown=what, style=_STYLE, refresh_s=_REFRESH_S)


def _rows(known: dict[str, Trouble], on: dict[str, On]) -> Iterator[Row]:
    places: dict[str, list[Button]] = {_name(one): [] for one in known.values()}
    for key, one in known.items():
        places[_name(one)].append(Button(key, _WORDS[one.name], key in on))
    return (Row(name, tuple(buttons)) for name, buttons in places.items())


def _name(trouble: Trouble) -> str:
    upstream, _, list_id = trouble.upstream.partition("/")
    if not upstream:
        return "The consumer, the receiver and their topic"
    vendor = upstream.removeprefix("sesamy:")
    if vendor in VENDORS:
        return f"Sesamy, for {vendor}"
    place = next(one for one in PLACES if one.account == upstream)
    return f"List {list_id} of account {upstream}" if list_id else f"Make.as account {upstream} of {place.vendor}"


def _going(one: On, now: float) -> Going:
    left_s, trouble = one.until - now, one.trouble
    if trouble in {KILL, RECEIVER}:
        words, ends = f"The {'consumer' if trouble == KILL else 'receiver'} is down", "is being started again"
    else:
        words, ends = f"{_name(trouble)}: {_WORDS[trouble.name]}", "comes back" if trouble == BROKER else "heals by itself"
        ends = f"{ends} in {age(left_s)}" if left_s > 0 else "ends now"
    return Going(trouble.key, f"{words} ({one.why})" if one.why else words, age(max(0.0, now - one.since)), ends)
