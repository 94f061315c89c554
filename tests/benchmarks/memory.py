"""Bytes per dirty user, and memory over many events with one user stuck."""

import gc
import resource
import time
import tracemalloc
from collections.abc import Sequence

from consumer.core.events import TYPES, URGENT
from consumer.core.ledger import Ledger
from consumer.core.model import AccountId, Door, Event, Result, UserKey, Verdict
from consumer.core.users.schedule import Schedule
from tests.benchmarks.goals import Figure
from tests.fakes.rules import rules

_USERS = 250_000
_EVENTS = 5_000_000
_GOAL_BYTES = 400
_TYPE = min(TYPES)


class Open:
    """Doors that are always open."""

    def vendor(self, vendor: str, *, now: float) -> Door:  # noqa: ARG002
        return Door.OPEN

    def account(self, account: AccountId, *, now: float) -> Door:  # noqa: ARG002
        return Door.OPEN

    def want(self, vendor: str, *, urgent: bool, now: float) -> None:
        """Hear of nobody: no door is shut."""


def schedule(quiet_s: float = 2.0) -> Schedule:
    numbers = rules(quiet_s=quiet_s)
    return Schedule(numbers, {"vendor_123": (AccountId("1"), AccountId("2"))}, urgent=URGENT)


def fill(dirty: Schedule, ledger: Ledger, users: int) -> None:
    since_ms = 0
    for number in range(users):
        if number % 100 == 0:  # Some records of a batch share their time.
            since_ms = 1_700_000_000_000 + number
        event = Event(UserKey("vendor_123", f"email|{number:024d}"), _TYPE)
        if dirty.submit(event, number % 4, number // 4, since_ms=since_ms, now=1000.0 + number // 2000 * 0.01):
            ledger.open(number % 4, number // 4, since_ms=since_ms)


async def main() -> Sequence[Figure]:
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    dirty, ledger = schedule(), Ledger()
    for partition in range(4):
        ledger.begin(partition, 0)
    fill(dirty, ledger, _USERS)
    waiting = (tracemalloc.get_traced_memory()[0] - before) / _USERS
    print(f"  {waiting:.0f} bytes per dirty user that waits for quiet ({_USERS:,} users, ids of 30 characters and tokens included)")
    dirty.park_held(lambda _: False, lambda _: False, Open(), now=5000.0, most=0)
    due = (tracemalloc.get_traced_memory()[0] - before) / _USERS
    print(f"  {due:.0f} bytes per user that is due")
    tracemalloc.stop()
    stuck()
    return [Figure(name="memory of a dirty user", goal=_GOAL_BYTES, got=max(waiting, due), unit="bytes", digits=0)]


def stuck() -> None:
    """Let one user never finish, and millions of events of others come and go behind it."""
    dirty, ledger, doors = schedule(), Ledger(), Open()
    ledger.begin(0, 0)
    done = Result(Verdict.DONE)
    now, offset, seen = 0.0, 0, []
    started = time.perf_counter()
    blocked = UserKey("vendor_123", "stuck")
    dirty.submit(Event(blocked, _TYPE), 0, offset, since_ms=0, now=now)
    ledger.open(0, offset, since_ms=0)
    dirty.take(doors, now=now + 10)
    for offset in range(1, _EVENTS + 1):
        now = offset / 5000
        if dirty.submit(Event(UserKey("vendor_123", f"u{offset % 2000}"), _TYPE), 0, offset, since_ms=offset, now=now):
            ledger.open(0, offset, since_ms=offset)
        if offset % 500 == 0:
            while (job := dirty.take(doors, now=now)) is not None:
                for partition, covered in dirty.end_run(job, done, dict.fromkeys(job.accounts, done), now=now, uniform=0.5).closed:
                    ledger.close(partition, covered)
        if offset in {_EVENTS // 5, _EVENTS}:
            seen.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    rate = _EVENTS / (time.perf_counter() - started)
    print(f"  one user stuck: {seen[0]:.0f} MiB after {_EVENTS // 5:,} events, {seen[1]:.0f} MiB after {_EVENTS:,} ({rate:,.0f} events/s)")
    print(f"  open offsets at the end: {ledger.open_count(0):,}; watermark {ledger.watermarks()[0]}")
