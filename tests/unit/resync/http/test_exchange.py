"""One bounded exchange, against real servers that behave badly."""

import asyncio
import socket
import ssl
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest
import trustme
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from consumer.core.errors import ConsumerError, Held, Retryable
from consumer.resync.http import exchange as http
from consumer.resync.http.answers import decoded
from consumer.sandbox.stand_ins.server import serving

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def upstream(handler: Handler, *, timeout_s: float = 2.0, wall: float = 0.0) -> AsyncIterator[http.Http]:
    app = web.Application()
    app.router.add_route("*", "/{tail:(?s:.*)}", handler)
    async with serving(app) as url, http.session(connections=4) as session:
        yield http.Http(session, upstream="make", base_url=url, timeout_s=timeout_s, refuses={400, 422}, wall_clock=lambda: wall)


async def fails(handler: Handler, *, timeout_s: float = 2.0, wall: float = 0.0) -> ConsumerError:
    async with upstream(handler, timeout_s=timeout_s, wall=wall) as client:
        with pytest.raises(ConsumerError) as caught:
            decoded(await client.exchange("contact", "POST", "/x", query=[("e", "canary@example.com")], json={"e": "canary"}), "contact")
    said = "".join(traceback.format_exception(caught.value))
    assert "canary" not in said.replace('"e": "canary', "").replace('"canary@example.com")]', "")
    return caught.value


async def test_an_error_whose_own_text_holds_the_url_is_not_shown() -> None:
    """aiohttp puts a URL that it can't ask into its error, with the query."""
    async with http.session(connections=1) as session:
        client = http.Http(session, upstream="make", base_url="http://", timeout_s=2.0)
        with pytest.raises(Retryable) as caught:
            await client.exchange("contact", "GET", "/x", query=[("e", "canary")])

    assert caught.value.code == "unusable"
    shown = "".join(traceback.format_exception(caught.value))
    assert "canary" not in shown.replace('("e", "canary")', "")


@pytest.mark.parametrize(
    ("given", "sent"),
    [("a&b", "a%26b"), ("email|84", "email%7C84"), ("a=b c+d", "a%3Db%20c%2Bd"), ("æ#?/%", "%C3%A6%23%3F%2F%25"), ("", "")],
)
async def test_a_querys_value_stays_one_value(given: str, sent: str) -> None:
    seen: list[tuple[str, str]] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append((request.raw_path, request.query["userId"]))
        return web.json_response({})

    async with upstream(handler) as client:
        await client.exchange("contracts", "GET", "/contracts", query=[("userId", given), ("limit", "5")])

    assert seen == [(f"/contracts?userId={sent}&limit=5", given)]


async def test_a_redirect_takes_no_credentials_elsewhere() -> None:
    seen: list[str] = []

    async def elsewhere(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Authorization", ""))
        return web.json_response({})

    other = web.Application()
    other.router.add_route("*", "/{tail:.*}", elsewhere)
    async with serving(other) as other_url:

        async def handler(_: web.Request) -> web.Response:
            return web.Response(status=307, headers={"Location": f"{other_url}/x"})

        async with upstream(handler) as client:
            with pytest.raises(Retryable):
                await client.exchange("contact", "POST", "/x", headers={"Authorization": "Basic c2VjcmV0"}, json={})

    assert seen == []


@asynccontextmanager
async def dropping(drops: int) -> AsyncIterator[tuple[http.Http, list[bytes]]]:
    """Serve what hangs up on the first calls, once it has read them, and answers the others."""
    calls: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        calls.append(await reader.readuntil(b"\r\n\r\n"))
        if len(calls) > drops:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, http.session(connections=1) as session:
        yield http.Http(session, upstream="make", base_url=f"http://127.0.0.1:{port}", timeout_s=2), calls


async def test_a_dropped_idle_connection_is_tried_once_more() -> None:
    async with dropping(1) as (client, calls):
        answer = await client.exchange("list", "GET", "/x")

    assert (answer.body, len(calls)) == (b"{}", 2)


async def test_a_connection_that_is_dropped_twice_is_cut() -> None:
    async with dropping(2) as (client, calls):
        with pytest.raises(Retryable) as caught:
            await client.exchange("upsert", "POST", "/x", json={})

    assert (caught.value.code, len(calls)) == ("cut", 2)


async def test_the_second_try_asks_anew_how_long_it_may_last() -> None:
    limits = [1.0, 1.0, 1.5, 1.5]  # Each is asked when it begins, and when it has its connection.
    async with dropping(1) as (client, calls):
        await client.exchange("upsert", "POST", "/x", json={}, limit_s=lambda: limits.pop(0))

    assert (limits, len(calls)) == ([], 2)


async def test_a_dropped_write_is_not_sent_again_where_it_may_not_be_any_more() -> None:
    """A machine that slept: its idle connections are gone, and so may be its lease, whatever the loop's clock says."""
    left_s = [1.0, 1.0]  # When it begins, and when it has its connection.

    def limit_s() -> float:
        if not left_s:
            raise Held("the lease is over", code="lease")
        return left_s.pop()

    async with dropping(1) as (client, calls):
        with pytest.raises(Held):
            await client.exchange("upsert", "POST", "/x", json={}, limit_s=limit_s)

    assert len(calls) == 1


async def test_a_certificate_of_nobody_is_refused() -> None:
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)

    async def handler(_: web.Request) -> web.Response:
        return web.json_response({})

    app = web.Application()
    app.router.add_get("/x", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        async with http.session(connections=1) as session:
            client = http.Http(session, upstream="make", base_url=f"https://127.0.0.1:{runner.addresses[0][1]}", timeout_s=2)
            with pytest.raises(Retryable) as caught:
                await client.exchange("list", "GET", "/x")
    finally:
        await runner.cleanup()

    assert caught.value.code == "tls"


async def test_nobody_there() -> None:
    async with http.session(connections=1) as session:
        client = http.Http(session, upstream="make", base_url="http://127.0.0.1:1", timeout_s=1)
        with pytest.raises(Retryable) as caught:
            await client.exchange("list", "GET", "/x")

    assert caught.value.code == "connect"


@pytest.mark.parametrize(
    ("user_id", "path"),
    [
        ("email|84", "/users/email%7C84"),
        ("a:b/c", "/users/a%3Ab%2Fc"),
        ("æøå", "/users/%C3%A6%C3%B8%C3%A5"),
        ("..", "/users/%2E%2E"),
        (".", "/users/%2E"),
        ("a\r\nb\x00", "/users/a%0D%0Ab%00"),
    ],
)
async def test_an_id_stays_one_segment_of_the_path(user_id: str, path: str) -> None:
    seen: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append(request.raw_path)
        return web.json_response({})

    async with upstream(handler) as client:
        await client.exchange("user", "GET", f"/users/{http.segment(user_id)}")

    assert [path] == seen


class CancelledResolver(AbstractResolver):
    """Ends by a cancellation of its own, as a task of the client's may."""

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:  # noqa: ARG002
        raise asyncio.CancelledError

    async def close(self) -> None:
        """Nothing is open."""


async def test_a_cancellation_of_the_clients_own_is_a_failed_exchange() -> None:
    """Else it would end all that goes on beside it, in silence."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(resolver=CancelledResolver())) as session:
        client = http.Http(session, upstream="make", base_url="http://make.example", timeout_s=2.0)
        with pytest.raises(Retryable) as caught:
            await client.exchange("contact", "GET", "/")
    assert caught.value.code == "cut"


@pytest.mark.parametrize("code", [*dict.fromkeys([*(code for _, code in http._KINDS), "unusable", "encoded", "too-large"])])
def test_what_was_met_in_place_of_an_answer_has_words(code: str) -> None:
    words = http.met(Retryable(f"pod ask: {code}", code=code))

    assert (len(words.split()) > 2, "Error" in words) == (True, False)
    assert http.met(Retryable("pod ask: http-503", code="http-503")) == "http-503"
