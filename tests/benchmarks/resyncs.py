"""Whole resyncs to two accounts, beside a bare aiohttp loop that makes the same calls; servers of 20 ms in a process of their own."""

import asyncio
import base64
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp
import anyio
import msgspec

from consumer.commands.batch import Batch
from consumer.core.model import UserKey
from consumer.core.users.settling import Settling
from consumer.resync.clients import upstreams
from consumer.settings.load import load
from consumer.settings.model import KafkaSettings, Settings
from consumer.telemetry.metrics import Metrics
from tests.benchmarks.servers import unlimited

_USERS, _CONCURRENCY, _ROUNDS = 1_000, 32, 3
_BASIC = {"Authorization": "Basic " + base64.b64encode(b"1:k").decode()}


async def main() -> None:
    async with serving() as url:
        for _ in range(_ROUNDS):
            await _round(url)


@asynccontextmanager
async def serving(module: str = "tests.benchmarks.servers", *args: str) -> AsyncIterator[str]:
    """Serve both stand-ins, or what another module prints the address of, in a process of their own; give the address."""
    server = await anyio.open_process([sys.executable, "-m", module, *args], stderr=None)
    try:
        assert server.stdout is not None
        yield (await server.stdout.receive()).decode().strip()
    finally:
        server.terminate()
        await server.wait()


async def _round(url: str) -> None:
    cpu = os.times()
    bare = await _bare(url)
    between = os.times()
    ours = await _ours(url)
    after = os.times()
    bare_cpu, our_cpu = _cpu_s(cpu, between), _cpu_s(between, after)
    print(
        f"  bare loop {bare:.0f}/s, {bare_cpu:.2f} CPU s per 1,000 users; resyncs {ours:.0f}/s, {our_cpu:.2f} CPU s per 1,000 users; "
        f"ratio {ours / bare:.2f}"
    )


def _cpu_s(before: os.times_result, after: os.times_result) -> float:
    return (after.user + after.system - before.user - before.system) * 1000 / _USERS


async def _bare(url: str) -> float:
    limit = asyncio.Semaphore(_CONCURRENCY)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=500)) as session:

        async def call(method: str, path: str, body: object = None) -> None:
            async with session.request(method, url + path, data=msgspec.json.encode(body), headers=_BASIC) as response:
                msgspec.json.decode(await response.read())

        async def account(number: int) -> None:
            make = f"/make{number}/subscribers"
            await asyncio.gather(
                _in_turn(call("POST", f"{make}/by_email", {"email": "a@example.com"}), call("POST", make, {"email": "a@example.com"})),
                call("POST", f"{make}/subscriptions/products/bulkinsert", [{"external_id": "p", "name": "P"}]),
            )
            await call("POST", f"{make}/subscriptions/bulkinsert", [{"external_id": "c"}])

        async def one(number: int) -> None:
            async with limit:
                await asyncio.gather(
                    call("GET", f"/management/users/u{number}"),
                    call("GET", f"/management/contracts?userId=u{number}&limit=100&offset=0"),
                    call("GET", f"/management/entitlements?userId=u{number}&limit=100&offset=0"),
                )
                await asyncio.gather(account(1), account(2))

        started = time.perf_counter()
        await asyncio.gather(*(one(number) for number in range(_USERS)))
        return _USERS / (time.perf_counter() - started)


async def _in_turn(*calls: object) -> None:
    for call in calls:
        await call  # type: ignore[misc]


class NoTopic:
    """Nobody else writes here, so there is nothing to be read."""

    def __init__(self, _: KafkaSettings, settling: Settling) -> None:
        self._settling = settling

    async def ready(self) -> None:
        pass

    async def run(self) -> None:
        while True:
            self._settling.end_is(self._settling.to_ask(), {})
            await anyio.sleep(0.01)


async def _ours(url: str) -> float:
    with TemporaryDirectory() as name:
        settings = _settings(url, Path(name))
    metrics = Metrics(settings)
    async with upstreams(settings, metrics) as up:
        batch = Batch(settings, up, metrics, report=lambda _: None, tail=NoTopic)
        started = time.perf_counter()
        await batch.run([UserKey("v", f"u{number}") for number in range(_USERS)])
        return _USERS / (time.perf_counter() - started)


def _settings(url: str, folder: Path) -> Settings:
    path = folder / "consumer.toml"
    path.write_text(
        f"""
[workers]
concurrency = {_CONCURRENCY}
{unlimited(url)}
[[vendors]]
id = "v"
sesamy = {{ client_id = "c", client_secret = "s" }}
makeas = [ {{ userId = "1", apiKey = "k", listId = "1" }}, {{ userId = "2", apiKey = "k", listId = "2" }} ]
""",
        encoding="utf-8",
    )
    return load(path, {})
