"""Answers as no server should give them, below what an HTTP library lets one say."""

import asyncio
import gzip
import json
from collections.abc import Awaitable, Callable
from typing import Final

import anyio
from aiohttp import web
from msgspec import Struct

from consumer.sandbox.stand_ins.faults import Faults

Handle = Callable[[], Awaitable[web.Response]]
Answer = Callable[[web.Request, Handle], Awaitable[web.StreamResponse]]

_MIB: Final = 1024 * 1024
_BOMB: Final = gzip.compress(b" " * _MIB) * 200  # Its parts unpack one after the other.
_HEAD: Final = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
_DRIP_S: Final = 0.3


class Rudeness(Struct, kw_only=True):
    """One rude answer of `upstream` (an account, a vendor) at an operation."""

    answer: Answer
    upstream: str = "*"
    op: str = "*"
    times: int | None = None
    met: int = 0
    """How often it was given."""

    def fits(self, upstream: str, op: str) -> bool:
        """Say whether a call is to be answered so."""
        return self.upstream in {"*", upstream} and self.op in {"*", op} and (self.times is None or self.met < self.times)


class Rude(Faults):
    """The faults of one stand-in, and the rude answers beside them."""

    def __init__(self) -> None:
        """Begin with good manners."""
        super().__init__()
        self.rude: list[Rudeness] = []

    def answer(self, answer: Answer, *, upstream: str = "*", op: str = "*", times: int | None = None) -> Rudeness:
        """Answer rudely from now on, so often; None: until `clear`."""
        self.rude.append(Rudeness(answer=answer, upstream=upstream, op=op, times=times))
        return self.rude[-1]

    def clear(self) -> None:
        """Switch all faults off."""
        super().clear()
        self.rude.clear()

    async def around(self, request: web.Request, upstream: str, op: str, user: str, handle: Handle) -> web.StreamResponse:
        """Answer rudely, if anything fits."""
        one = next((one for one in self.rude if one.fits(upstream, op)), None)
        if one is None:
            return await super().around(request, upstream, op, user, handle)
        one.met += 1
        self.seen += 1
        return await one.answer(request, handle)


async def met(one: Rudeness, times: int, *, within_s: float = 30.0) -> None:
    """Wait until it was given so often."""
    with anyio.fail_after(within_s):
        while one.met < times:
            await anyio.sleep(0.05)


# ---- The answers ----


def instead(status: int, body: bytes, **headers: str) -> Answer:
    """Answer this, and do nothing."""

    async def answer(_request: web.Request, _handle: Handle) -> web.StreamResponse:
        return web.Response(status=status, body=body, headers={"Content-Type": "application/json", **headers})

    return answer


def raw(*parts: bytes, every_s: float = 0.0) -> Answer:
    """Write these bytes onto the wire, one part after the other, and end the connection."""

    async def answer(request: web.Request, _handle: Handle) -> web.StreamResponse:
        transport = request.transport
        assert transport is not None
        for part in parts:
            if transport.is_closing():
                break
            transport.write(part)
            await asyncio.sleep(every_s)
        transport.close()
        return web.Response(status=500)

    return answer


slow_headers: Final = raw(*(bytes([one]) for one in _HEAD + b"X: y\r\n" * 100), every_s=_DRIP_S)
slow_body: Final = raw(_HEAD + b"Content-Length: 1000\r\n\r\n", *[b" "] * 1000, every_s=_DRIP_S)
short_body: Final = raw(_HEAD + b'Content-Length: 1000\r\n\r\n{"id": 1}')
two_lengths: Final = raw(_HEAD + b'Content-Length: 9\r\nContent-Length: 5\r\n\r\n{"id": 1}')
bad_chunk: Final = raw(_HEAD + b'Transfer-Encoding: chunked\r\n\r\nzz\r\n{"id": 1}\r\n')
many_headers: Final = raw(_HEAD + b"".join(b"X-%d: y\r\n" % one for one in range(10_000)) + b'Content-Length: 9\r\n\r\n{"id": 1}')
long_header: Final = raw(_HEAD + b"X: " + b"y" * _MIB + b'\r\nContent-Length: 9\r\n\r\n{"id": 1}')
gzip_bomb: Final = instead(200, _BOMB, **{"Content-Encoding": "gzip"})


async def endless(request: web.Request, _handle: Handle) -> web.StreamResponse:
    """Send a gigabyte in chunks, or as much of it as is taken."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    for _ in range(1024):
        await response.write(b" " * _MIB)
    return response


def reset_after_it_was_done(*, sent: bytes) -> Answer:
    """Do what is asked for, send the beginning of an answer, and reset the connection."""

    async def answer(request: web.Request, handle: Handle) -> web.StreamResponse:
        await handle()
        assert request.transport is not None
        request.transport.write(sent)
        await asyncio.sleep(0.02)
        request.transport.abort()
        return web.Response(status=500)

    return answer


def and_then(surplus: object, *, after_s: float) -> Answer:
    """Answer as it should be, and send an answer more on the same connection, unasked."""
    body = json.dumps(surplus).encode()
    unasked = _HEAD + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)

    async def answer(request: web.Request, handle: Handle) -> web.StreamResponse:
        good, transport = await handle(), request.transport
        assert transport is not None

        def send() -> None:
            if not transport.is_closing():
                transport.write(unasked)

        asyncio.get_running_loop().call_later(after_s, send)
        return good

    return answer
