"""Sesamy's forwarder: it posts events to a webhook, and again, with a growing pause, until they are taken or refused for good."""

from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Final

import aiohttp
import anyio

from ...core.text import shown

_AT_ONCE: Final = 16
_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 2.0
_ANSWER_S: Final = 10.0


class Forwarder:
    """
    Posts each event by itself, as Sesamy documents it.

    It promises: an event is posted until it is answered with 2xx; after 5xx, 429 and no answer at all, it is posted again.
    """

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        """Take the webhook's address, and the static headers of the endpoint."""
        self._url, self._headers = url, {**headers, "Content-Type": "application/json"}
        self._waiting: deque[bytes] = deque()
        self._come = anyio.Event()
        self._open = 0
        self.taken = self.again = 0
        """Events that were answered with 2xx, and posts that were not."""
        self.refused: list[str] = []
        """Answers that no further post would change."""

    def send(self, events: Iterable[bytes]) -> None:
        """Post events, beside all else."""
        before = len(self._waiting)
        self._waiting += events
        self._open += len(self._waiting) - before
        come, self._come = self._come, anyio.Event()
        come.set()

    async def all_taken(self) -> None:
        """Return once nothing is left to post."""
        while self._open:
            await anyio.sleep(0.02)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Post while the block lasts."""
        limit = aiohttp.ClientTimeout(total=_ANSWER_S)
        async with aiohttp.ClientSession(headers=self._headers, timeout=limit) as session, anyio.create_task_group() as tasks:
            for _ in range(_AT_ONCE):
                tasks.start_soon(self._post_all, session)
            yield
            tasks.cancel_scope.cancel()

    async def _post_all(self, session: aiohttp.ClientSession) -> None:
        while True:
            while not self._waiting:
                await self._come.wait()  # One for all: each that waits is woken.
            event = self._waiting.popleft()
            try:
                await self._until_answered(session, event)
            finally:
                self._open -= 1

    async def _until_answered(self, session: aiohttp.ClientSession, event: bytes) -> None:
        pause_s = _FIRST_PAUSE_S
        while True:
            status, text = await self._post(session, event)
            if 200 <= status < 300:  # noqa: PLR2004 - the statuses of success
                self.taken += 1
                return
            if status and status < 500 and status != 429:  # noqa: PLR2004 - what is not tried again
                self.refused.append(f"{status} {shown(text)}")
                return
            self.again += 1
            await anyio.sleep(pause_s)
            pause_s = min(_LONGEST_PAUSE_S, pause_s * 2)

    async def _post(self, session: aiohttp.ClientSession, event: bytes) -> tuple[int, str]:
        """Return the answer; 0: there was none."""
        try:
            async with session.post(self._url, data=event) as answer:
                return answer.status, await answer.text()
        except (aiohttp.ClientError, TimeoutError, OSError):
            return 0, ""
