"""A stand-in as a real HTTP server on loopback."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from aiohttp import web


@asynccontextmanager
async def serving(app: web.Application, *, port: int = 0, cuts_off: bool = True) -> AsyncIterator[str]:
    """
    Serve `app` on 127.0.0.1; gives its address. Handlers that hang are cut off at the end.

    Args:
        cuts_off: Whether a handler ends where its client hangs up.
    """
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2, handler_cancellation=cuts_off)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", port)
        with anyio.CancelScope(shield=True):  # One that is cut off here leaves its socket behind.
            await site.start()
        host, bound = runner.addresses[0][:2]
        yield f"http://{host}:{bound}"
    finally:
        await runner.cleanup()
