"""
The receiver beside a bare handler of webhooks, on one real Kafka, in turn: events a second, time to 202, CPU of the server alone.

Each server is a process of its own; 32 connections post one event after the other.
"""

import asyncio
import json
import os
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Final

import aiohttp
import anyio
from msgspec import Struct

from consumer.sandbox.brokers.broker import broker
from consumer.sandbox.brokers.topics import create_topic
from consumer.sandbox.children import start_child
from consumer.sandbox.forwarding.endpoint import Endpoint
from consumer.sandbox.ports import free_port
from tests.benchmarks.goals import Figure

_CONNECTIONS: Final = 32
_EVENTS: Final = 300
"""Of each connection."""
_RATE: Final = 0.8
_OURS, _BARE = "ours", "bare aiohttp + aiokafka"
_TICKS: Final = os.sysconf("SC_CLK_TCK")


class Did(Struct, frozen=True):
    """What one server did."""

    rate: float
    p50_ms: float
    p99_ms: float
    cpu_ms: float
    """CPU of the server, an event."""


async def main(rounds: int = 5) -> Sequence[Figure]:
    did: dict[str, list[Did]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with broker("jvm", report=lambda _: None) as kafka:
            await create_topic(kafka.bootstrap, "events", partitions=4)
            for number in range(rounds):
                for kind in (_BARE, _OURS) if number % 2 else (_OURS, _BARE):
                    did[kind].append(await _round(kind, kafka.bootstrap, folder))
    for kind, some in did.items():
        print(
            f"  {kind:<24} {median(one.rate for one in some):6.0f} events/s"
            f"  to 202: {median(one.p50_ms for one in some):5.1f} ms, p99 {median(one.p99_ms for one in some):5.1f} ms"
            f"  {median(one.cpu_ms for one in some):.2f} ms of CPU an event"
        )
    pairs = list(zip(did[_OURS], did[_BARE], strict=True))
    rate, cpu = (median(getattr(ours, what) / getattr(bare, what) for ours, bare in pairs) for what in ("rate", "cpu_ms"))
    print(f"  beside it: {rate:.2f}x events/s, {cpu:.2f}x CPU")
    return [Figure(name="webhooks/s beside a bare handler", goal=_RATE, got=rate, unit="x", is_best="most")]


async def _round(kind: str, bootstrap: str, folder: Path) -> Did:
    port = free_port()
    endpoint = Endpoint(port, folder / "secret")
    if kind == _BARE:
        command, probe = ["-m", "tests.benchmarks.bare_receiver", bootstrap, "events", str(port)], port
    else:
        probe = free_port()
        (folder / "receiver.toml").write_text(_settings(bootstrap, probe, endpoint))
        command = ["-m", "consumer", "receive", "--config", str(folder / "receiver.toml")]
    server = await start_child([sys.executable, *command], log=folder / "log")
    try:
        async with aiohttp.ClientSession(headers=endpoint.headers, connector=aiohttp.TCPConnector(limit=_CONNECTIONS)) as session:
            await _ready(session, f"http://127.0.0.1:{probe}/readyz")
            await _post(session, endpoint.url, 30)
            before, began_at = _cpu_s(server.pid), time.perf_counter()
            took_ms = await _post(session, endpoint.url, _EVENTS)
            took_s, cpu_s = time.perf_counter() - began_at, _cpu_s(server.pid) - before
    finally:
        server.kill()
        await server.wait()
        await server.aclose()
    took_ms.sort()
    return Did(len(took_ms) / took_s, median(took_ms), took_ms[len(took_ms) * 99 // 100], 1000 * cpu_s / len(took_ms))


def _settings(bootstrap: str, admin_port: int, endpoint: Endpoint) -> str:
    return f"""
[kafka]
bootstrap_servers = ["{bootstrap}"]
topic = "events"
[admin]
host = "127.0.0.1"
port = {admin_port}
{endpoint.settings()}
[[vendors]]
id = "v"
sesamy = {{ client_id = "c", client_secret = "s" }}
makeas = {{ userId = "1", apiKey = "k", listId = "7" }}
"""


async def _ready(session: aiohttp.ClientSession, url: str) -> None:
    with anyio.fail_after(30):
        while True:
            try:
                async with session.get(url) as answer:
                    if answer.ok:
                        return
            except aiohttp.ClientError:
                pass
            await anyio.sleep(0.1)


async def _post(session: aiohttp.ClientSession, url: str, events: int) -> list[float]:
    took_ms: list[float] = []

    async def one_after_the_other(connection: int) -> None:
        for number in range(events):
            event = {"eventType": "contract.1#update", "vendorId": "v", "userId": f"auth0|{connection}-{number}", "occured_at": "2025"}
            body, began_at = json.dumps(event).encode(), time.perf_counter()
            async with session.post(url, data=body, headers={"Content-Type": "application/json"}) as answer:
                assert answer.status == 202, answer.status
                await answer.read()
            took_ms.append(1000 * (time.perf_counter() - began_at))

    await asyncio.gather(*(one_after_the_other(connection) for connection in range(_CONNECTIONS)))
    return took_ms


def _cpu_s(pid: int) -> float:
    words = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / _TICKS
