"""The contacts that left lately, asked for anew before one that seems new is put on a list, where addresses hide those that left."""

from collections.abc import Awaitable, Callable
from typing import Final

import anyio

from ...core.errors import Refused
from ...core.mapping.consent import Consent, Walk
from .account_registers import LEFT, OVERLAP_S
from .list_rows import ListRows

_PAGES: Final = 10
"""More left since the register was read a minute ago: then it is no list of those that left lately."""


class Lately:
    """
    The question of one account.

    It promises: once it says yes, each register knows all that left before it was asked; several that wait ask once.
    """

    def __init__(self, rows: ListRows, consent: Consent) -> None:
        """Take what reads the lists, and the registers, which learn what is told."""
        self._rows, self._consent = rows, consent
        self._lock = anyio.Lock()
        self._asked_at = -1.0

    async def known(self, *, permit: Callable[[], Awaitable[None]]) -> bool:
        """
        Ask each list; return whether all could be asked.

        Raises:
            Retryable, Denied: as `Http.exchange`.
            Held: from `permit`.
        """
        wanted_at = anyio.current_time()
        async with self._lock:
            if self._asked_at >= wanted_at:
                return True
            began = anyio.current_time()
            for list_id in self._consent.registers:
                if not await self._list(list_id, permit):
                    return False
            self._asked_at = began
            return True

    async def _list(self, list_id: str, permit: Callable[[], Awaitable[None]]) -> bool:
        register = self._consent.registers[list_id]
        if register.since is None:
            return False
        for status in LEFT:
            walk, goes_on = Walk(), True
            while goes_on and walk.page <= _PAGES:
                await permit()
                try:
                    page = await self._rows.page(list_id, status, page=walk.page, updated_after=register.since - OVERLAP_S)
                except Refused:
                    return False
                register.left(page.rows)
                goes_on = walk.goes_on(page.rows)
            if goes_on or walk.stuck:
                return False
        return True
