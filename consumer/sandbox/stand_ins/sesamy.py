"""A stand-in for Sesamy's Management API: strict, in memory, and sharing no code with the consumer's own client."""

import json
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Final, Literal

from aiohttp import web

from .faults import Faults

_TOKEN_LIFE_S: Final = 86_400
_DEFAULT_PAGE: Final = 20

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
        """(vendor, operation) -> calls."""
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
        self._envelope, self._with_totals = envelope, with_totals
        self._tokens: dict[str, str] = {}
        self._rates: dict[str, _Bucket] = {}

    def add_vendor(self, vendor: str, *, client_id: str, secret: str) -> None:
        """Let a vendor in."""
        self.users.setdefault(vendor, {})
        self.clients[client_id] = (vendor, secret)

    def limit(self, vendor: str, *, requests_per_minute: float, burst: float) -> None:
        """Refuse with 429 what goes beyond."""
        self._rates[vendor] = _Bucket(requests_per_minute / 60, burst)

    def revoke_tokens(self) -> None:
        """Make every token bad."""
        self._tokens.clear()

    def app(self) -> web.Application:
        """Return the API as an application."""
        app = web.Application()
        app.router.add_post("/oauth/token", self._token)
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

    async def _contracts(self, request: web.Request) -> web.StreamResponse:
        return await self._listed(request, "contracts")

    async def _entitlements(self, request: web.Request) -> web.StreamResponse:
        return await self._listed(request, "entitlements")

    async def _listed(self, request: web.Request, resource: str) -> web.StreamResponse:
        vendor, user = self._vendor(request), request.query.get("userId", "")
        offset, limit = (_number(request.query.get(name, default)) for name, default in (("offset", "0"), ("limit", str(_DEFAULT_PAGE))))

        async def handle() -> web.Response:
            users = self.users[vendor or ""]
            those = list(users.values()) if self.unfiltered & {resource, f"{vendor}/{resource}"} else [users.get(user, {})]
            rows = [row for one in those for row in one.get(resource, [])]
            if not user or offset is None or not limit:
                return _error(400, "validation_error")
            length = min(limit, self.page_cap)
            page = rows[offset : offset + length]
            if self._envelope == "bare":
                return self._answer(resource, user, page)
            if self._envelope == "resource":
                return self._answer(resource, user, {resource: page})
            if not self._with_totals:
                return self._answer(resource, user, {"data": page})
            meta = {"total": len(rows), "limit": length, "offset": offset, "hasMore": offset + length < len(rows)}
            return self._answer(resource, user, {"data": page, "pagination": meta})

        return await self._guarded(request, vendor, resource, user, handle)

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
        if rate is not None and not rate.take():
            self.calls[vendor, "429"] += 1
            return _error(429, "rate_limit_exceeded", retry_after=2)
        return await self.faults.around(request, vendor, op, user, handle)


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() else None


def _error(status: int, code: str, **more: object) -> web.Response:
    body = {"error": {"code": code, "message": code.replace("_", " "), **more}}
    headers = {"Retry-After": str(more["retry_after"])} if "retry_after" in more else None
    return web.Response(status=status, body=json.dumps(body).encode(), content_type="application/json", headers=headers)


class _Bucket:
    def __init__(self, rate_per_s: float, burst: float) -> None:
        self._rate_per_s, self._burst = rate_per_s, burst
        self._level, self._at = burst, time.monotonic()

    def take(self) -> bool:
        now = time.monotonic()
        self._level, self._at = min(self._burst, self._level + (now - self._at) * self._rate_per_s), now
        if self._level < 1:
            return False
        self._level -= 1
        return True
