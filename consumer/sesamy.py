"""Sesamy's Management API in our nouns."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import anyio

from .errors import ConsumerError, Denied, Forbidden, Refused, Retryable
from .http import MIB, Answer, Http, decoded, segment, shaped, together
from .model import Contract, Entitlement, Profile, Snapshot, UserKey

REFUSES: Final = frozenset({400, 413, 422})
PAGE_ROWS: Final = 100
MAX_PAGES: Final = 1000
_USUAL_CAPS: Final = frozenset({10, 20, 25, 30, 50})
"""Assumption: a page of such a length may be short because the server caps it."""
_CAP_BYTES: Final = 8 * MIB
_RENEW_BEFORE_S: Final = 60.0
_UNSAID_LIFE_S: Final = 300.0
_NOT_FOUND: Final = 404

Permit = Callable[[], Awaitable[None]]
Row = TypeVar("Row", Contract, Entitlement)


class _Refresh:
    """A refresh that is going; those who come meanwhile wait for it."""

    def __init__(self) -> None:
        self.done = anyio.Event()
        # Of one that has failed; none in one that was cancelled.
        self.error: ConsumerError | None = None


class Token:
    """
    One vendor's access token, by client credentials.

    It promises: it is kept until 60 s before its end; one refresh goes at a time, and who waited for it shares what
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
            raise Denied("Sesamy refuses our client credentials", code=error.code) from None
        tree = decoded(answer, "token")
        token = tree.get("access_token") if isinstance(tree, dict) else None
        if not (isinstance(token, str) and token and token.isascii() and token.isprintable()):
            raise Retryable("token: the answer has an unknown shape", code="wrong-shape")
        life_s = tree.get("expires_in") if isinstance(tree, dict) else None
        life_s = float(life_s) if isinstance(life_s, int | float) and life_s > 0 else _UNSAID_LIFE_S
        self._token = token
        self._good_until = anyio.current_time() + max(life_s - _RENEW_BEFORE_S, life_s / 2 if life_s <= _RENEW_BEFORE_S * 2 else 0)


class Sesamy:
    """One vendor."""

    def __init__(self, http: Http, token: Token) -> None:
        """Take the API and its token."""
        self._http, self._token = http, token

    async def snapshot(self, user: UserKey, *, permit: Permit) -> Snapshot | None:
        """
        Fetch a user as Sesamy has it now, whole; None: Sesamy knows no such user.

        Args:
            permit: awaited before each call beyond the first three, which are paid for.

        Raises:
            Retryable, Refused, Denied, Forbidden: as `Http.exchange`; `too-many-pages`, `foreign-user`.
            Held: from `permit`.
        """
        profile: Profile | None = None
        contracts: list[Contract] = []
        entitlements: list[Entitlement] = []
        absent = False

        async def fetch_profile() -> None:
            nonlocal profile, absent
            profile = await self._profile(user, permit)
            if profile is None:
                absent = True
                others.cancel()

        async def fetch_contracts() -> None:
            contracts.extend(await self._pages("contracts", user, list[Contract], permit))

        async def fetch_entitlements() -> None:
            entitlements.extend(await self._pages("entitlements", user, list[Entitlement], permit))

        with anyio.CancelScope() as others:
            await together(fetch_profile, fetch_contracts, fetch_entitlements)
        if absent or profile is None:
            return None
        return Snapshot(user=user, profile=profile, contracts=tuple(contracts), entitlements=tuple(entitlements))

    def renew(self) -> None:
        """Have the next call ask for a new token, with the secret as it is then: this one may no longer have the rights."""
        self._token.drop()

    async def _profile(self, user: UserKey, permit: Permit) -> Profile | None:
        answer = await self._get("user", f"/management/users/{segment(user.user)}", [], permit, also=(_NOT_FOUND,))
        if answer.status == _NOT_FOUND:
            return None
        tree = decoded(answer, "user")
        if isinstance(tree, dict) and not {"userId", "id", "email"} & tree.keys():
            tree = tree.get("data", tree.get("user"))
        profile = shaped(tree, Profile, "user")
        if not (profile.user_id or profile.id or profile.email):
            raise Retryable("user: the answer says nothing of a user", code="wrong-shape")
        if (profile.user_id or profile.id or user.user) != user.user:
            raise Retryable("user: the answer names another user", code="foreign-user")
        return profile

    async def _pages(self, resource: str, user: UserKey, type_: type[list[Row]], permit: Permit) -> list[Row]:
        """Return all rows; the next offset is the number of rows received."""
        rows: dict[str, Row] = {}
        received = 0
        for page in range(MAX_PAGES):
            if page:
                await permit()
            query = [("userId", user.user), ("limit", str(PAGE_ROWS)), ("offset", str(received))]
            tree = decoded(await self._get(resource, f"/management/{resource}", query, permit), resource)
            batch = shaped(_rows(tree, resource), type_, resource)
            new = {row.id: row for row in batch if row.id not in rows}
            rows |= new
            received += len(batch)
            if not new or _was_last(tree, len(batch), received):
                return list(rows.values())
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


def _rows(tree: object, resource: str) -> object:
    """Take a list out of its envelope: bare, `data`, or named as the resource."""
    return tree.get("data", tree.get(resource)) if isinstance(tree, dict) else tree


def _was_last(tree: object, length: int, received: int) -> bool:
    """Say whether nothing follows; what the reply says of it counts, but for a total below what was received."""
    said = [tree] if isinstance(tree, dict) else []
    said += [part for name in ("meta", "pagination") if said and isinstance(part := said[0].get(name), dict)]
    follows = [value for part in said for name, value in part.items() if isinstance(value, bool) and _says_what_follows(name)]
    totals = [part["total"] for part in said if type(part.get("total")) is int and part["total"] >= received]
    if any(follows) or any(total > received for total in totals):
        return False
    if follows or totals:
        return True
    return length < PAGE_ROWS and length not in _USUAL_CAPS


def _says_what_follows(name: str) -> bool:
    """Say whether a flag is of the pages to come, as `hasMore` and `has_next_page` are; `hasPrevious` and `hasErrors` are not."""
    name = name.lower()
    return name.startswith("has") and ("more" in name or "next" in name) and "prev" not in name
