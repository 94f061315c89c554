"""One bounded exchange, against real servers that behave badly."""

import asyncio
import socket
import ssl
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import aiohttp
import pytest
import trustme
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from consumer.core.errors import ConsumerError, Denied, Forbidden, Held, Refused, Retryable
from consumer.resync.http import exchange as http
from consumer.resync.http.answers import decoded
from consumer.resync.http.refusals import retry_after
from consumer.sandbox.stand_ins.faults import Fault, Faults, Kind
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
    ("status", "kind", "code"),
    [
        (400, Refused, "http-400"),
        (401, Denied, "http-401"),
        (403, Forbidden, "http-403"),
        (404, Retryable, "http-404"),
        (405, Retryable, "http-405"),
        (408, Retryable, "http-408"),
        (422, Refused, "http-422"),
        (425, Retryable, "http-425"),
        (429, Retryable, "http-429"),
        (500, Retryable, "http-500"),
        (503, Retryable, "http-503"),
        (301, Retryable, "redirect"),
    ],
)
async def test_each_status_is_one_of_our_errors(status: int, kind: type[ConsumerError], code: str) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=status, text="canary", headers={"Location": "/y"} if status == 301 else None)

    error = await fails(handler)

    assert (kind, code) == (type(error), error.code)


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("html", "not-json"),
        ("half-json", "not-json"),
        ("huge", "too-large"),
        ("gzip", "encoded"),
        ("redirect", "redirect"),
        ("drip", "timeout"),
        ("hang", "timeout"),
        ("cut", "cut"),
    ],
)
async def test_no_bad_answer_is_taken_for_success(kind: Kind, code: str) -> None:
    faults = Faults()
    faults.add(Fault(kind=kind))

    async def handler(request: web.Request) -> web.StreamResponse:
        async def fine() -> web.Response:
            return web.json_response({})

        return await faults.around(request, "make", "contact", "", fine)

    # Short only where the time limit is what ends it: a large answer takes a busy machine longer.
    error = await fails(handler, timeout_s=0.5 if code == "timeout" else 30.0)

    assert (Retryable, code) == (type(error), error.code)


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("30", 30.0),
        ("0", 1.0),
        ("-1", None),
        ("1000000000", 3600.0),
        ("Thu, 01 Jan 1970 00:02:00 GMT", 20.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 1.0),
        ("soon", None),
        ("", None),
    ],
)
async def test_a_retry_after_is_seconds_or_a_date_and_clamped(said: str, seconds: float | None) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=429, headers={"Retry-After": said, "Date": "unreadable"})

    error = await fails(handler, wall=100.0)

    assert isinstance(error, Retryable)
    assert seconds == error.retry_after_s


@pytest.mark.parametrize("wall", [0.0, 3_600.0 + 100.0, 7_200.0 + 100.0])
async def test_a_retry_after_that_is_a_date_goes_by_the_clock_of_the_answer(wall: float) -> None:
    """Ours may be wrong by hours: it would wait for as long, or not at all."""

    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=429, headers={"Retry-After": "Thu, 01 Jan 1970 00:02:00 GMT", "Date": "Thu, 01 Jan 1970 00:01:40 GMT"})

    error = await fails(handler, wall=wall)

    assert isinstance(error, Retryable)
    assert error.retry_after_s == 20.0


@pytest.fixture
def oslo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Oslo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("oslo")
@pytest.mark.parametrize(
    "said",
    [
        "Thu, 26 Nov 2026 15:00:00 GMT",
        "Thursday, 26-Nov-26 15:00:00 GMT",
        "Thu Nov 26 15:00:00 2026",
        "Thu, 26 Nov 2026 15:00:00",
        "Thu, 26 Nov 2026 15:00:00 -0000",
        "Thu, 26 Nov 2026 16:00:00 +0100",
    ],
)
async def test_a_date_without_a_zone_is_in_utc_wherever_the_pod_is(said: str) -> None:
    assert retry_after(said, now=datetime(2026, 11, 26, 14, 59, tzinfo=UTC).timestamp()) == 60.0


@pytest.mark.parametrize("status", [429, 503])
async def test_a_429_and_a_503_ask_everybody_to_wait(status: int) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=status, headers={"Retry-After": "30"})

    error = await fails(handler)

    assert isinstance(error, Retryable)
    assert (error.retry_after_s, error.delay_s) == (30.0, None)


@pytest.mark.parametrize("status", [408, 425, 500, 502, 504])
async def test_any_other_passing_failure_asks_this_user_alone(status: int) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=status, headers={"Retry-After": "30"})

    error = await fails(handler)

    assert isinstance(error, Retryable)
    assert (error.retry_after_s, error.delay_s) == (None, 30.0)


@pytest.mark.parametrize(("said", "seconds"), [(1e9, 3600.0), (0, 1.0), (-5, 1.0), (60, 60.0), ("60", 60.0), (None, None)])
async def test_the_bodys_wait_is_clamped_too(said: object, seconds: float | None) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.json_response({"error": {"retry_after": said}}, status=503)

    error = await fails(handler)

    assert isinstance(error, Retryable)
    assert seconds == error.retry_after_s


async def test_the_header_goes_before_the_body() -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.json_response({"error": {"retry_after": 60}}, status=429, headers={"Retry-After": "7"})

    error = await fails(handler)

    assert isinstance(error, Retryable)
    assert error.retry_after_s == 7.0


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("60", 60.0),
        ('"60"', 60.0),
        ("-5", 1.0),
        ("1e9", 3600.0),
        ("9" * 401, None),
        ("true", None),
        ('"nan"', None),
        ("[60]", None),
        ("null", None),
    ],
)
async def test_sesamys_body_says_how_long_to_wait_where_no_header_does(said: str, seconds: float | None) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=429, body=b'{"error": {"code": "rate_limit_exceeded", "retry_after": %s}}' % said.encode())

    error = await fails(handler)

    assert isinstance(error, Retryable)
    assert seconds == error.retry_after_s


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
