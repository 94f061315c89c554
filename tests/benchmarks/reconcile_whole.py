"""Reconcile as a process of its own, over real HTTP, at 100,000 readers: memory, CPU time, and the longest stall of its event loop."""

import sys
import time
from pathlib import Path
from subprocess import DEVNULL, PIPE
from tempfile import TemporaryDirectory
from typing import Final

import aiohttp
import anyio
import msgspec
from anyio.abc import Process

from consumer.sandbox.brokers.broker import broker
from consumer.sandbox.brokers.topics import create_topic
from tests.benchmarks.many_readers import CONTRACTS_, ENTITLEMENTS_, READERS, VENDOR
from tests.benchmarks.resyncs import serving
from tests.benchmarks.servers import unlimited
from tests.benchmarks.watched import Seen

_MOST_S: Final = 600.0
_WRITES: Final = 2_000
"""So many readers of a first load are written before it is stopped."""
_SESAMY_PAGES: Final = (READERS + CONTRACTS_ + ENTITLEMENTS_) // 95
_LOOK_S: Final = 0.2
_NO_KAFKA: Final = "127.0.0.1:1"


async def main() -> None:
    print(f"  {READERS:,} readers, {CONTRACTS_:,} contracts, {ENTITLEMENTS_:,} entitlements, two lists of {READERS:,}")
    with TemporaryDirectory() as name:
        async with serving("tests.benchmarks.many_readers") as url:
            bench = _Bench(Path(name), url)
            await bench.looks()
            await bench.goes_on()
            async with broker("jvm", report=lambda _: None) as kafka:
                await create_topic(kafka.bootstrap, "readers", partitions=4)
                await bench.loads(kafka.bootstrap)


class _Bench:
    def __init__(self, folder: Path, url: str) -> None:
        self._folder, self._url = folder, url

    async def looks(self) -> None:
        """Look at lists that agree but for a few, and at lists where everybody differs, with all that can be asked of it."""
        await self._run("--dry-run, few differ", "few", "--dry-run")
        await self._run("--dry-run, all differ", "differ", "--dry-run", "--report", str(self._folder / "report.json"))

    async def goes_on(self) -> None:
        """Keep the state; then kill it at half of the reading, and go on."""
        state = self._folder / "reconcile.state"
        args = ("--dry-run", "--state", str(state))
        await self._run("--state", "few", *args)
        print(f"    the file has {state.stat().st_size / 2**20:.0f} MiB, {state.stat().st_size / READERS:.0f} bytes a reader")
        state.unlink()
        process = await self._begin("few", *args)
        before = (await self._served())["pages"]
        while (await self._served())["pages"] < before + _SESAMY_PAGES // 2:
            await anyio.sleep(_LOOK_S)
        process.kill()
        await process.wait()
        await self._run("--state, gone on with after SIGKILL at half", "few", *args)
        await self._run("--state, gone on with where all of Sesamy is read", "few", *args)

    async def loads(self, bootstrap: str) -> None:
        """Load all from bulk; it is stopped once some are written."""
        args = ("--from-bulk", "--yes", "--max-changes", "100%")
        await self._run("--from-bulk, as far as the bound", "empty", *args[:-1], "1%", bootstrap=bootstrap)
        started, process = time.perf_counter(), await self._begin("empty", *args, bootstrap=bootstrap)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._stop_after, process, _WRITES)
            await self._tell(f"--from-bulk, stopped after {_WRITES:,} readers", process, started)
            tasks.cancel_scope.cancel()

    async def _stop_after(self, process: Process, writes: int) -> None:
        while (await self._served())["writes"] < writes:
            await anyio.sleep(_LOOK_S)
        process.terminate()

    async def _run(self, what: str, mode: str, *args: str, bootstrap: str = _NO_KAFKA) -> None:
        started = time.perf_counter()
        await self._tell(what, await self._begin(mode, *args, bootstrap=bootstrap), started)

    async def _begin(self, mode: str, *args: str, bootstrap: str = _NO_KAFKA) -> Process:
        config = self._folder / f"{mode}.toml"
        config.write_text(_settings(f"{self._url}/{mode}", bootstrap), encoding="utf-8")
        command = [sys.executable, "-m", "tests.benchmarks.watched", "reconcile", "--config", str(config), "--rate-share", "1", *args]
        return await anyio.open_process(command, stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE)

    async def _tell(self, what: str, process: Process, started: float) -> None:
        said = b""
        try:
            with anyio.fail_after(_MOST_S):
                assert process.stderr is not None
                async for part in process.stderr:
                    said = (said + part)[-4096:]
                status = await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
        seen = msgspec.json.decode(said.splitlines()[-1], type=Seen)
        took_s = time.perf_counter() - started
        print(
            f"  {what}: exit {status}, at most {seen.peak_kib / 1024:.0f} MiB ({seen.peak_kib * 1024 / READERS:,.0f} bytes a reader), "
            f"{seen.cpu_s:.0f} CPU s of {took_s:.0f} s; longest stall {seen.stall_s:.2f} s {seen.where and 'in ' + seen.where}",
            flush=True,
        )
        if status not in {0, 1, 75}:
            print(said.decode(errors="replace"))

    async def _served(self) -> dict[str, int]:
        async with aiohttp.ClientSession() as session, session.get(f"{self._url}/served") as answer:
            found: dict[str, int] = await answer.json()
            return found


def _settings(url: str, bootstrap: str) -> str:
    return f"""
[kafka]
bootstrap_servers = ["{bootstrap}"]
topic = "readers"
{unlimited(url)}
[[vendors]]
id = "{VENDOR}"
sesamy = {{ client_id = "c", client_secret = "s" }}
makeas = [ {{ userId = "1", apiKey = "k", listId = "1466" }}, {{ userId = "1", apiKey = "k", listId = "1467" }} ]
"""
