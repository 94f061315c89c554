"""Faults of a stand-in: what can go wrong, switched on and off while it runs."""

import asyncio
import gzip
from collections import Counter
from collections.abc import Awaitable, Callable, Collection
from typing import Any, Final, Literal

from aiohttp import web
from msgspec import Struct

Kind = Literal[
    "status",
    "hang",
    "hang-after",
    "delay",
    "drip",
    "cut",
    "cut-after",
    "html",
    "half-json",
    "huge",
    "gzip",
    "redirect",
    "shape",
    "rows",
    "body",
]
_HANG_S: Final = 3600.0
_HUGE_BYTES: Final = 50_000_000


class Fault(Struct, kw_only=True):
    """One thing that goes wrong at `upstream` (a vendor id, an account's user id, or `*`)."""

    kind: Kind
    upstream: str = "*"
    op: str = "*"
    user: str = "*"
    """The reader that a call is about, or one of those whose rows share it."""
    least: int = 0
    """Only calls that are about so many users."""
    every: int = 1
    """Only each so many-th of the calls that fit."""
    status: int = 500
    retry_after: str | None = None
    delay_s: float = 1.0
    body: object = None
    """What a `body` fault answers after the work is done, and a `status` fault in its place; None: a message of its own."""
    times: int | None = None
    """So often; None: until it is taken away."""


class Faults:
    """The faults of one stand-in; `seen` counts what each did."""

    def __init__(self) -> None:
        self.active: list[Fault] = []
        self.seen = 0
        self._fitted: Counter[int] = Counter()
        """Id of a fault that is not for every call -> how many fitted."""

    def add(self, fault: Fault) -> Fault:
        """Switch a fault on."""
        self.active.append(fault)
        return fault

    def remove(self, fault: Fault) -> None:
        """Switch a fault off, be it on or not."""
        self.active = [one for one in self.active if one is not fault]

    def clear(self) -> None:
        """Switch all faults off."""
        self.active.clear()

    async def around(
        self, request: web.Request, upstream: str, op: str, user: str, handle: Callable[[], Awaitable[web.Response]]
    ) -> web.StreamResponse:
        """Answer as the first fault that fits says, else as `handle` does; `user`: all that it is about, each on a line of its own."""
        users = user.split("\n")
        fault = next((one for one in self.active if _fits(one, upstream, op, users) and self._is_its_turn(one)), None)
        if fault is None:
            return await handle()
        self.seen += 1
        if fault.times is not None:
            fault.times -= 1
            if fault.times <= 0:
                self.remove(fault)
        if fault.kind in {"delay", "cut-after", "hang-after", "rows", "body"}:
            if fault.kind == "delay":
                await asyncio.sleep(fault.delay_s)
            answer = await handle()
            if fault.kind == "hang-after":
                await asyncio.sleep(_HANG_S)
            if fault.kind == "rows":
                return web.json_response({"errors": [{"row": 0, "message": "refused"}]})
            if fault.kind == "body":
                return web.json_response(fault.body)
            return answer if fault.kind == "delay" else _cut(request)
        return await _instead(request, fault)

    def _is_its_turn(self, fault: Fault) -> bool:
        """Say whether a fault that fits happens to this call."""
        if fault.every == 1:
            return True
        self._fitted[id(fault)] += 1
        return self._fitted[id(fault)] % fault.every == 0


def _fits(fault: Fault, upstream: str, op: str, users: Collection[str]) -> bool:
    pairs = ((fault.upstream, upstream), (fault.op, op))
    is_meant = fault.user == "*" or fault.user in users
    return is_meant and len(users) >= fault.least and all(wanted in {"*", found} for wanted, found in pairs)


def _cut(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


async def _instead(request: web.Request, fault: Fault) -> web.StreamResponse:
    if fault.kind == "hang":
        await asyncio.sleep(_HANG_S)
    if fault.kind == "drip":
        return await _drip(request)
    if fault.kind == "status":
        headers = {"Retry-After": fault.retry_after} if fault.retry_after is not None else None
        return web.json_response({"message": "as asked"} if fault.body is None else fault.body, status=fault.status, headers=headers)
    body, more = _BODIES.get(fault.kind, (None, {}))
    return _cut(request) if body is None else web.Response(body=body(), **more)


_JSON: Final = {"content_type": "application/json"}
_BODIES: Final[dict[str, tuple[Callable[[], bytes] | None, dict[str, Any]]]] = {
    "html": (lambda: b"<html><body>It works!</body></html>", {"content_type": "text/html"}),
    "half-json": (lambda: b'{"id": 1, "tags": [', _JSON),
    "huge": (lambda: b"[" + b" " * _HUGE_BYTES + b"]", _JSON),
    "gzip": (lambda: gzip.compress(b'{"id": 1}'), {**_JSON, "headers": {"Content-Encoding": "gzip"}}),
    "redirect": (lambda: b"", {"status": 302, "headers": {"Location": "http://127.0.0.1:9/elsewhere"}}),
    "shape": (lambda: b'[[1, 2], "what"]', _JSON),
}


async def _drip(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    for _ in range(10_000):
        await response.write(b" ")
        await asyncio.sleep(0.05)
    return response
