"""The ids of one account's tags, where a contact is written with ids: read from its catalogue, and made there where one is missing."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from math import inf
from typing import Final

import anyio
from msgspec import Struct

from ...core.errors import Retryable
from ...core.mapping.consent import ContactId, Row, Standing, Walk
from ...core.mapping.tags import PREFIX

PER_PAGE: Final = 1000
_FRESH_S: Final = 3600.0
"""A tag that a person takes away and makes anew has another id, which Make.as would pass over in silence."""
_MOST: Final = 50_000
"""Ids that are kept; what is beyond is asked for again."""


class Tag(Struct, frozen=True):
    """One tag of the catalogue."""

    id: ContactId
    title: str


Page = Callable[[int], Awaitable[Sequence[Tag]]]
Create = Callable[[str], Awaitable[Tag]]


class TagIds:
    """
    The ids of one account.

    It promises: a title gets one id, that of the catalogue where it is there; none is made twice at once, and none is ever taken away;
    memory is O(50,000 titles), of ours and of those that were asked for.
    """

    def __init__(self, page: Page) -> None:
        """Take what asks for a page of the catalogue, counted from 1."""
        self._page = page
        self._ids: dict[str, ContactId] = {}
        self._read_at = -inf
        self._lock = anyio.Lock()

    async def of(
        self, titles: Sequence[str], known: Mapping[str, ContactId], *, permit: Callable[[], Awaitable[None]], create: Create
    ) -> list[ContactId]:
        """
        Return the ids of titles, in their order.

        Args:
            known: those that the contact shows.
            permit: awaited before each call.
            create: adds a title to the catalogue.

        Raises:
            ConsumerError: as the calls; `wrong-shape`, where the catalogue can't be read to its end.
        """
        found = dict(known)
        if any(one not in found for one in titles):
            async with self._lock:
                found |= await self._looked_up([one for one in titles if one not in found], permit, create)
        return [found[one] for one in titles]

    async def _looked_up(self, titles: Collection[str], permit: Callable[[], Awaitable[None]], create: Create) -> dict[str, ContactId]:
        is_stale = anyio.current_time() - self._read_at >= _FRESH_S
        if is_stale or any(one not in self._ids for one in titles):
            await self._read(titles, permit)
        for one in titles:
            if one not in self._ids:
                await permit()
                self._ids[one] = (await create(one)).id
        return {one: self._ids[one] for one in titles}

    async def _read(self, titles: Collection[str], permit: Callable[[], Awaitable[None]]) -> None:
        """Read the whole catalogue: of what is not in it, none may be made before its end was seen."""
        began, walk, ids, goes_on = anyio.current_time(), Walk(), dict[str, ContactId](), True
        while goes_on:
            await permit()
            page = await self._page(walk.page)
            for one in page:
                if one.title in titles or (one.title.startswith(PREFIX) and len(ids) < _MOST):
                    ids.setdefault(one.title, one.id)
            goes_on = walk.goes_on([Row(one.id, None, Standing.UNREADABLE) for one in page])
        if walk.stuck and len(ids.keys() & set(titles)) < len(set(titles)):
            raise Retryable("tags: the same page again, whatever page is asked for", code="wrong-shape")
        self._ids, self._read_at = ids, began
