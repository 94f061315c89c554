"""A proxy from the settings, and none from the environment: through a real little proxy in process."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import anyio
import pytest
import trustme
from aiohttp import web

from consumer.core.errors import ConsumerError, Retryable
from consumer.resync.http import exchange as http
from consumer.sandbox.stand_ins.server import serving


class Proxy:
    """Forwards plain requests, and makes tunnels; keeps the first line of each and all that it could read."""

    def __init__(self, *, answer: bytes = b"200 OK") -> None:
        self.asked: list[str] = []
        self.seen = b""
        self._answer = answer

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.seen += head
        method, target, _ = head.decode().split(" ", 2)
        self.asked.append(f"{method} {target}")
        if not self._answer.startswith(b"200"):
            writer.write(b"HTTP/1.1 " + self._answer + b"\r\nContent-Length: 0\r\n\r\n")
            writer.close()
            return
        there = urlsplit(target if "://" in target else f"//{target}")
        far_reader, far_writer = await asyncio.open_connection(there.hostname, there.port)
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        else:
            far_writer.write(head.replace(target.encode(), there.path.encode(), 1))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._pump, reader, far_writer)
            tasks.start_soon(self._pump, far_reader, writer)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while part := await reader.read(65_536):
            self.seen += part
            writer.write(part)
        writer.close()


@asynccontextmanager
async def proxying(proxy: Proxy) -> AsyncIterator[str]:
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def handler(request: web.Request) -> web.Response:
    return web.json_response({"path": request.path})


def app() -> web.Application:
    made = web.Application()
    made.router.add_route("*", "/{tail:.*}", handler)
    return made


@asynccontextmanager
async def serving_tls(context: ssl.SSLContext) -> AsyncIterator[str]:
    runner = web.AppRunner(app())
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        yield f"https://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def test_a_plain_request_goes_through_the_proxy() -> None:
    proxy = Proxy()
    async with proxying(proxy) as by, serving(app()) as url, http.session(connections=2, proxy=by) as session:
        client = http.Http(session, upstream="make", base_url=url, timeout_s=5)
        answer = await client.exchange("list", "GET", "/x")

    assert (answer.body, proxy.asked) == (b'{"path": "/x"}', [f"GET {url}/x"])


async def test_a_tunnel_shows_the_proxy_nothing_and_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority, context = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    proxy = Proxy()
    async with proxying(proxy) as by, serving_tls(context) as url, http.session(connections=2, proxy=by) as session:
        client = http.Http(session, upstream="make", base_url=url, timeout_s=5)
        for _ in range(2):
            answer = await client.exchange("list", "GET", "/canary", headers={"Authorization": "Basic canary"})

    assert (answer.body, proxy.asked) == (b'{"path": "/canary"}', [f"CONNECT {urlsplit(url).netloc}"])
    assert b"canary" not in proxy.seen


@pytest.mark.parametrize("said", [b"407 Proxy Authentication Required", b"403 Forbidden", b"502 Bad Gateway"])
async def test_a_proxy_that_makes_no_tunnel_is_no_word_of_the_upstream(said: bytes) -> None:
    async with proxying(Proxy(answer=said)) as by, http.session(connections=2, proxy=by) as session:
        client = http.Http(session, upstream="make", base_url="https://127.0.0.1:1", timeout_s=5)
        with pytest.raises(ConsumerError) as caught:
            await client.exchange("list", "GET", "/canary")

    assert (type(caught.value), caught.value.code) == (Retryable, "proxy")
    assert "canary" not in str(caught.value)


async def test_a_proxy_that_is_not_there() -> None:
    async with http.session(connections=2, proxy="http://127.0.0.1:1") as session:
        client = http.Http(session, upstream="make", base_url="https://127.0.0.1:1", timeout_s=5)
        with pytest.raises(Retryable) as caught:
            await client.exchange("list", "GET", "/x")

    assert caught.value.code == "proxy"


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
async def test_a_proxy_of_the_environment_is_not_used(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with serving(app()) as url, http.session(connections=2) as session:
        answer = await http.Http(session, upstream="make", base_url=url, timeout_s=5).exchange("list", "GET", "/x")

    assert answer.body == b'{"path": "/x"}'
