"""A stand-in for Sesamy's Management API: strict, in memory, and sharing no code with the consumer's own client."""

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

from aiohttp import web

from .faults import Faults
from .rates import Rate, Told
from .sesamy_lists import Listing, Lists, Resource

_TOKEN_LIFE_S: Final = 86_400
_DEFAULT_PAGE: Final = 20
_CODES: Final = {
    400: "validation_error",
    401: "authentication_required",
    403: "insufficient_permissions",
    404: "resource_not_found",
    405: "method_not_allowed",
    429: "rate_limit_exceeded",
    503: "service_unavailable",
}

User = dict[str, Any]
"""`profile`, `contracts`, `entitlements`, as the wire has them."""


class Sesamy:
    """The API's state, for all vendors; change it freely while it serves."""

    def __init__(self, *, envelope: Literal["bare", "data", "resource"] = "bare", page_cap: int = 100, with_totals: bool = True) -> None:
        """Choose one of the envelopes that the documents show, the server's own cap on a page, and whether `data` says what follows."""
        self.users: dict[str, dict[str, User]] = {}
        self.clients: dict[str, tuple[str, str]] = {}
        """Client id -> vendor, secret."""
        self.faults = Faults()
        self.calls: Counter[tuple[str, str]] = Counter()
        """(vendor, operation) -> calls; `all-users`, `all-contracts` and `all-entitlements` are those for the whole vendor."""
        self.fetched: Counter[tuple[str, str]] = Counter()
        """(vendor, user) -> times the profile was asked for."""
        self.knows_nobody = False
        """The users' path is wrong: 404 for every user."""
        self.unfiltered: set[str] = set()
        """Resources (`contracts`), or those of one vendor (`v1/contracts`), that give the rows of all its users, whatever is asked."""
        self.odd: dict[str, Callable[[Any], object]] = {}
        """Operation -> what becomes of each of its bodies; bytes and whole responses go out as they are."""
        self.odd_of: dict[tuple[str, str], Callable[[Any], object]] = {}
        """The same for (operation, user)."""
        self.page_cap = page_cap
        self.rate_headers: Told = "right"
        """What the headers say of a vendor's limit, where it has one."""
        self.now: Callable[[], float] = time.time
        """The clock of the limits' windows, in epoch seconds."""
        self._envelope, self._with_totals = envelope, with_totals
        self._tokens: dict[str, str] = {}
        self._rates: dict[str, Rate] = {}
        self._listing = Listing(Lists())

    @property
    def lists(self) -> Lists:
        """How the calls for a whole vendor answer."""
        return self._listing.lists

    @lists.setter
    def lists(self, lists: Lists) -> None:
        self._listing = Listing(lists)

    def add_vendor(self, vendor: str, *, client_id: str, secret: str) -> None:
        """Let a vendor in."""
        self.users.setdefault(vendor, {})
        self.clients[client_id] = (vendor, secret)

    def limit(self, vendor: str, *, requests_per_minute: float, burst: float, by_window: bool = False) -> None:
        """Refuse with 429 what goes beyond; `by_window`: of a fixed window of 60 s, whatever `burst` says."""
        now = lambda: self.now()  # noqa: E731, PLW0108 - the clock may be another one later
        self._rates[vendor] = Rate(requests_per_minute=requests_per_minute, burst=burst, by_window=by_window, now=now)

    def spend(self, vendor: str, requests: int) -> None:
        """Let another client with the vendor's credentials use so many requests of its limit."""
        for _ in range(requests):
            self._rates[vendor].take()

    def revoke_tokens(self) -> None:
        """Make every token bad."""
        self._tokens.clear()

    def app(self) -> web.Application:
        """Return the API as an application."""
        app = web.Application()
        app.router.add_post("/oauth/token", self._token)
        app.router.add_get("/management/users", self._users)
        app.router.add_get("/management/users/{user}", self._user)
        app.router.add_get("/management/contracts", self._contracts)
        app.router.add_get("/management/entitlements", self._entitlements)
        return app

    async def _token(self, request: web.Request) -> web.StreamResponse:
        form = await request.post() if request.content_type == "application/x-www-form-urlencoded" else {}
        vendor, secret = self.clients.get(str(form.get("client_id")), ("", ""))
        self.calls[vendor, "token"] += 1

        async def handle() -> web.Response:
            if form.get("grant_type") != "client_credentials" or not vendor or form.get("client_secret") != secret:
                return web.json_response({"error": "access_denied", "error_description": "Unauthorized"}, status=403)
            token = f"token-{len(self._tokens)}-{time.monotonic_ns()}"
            self._tokens[token] = vendor
            return self._answer("token", "", {"access_token": token, "token_type": "Bearer", "expires_in": _TOKEN_LIFE_S})

        return await self.faults.around(request, vendor, "token", "", handle)

    def _vendor(self, request: web.Request) -> str | None:
        return self._tokens.get(request.headers.get("Authorization", "").removeprefix("Bearer "))

    async def _user(self, request: web.Request) -> web.StreamResponse:
        vendor, user = self._vendor(request), request.match_info["user"]

        async def handle() -> web.Response:
            found = self.users[vendor or ""].get(user)
            self.fetched[vendor or "", user] += 1
            if found is None or self.knows_nobody:
                return _error(404, "resource_not_found")
            return self._answer("user", user, found["profile"] if self._envelope == "bare" else {"data": found["profile"]})

        return await self._guarded(request, vendor, "user", user, handle)

    async def _users(self, request: web.Request) -> web.StreamResponse:
        return await self._everybodys(request, "users")

    async def _contracts(self, request: web.Request) -> web.StreamResponse:
        return await (self._listed if "userId" in request.query else self._everybodys)(request, "contracts")

    async def _entitlements(self, request: web.Request) -> web.StreamResponse:
        return await (self._listed if "userId" in request.query else self._everybodys)(request, "entitlements")

    async def _listed(self, request: web.Request, resource: Resource) -> web.StreamResponse:
        vendor, user = self._vendor(request), request.query.get("userId", "")
        offset, limit = _asked(request)

        async def handle() -> web.Response:
            users = self.users[vendor or ""]
            those = list(users.values()) if self.unfiltered & {resource, f"{vendor}/{resource}"} else [users.get(user, {})]
            rows = [row for one in those for row in one.get(resource, [])]
            if not user or offset is None or not limit:
                return _error(400, "validation_error")
            length = min(limit, self.page_cap)
            meta = {"total": len(rows), "limit": length, "offset": offset, "hasMore": offset + length < len(rows)}
            return self._answer(resource, user, self._enveloped(resource, rows[offset : offset + length], meta, with_totals=True))

        return await self._guarded(request, vendor, resource, user, handle)

    async def _everybodys(self, request: web.Request, resource: Resource) -> web.StreamResponse:
        vendor, op = self._vendor(request), f"all-{resource}"
        offset, limit = _asked(request)

        async def handle() -> web.Response:
            status = self.lists.refuses.get(resource)
            if status is not None:
                return _error(status, _CODES.get(status, "internal_error"))
            if offset is None or not limit:
                return _error(400, "validation_error")
            length, search = min(limit, self.lists.page_cap or self.page_cap), request.query.get("search", "")
            page = self._listing.page(vendor or "", self.users[vendor or ""], resource, offset=offset, length=length, search=search)
            meta = {"total": page.total, "limit": length, "offset": offset, "hasMore": page.has_more}
            return self._answer(op, "", self._enveloped(resource, page.rows, meta, with_totals=self.lists.totals))

        return await self._guarded(request, vendor, op, "", handle)

    def _enveloped(self, resource: str, rows: list[Any], meta: Mapping[str, object], *, with_totals: bool) -> object:
        if self._envelope == "bare":
            return rows
        if self._envelope == "resource":
            return {resource: rows}
        return {"data": rows, "pagination": meta} if with_totals and self._with_totals else {"data": rows}

    def _answer(self, op: str, user: str, body: object) -> web.Response:
        odd = self.odd_of.get((op, user)) or self.odd.get(op)
        told = body if odd is None else odd(body)
        if isinstance(told, web.Response):
            return told
        return web.Response(body=told, content_type="application/json") if isinstance(told, bytes) else web.json_response(told)

    async def _guarded(self, request: web.Request, vendor: str | None, op: str, user: str, handle: Any) -> web.StreamResponse:  # noqa: ANN401
        if vendor is None:
            self.calls["", op] += 1
            return _error(401, "authentication_required")
        self.calls[vendor, op] += 1
        rate = self._rates.get(vendor)
        if rate is None:
            return await self.faults.around(request, vendor, op, user, handle)
        if rate.take():
            answer = await self.faults.around(request, vendor, op, user, handle)
        else:
            self.calls[vendor, "429"] += 1
            answer = _error(429, "rate_limit_exceeded", retry_after=rate.retry_after_s())
        if not answer.prepared:
            answer.headers.update(rate.headers(self.rate_headers))
        return answer


def _asked(request: web.Request) -> tuple[int | None, int | None]:
    """Return the offset and limit that a call asks for; None: what is no number."""
    return _number(request.query.get("offset", "0")), _number(request.query.get("limit", str(_DEFAULT_PAGE)))


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() else None


def _error(status: int, code: str, **more: object) -> web.Response:
    body = {"error": {"code": code, "message": code.replace("_", " "), **more}}
    headers = {"Retry-After": str(more["retry_after"])} if "retry_after" in more else None
    return web.Response(status=status, body=json.dumps(body).encode(), content_type="application/json", headers=headers)
