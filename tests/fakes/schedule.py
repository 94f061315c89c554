"""A schedule with short names for what is done to it."""

from collections.abc import Collection
from math import inf

from consumer.core.events import URGENT
from consumer.core.model import AccountId, Event, Job, Outcome, Reopened, Result, UserKey, Verdict
from consumer.core.users.counts import Counts, Waiting, count
from consumer.core.users.schedule import Schedule
from tests.fakes.doors import Doors
from tests.fakes.rules import rules

A, B, C = AccountId("a"), AccountId("b"), AccountId("c")
ANN, BOB, CID, DAN = (UserKey("v", name) for name in ("ann", "bob", "cid", "dan"))
EVE = UserKey("w", "eve")
ROUTINE, PAID = "contract.1#update", "contract.1#purchased"
DONE, RETRY, HELD, REFUSED = (Result(verdict, "x") for verdict in (Verdict.DONE, Verdict.RETRY, Verdict.HELD, Verdict.REFUSED))
ABSENT, SKIPPED = Result(Verdict.ABSENT), Result(Verdict.SKIPPED)


class Bench:
    """A schedule with short names for what is done to it."""

    def __init__(self, *, concurrency: int = 32, max_attempts: int = 3) -> None:
        numbers = rules(max_wait_s=10, concurrency=concurrency, max_attempts=max_attempts)
        self.schedule = Schedule(numbers, {"v": (A, B), "w": (C,)}, urgent=URGENT)
        self.doors = Doors()
        self.offset = -1

    def event(self, user: UserKey, now: float, *, type_: str = ROUTINE, partition: int = 0) -> bool:
        self.offset += 1
        return self.schedule.submit(Event(user, type_), partition, self.offset, since_ms=int(now * 1000), now=now)

    def take(self, now: float) -> Job:
        job = self.schedule.take(self.doors, now=now)
        assert job is not None, "nobody is due"
        return job

    def idle(self, now: float) -> bool:
        return self.schedule.take(self.doors, now=now) is None

    def end(self, job: Job, now: float, *, sesamy: Result = DONE, uniform: float = 0.5, **results: Result) -> Outcome:
        accounts = {account: results.get(account, DONE) for account in job.accounts}
        return self.schedule.end_run(job, sesamy, accounts, now=now, uniform=uniform)


def letter_of(user: UserKey) -> Reopened:
    """Give an open letter that asks for all accounts."""
    return Reopened(user=user, type=ROUTINE, accounts=(A, B), partition=0, offset=0, since_ms=0, tried_at=-inf)


def reopened(user: UserKey, *accounts: AccountId) -> Reopened:
    return Reopened(user=user, type=ROUTINE, accounts=accounts, partition=0, offset=7, since_ms=0, tried_at=-inf)


def counts_of(
    bench: Bench,
    *,
    out_vendors: Collection[str] = (),
    out_accounts: Collection[AccountId] = (),
    letters: Collection[Waiting] = (),
    now: float = 0.0,
) -> Counts:
    users, accounts = bench.schedule.users.values(), {"v": (A, B), "w": (C,)}
    return count(users, accounts, out_vendors=out_vendors, out_accounts=out_accounts, letters=letters, now=now)
