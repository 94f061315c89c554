"""How time grows with the length of a foreign text: below 3 times for twice the length, for each pure function that reads one."""

import time
from collections.abc import Callable
from functools import partial
from typing import Final

from msgspec import convert

from consumer.core.answers.address import canonical
from consumer.core.answers.snapshot import Contract, Entitlement, Profile, Snapshot
from consumer.core.errors import ConsumerError
from consumer.core.events import decode
from consumer.core.letters.book import Letterbook
from consumer.core.letters.history import History
from consumer.core.letters.record import parse
from consumer.core.mapping.documents import documents
from consumer.core.mapping.tags import is_ours, slug
from consumer.core.model import Place, UserKey
from consumer.core.text import printable, shown
from consumer.resync.http.refusals import retry_after

_CHARS: Final = 30_000
"""Twice of it is below what a record and a header may have, so that none is refused unread."""
_ROWS: Final = 2_000
_TIMES: Final = 7
_LIMIT: Final = 3.0
_DISTURBED_S: Final = 20e-6
"""Below it the clock shows itself."""
# What makes normalising, lower-casing, patterns or numbers work.
_SHAPES: Final = ("\u0301\u0323", "\u1e69\u0323", "\u0130", "\u03a3", "x", " ", "9", "\u200b", "1:1,", "-", "\x00")
_EVENT: Final = b'{"eventType":"contract.1#update","vendorId":"v","userId":"u","more":'


def _snapshot(text: str = "x", *, rows: int = 1, tags: int = 1) -> Snapshot:
    item = {"sku": text, "name": text, "title": text, "purchaseOptionId": text, "optionTitle": text, "purchaseType": text}
    contract = {"status": text, "contractDuration": text, "startDate": text, "createdAt": text, "payer": {"id": text, "email": text}}
    names = {"email": "ann@example.com"} | dict.fromkeys(("firstName", "lastName", "company", "isGuest"), text)
    access = {"hasAccess": True, "sku": text, "title": text, "purchaseOption": text, "type": text, "origin": {"type": text}}
    return Snapshot(
        user=UserKey("v", "u"),
        profile=convert(names | {"tags": [text] * tags}, Profile),
        contracts=convert([contract | {"id": f"{number}", "items": [item] * 2} for number in range(rows)], tuple[Contract, ...]),
        entitlements=convert([access | {"id": f"{number}"} for number in range(rows)], tuple[Entitlement, ...]),
    )


def _book(text: str) -> None:
    value = text.encode()
    headers = [(name, value) for name in ("replaces", "error.code", "source.offset", "makeas.account", "parked_at")]
    book, history = Letterbook(), History()
    for offset, (said, event) in enumerate(((headers, _EVENT + b"1}"), ([("letter", value), ("state", value)], b""))):
        book.read(Place(0, offset), parse(said, event, value, timestamp_ms=0, now=0.0))
        history.read(Place(0, offset), said, event)


def _event(text: str) -> None:
    try:
        decode(_EVENT + b'"' + text.encode() + b'"}')
    except ConsumerError:
        return


_OF_TEXT: Final[dict[str, Callable[[str], object]]] = {
    "slug": slug,
    "is_ours": is_ours,
    "canonical": canonical,
    "documents": lambda text: documents(_snapshot(text)),
    "shown": shown,
    "printable": printable,
    "letters": _book,
    "event": _event,
    "retry_after": lambda text: retry_after(text, now=0.0),
}
_OF_ROWS: Final[dict[str, Callable[[int], Snapshot]]] = {
    "documents of rows": lambda rows: _snapshot(rows=rows),
    "documents of tags": lambda rows: _snapshot(tags=rows),
}


def _fastest_s(*works: Callable[[], object]) -> list[float]:
    """Return the shortest of some runs of each, taken in turn: the others were disturbed."""
    lasted = [float("inf")] * len(works)
    for _ in range(_TIMES):
        for place, work in enumerate(works):
            started = time.perf_counter()
            work()
            lasted[place] = min(lasted[place], time.perf_counter() - started)
    return lasted


def _ratio(once_s: float, twice_s: float) -> float:
    return twice_s / once_s if twice_s > _DISTURBED_S else 1.0


def _tell(name: str, once_s: float, twice_s: float) -> None:
    ratio = _ratio(once_s, twice_s)
    verdict = "" if ratio < _LIMIT else "  NOT LINEAR"
    print(f"  {name:<18} {once_s * 1000:8.3f} ms, twice as long {twice_s * 1000:8.3f} ms: {ratio:.1f} times{verdict}")


async def main() -> None:
    print(f"  {_CHARS:,} and {2 * _CHARS:,} characters, the worst of {len(_SHAPES)} shapes; {_ROWS:,} and {2 * _ROWS:,} rows")
    for name, function in _OF_TEXT.items():
        worst = [0.0, 0.0]
        for shape in _SHAPES:
            text = shape * (2 * _CHARS // len(shape))
            worst = max(worst, _fastest_s(partial(function, text[:_CHARS]), partial(function, text)), key=lambda pair: pair[1])
        _tell(name, *worst)
    for name, make in _OF_ROWS.items():
        _tell(name, *_fastest_s(partial(documents, make(_ROWS)), partial(documents, make(2 * _ROWS))))
