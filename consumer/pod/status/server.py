"""The status server: probes, metrics and the page over a small read-only HTTP that never holds the consumer up."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from math import inf
from typing import Final

import anyio
import anyio.to_thread
import msgspec
from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from ...core.errors import Exit, Fatal
from ...core.model import ID_CHARS
from ..reader.facts import Explanation
from .gauges import Scrape
from .page import POLICY, page, page_of_all
from .peers.addresses import Peers
from .peers.asking import Rounds
from .tree import (
    Status,
)

_CONNECTIONS: Final = 256
"""At once; one more is hung up on. Descriptors are the consumer's, too."""
_SEND_S: Final = 15.0
"""A client that has not taken an answer by then is hung up on, so that what it does not read is not kept."""
_SCRAPED_S: Final = 1.0
"""A scrape's text serves all that ask within so long."""
_FORMATS: Final = 8
Explain = Callable[[str, str], Explanation]
"""Vendor and user -> why the user is not synced yet."""
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",
    "Server": "sesamy-makeas",
    "X-Content-Type-Options": "nosniff",
}
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
        add_routes: adds pages that are not of the status.

    Raises:
        Fatal: the address can't be listened at (69).
    """
    app = _app(status, registry, explain, peers)
    if add_routes is not None:
        add_routes(app)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0, keepalive_timeout=15.0)
    await runner.setup()
    try:
        try:
            listening = await asyncio.get_running_loop().create_server(lambda: _admitted(runner.server), host, port)
        except OSError as error:
            text = f"admin: can't listen at port {port} ({error.strerror or type(error).__name__}): free it, or set admin.port (0 = off)"
            raise Fatal(text, code="admin-port", status=Exit.UNAVAILABLE) from error
        try:
            async with _looking(peers, listening.sockets[0].getsockname()[1]) as listens_at:
                yield listens_at
        finally:
            listening.close()
    finally:
        await runner.cleanup()


@asynccontextmanager
async def _looking(peers: Peers | None, port: int) -> AsyncIterator[int]:
    """Look for the other pods meanwhile; give the port."""
    if peers is None:
        yield port
        return
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(peers.run, port)
        yield port
        tasks.cancel_scope.cancel()


class _HangsUp(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.abort()  # type: ignore[attr-defined]  # uvloop's are of no class of asyncio's, so none can be asked for.


def _admitted(server: web.Server | None) -> asyncio.Protocol:
    return server() if server is not None and len(server.connections) < _CONNECTIONS else _HangsUp()


@web.middleware
async def _sent_in_time(request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> web.StreamResponse:
    response = await handler(request)
    with anyio.move_on_after(_SEND_S) as scope:
        await response.prepare(request)
        await response.write_eof()
    if scope.cancelled_caught and request.transport is not None:
        request.transport.abort()
    return response


class _Scrapes:
    """The text of `/metrics`: written beside the loop, one at a time, and once for all that ask within a second."""

    def __init__(self, status: Callable[[], Status], registry: CollectorRegistry) -> None:
        self._status, self._registry = status, registry
        self._lock = anyio.Lock()
        # By format: when it was made (loop's clock, s), and the text.
        self._made: dict[str, tuple[float, bytes]] = {}

    async def text(self, accept: str) -> tuple[bytes, str]:
        """Return the text, and its format."""
        try:
            encode, content_type = choose_encoder(accept)
        except (ValueError, TypeError):  # A version that is none.
            encode, content_type = choose_encoder("")
        async with self._lock:
            made_at, text = self._made.get(content_type, (-inf, b""))
            if anyio.current_time() - made_at >= _SCRAPED_S:
                if len(self._made) >= _FORMATS:  # The client names the version.
                    self._made.clear()
                made_at = anyio.current_time()
                text = await anyio.to_thread.run_sync(encode, Scrape(self._registry, self._status(), now=time.time()))
                self._made[content_type] = made_at, text
        return text, content_type


def _app(status: Callable[[], Status], registry: CollectorRegistry, explain: Explain | None, peers: Peers | None) -> web.Application:
    async def livez(_: web.Request) -> web.Response:
        return _probe(status().live, "live", ("not live: something that should move does not",))

    async def readyz(_: web.Request) -> web.Response:
        now = status()
        return _probe(now.ready, "ready", now.not_ready)

    scrapes = _Scrapes(status, registry)

    async def metrics(request: web.Request) -> web.Response:
        text, content_type = await scrapes.text(request.headers.get("Accept", ""))
        return web.Response(body=text, headers={"Content-Type": content_type})

    async def as_json(_: web.Request) -> web.Response:
        return web.Response(body=msgspec.json.encode(status()), content_type="application/json")

    async def as_page(_: web.Request) -> web.Response:
        now = status()
        known, unresolved = (peers.known, peers.unresolved) if peers else ((), ())
        return web.Response(text=page(now, now=now.at, peers=known, unresolved=unresolved), content_type="text/html")

    async def why(request: web.Request) -> web.Response:
        vendor, user = request.query.get("vendor", ""), request.query.get("user", "")
        if not (explain and 0 < len(vendor) <= ID_CHARS and 0 < len(user) <= ID_CHARS):
            return web.Response(text="name a vendor and a user, each of 1 to 256 characters\n", status=HTTPStatus.BAD_REQUEST)
        return web.Response(body=msgspec.json.encode(explain(vendor, user)), content_type="application/json")

    app = web.Application(middlewares=[_sent_in_time])
    paths = {"/livez": livez, "/readyz": readyz, "/metrics": metrics, "/status.json": as_json, "/explain.json": why, "/": as_page}
    for path, answer in paths.items():
        app.router.add_get(path, answer)
    if peers is not None:
        app.router.add_get("/all", _all_of(peers))
    app.on_response_prepare.append(_harden)
    return app


def _all_of(peers: Peers) -> Callable[[web.Request], Awaitable[web.Response]]:
    rounds = Rounds()

    async def all_pods(_: web.Request) -> web.Response:
        answers = await rounds.answers(peers.known)
        return web.Response(text=page_of_all(answers, now=time.time(), unresolved=peers.unresolved), content_type="text/html")

    return all_pods


def _probe(good: bool, word: str, why_not: tuple[str, ...]) -> web.Response:  # noqa: FBT001 - the only thing it is about
    code = HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE
    return web.Response(text="".join(f"{line}\n" for line in ((word,) if good else why_not)), status=code)


async def _harden(_: web.Request, response: web.StreamResponse) -> None:
    own = {name: response.headers[name] for name in _ITS_OWN if name in response.headers}
    response.headers.update(_HEADERS | own)
