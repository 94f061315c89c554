"""Probes, metrics and the status page: a small read-only HTTP server."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Final

import msgspec
from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from .errors import Fatal
from .page import POLICY, page
from .status import Explanation, Status

_UNAVAILABLE: Final = 69
ID_CHARS: Final = 256
Explain = Callable[[str, str], Explanation]
"""Vendor and user -> why the user is not synced yet."""
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",
    "Server": "sesamy-makeas",
    "X-Content-Type-Options": "nosniff",
}


@asynccontextmanager
async def serving(
    host: str, port: int, status: Callable[[], Status], registry: CollectorRegistry, explain: Explain | None = None
) -> AsyncIterator[int]:
    """
    Serve while the block lasts; give the port.

    It promises: GET and HEAD only, no personal data, nothing that waits for anything but `status`, a plain function.

    Args:
        port: 0 takes a free one; whether there is to be a server at all is the caller's business.
        status: gives the status of now.
        registry: what `/metrics` shows.
        explain: says why a user is not synced yet.

    Raises:
        Fatal: the address can't be listened at (69).
    """
    runner = web.AppRunner(_app(status, registry, explain), access_log=None, shutdown_timeout=1.0, keepalive_timeout=15.0)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            text = f"admin: can't listen at port {port} ({error.strerror or type(error).__name__}): free it, or set admin.port (0 = off)"
            raise Fatal(text, code="admin-port", status=_UNAVAILABLE) from error
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def _app(status: Callable[[], Status], registry: CollectorRegistry, explain: Explain | None) -> web.Application:
    async def livez(_: web.Request) -> web.Response:
        return _probe(status().live, "live", ("not live: something that should move does not",))

    async def readyz(_: web.Request) -> web.Response:
        now = status()
        return _probe(now.ready, "ready", now.not_ready)

    async def metrics(request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(registry), headers={"Content-Type": content_type})

    async def as_json(_: web.Request) -> web.Response:
        return web.Response(body=msgspec.json.encode(status()), content_type="application/json")

    async def as_page(_: web.Request) -> web.Response:
        return web.Response(text=page(status(), now=time.time()), content_type="text/html")

    async def why(request: web.Request) -> web.Response:
        vendor, user = request.query.get("vendor", ""), request.query.get("user", "")
        if not (explain and 0 < len(vendor) <= ID_CHARS and 0 < len(user) <= ID_CHARS):
            return web.Response(text="name a vendor and a user, each of 1 to 256 characters\n", status=HTTPStatus.BAD_REQUEST)
        return web.Response(body=msgspec.json.encode(explain(vendor, user)), content_type="application/json")

    app = web.Application()
    paths = {"/livez": livez, "/readyz": readyz, "/metrics": metrics, "/status.json": as_json, "/explain.json": why, "/": as_page}
    for path, answer in paths.items():
        app.router.add_get(path, answer)
    app.on_response_prepare.append(_harden)
    return app


def _probe(good: bool, word: str, why_not: tuple[str, ...]) -> web.Response:  # noqa: FBT001 - the only thing it is about
    code = HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE
    return web.Response(text="".join(f"{line}\n" for line in ((word,) if good else why_not)), status=code)


async def _harden(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(_HEADERS)
