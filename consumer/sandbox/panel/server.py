"""The panel over HTTP on loopback: it obeys the forms of its own page, and nobody else's."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

import anyio
from aiohttp import web
from aiokafka.errors import KafkaError

from ...kafka.client.words import said
from ..brokers.unavailable import Unavailable
from ..stand_ins.server import serving
from ..troubles import Refused, Troubles, all_of, no_outage
from .page import POLICY, page, shown

_PATH: Final = "/sandbox"
_FORM_BYTES: Final = 1024
_NAMES: Final = {"127.0.0.1", "localhost"}
_OUR_SITES: Final = {None, "same-origin", "none"}
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
"""The referrer stays: without it a browser's forms have no origin to show."""


@asynccontextmanager
async def panel(troubles: Troubles, *, letters: str) -> AsyncIterator[str]:
    """Serve the panel while the block lasts; give its address. `letters`: the command that lists dead letters."""
    app = web.Application(client_max_size=_FORM_BYTES, middlewares=[_only_ours])
    server = _Panel(troubles, letters)
    app.router.add_get("/", _to_the_page)
    app.router.add_get(_PATH, server.show)
    app.router.add_post(_PATH, server.obey)
    async with serving(app, cuts_off=False) as url:  # What has begun is told, even if nobody waits for the answer.
        yield f"{url}{_PATH}"


def is_ours(*, host: str, origin: str | None, site: str | None) -> bool:
    """
    Say whether a request comes from this machine's own page, or from no page at all.

    Args:
        host: The header Host: another name than this machine's own is one that somebody else's DNS leads here.
        origin: The header Origin.
        site: The header Sec-Fetch-Site.
    """
    if urlsplit(f"//{host}").hostname not in _NAMES:
        return False
    return site in _OUR_SITES and origin in {None, f"http://{host}"}


@web.middleware
async def _only_ours(request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> web.StreamResponse:
    headers = request.headers
    # A link from elsewhere may lead to the page; only what changes something is to come from it.
    site = headers.get("Sec-Fetch-Site") if request.method == "POST" else None
    if not is_ours(host=headers.get("Host", ""), origin=headers.get("Origin"), site=site):
        return web.Response(status=HTTPStatus.FORBIDDEN, text="refused: this is another site's request\n", headers=_HEADERS)
    return await handler(request)


async def _to_the_page(_: web.Request) -> web.StreamResponse:
    raise web.HTTPSeeOther(_PATH)


class _Panel:
    def __init__(self, troubles: Troubles, letters: str) -> None:
        self._troubles, self._letters = troubles, letters
        self._known = all_of(troubles.sitting.kafka)

    async def show(self, _: web.Request) -> web.StreamResponse:
        return self._page()

    async def obey(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        do, trouble = form.get("do"), self._known.get(str(form.get("key")))
        try:
            if do == "heal-all":
                await self._troubles.heal_all()
            elif do == "begin" and trouble is not None:
                await self._troubles.begin(trouble)
            elif do == "heal" and trouble is not None:
                await self._troubles.heal(trouble)
            else:
                return web.Response(status=HTTPStatus.BAD_REQUEST, text="no such button\n", headers=_HEADERS)
        except (Refused, Unavailable) as error:
            return self._page(str(error), status=HTTPStatus.CONFLICT)
        except KafkaError as error:
            return self._page(f"the broker does not take it: {said(error)}", status=HTTPStatus.CONFLICT)
        # A page that is loaded anew would press the button again.
        return web.Response(status=HTTPStatus.SEE_OTHER, headers={**_HEADERS, "Location": _PATH})

    def _page(self, notice: str = "", *, status: HTTPStatus = HTTPStatus.OK) -> web.Response:
        sitting = self._troubles.sitting
        what = shown(
            self._known,
            self._troubles.on,
            sitting.totals,
            now=anyio.current_time(),
            notice=notice,
            no_outage=no_outage(sitting.kafka),
            status_url=f"{sitting.admin_url}/",
            letters=self._letters,
        )
        return web.Response(text=page(what), status=status, content_type="text/html", headers=_HEADERS)
