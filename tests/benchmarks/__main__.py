"""
`make bench`: figures beside a bare peer in the same run; nothing here passes or fails.

A name may have a number behind it, of rounds: `ARGS="scan peers 7"`. `goals` stands for all that have a goal; the last lines put each
beside what it came to.
"""

import platform
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from consumer.telemetry.loop import run
from tests.benchmarks import (
    bounds,
    calls,
    drift,
    freshness,
    letters,
    memory,
    merging,
    peers,
    pods,
    receive,
    reconcile,
    reconcile_whole,
    replay,
    resyncs,
    scan,
)
from tests.benchmarks.goals import Figure, table

_ALL: Final[dict[str, Callable[..., Awaitable[Any]]]] = {
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
    "peers": peers.main,
    "calls": calls.main,
    "freshness": freshness.main,
    "pods": pods.main,
    "receive": receive.main,
}
_WITH_ROUNDS: Final = ("scan", "peers", "freshness", "pods", "receive")
_WITH_GOALS: Final = ("memory", "scan", "calls", "peers", "freshness", "pods", "receive")


def asked_for(words: Sequence[str]) -> list[tuple[str, list[int]]]:
    """
    Return which figures are asked for, each with the number of rounds where one is given.

    Raises:
        ValueError: there is no such figure, or it has no rounds.
    """
    found: list[tuple[str, list[int]]] = []
    for word in words or list(_ALL):
        if word.isdecimal() and found and found[-1][0] in _WITH_ROUNDS and not found[-1][1] and int(word):
            found[-1][1].append(int(word))
        elif word == "goals":
            found += [(name, []) for name in _WITH_GOALS]
        elif word in _ALL:
            found.append((word, []))
        else:
            has = f"{', '.join(_ALL)}, goals; behind {', '.join(_WITH_ROUNDS)} a number of rounds"
            raise ValueError(f"no such figure: {word}; there are {has}")
    return found


async def main(wanted: Sequence[tuple[str, list[int]]]) -> None:
    print(f"Python {platform.python_version()} on {platform.machine()}")
    figures: list[Figure] = []
    for name, rounds in wanted:
        print(f"\n{name}", flush=True)
        figures += await _ALL[name](*rounds) or ()
    if figures:
        print(f"\ngoals\n{table(figures)}")


if __name__ == "__main__":
    try:
        found = asked_for(sys.argv[1:])
    except ValueError as error:
        sys.exit(str(error))
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr] # Some figures take minutes, and are seen as they come.
    run(main, found)  # As commands run.
