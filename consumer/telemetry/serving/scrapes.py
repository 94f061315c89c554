"""The text of `/metrics`: written beside the loop, one at a time, and once for all that ask within a second."""

from collections.abc import Callable
from math import inf
from typing import Final

import anyio
import anyio.to_thread
from aiohttp import web
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

_SCRAPED_S: Final = 1.0
"""A scrape's text serves all that ask within so long."""
_FORMATS: Final = 8


class Scrapes:
    """
    What `/metrics` answers.

    It promises: no scrape holds up the loop, and many cost no more than one a second.
    """

    def __init__(self, collect: Callable[[], Collector]) -> None:
        """Take what gives a scrape its metrics; it is called on the loop, what it gives is read in a thread."""
        self._collect = collect
        self._lock = anyio.Lock()
        # By format: when it was made (loop's clock, s), and the text.
        self._made: dict[str, tuple[float, bytes]] = {}

    async def answer(self, request: web.Request) -> web.Response:
        """Answer a scrape."""
        text, content_type = await self.text(request.headers.get("Accept", ""))
        return web.Response(body=text, headers={"Content-Type": content_type})

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
                text = await anyio.to_thread.run_sync(encode, self._collect())
                self._made[content_type] = made_at, text
        return text, content_type
