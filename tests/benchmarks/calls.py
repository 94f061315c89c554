"""Calls per resync by kind, as the servers count them: one user at a time, and 64 at once; 1 to 8 accounts; contacts changed, or not."""

from collections.abc import Mapping, Sequence
from typing import Final

import aiohttp
from msgspec import structs

from tests.benchmarks.goals import Figure
from tests.benchmarks.peer import OURS, WARM, Work, run
from tests.benchmarks.quick import CHANGED, KINDS, SAME
from tests.benchmarks.resyncs import serving

_ACCOUNTS: Final = (1, 2, 4, 8)
_BUSY: Final = Work(url="", users=640, at_once=64)
_IDLE: Final = Work(url="", users=20, at_once=1)


async def main() -> Sequence[Figure]:
    figures: list[Figure] = []
    async with serving("tests.benchmarks.quick") as url:
        print(f"  {'':<29}{''.join(f'{kind:>14}' for kind in KINDS)}{'all':>8}{'beside':>8}")
        for mode in (SAME, CHANGED):
            for name, work in (("idle", _IDLE), ("busy", _BUSY)):
                for accounts in _ACCOUNTS:
                    counted = await count(url, structs.replace(work, url=f"{url}/{mode}", accounts=accounts))
                    all_ = sum(counted[kind] for kind in KINDS)
                    words = f"{name}, {mode}, {accounts} account{'s' if accounts > 1 else ''}"
                    print(f"  {words:<29}{''.join(f'{counted[kind]:14.2f}' for kind in KINDS)}{all_:8.2f}{counted['other']:8.2f}")
                    if name == "busy":
                        figures.append(Figure(name=f"calls per resync, {words}", goal=goal(accounts, mode), got=all_))
    return figures


def goal(accounts: int, mode: str) -> float:
    """Return how many calls a resync may take where many run at once: three at Sesamy, and what each account needs."""
    return 3 + (1 if mode == SAME else 2) * accounts + 0.1 * accounts


async def count(url: str, work: Work) -> Mapping[str, float]:
    """Let us do some work; return the calls of each kind for each user."""
    await _calls(url)
    await run(OURS, work)
    seen = await _calls(url)
    return {kind: seen.get(kind, 0) / (WARM + work.users) for kind in (*KINDS, "other")}


async def _calls(url: str) -> Mapping[str, int]:
    async with aiohttp.ClientSession() as session, session.get(f"{url}/calls") as answer:
        counted: Mapping[str, int] = await answer.json()
    return counted
