"""One client on one kind of loop, as a process: resyncs users at the stand-ins, and prints how many a second it did and its CPU time."""

import argparse
import asyncio
import base64
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import aiohttp
import anyio
import msgspec
from msgspec import Struct

from consumer.commands.batch import Batch
from consumer.core.model import UserKey
from consumer.resync.clients import upstreams
from consumer.settings.load import load
from consumer.settings.model import Settings
from consumer.telemetry.loop import run as run_as_commands
from consumer.telemetry.metrics import Metrics
from tests.benchmarks.resyncs import NoTopic
from tests.benchmarks.servers import unlimited

BARE, OURS = "bare", "ours"
HAS_UVLOOP: Final = find_spec("uvloop") is not None
WARM: Final = 64
"""Users that a client begins with, unmeasured; the servers count them, too."""
_PRODUCTS: Final = [{"external_id": f"s{place}", "name": f"N{place}"} for place in range(2)]

Resync = Callable[[range], Awaitable[None]]


class Work(Struct, frozen=True, kw_only=True):
    """What a client is to do."""

    url: str
    """Of the stand-ins, with what stands at Make.as."""
    users: int = 1_000
    at_once: int = 64
    accounts: int = 2


class Did(Struct, frozen=True):
    """What came of it."""

    rate: float
    """Users a second."""
    cpu_s: float
    """CPU time of this process for 1,000 users (s)."""


async def ours(work: Work, stack: AsyncExitStack) -> Resync:
    """Return our whole path from a user to its lists, without a topic."""
    with TemporaryDirectory() as name:
        settings = settings_for(work, Path(name))
    metrics = Metrics(settings)
    up = await stack.enter_async_context(upstreams(settings, metrics))

    async def resync(users: range) -> None:
        failed: list[str] = []
        batch = Batch(settings, up, metrics, report=lambda one: failed.extend(one.failed.values()), tail=NoTopic)
        await batch.run([UserKey("v", f"u{number}") for number in users])
        assert not failed, failed

    return resync


def settings_for(work: Work, folder: Path) -> Settings:
    """Return settings for our path, with no limit that is met."""
    lists = ", ".join(f'{{ userId = "{number}", apiKey = "k", listId = "{number}" }}' for number in range(1, work.accounts + 1))
    path = folder / "consumer.toml"
    path.write_text(
        f"""
[workers]
concurrency = {work.at_once}
{unlimited(work.url)}
[[vendors]]
id = "v"
sesamy = {{ client_id = "c", client_secret = "s" }}
makeas = [ {lists} ]
""",
        encoding="utf-8",
    )
    return load(path, {})


async def bare(work: Work, stack: AsyncExitStack) -> Resync:
    """Return the least that makes all calls of a resync: it checks nothing, waits for nothing, and writes all there is."""
    session = await stack.enter_async_context(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1_000)))
    basics = [{"Authorization": "Basic " + base64.b64encode(f"{number}:k".encode()).decode()} for number in range(1, work.accounts + 1)]
    bearer = {"Authorization": "Bearer t"}
    sesamy, make = f"{work.url}/management", f"{work.url}/make/subscribers"

    async def call(method: str, url: str, headers: dict[str, str], body: object = None) -> Any:
        sent = None if body is None else msgspec.json.encode(body)
        async with session.request(method, url, data=sent, headers=headers) as response:
            return msgspec.json.decode(await response.read())

    async def contact(basic: dict[str, str], email: str, user: str) -> None:
        await call("POST", f"{make}/by_email", basic, {"email": email})
        written = {"email": email, "firstname": "Ann", "external_id": user, "tags": ["sesamy_active_subscriber"]}
        await call("POST", f"{make}?subscriber_list_id[]=1&tag=merge", basic, written)

    async def account(basic: dict[str, str], email: str, user: str, contracts: list[dict[str, Any]]) -> None:
        await asyncio.gather(contact(basic, email, user), call("POST", f"{make}/subscriptions/products/bulkinsert", basic, _PRODUCTS))
        rows = [{"email": email, "external_id": one["id"], "status": "active"} for one in contracts]
        await call("POST", f"{make}/subscriptions/bulkinsert", basic, rows)

    async def one(user: str) -> None:
        profile, contracts, _ = await asyncio.gather(
            call("GET", f"{sesamy}/users/{user}", bearer),
            call("GET", f"{sesamy}/contracts?userId={user}&limit=100&offset=0", bearer),
            call("GET", f"{sesamy}/entitlements?userId={user}&limit=100&offset=0", bearer),
        )
        await asyncio.gather(*(account(basic, profile["email"], user, contracts["data"]) for basic in basics))

    async def resync(users: range) -> None:
        coming = iter(users)

        async def work_off() -> None:
            for number in coming:
                await one(f"u{number}")

        await asyncio.gather(*(work_off() for _ in range(work.at_once)))

    return resync


async def measure(kind: str, work: Work) -> Did:
    """Let a client do its work, once it is warm."""
    async with AsyncExitStack() as stack:
        resync = await (ours if kind == OURS else bare)(work, stack)
        await resync(range(WARM))
        at, cpu = time.perf_counter(), time.process_time()
        await resync(range(work.users))
        return Did(work.users / (time.perf_counter() - at), (time.process_time() - cpu) * 1000 / work.users)


async def run(kind: str, work: Work, *, uvloop: bool = HAS_UVLOOP) -> Did:
    """Let a client do its work in a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.peer", kind, msgspec.json.encode(work).decode(), *(["--uvloop"] if uvloop else [])]
    done = await anyio.run_process(command, stderr=None)
    return msgspec.json.decode(done.stdout, type=Did)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=(BARE, OURS))
    parser.add_argument("work", type=lambda text: msgspec.json.decode(text, type=Work))
    parser.add_argument("--uvloop", action="store_true")
    given = parser.parse_args()
    if given.kind == OURS and given.uvloop:
        did = run_as_commands(measure, given.kind, given.work)
    else:
        did = anyio.run(measure, given.kind, given.work, backend_options={"use_uvloop": given.uvloop})
    sys.stdout.write(msgspec.json.encode(did).decode())


if __name__ == "__main__":
    main()
