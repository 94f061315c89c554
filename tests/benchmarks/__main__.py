"""`make bench`: figures beside a bare peer in the same run; nothing here passes or fails."""

import platform
import sys

import anyio

from tests.benchmarks import bounds, drift, letters, memory, merging, reconcile, reconcile_whole, replay, resyncs, scan

_ALL = {
    "memory": memory.main,
    "merging": merging.main,
    "scan": scan.main,
    "resyncs": resyncs.main,
    "replay": replay.main,
    "letters": letters.main,
    "bounds": bounds.main,
    "reconcile": reconcile.main,
    "reconcile-whole": reconcile_whole.main,
    "drift": drift.main,
}


async def main(names: list[str]) -> None:
    print(f"Python {platform.python_version()} on {platform.machine()}")
    for name in names or list(_ALL):
        print(f"\n{name}")
        await _ALL[name]()


if __name__ == "__main__":
    unknown = set(sys.argv[1:]) - set(_ALL)
    if unknown:
        sys.exit(f"no such figure: {', '.join(unknown)}; there are {', '.join(_ALL)}")
    anyio.run(main, sys.argv[1:])
