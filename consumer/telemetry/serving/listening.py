"""A listener for HTTP that no client can hold up: its connections, its heads, its idle time and its answers are bounded."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

from aiohttp import web
from msgspec import Struct

from ...core.errors import Exit, Fatal

_SEND_S: Final = 15.0
"""A client that has not taken an answer by then is hung up on, so that what it does not read is not kept."""
_ENDING_S: Final = 1.0


class Bounds(Struct, frozen=True, kw_only=True):
    """What one listener puts up with."""

    connections: int
    """At once; one more is hung up on. Descriptors are the process's, too."""
    head_s: float
    """From the first byte of a request to the last of its head; of a connection's first, from its begin: nobody connects to say nothing."""
    idle_s: float
    """Between two requests of a connection."""
    header_bytes: int = 8190
    """One header, or the request's line."""
    headers: int = 128
    unread_s: float = 10.0
    """For how long what an answer has left unread of a request is read and thrown away, before its connection is closed."""


@asynccontextmanager
async def listening(
    app: web.Application, host: str, port: int, bounds: Bounds, *, section: str, cure: str = "free it"
) -> AsyncIterator[int]:
    """
    Listen while the block lasts; give the port.

    It promises: a client that sends slowly, reads slowly, or says nothing costs one connection for a time that `bounds` names, and
    one connection too many costs nothing; bodies are given as they were sent, packed ones too.

    Args:
        port: 0 takes a free one.
        section: the section of the settings that names the port, for the error.
        cure: what to do where it is taken.

    Raises:
        Fatal: the address can't be listened at (69).
    """
    app.middlewares.insert(0, _sent_in_time)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_ENDING_S)
    await runner.setup()
    try:
        server = runner.server
        assert server is not None
        loop, options = asyncio.get_running_loop(), _options(bounds)

        def admitted() -> asyncio.Protocol:
            if len(server.connections) >= bounds.connections:
                return _HangsUp()
            return _Connection(server, head_s=bounds.head_s, loop=loop, access_log=None, **options)

        try:
            listener = await loop.create_server(admitted, host, port)
        except OSError as error:
            why = error.strerror or "the system gives no reason"
            text = f"{section}: can't listen at port {port} ({why}): {cure}"
            raise Fatal(text, code=f"{section}-port", status=Exit.UNAVAILABLE) from error
        try:
            yield listener.sockets[0].getsockname()[1]
        finally:
            listener.close()
    finally:
        await runner.cleanup()


def _options(bounds: Bounds) -> dict[str, Any]:
    return {
        "keepalive_timeout": bounds.idle_s,
        "max_line_size": bounds.header_bytes,
        "max_field_size": bounds.header_bytes,
        "max_headers": bounds.headers,
        "lingering_time": bounds.unread_s,
        "auto_decompress": False,
    }


class _Connection(web.RequestHandler):
    """A connection whose heads must come in time: the server's own limit is one for idle time, and may be long for a proxy's sake."""

    __slots__ = ("_head_s", "_timer")

    def __init__(self, server: web.Server, *, head_s: float, **options: Any) -> None:  # noqa: ANN401 - the server's own
        super().__init__(server, **options)
        self._head_s = head_s
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._timer = self._loop.call_later(self._head_s, self._late)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self._is_idle():
            self._stop()
        elif self._timer is None and data:
            self._timer = self._loop.call_later(self._head_s, self._late)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._stop()
        super().connection_lost(exc)

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        # The parser's own words quote what was sent, a secret or a body.
        return super().handle_error(request, status, exc, None if message is None else "bad request\n")

    def _is_idle(self) -> bool:
        """Say whether no whole head has come that is not answered yet."""
        return self._waiter is not None and not self._waiter.done()

    def _late(self) -> None:
        self._timer = None
        if self._is_idle():
            self.force_close()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class _HangsUp(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.abort()  # type: ignore[attr-defined]  # uvloop's are of no class of asyncio's, so none can be asked for.


@web.middleware
async def _sent_in_time(request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> web.StreamResponse:
    response = await handler(request)
    transport = request.transport
    if transport is None:  # The client has gone.
        return response
    hangs_up = asyncio.get_running_loop().call_later(_SEND_S, transport.abort)
    try:
        await response.prepare(request)
        await response.write_eof()
    finally:
        hangs_up.cancel()
    return response
