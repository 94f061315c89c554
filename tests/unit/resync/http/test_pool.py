"""What a faulty server sends unasked is nobody's answer, on real connections."""

import asyncio
import gc
import inspect
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

import aiohttp
import pytest
import trustme
from aiohttp.client_proto import ResponseHandler

from consumer.core.errors import Held
from consumer.resync.http import exchange as http
from consumer.resync.http.pool import Pool

When = Literal["in the same segment", "a moment later", "just before the next request", "in part", "an end", "never"]
SURPLUS = b"/another"


def answer(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


class Faulty:
    """Answers each request with its own path, and the first with more than that."""

    def __init__(self, when: When) -> None:
        self.when, self.connections, self.requests = when, 0, 0
        self._writer: asyncio.StreamWriter | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                path = (await reader.readuntil(b"\r\n\r\n")).split()[1]
                self.requests += 1
                surplus = answer(SURPLUS) if self.requests == 1 else b""
                writer.write(answer(path) + (surplus if self.when == "in the same segment" else b""))
                await writer.drain()
                if self.requests == 1:
                    self._writer = writer
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def misbehave(self) -> None:
        """Send what nobody asked for, between the first request and the next."""
        assert self._writer is not None
        if self.when == "a moment later":
            self._writer.write(answer(SURPLUS))
            await asyncio.sleep(0.05)
        if self.when == "just before the next request":
            self._writer.write(answer(SURPLUS))  # At once; the client's loop has not seen it when it takes the connection.
        if self.when == "in part":
            self._writer.write(answer(SURPLUS)[:-1])
            await asyncio.sleep(0.05)
        if self.when == "an end":
            with self._writer.get_extra_info("socket").dup() as end:  # At once: uvloop ends its side a turn of the loop later.
                end.shutdown(socket.SHUT_WR)


@asynccontextmanager
async def faulty(when: When, context: ssl.SSLContext | None = None) -> AsyncIterator[tuple[http.Http, Faulty]]:
    made = Faulty(when)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0, ssl=context)
    url = f"{'https' if context else 'http'}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, http.session(connections=1) as session:
        yield http.Http(session, upstream="make", base_url=url, timeout_s=5), made


async def asked_in_turn(client: http.Http, there: Faulty) -> list[bytes]:
    first = await client.exchange("user", "GET", "/ann")
    await there.misbehave()
    return [first.body, *[(await client.exchange("user", "GET", path)).body for path in ("/bob", "/cyd", "/dan")]]


@pytest.mark.parametrize(
    ("when", "connections"),
    [
        ("in the same segment", 2),
        ("a moment later", 2),
        ("just before the next request", 2),
        ("in part", 2),
        ("never", 1),
    ],
)
async def test_what_a_server_sends_unasked_is_nobodys_answer(when: When, connections: int) -> None:
    async with faulty(when) as (client, there):
        answers = await asked_in_turn(client, there)

    assert (answers, there.connections) == ([b"/ann", b"/bob", b"/cyd", b"/dan"], connections)


async def test_a_connection_that_the_server_has_ended_is_not_used() -> None:
    async with faulty("an end") as (client, there):
        answers = await asked_in_turn(client, there)

    assert (answers, there.requests) == ([b"/ann", b"/bob", b"/cyd", b"/dan"], 4)


@pytest.mark.parametrize(
    ("when", "connections"), [("in the same segment", 2), ("a moment later", 2), ("just before the next request", 2), ("never", 1)]
)
async def test_nor_is_it_over_tls(when: When, connections: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority, context = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    async with faulty(when, context) as (client, there):
        answers = await asked_in_turn(client, there)

    assert (answers, there.connections) == ([b"/ann", b"/bob", b"/cyd", b"/dan"], connections)


async def test_connections_that_are_gone_are_not_remembered() -> None:
    async with faulty("in the same segment") as (client, there):
        await asked_in_turn(client, there)
        pool = client._session.connector
        assert isinstance(pool, Pool)
        gc.collect()
        assert len(pool._used) == 1


def test_this_aiohttp_has_what_the_pool_hooks_into() -> None:
    """An upgrade can't take the look away in silence."""
    assert list(inspect.signature(aiohttp.BaseConnector.connect).parameters) == ["self", "req", "traces", "timeout"]
    assert inspect.iscoroutinefunction(aiohttp.BaseConnector.connect)
    assert isinstance(inspect.getattr_static(ResponseHandler, "should_close"), property)
    assert "self._connector.connect(" in inspect.getsource(aiohttp.ClientSession._request)
    assert "self._retry_connection and" in inspect.getsource(aiohttp.ClientSession._request)


async def test_nothing_goes_out_once_the_lease_is_over_though_it_was_not_when_a_connection_was_asked_for() -> None:
    """A process that was suspended while it connected hears of its connection before it hears that its time is over."""
    asked: list[float] = []

    def limit_s() -> float:
        asked.append(5.0)
        if len(asked) % 2 == 0:
            raise Held("the lease is over", code="lease")
        return asked[-1]

    async with faulty("never") as (client, there):
        for _ in range(2):  # The one connection is free again, and no request was ever on it.
            with pytest.raises(Held) as caught:
                await client.exchange("upsert", "POST", "/ann", json={}, limit_s=limit_s)
            assert caught.value.code == "lease"
        assert (there.requests, len(asked)) == (0, 4)
        assert (await client.exchange("user", "GET", "/bob")).body == b"/bob", "a read asks for no lease"
        assert (there.requests, there.connections, len(asked)) == (1, 1, 4)


async def test_no_more_connections_are_open_at_once_than_the_settings_say() -> None:
    made, begun, go = Faulty("never"), asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        begun.set()
        await go.wait()
        await made.serve(reader, writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server, http.session(connections=1) as session:
        client = http.Http(session, upstream="make", base_url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", timeout_s=5)
        async with asyncio.TaskGroup() as tasks:
            answers = [tasks.create_task(client.exchange("user", "GET", path)) for path in ("/ann", "/bob", "/cyd")]
            await begun.wait()
            go.set()

    assert [one.result().body for one in answers] == [b"/ann", b"/bob", b"/cyd"]
    assert (made.connections, made.requests) == (1, 3)
