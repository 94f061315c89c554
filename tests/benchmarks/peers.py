"""
Our whole resync path beside a bare client, on one server, in turn.

64 users at once, two accounts, two contracts a reader, 20 ms an answer; each client is a process of its own, and its CPU time is its alone.
The bare client is aiohttp on uvloop, and makes the naive 11 calls; beside it the same on asyncio's own loop. (httpx is left out: what it
spends on a call is more than aiohttp does, and nothing here needs it.)
"""

from collections import defaultdict
from collections.abc import Sequence
from statistics import median
from typing import Final

from msgspec import structs

from tests.benchmarks.goals import Figure
from tests.benchmarks.peer import BARE, HAS_UVLOOP, OURS, Did, Work, run
from tests.benchmarks.quick import CHANGED, SAME
from tests.benchmarks.resyncs import serving

_WORK: Final = Work(url="")
_CASES: Final = {SAME: "nothing changed at the contact", CHANGED: "contact changed"}
_CPU, _RATE = 0.6, 1.5
Client = tuple[str, bool]
"""Which client, and whether on uvloop."""


async def main(rounds: int = 5) -> Sequence[Figure]:
    clients: list[Client] = [(kind, loop) for kind in (BARE, OURS) for loop in ((True, False) if HAS_UVLOOP else (False,))]
    if not HAS_UVLOOP:
        print("  there is no uvloop here: all run on asyncio's own loop")
    best, figures = (BARE, HAS_UVLOOP), list[Figure]()
    async with serving("tests.benchmarks.quick") as url:
        for mode, words in _CASES.items():
            did: dict[Client, list[Did]] = defaultdict(list)
            for number in range(rounds):
                for kind, loop in clients if number % 2 == 0 else reversed(clients):
                    did[kind, loop].append(await run(kind, structs.replace(_WORK, url=f"{url}/{mode}"), uvloop=loop))
            print(f"  {words}, medians of {rounds}:")
            for client in clients:
                print(f"    {_name(client)}  {_figures(did[client])}  {_beside(did[client], did[best])}")
            cpu, rate = ratios(did[OURS, HAS_UVLOOP], did[best])
            if mode == SAME:
                figures += [
                    Figure(name=f"CPU per user beside {_name(best).strip()}, {words}", goal=_CPU, got=cpu, unit="x"),
                    Figure(name=f"users/s beside {_name(best).strip()}, {words}", goal=_RATE, got=rate, unit="x", is_best="most"),
                ]
    return figures


def ratios(ours: Sequence[Did], others: Sequence[Did]) -> tuple[float, float]:
    """Return the medians of CPU and users/s beside another's of the same rounds."""
    pairs = list(zip(ours, others, strict=True))
    return median(our.cpu_s / other.cpu_s for our, other in pairs), median(our.rate / other.rate for our, other in pairs)


def _name(client: Client) -> str:
    kind, loop = client
    return f"{'bare aiohttp' if kind == BARE else 'ours':<12} + {'uvloop' if loop else 'asyncio':<7}"


def _figures(did: Sequence[Did]) -> str:
    return f"{median(one.rate for one in did):4.0f} users/s, {median(one.cpu_s for one in did):.2f} CPU s per 1,000 users"


def _beside(ours: Sequence[Did], others: Sequence[Did]) -> str:
    cpu, rate = ratios(ours, others)
    return f"(x {rate:.2f}, x {cpu:.2f} CPU)"
