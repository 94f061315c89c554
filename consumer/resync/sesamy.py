"""Sesamy's Management API in our nouns."""

from collections.abc import Awaitable, Callable, Collection
from typing import Final, Literal

import anyio

from ..core.answers import sesamy as answers
from ..core.answers.pages import Listing, PageLengths
from ..core.answers.sesamy import CONTRACTS, ENTITLEMENTS, Row
from ..core.answers.shapes import Json, Shape, decoded, number
from ..core.answers.snapshot import Contract, Entitlement, Profile, Snapshot
from ..core.errors import ConsumerError, Denied, Forbidden, Refused, Retryable
from ..core.model import UserKey
from .http.answers import Answer
from .http.exchange import MIB, Http, segment
from .waits import together

REFUSES: Final = frozenset({400, 413, 422})
PAGE_ROWS: Final = 100
MAX_PAGES: Final = 1000
_CAP_BYTES: Final = 2 * MIB
"""Twenty times what a page takes; more would hold up the loop while it is decoded."""
_RENEW_BEFORE_S: Final = 60.0
_UNSAID_LIFE_S: Final = 300.0
_ODD_LIFE_S: Final = 2 * _RENEW_BEFORE_S
"""Of a token whose life is said, but can't be that: it is used for a minute."""
_LIFE_MIN_S, _LIFE_MAX_S = 1.0, 366 * 86_400.0
_NO_CONTENT: Final = 204
_NOT_FOUND: Final = 404
_NOBODYS: Final = (400, _NOT_FOUND, 422)
"""Assumption: so a user id that no reader has may be refused."""

Permit = Callable[[], Awaitable[None]]
Resource = Literal["contracts", "entitlements"]


class _Refresh:
    """A refresh that is going; calls that come meanwhile wait for it."""

    def __init__(self) -> None:
        self.done = anyio.Event()
        # Of one that has failed; none in one that was cancelled.
        self.error: ConsumerError | None = None


class Token:
    """
    One vendor's access token, by client credentials.

    It promises: it is kept until 60 s before its end; one refresh goes at a time, and a call that waited for it shares what
    becomes of it; a token that was refused is dropped.
    """

    def __init__(
        self,
        http: Http,
        *,
        client_id: str,
        client_secret: Callable[[], str],
        audience: str | None = None,
        scope: str | None = None,
        expire_secret: Callable[[], None] = lambda: None,
    ) -> None:
        """Take the token endpoint; the secret is read at each use, and `expire_secret` is told that it was refused."""
        self._http, self._client_id, self._client_secret = http, client_id, client_secret
        self._more = {name: value for name, value in (("audience", audience), ("scope", scope)) if value}
        self._expire_secret = expire_secret
        self._refreshing: _Refresh | None = None
        self._token, self._good_until = "", -1.0

    async def get(self) -> str:
        """
        Return a token that is good for now.

        Raises:
            Denied: our credentials are refused.
            Retryable: as `Http.exchange`.
        """
        while anyio.current_time() >= self._good_until:
            going = self._refreshing
            if going is None:
                return await self._refresh_for_all()
            await going.done.wait()
            if going.error is not None:
                raise going.error
        return self._token

    def drop(self, token: str | None = None) -> None:
        """Forget a token that was refused, unless there is a newer one already; None: whatever we have."""
        if token is None or token == self._token:
            self._good_until = -1.0

    async def _refresh_for_all(self) -> str:
        self._refreshing = going = _Refresh()
        try:
            await self._refresh()
        except ConsumerError as error:
            going.error = error
            raise
        finally:
            self._refreshing = None
            going.done.set()
        return self._token

    async def _refresh(self) -> None:
        form = {
            "grant_type": "client_credentials",
            "client_id": self._client_id,
            "client_secret": self._client_secret(),
            **self._more,
        }
        try:
            answer = await self._http.exchange("token", "POST", "", form=form)
        except (Denied, Forbidden, Refused) as error:
            self._expire_secret()
            raise Denied("Sesamy refuses our client credentials", code=error.code, said=error.said) from None
        tree = _json(answer, "token").tree
        token = tree.get("access_token") if isinstance(tree, dict) else None
        if not (isinstance(token, str) and token and token.isascii() and token.isprintable()):
            raise Retryable("token: the answer has an unknown shape", code="wrong-shape")
        life_s = _life_s(tree.get("expires_in") if isinstance(tree, dict) else None)
        self._token = token
        self._good_until = anyio.current_time() + max(life_s - _RENEW_BEFORE_S, life_s / 2 if life_s <= _RENEW_BEFORE_S * 2 else 0)


def _life_s(said: object) -> float:
    """Return how long a token lives, whatever is said of it."""
    if said is None:
        return _UNSAID_LIFE_S
    life_s = number(said)
    return life_s if life_s is not None and _LIFE_MIN_S <= life_s <= _LIFE_MAX_S else _ODD_LIFE_S


class Sesamy:
    """
    One vendor.

    It promises: a snapshot is whole and of the user that was asked for, or there is none.
    """

    def __init__(self, http: Http, token: Token, *, note_odd: Callable[[Collection[str]], None] = lambda _: None) -> None:
        """Take the API and its token; `note_odd` is told the names of fields and rows that could not be read."""
        self._http, self._token, self._note_odd = http, token, note_odd
        self._lengths = PageLengths()

    async def snapshot(self, user: UserKey, *, permit: Permit) -> Snapshot | None:
        """
        Fetch a user as Sesamy has it now, whole; None: Sesamy knows no such user, and has nothing of it.

        Args:
            permit: awaited before each call beyond the first three, which are paid for.

        Raises:
            Retryable, Refused, Denied, Forbidden: as `Http.exchange`; `wrong-shape`, `too-many-pages`, `foreign-user`; `user-missing`,
                where there are rows of a user that is not known.
            Held: from `permit`.
        """
        profile: Profile | None = None
        contracts: list[Contract] = []
        entitlements: list[Entitlement] = []

        async def fetch_profile() -> None:
            nonlocal profile
            profile = await self._profile(user, permit)

        async def fetch_contracts() -> None:
            contracts.extend(await self._rows(CONTRACTS, user, permit))

        async def fetch_entitlements() -> None:
            entitlements.extend(await self._rows(ENTITLEMENTS, user, permit))

        await together(fetch_profile, fetch_contracts, fetch_entitlements)
        if profile is None:
            # A path that is wrong says 404 as well.
            if contracts or entitlements:
                raise Retryable("user: it is not known, and has rows", code="user-missing")
            return None
        return Snapshot(user=user, profile=profile, contracts=tuple(contracts), entitlements=tuple(entitlements))

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
        answer = await self._get(resource, f"/management/{resource}", _page(user_id, 0), permit, also=_NOBODYS)
        return answer.status in _NOBODYS or not answers.listed(_json(answer, resource).tree, resource)

    def renew(self) -> None:
        """Have the next call ask for a new token, with the secret as it is then: this one may no longer have the rights."""
        self._token.drop()

    async def _profile(self, user: UserKey, permit: Permit) -> Profile | None:
        answer = await self._get("user", f"/management/users/{segment(user.user)}", [], permit, also=(_NOT_FOUND,))
        if answer.status == _NOT_FOUND:
            return None
        said = _json(answer, "user")
        try:
            profile = answers.profile(said)
        finally:
            self._note_odd(said.odd)
        if user.user not in profile.named:
            raise Retryable("user: the answer names another user", code="foreign-user")
        return profile

    async def _rows(self, shape: Shape[Row], user: UserKey, permit: Permit) -> list[Row]:
        """Return all rows. Where they moved meanwhile, they are read once more; of one that came twice, the later is the younger."""
        rows: dict[str, Row] = {}
        if await self._pages(shape, user, permit, rows):
            await permit()
            await self._pages(shape, user, permit, rows)
        return list(rows.values())

    async def _pages(self, shape: Shape[Row], user: UserKey, permit: Permit, rows: dict[str, Row]) -> bool:
        """Read all pages into `rows`; return whether rows moved. The next offset is the number of rows received."""
        listing, resource = Listing(), shape.name
        for page in range(MAX_PAGES):
            if page:
                await permit()
            said = _json(await self._get(resource, f"/management/{resource}", _page(user.user, listing.received), permit), resource)
            try:
                found, length = answers.rows(said, shape)
            finally:
                self._note_odd(said.odd)
            rows |= {row.id: row for row in found}
            is_short = self._lengths.is_short(resource, length, now=anyio.current_time())
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


def _page(user_id: str, offset: int) -> list[tuple[str, str]]:
    return [("userId", user_id), ("limit", str(PAGE_ROWS)), ("offset", str(offset))]


def _json(answer: Answer, what: str) -> Json:
    if answer.status == _NO_CONTENT:
        return Json(None)
    try:
        return decoded(answer.body)
    except (ValueError, RecursionError):
        raise Retryable(f"{what}: the answer is not JSON", code="not-json") from None
