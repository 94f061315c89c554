"""A listener that no client can hold up."""

import asyncio
import contextlib
import gzip
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import anyio
import pytest
from aiohttp import web

from consumer.core.errors import Fatal
from consumer.telemetry.serving import listening as module
from consumer.telemetry.serving.listening import Bounds, listening

BOUNDS = Bounds(connections=256, head_s=10.0, idle_s=15.0)


async def _hello(_: web.Request) -> web.Response:
    return web.Response(text="hello")


async def _echo(request: web.Request) -> web.Response:
    return web.Response(body=await request.read())


async def _large(_: web.Request) -> web.Response:
    return web.Response(body=b"x" * 30_000_000)


@asynccontextmanager
async def listens(bounds: Bounds = BOUNDS) -> AsyncIterator[int]:
    app = web.Application()
    app.router.add_get("/", _hello)
    app.router.add_get("/large", _large)
    app.router.add_post("/", _echo)
    async with listening(app, "127.0.0.1", 0, bounds, section="some") as port:
        yield port


async def ask(port: int) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/") as answer:
        return answer.status, await answer.text()


async def test_too_many_connections_are_hung_up_on_and_the_others_are_served() -> None:
    async with listens(Bounds(connections=2, head_s=10.0, idle_s=15.0)) as port:
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        try:
            for _, writer in held:  # Both are taken in before the next one comes.
                writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert [(await reader.readline()).split()[1] for reader, _ in held] == [b"200", b"200"]
            with pytest.raises(aiohttp.ClientError):
                await ask(port)
        finally:
            for _, writer in held:
                writer.close()
                await writer.wait_closed()
        with anyio.fail_after(10):
            while True:
                with contextlib.suppress(aiohttp.ClientError):
                    assert await ask(port) == (200, "hello")
                    break


async def test_who_does_not_read_is_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SEND_S", 0.1)
    # More than all buffers on the way take.
    async with listens() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.write(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(re.search(rb"Content-Length: (\d+)", head)[1])  # type: ignore[index]
        await anyio.sleep(0.5)
        got = 0
        with anyio.fail_after(10), contextlib.suppress(ConnectionError):
            while part := await reader.read(65_536):
                got += len(part)
        writer.close()
        assert got < length


@pytest.mark.parametrize("first", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"], ids=["on a new connection", "after a request"])
async def test_a_head_that_comes_byte_by_byte_is_hung_up_on_in_time_whatever_may_be_idle_for_long(first: bytes) -> None:
    async with listens(Bounds(connections=4, head_s=0.3, idle_s=600.0)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        if first:
            writer.write(first)
            assert (await reader.readuntil(b"hello")).startswith(b"HTTP/1.1 200")
        with anyio.fail_after(10), contextlib.suppress(ConnectionError):
            for byte in b"GET / HTTP/1.1\r\nHost: " + b"x" * 1000:
                writer.write(bytes([byte]))
                await writer.drain()
                with anyio.move_on_after(0.05):
                    assert await reader.read(1) == b""
                    break
            else:
                pytest.fail("it was let send for ever")
        writer.close()
        assert await ask(port) == (200, "hello")


async def test_a_body_that_comes_slowly_is_no_head_that_does() -> None:
    async with listens(Bounds(connections=4, head_s=0.2, idle_s=600.0)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(2):  # The connection lives on.
            writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\n")
            for byte in b"slowly":
                await anyio.sleep(0.1)
                writer.write(bytes([byte]))
            with anyio.fail_after(10):
                assert (await reader.readuntil(b"slowly")).startswith(b"HTTP/1.1 200")
            await anyio.sleep(0.4)
        writer.close()


@pytest.mark.parametrize(("head_s", "idle_s", "first"), [(0.2, 600.0, b""), (10.0, 0.2, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")])
async def test_a_connection_that_says_nothing_is_closed(head_s: float, idle_s: float, first: bytes) -> None:
    """One that has never said anything sooner than one that a proxy keeps for its next request."""
    async with listens(Bounds(connections=4, head_s=head_s, idle_s=idle_s)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(first)
        with anyio.fail_after(10):
            assert (await reader.read()).endswith(b"hello" if first else b"")
        writer.close()


async def test_one_that_has_said_something_is_kept_for_its_next_request() -> None:
    async with listens(Bounds(connections=4, head_s=0.2, idle_s=600.0)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(2):
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            with anyio.fail_after(10):
                assert (await reader.readuntil(b"hello")).startswith(b"HTTP/1.1 200")
            await anyio.sleep(0.5)
        writer.close()


async def test_a_body_is_given_as_it_was_sent() -> None:
    """What is packed is not unpacked: a kilobyte may hold a gigabyte."""
    packed = gzip.compress(b"hello")
    headers = {"Content-Encoding": "gzip"}
    async with listens() as port, aiohttp.ClientSession(auto_decompress=False) as session:
        answer = await session.post(f"http://127.0.0.1:{port}/", data=packed, headers=headers)
        assert await answer.read() == packed


async def test_a_head_that_is_too_large_is_refused() -> None:
    async with listens(Bounds(connections=4, head_s=10.0, idle_s=15.0, header_bytes=100, headers=3)) as port:
        for headers in ({"x": "y" * 200}, {f"x{number}": "y" for number in range(9)}):
            async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/", headers=headers) as answer:
                assert answer.status == 400


@pytest.mark.parametrize(
    "sent",
    [
        b"POST / HTTP/1.1\r\nHost: x\r\nX-Secret : hush\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nX-Secret: " + b"hush" * 5000 + b"\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nhush\r\n",
        b"hush / HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
    ids=["a header's name", "a header that is too long", "a chunk", "a method"],
)
async def test_what_is_no_http_is_refused_and_not_quoted(sent: bytes) -> None:
    async with listens() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        with anyio.fail_after(5):
            answer = await reader.read()
        writer.close()

    assert answer.split()[1] == b"400"
    assert b"hush" not in answer


async def test_a_port_in_use_is_fatal_with_its_cure() -> None:
    async with listens() as port:
        with pytest.raises(Fatal, match=rf"some: .*port {port} .*free it") as caught:
            async with listening(web.Application(), "127.0.0.1", port, BOUNDS, section="some"):
                pass
    assert (caught.value.status, caught.value.code) == (69, "some-port")
