"""A replay of many records of few users: its scan beside a bare `getmany` with a decode, its resyncs, and what it keeps in memory."""

import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
import msgspec

from consumer.sandbox.brokers.broker import broker
from consumer.sandbox.brokers.topics import create_topic
from tests.benchmarks import scan
from tests.benchmarks.resyncs import serving
from tests.benchmarks.servers import unlimited

_RECORDS = scan.RECORDS


async def main() -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        async with broker("jvm", report=lambda _: None) as kafka, serving() as url:
            await create_topic(kafka.bootstrap, "scan", partitions=scan.PARTITIONS)
            await anyio.to_thread.run_sync(scan.produce, kafka.bootstrap)
            config = _settings(folder, kafka.bootstrap, url)
            bare = await scan.bare(kafka.bootstrap)
            dry_s, dry_mib = await _run(config, "--dry-run")
            empty_s, empty_mib = await _run(config, "--dry-run", "--to-offset", "0:1")
            ours = _RECORDS / max(dry_s - empty_s, 0.001)
            print(f"  bare getmany + decode {bare:,.0f} records/s; scan of a replay {ours:,.0f} records/s; ratio {ours / bare:.2f}")
            print(f"  at most {empty_mib:.0f} MiB with nothing to read, {dry_mib:.0f} MiB for the scan")
            took_s, peak_mib = await _run(config, "--yes", "--rate-share", "1", "--report", str(folder / "report.json"))
            report = msgspec.json.decode((folder / "report.json").read_bytes())
            print(
                f"  {_RECORDS:,} records of {report['users']:,} users: {report['resyncs'] / report['users']:.3f} resyncs per user, "
                f"{report['failed']} failed, {took_s:.0f} s, at most {peak_mib:.0f} MiB"
            )


async def _run(config: Path, *args: str) -> tuple[float, float]:
    """Run a replay as a process; return its seconds and its greatest memory (MiB)."""
    begin = () if "--to-offset" in args else ("--from-time", "2020-01-01")
    code = (  # Not getrusage: what it says begins with the memory of the process that forked this one.
        "import sys; from consumer.commands.cli import main; status = main(sys.argv[1:]); "
        "print(*[line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')], file=sys.stderr); sys.exit(status)"
    )
    started = time.perf_counter()
    done = await anyio.run_process([sys.executable, "-c", code, "replay", "--config", str(config), *begin, *args])
    return time.perf_counter() - started, int(done.stderr.split()[-1]) / 1024


def _settings(folder: Path, bootstrap: str, url: str) -> Path:
    path = folder / "consumer.toml"
    path.write_text(
        f"""
[kafka]
bootstrap_servers = ["{bootstrap}"]
topic = "scan"
{unlimited(url)}
[[vendors]]
id = "vendor_123"
sesamy = {{ client_id = "c", client_secret = "s" }}
makeas = [ {{ userId = "1", apiKey = "k", listId = "1" }}, {{ userId = "2", apiKey = "k", listId = "2" }} ]
""",
        encoding="utf-8",
    )
    return path
