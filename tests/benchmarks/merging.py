"""How many resyncs a burst of events costs."""

import random
from collections import Counter

from consumer.core.events import TYPES
from consumer.core.model import Event, Result, UserKey, Verdict
from tests.benchmarks.memory import Open, schedule

_EVENTS, _USERS, _RATE = 200_000, 2_000, 2_000


async def main() -> None:
    chance, dirty, doors, runs = random.Random(1), schedule(), Open(), Counter[UserKey]()
    done, types = Result(Verdict.DONE), sorted(TYPES)

    def work(now: float) -> None:
        while (job := dirty.take(doors, now=now)) is not None:
            runs[job.user] += 1
            dirty.end_run(job, done, dict.fromkeys(job.accounts, done), now=now, uniform=0.5)

    now = 0.0
    for number in range(_EVENTS):
        now = number / _RATE
        user = UserKey("vendor_123", f"u{chance.randrange(_USERS)}")
        dirty.submit(Event(user, chance.choice(types)), 0, number, since_ms=0, now=now)
        if number % 100 == 0:
            work(now)
    work(now + 60)
    total = sum(runs.values())
    print(f"  {_EVENTS:,} events of {_USERS:,} users at {_RATE:,}/s:", end=" ")
    print(f"{total / len(runs):.1f} resyncs per user, {_EVENTS / total:.1f} events each")
