"""The status server: probes, metrics and the page over a small read-only HTTP that never holds the consumer up."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Final

import anyio
import msgspec
from aiohttp import web
from prometheus_client import CollectorRegistry

from ...core.model import ID_CHARS
from ...telemetry.serving.listening import Bounds, listening
from ...telemetry.serving.probes import harden, probe
from ...telemetry.serving.scrapes import Scrapes
from ..reader.facts import Explanation
from .gauges import Scrape
from .page import POLICY, Links, page, page_of_all
from .peers.addresses import Peers
from .peers.asking import Rounds
from .peers.together import with_own
from .tree import (
    Status,
)

_BOUNDS: Final = Bounds(connections=256, head_s=10.0, idle_s=15.0)
Explain = Callable[[str, str], Explanation]
"""Vendor and user -> why the user is not synced yet."""
_HEADERS: Final = {"Content-Security-Policy": POLICY}
_ITS_OWN: Final = ("Content-Security-Policy", "Referrer-Policy")
"""What a page with a form may say otherwise."""


@asynccontextmanager
async def serving(
    host: str,
    port: int,
    status: Callable[[], Status],
    registry: CollectorRegistry,
    explain: Explain | None = None,
    *,
    peers: Peers | None = None,
    finds_readers: bool = False,
    add_routes: Callable[[web.Application], None] | None = None,
) -> AsyncIterator[int]:
    """
    Serve while the block lasts; give the port.

    It promises: GET and HEAD only, no personal data, nothing that waits for anything but `status`, a plain function; many
    clients, slow readers and large answers hold up nothing but themselves. `/all` alone waits, for the other pods, 2 s each, and
    what `add_routes` adds has its own rules.

    Args:
        port: 0 takes a free one; whether there is to be a server at all is the caller's business.
        status: gives the status of now.
        registry: what `/metrics` shows.
        explain: says why a user is not synced yet.
        peers: all pods of the group, for links and for `/all`; None: there is no `/all`.
        finds_readers: whether `add_routes` adds `/reader`, to be linked to.
        add_routes: adds pages that are not of the status.

    Raises:
        Fatal: the address can't be listened at (69).
    """
    app = _app(status, registry, explain, lambda: _links(peers, finds_readers=finds_readers))
    if peers is not None:
        app.router.add_get("/all", _all_of(peers, status, lambda: _links(peers, finds_readers=finds_readers)))
    if add_routes is not None:
        add_routes(app)
    cure = "free it, or set admin.port (0 = off)"
    async with listening(app, host, port, _BOUNDS, section="admin", cure=cure) as listens_at, _looking(peers, listens_at):
        yield listens_at


@asynccontextmanager
async def _looking(peers: Peers | None, port: int) -> AsyncIterator[None]:
    """Look for the other pods meanwhile."""
    if peers is None:
        yield
        return
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(peers.run, port)
        yield
        tasks.cancel_scope.cancel()


def _links(peers: Peers | None, *, finds_readers: bool) -> Links:
    if peers is None:
        return Links(finds_readers=finds_readers)
    return Links(peers=peers.known, unresolved=peers.unresolved, finds_readers=finds_readers)


def _app(status: Callable[[], Status], registry: CollectorRegistry, explain: Explain | None, links: Callable[[], Links]) -> web.Application:
    async def livez(_: web.Request) -> web.Response:
        return probe(good=status().live, word="live", why_not=("not live: something that should move does not",))

    async def readyz(_: web.Request) -> web.Response:
        now = status()
        return probe(good=now.ready, word="ready", why_not=now.not_ready)

    scrapes = Scrapes(lambda: Scrape(registry, status(), now=time.time()))

    async def as_json(_: web.Request) -> web.Response:
        return web.Response(body=msgspec.json.encode(status()), content_type="application/json")

    async def as_page(_: web.Request) -> web.Response:
        now = status()
        return web.Response(text=page(now, now=now.at, links=links()), content_type="text/html")

    async def why(request: web.Request) -> web.Response:
        vendor, user = request.query.get("vendor", ""), request.query.get("user", "")
        if not (explain and 0 < len(vendor) <= ID_CHARS and 0 < len(user) <= ID_CHARS):
            return web.Response(text="name a vendor and a user, each of 1 to 256 characters\n", status=HTTPStatus.BAD_REQUEST)
        return web.Response(body=msgspec.json.encode(explain(vendor, user)), content_type="application/json")

    app = web.Application()
    paths = {"/livez": livez, "/readyz": readyz, "/metrics": scrapes.answer, "/status.json": as_json, "/explain.json": why, "/": as_page}
    for path, answer in paths.items():
        app.router.add_get(path, answer)
    app.on_response_prepare.append(harden(_HEADERS, its_own=_ITS_OWN))
    return app


def _all_of(peers: Peers, status: Callable[[], Status], links: Callable[[], Links]) -> Callable[[web.Request], Awaitable[web.Response]]:
    rounds = Rounds()

    async def all_pods(_: web.Request) -> web.Response:
        answers = with_own(await rounds.answers(peers.known), status())
        return web.Response(text=page_of_all(answers, now=time.time(), links=links()), content_type="text/html")

    return all_pods
