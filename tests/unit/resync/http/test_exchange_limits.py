"""The bounds of one exchange: its time, on a virtual clock; its size, and what goes out with it, against real servers."""

import asyncio
import gzip
import socket
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from typing import Any

import aiohttp
import anyio
import pytest
from aiohttp import web

from consumer.core.errors import ConsumerError, Retryable
from consumer.resync.http import exchange as http
from consumer.resync.http.pool import Pool
from tests.clock import virtual
from tests.unit.resync.http.test_exchange import upstream

# ---- Time ----


class Dropping:
    """A session whose connections are dropped unanswered, each after a while; keeps for how long each try might have lasted."""

    def __init__(self, *, after_s: float) -> None:
        self.after_s, self.limits = after_s, list[tuple[float | None, float | None]]()

    @asynccontextmanager
    async def request(self, *_: object, timeout: aiohttp.ClientTimeout, **__: object) -> AsyncIterator[None]:  # noqa: ASYNC109 - aiohttp's own
        self.limits.append((timeout.total, timeout.sock_connect))
        await anyio.sleep(self.after_s)
        raise aiohttp.ServerDisconnectedError
        yield


async def limits_of(*left_s: float, timeout_s: float, after_s: float) -> list[float | None]:
    """Return for how long each try may last: of a call that is limited to `left_s`, the first and the second time it asks."""
    session: Any = Dropping(after_s=after_s)
    client, asked = http.Http(session, upstream="make", base_url="http://make", timeout_s=timeout_s), list(left_s)
    with pytest.raises(Retryable) as caught:
        await client.exchange("upsert", "POST", "/x", json={}, limit_s=(lambda: asked.pop(0)) if left_s else None)
    assert (caught.value.code, asked) == ("cut", [])
    assert all(total == connect for total, connect in session.limits)
    return [total for total, _ in session.limits]


@virtual
async def test_both_tries_together_end_within_the_time_limit() -> None:
    assert await limits_of(timeout_s=10.0, after_s=7.0) == [10.0, 3.0]


@virtual
async def test_a_write_ends_with_its_lease() -> None:
    assert await limits_of(4.0, 2.5, timeout_s=10.0, after_s=1.0) == [4.0, 2.5]


@virtual
async def test_a_longer_lease_makes_no_time_limit_longer() -> None:
    assert await limits_of(60.0, 60.0, timeout_s=10.0, after_s=4.0) == [10.0, 6.0]
    assert await limits_of(5.0, 60.0, timeout_s=10.0, after_s=4.0) == [5.0, 1.0], "nor one that was shorter"


class Hanging(Pool):
    """A pool whose connections never come."""

    async def connect(self, *_: object, **__: object) -> Any:
        await anyio.sleep_forever()


@virtual
async def test_a_limit_above_five_seconds_ends_where_it_says_and_not_at_the_next_whole_second() -> None:
    """A whole second later a lease may be over."""
    async with aiohttp.ClientSession(connector=Hanging(limit=1, ssl=ssl.create_default_context())) as session:
        client = http.Http(session, upstream="make", base_url="http://make", timeout_s=30.0)
        for limit_s in (7.4, 29.3, 0.4):
            await anyio.sleep(0.3)
            began = anyio.current_time()
            with pytest.raises(Retryable) as caught:
                await client.exchange("upsert", "POST", "/x", json={}, limit_s=lambda left_s=limit_s: left_s)  # type: ignore[misc]
            assert caught.value.code == "timeout"
            assert anyio.current_time() - began == pytest.approx(limit_s, abs=1e-3)


async def test_a_server_that_hangs_is_left_when_the_lease_ends() -> None:
    async def hangs(_: web.Request) -> web.Response:
        await anyio.sleep_forever()
        raise AssertionError

    with anyio.fail_after(15):
        async with upstream(hangs, timeout_s=600.0) as client:
            with pytest.raises(Retryable) as caught:
                await client.exchange("upsert", "POST", "/x", json={}, limit_s=lambda: 0.2)

    assert caught.value.code == "timeout"


# ---- Size ----


def sized(count: int) -> web.Response:
    return web.Response(body=b" " * (count - 2) + b"{}", content_type="application/json")


@pytest.mark.parametrize(
    ("count", "cap_bytes", "fits"),
    [(100, 100, True), (101, 100, False), (1_048_576, None, True), (1_048_577, None, False), (3_000_000, 4_000_000, True)],
)
async def test_no_more_is_read_than_the_cap(count: int, cap_bytes: int | None, *, fits: bool) -> None:
    async def handler(_: web.Request) -> web.Response:
        return sized(count)

    async with upstream(handler, timeout_s=30.0) as client:
        asked = client.exchange("list", "GET", "/x", cap_bytes=cap_bytes) if cap_bytes else client.exchange("list", "GET", "/x")
        if fits:
            assert len((await asked).body) == count
            return
        with pytest.raises(Retryable) as caught:
            await asked

    assert caught.value.code == "too-large"


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "deflate", "br", "identity, gzip"])
async def test_a_packed_answer_is_unpacked_by_nobody(encoding: str) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(body=gzip.compress(b"{}"), headers={"Content-Encoding": encoding})

    async with upstream(handler, timeout_s=30.0) as client:
        with pytest.raises(Retryable) as caught:
            await client.exchange("list", "GET", "/x")

    assert caught.value.code == "encoded"


@pytest.mark.parametrize(("count", "code"), [(8_000, "200"), (9_000, "unusable")])
async def test_a_header_line_of_more_than_8190_bytes_is_read_by_nobody(count: int, code: str) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.json_response({}, headers={"X-Much": "x" * count})

    async with upstream(handler, timeout_s=30.0) as client:
        try:
            said = str((await client.exchange("list", "GET", "/x")).status)
        except Retryable as error:
            said = error.code

    assert said == code


# ---- What goes out ----


async def test_no_cookie_is_sent_back() -> None:
    seen: list[str | None] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Cookie"))
        answer = web.json_response({})
        answer.set_cookie("session", "ann")
        return answer

    async with upstream(handler) as client:
        for _ in range(2):
            await client.exchange("list", "GET", "/x")

    assert seen == [None, None]


async def test_a_forms_value_stays_one_value() -> None:
    seen: list[tuple[bytes, str]] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append((await request.read(), request.content_type))
        return web.json_response({})

    async with upstream(handler) as client:
        await client.exchange("token", "POST", "/x", form={"client_id": "a", "client_secret": "s&scope=all+%=æ"})

    assert seen == [(b"client_id=a&client_secret=s%26scope%3Dall%2B%25%3D%C3%A6", "application/x-www-form-urlencoded")]


async def test_it_asks_for_json_that_is_not_packed_and_says_what_it_sends() -> None:
    seen: list[tuple[str, ...]] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append(tuple(request.headers.get(name, "") for name in ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")))
        return web.json_response({})

    async with upstream(handler) as client:
        await client.exchange("upsert", "POST", "/x", json={})
        await client.exchange("list", "GET", "/x")

    assert [one[:2] for one in seen] == [("application/json", "identity")] * 2
    assert (seen[0][2:], seen[1][3]) == (("application/json", "sesamy-makeas"), "sesamy-makeas")


# ---- Who is told ----


@virtual
async def test_each_exchange_is_told_once_with_its_time_be_it_cancelled_or_not() -> None:
    told: list[tuple[str, str, float]] = []
    session: Any = Dropping(after_s=2.0)
    client = http.Http(session, upstream="make", base_url="http://make", timeout_s=60.0, observe=lambda *one: told.append(one))
    with pytest.raises(Retryable):
        await client.exchange("upsert", "POST", "/x", json={})
    with anyio.move_on_after(1.0):
        await client.exchange("list", "GET", "/x")

    assert [(op, code, round(seconds, 3)) for op, code, seconds in told] == [("upsert", "cut", 4.0), ("list", "cancelled", 1.0)]


async def test_a_status_is_told_as_it_came() -> None:
    told: list[tuple[str, str]] = []

    async def handler(request: web.Request) -> web.Response:
        return web.json_response({}, status=int(request.path[1:]))

    async with upstream(handler) as client:
        client._observe = lambda op, code, _: told.append((op, code))
        for status in (200, 201, 404, 422, 500):
            with suppress(ConsumerError):
                await client.exchange("contact", "GET", f"/{status}", also=(404,))

    assert told == [("contact", code) for code in ("200", "201", "404", "422", "500")]


# ---- What is tried a second time ----


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_connection_that_is_reset_before_any_answer_is_tried_a_second_time(method: str) -> None:
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError), closing(writer):
            while True:
                asked.append(await reader.readuntil(b"\r\n\r\n"))
                if len(asked) == 2:
                    writer.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    writer.transport.abort()  # With that it sends a RST.
                    return
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server, http.session(connections=1) as session:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        client = http.Http(session, upstream="make", base_url=url, timeout_s=5)
        await client.exchange("user", method, "/a")
        assert (await client.exchange("user", method, "/b")).body == b"ok"

    assert len(asked) == 3
