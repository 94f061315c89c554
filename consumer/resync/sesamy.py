"""Sesamy's Management API in our nouns."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Final, Literal

from msgspec import Struct

from ..core.answers import sesamy as answers
from ..core.answers.pages import Listing, PageLengths
from ..core.answers.sesamy import CONTRACTS, ENTITLEMENTS, Row
from ..core.answers.shapes import Json, Shape
from ..core.answers.snapshot import Contract, Entitlement, Profile, Snapshot
from ..core.errors import Denied, Refused, Retryable
from ..core.model import UserKey
from ..telemetry.loop import loop_time
from .http.answers import Answer, tolerant
from .http.exchange import MIB, Http, segment
from .http.token import Token
from .waits import together

REFUSES: Final = frozenset({400, 413, 422})
PAGE_ROWS: Final = 100
MAX_PAGES: Final = 1000
_CAP_BYTES: Final = 2 * MIB
"""Twenty times what a page takes; more would hold up the loop while it is decoded."""
_NOT_FOUND: Final = 404
_NO_LIST: Final = (400, 403, 404, 405, 422, 501)
"""Assumption: so a list of all users is refused."""
NOBODYS: Final = (400, _NOT_FOUND, 422)
"""Assumption: so a user id that no reader has may be refused."""

Permit = Callable[[], Awaitable[None]]
Resource = Literal["contracts", "entitlements"]


class Page(Struct, frozen=True):
    """A page of a list of all users."""

    rows: Sequence[Profile | Contract | Entitlement]
    """Those that can be used."""
    length: int
    """How many rows it has."""
    said: object
    """The decoded answer."""


class Sesamy:
    """
    One vendor.

    It promises: a snapshot is whole and of the user that was asked for, or there is none.
    """

    def __init__(self, http: Http, token: Token, *, note_odd: Callable[[Collection[str]], None] = lambda _: None) -> None:
        """Take the API and its token; `note_odd` is told the names of fields and rows that could not be read."""
        self._http, self._token, self._note_odd = http, token, note_odd
        self._lengths = PageLengths()

    async def snapshot(self, user: UserKey, *, permit: Permit, page: Permit | None = None) -> Snapshot | None:
        """
        Fetch a user as Sesamy has it now, whole; None: Sesamy knows no such user, and has nothing of it.

        Args:
            permit: awaited before each call beyond the first three, which are paid for.
            page: awaited in its place before a page after the first of a list; None: `permit` is.

        Raises:
            Retryable, Refused, Denied, Forbidden: as `Http.exchange`; `wrong-shape`, `too-many-pages`, `foreign-user`; `user-missing`,
                where there are rows of a user that is not known.
            Held: from `permit`, `page`.
        """
        profile: Profile | None = None
        contracts: list[Contract] = []
        entitlements: list[Entitlement] = []

        async def fetch_profile() -> None:
            nonlocal profile
            profile = await self._profile(user, permit)

        async def fetch_contracts() -> None:
            contracts.extend(await self._rows(CONTRACTS, user, permit, page))

        async def fetch_entitlements() -> None:
            entitlements.extend(await self._rows(ENTITLEMENTS, user, permit, page))

        await together(fetch_profile, fetch_contracts, fetch_entitlements)
        if profile is None:
            # A path that is wrong says 404 as well.
            if contracts or entitlements:
                raise Retryable("user: it is not known, and has rows", code="user-missing")
            return None
        return Snapshot(user=user, profile=profile, contracts=tuple(contracts), entitlements=tuple(entitlements))

    async def users_page(self, offset: int, permit: Permit) -> Page:
        """
        Return a page of all users.

        Raises:
            Refused: the list can't be had.
            Retryable, Denied: as `Http.exchange`; `wrong-shape`.
        """
        said = await self._page_of_all(answers.USERS, offset, permit)
        return self._page(said, lambda: answers.profiles(said))

    async def contracts_page(self, offset: int, permit: Permit) -> Page:
        """Return a page of the contracts of all users; raises as `users_page`."""
        said = await self._page_of_all(CONTRACTS.name, offset, permit)
        return self._page(said, lambda: answers.rows(said, CONTRACTS))

    async def entitlements_page(self, offset: int, permit: Permit) -> Page:
        """Return a page of the entitlements of all users; raises as `users_page`."""
        said = await self._page_of_all(ENTITLEMENTS.name, offset, permit)
        return self._page(said, lambda: answers.rows(said, ENTITLEMENTS))

    async def rows_of(self, resource: Resource, user: UserKey, permit: Permit) -> Sequence[Contract | Entitlement]:
        """
        Return the contracts or entitlements of one user; the first call is paid for.

        Raises:
            Retryable, Refused, Denied: as `snapshot`.
        """
        return await self._rows(CONTRACTS, user, permit) if resource == "contracts" else await self._rows(ENTITLEMENTS, user, permit)

    async def _page_of_all(self, resource: str, offset: int, permit: Permit) -> Json:
        query = [("limit", str(PAGE_ROWS)), ("offset", str(offset))]
        answer = await self._get(resource, f"/management/{resource}", query, permit, also=_NO_LIST)
        if answer.status in _NO_LIST:
            raise Refused(f"{resource}: status {answer.status}", code=f"http-{answer.status}", said=answer.said)
        return tolerant(answer, resource)

    def _page(self, said: Json, read: Callable[[], tuple[Sequence[Profile | Contract | Entitlement], int]]) -> Page:
        try:
            return Page(*read(), said.tree)
        finally:
            self._note_odd(said.odd)

    async def obeys_filter(self, resource: Resource, user_id: str, *, permit: Permit) -> bool:
        """
        Ask for the rows of a user that does not exist; return whether there are none.

        Args:
            user_id: one that is well-formed, and that no reader has.
            permit: awaited first.

        Raises:
            Retryable, Refused, Denied: as `Http.exchange`; `wrong-shape`.
            Held: from `permit`.
        """
        await permit()
        answer = await self._get(resource, f"/management/{resource}", _page(user_id, 0), permit, also=NOBODYS)
        return answer.status in NOBODYS or not answers.listed(tolerant(answer, resource).tree, resource)

    def renew(self) -> None:
        """Have the next call ask for a new token, with the secret as it is then: this one may no longer have the rights."""
        self._token.drop()

    async def _profile(self, user: UserKey, permit: Permit) -> Profile | None:
        answer = await self._get("user", f"/management/users/{segment(user.user)}", [], permit, also=(_NOT_FOUND,))
        if answer.status == _NOT_FOUND:
            return None
        said = tolerant(answer, "user")
        try:
            profile = answers.profile(said)
        finally:
            self._note_odd(said.odd)
        if user.user not in profile.named:
            raise Retryable("user: the answer names another user", code="foreign-user")
        return profile

    async def _rows(self, shape: Shape[Row], user: UserKey, permit: Permit, page: Permit | None = None) -> list[Row]:
        """Return all rows. Where they moved meanwhile, they are read once more; of one that came twice, the later is the younger."""
        rows: dict[str, Row] = {}
        more = page or permit
        if await self._pages(shape, user, permit, more, rows):
            await more()
            await self._pages(shape, user, permit, more, rows)
        return list(rows.values())

    async def _pages(self, shape: Shape[Row], user: UserKey, permit: Permit, more: Permit, rows: dict[str, Row]) -> bool:
        """Read all pages into `rows`; return whether rows moved. The next offset is the number of rows received."""
        listing, resource = Listing(), shape.name
        for page in range(MAX_PAGES):
            if page:
                await more()
            said = tolerant(await self._get(resource, f"/management/{resource}", _page(user.user, listing.received), permit), resource)
            try:
                found, length = answers.rows(said, shape)
            finally:
                self._note_odd(said.odd)
            rows |= {row.id: row for row in found}
            is_short = self._lengths.is_short(resource, length, now=loop_time())
            if listing.take([row.id for row in found], rows=length, said=said.tree, is_short=is_short):
                return listing.moved
        raise Retryable(f"{resource}: more than {MAX_PAGES} pages", code="too-many-pages")

    async def _get(self, op: str, path: str, query: list[tuple[str, str]], permit: Permit, *, also: tuple[int, ...] = ()) -> Answer:
        token = await self._token.get()
        try:
            return await self._ask(op, path, query, token, also)
        except Denied:
            # It may have been revoked, or have ended early: once more with a new one.
            self._token.drop(token)
        await permit()
        token = await self._token.get()
        try:
            return await self._ask(op, path, query, token, also)
        except Denied:
            self._token.drop(token)
            raise

    async def _ask(self, op: str, path: str, query: list[tuple[str, str]], token: str, also: tuple[int, ...]) -> Answer:
        headers = {"Authorization": f"Bearer {token}"}
        return await self._http.exchange(op, "GET", path, query=query, headers=headers, also=also, cap_bytes=_CAP_BYTES)


def nobody(bits: int) -> str:
    """Return a user id that is well-formed, and that no reader has; `bits`: 128 drawn ones."""
    return f"email|{bits:032x}"


def _page(user_id: str, offset: int) -> list[tuple[str, str]]:
    return [("userId", user_id), ("limit", str(PAGE_ROWS)), ("offset", str(offset))]
