"""Pods that say what a test wants them to say: real servers on this machine, of this process."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import msgspec
from aiohttp import web

from consumer.sandbox.ports import free_port


@asynccontextmanager
async def answering(answers: Mapping[str, object], *, host: str = "127.0.0.1") -> AsyncIterator[str]:
    """Answer each path with its bytes, or with JSON of anything else; give the address. Other paths are not found."""

    async def answer(request: web.Request) -> web.Response:
        found = answers.get(request.path)
        if found is None:
            return web.Response(status=404)
        return web.Response(body=found if isinstance(found, bytes) else msgspec.json.encode(found), content_type="application/json")

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, 0).start()
        yield f"http://{f'[{host}]' if ':' in host else host}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def nobody() -> str:
    """Return an address at which nothing answers."""
    return f"http://127.0.0.1:{free_port()}"
