"""The page that finds a reader, over HTTP: a form that is off unless the settings turn it on."""

import time
from collections.abc import Callable, Sequence
from http import HTTPStatus
from math import ceil
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, urlsplit

import anyio
from aiohttp import web
from msgspec import Struct

from ...core.answers.bounds import identifier
from .allowance import PER_MINUTE, Allowance
from .form import POLICY, Said, asked, form, remembered
from .lookup import Lookup

if TYPE_CHECKING:
    from .facts import Explanation

_BODY_BYTES: Final = 4096
_BODY_S: Final = 10.0
_FIELDS: Final = 8
_OFF: Final = "the page that finds a reader is off: set admin.reader_lookup = true to turn it on, and put a login before it\n"
_HEADERS: Final = {"Content-Security-Policy": POLICY, "Referrer-Policy": "same-origin"}
"""With no referrer at all a browser would hide where the form comes from, too."""


class Readers(Struct, frozen=True):
    """What answers of readers."""

    vendors: Sequence[str]
    explain: "Callable[[str, str], Explanation]"
    lookup: Lookup


def add_routes(app: web.Application, readers: Readers | None) -> None:
    """
    Add the page; without `readers` it says how to turn it on.

    It promises: what was typed comes in a body and stands in the answer, nowhere else: in no address, no log, no metric; a form of
    another site is refused; at most 20 lookups a minute begin, since each costs calls that the runs would make.
    """
    allowance = Allowance()

    async def off(_: web.Request) -> web.Response:
        return web.Response(text=_OFF, status=HTTPStatus.NOT_FOUND)

    async def empty(_: web.Request) -> web.Response:
        assert readers is not None
        return _page(form(readers.vendors))

    async def answer(request: web.Request) -> web.Response:
        assert readers is not None
        if _is_foreign(request):
            return web.Response(text="a form of another site is not answered\n", status=HTTPStatus.FORBIDDEN)
        body = await _body(request)
        if body is None:
            return web.Response(text="the form is too long\n", status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        try:
            fields = {name: values[0] for name, values in parse_qs(body.decode(), max_num_fields=_FIELDS).items()}
        except ValueError:
            return web.Response(text="the form can't be read\n", status=HTTPStatus.BAD_REQUEST)
        vendor, reader = fields.get("vendor", ""), fields.get("reader", "").strip()
        if vendor not in readers.vendors or identifier(reader) is None:
            return web.Response(text="name a vendor of the settings, and a user id or an address\n", status=HTTPStatus.BAD_REQUEST)
        is_online = fields.get("how") == "online"
        if is_online and (wait_s := allowance.take(now=anyio.current_time())):
            return _too_many(wait_s)
        said = await _said(readers, vendor, reader, is_online=is_online)
        return _page(form(readers.vendors, vendor=vendor, reader=reader, said=said))

    app.router.add_get("/reader", off if readers is None else empty)
    app.router.add_post("/reader", off if readers is None else answer)


def is_address(text: str) -> bool:
    """Say whether what somebody typed is an e-mail address, not an id: ids like `auth0|5f7c` have a bar, and rarely an @."""
    local, _, domain = text.rpartition("@")
    return bool(local) and "." in domain and "|" not in text and " " not in text


async def _said(readers: Readers, vendor: str, reader: str, *, is_online: bool) -> Said:
    if is_online:
        found = await (readers.lookup.find(vendor, email=reader) if is_address(reader) else readers.lookup.find(vendor, user=reader))
        return asked(found)
    if is_address(reader):
        return Said(title="A pod knows ids only: to find a reader by its address, ask Sesamy and Make.as")
    return remembered(readers.explain(vendor, reader), now=time.time())


def _too_many(wait_s: float) -> web.Response:
    seconds = ceil(wait_s)
    text = f"this pod has looked up {PER_MINUTE} readers within a minute: ask again in {seconds} s, or ask another pod\n"
    return web.Response(text=text, status=HTTPStatus.TOO_MANY_REQUESTS, headers={"Retry-After": str(seconds)})


def _page(text: str) -> web.Response:
    return web.Response(text=text, content_type="text/html", headers=_HEADERS)


def _is_foreign(request: web.Request) -> bool:
    """Say whether a browser sends this for a page that is not ours; what is no browser says nothing of the kind."""
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site is not None:
        return site not in {"same-origin", "none"}
    if origin is None:
        return False
    try:
        return urlsplit(origin).netloc.casefold() != request.headers.get("Host", "").casefold()
    except ValueError:
        return True


async def _body(request: web.Request) -> bytes | None:
    """Return the body; None: it is longer than a form is, or does not come."""
    body = bytearray()
    with anyio.move_on_after(_BODY_S):
        async for chunk in request.content.iter_any():
            body += chunk
            if len(body) > _BODY_BYTES:
                return None
        return bytes(body)
    return None
