"""The letters of one pod, and the schedule they are given to."""

from collections.abc import Mapping, Sequence
from typing import Any

from consumer.core.events import URGENT, encode
from consumer.core.letters.headers import Named
from consumer.core.letters.healing import Healing
from consumer.core.letters.record import Record, parse
from consumer.core.model import AccountId, Event, Job, Outcome, Place, Result, UserKey, Verdict
from consumer.core.users.counts import Waiting
from consumer.core.users.schedule import Schedule
from consumer.settings.account import Account
from tests.fakes.doors import Doors
from tests.fakes.rules import rules
from tests.simulation.settings import SETTINGS

A, B = AccountId("1"), AccountId("2")

ACCOUNTS: dict[str, tuple[Account, ...]] = {"v1": SETTINGS.accounts_of("v1")}

IDS = {"v1": (A, B)}

DONE, REFUSED, HELD = Result(Verdict.DONE), Result(Verdict.REFUSED, "http-422"), Result(Verdict.HELD)


def user(number: int = 0) -> UserKey:
    return UserKey("v1", f"u{number}")


class Pod:
    """The letters of one pod, and the schedule they are given to."""

    def __init__(
        self, owned: Sequence[int] = (0, 1, 2, 3), of_topic: int = 4, accounts: Mapping[str, tuple[Account, ...]] = ACCOUNTS
    ) -> None:
        self.owned, self.of_topic = list(owned), of_topic
        numbers = rules(quiet_s=1.0, max_wait_s=5.0, concurrency=100, max_attempts=3, backoff_max_s=8.0)
        self.schedule = Schedule(numbers, IDS, urgent=URGENT)
        self.doors, self.done = Doors(), list[Named]()
        gates: Any = self.doors
        self.healing = Healing(self.schedule, gates, accounts)
        self._next = 0

    def tell(self, record: Record) -> Place:
        place = Place(0, self._next)
        self._next += 1
        self.healing.read(place, record)
        return place

    def hears(self, lists: str, *, taken: Sequence[str] = (), times: int = 1, now: float = 0.0) -> None:
        """Let the lists of account 1 refuse `lists` to different users while `taken` take them."""
        for number in range(times):
            visit = self.doors.lists.enter(user(900 + number), A, ("10", "11"), now=now)
            self.doors.lists.learn(visit, taken=taken, refused=dict.fromkeys(lists.split(","), "http-404") if lists else {}, now=now)
            self.doors.lists.leave(visit, now=now)

    def letter(self, number: int = 0, *, code: str = "held", account: str | None = "1", now: float = 0.0, **said: str) -> Place:
        headers = {"error.code": code, "source.partition": "1", "source.offset": "40", "source.partitions": "4"} | (
            {"makeas.account": account, "makeas.lists": "10"} if account is not None else {}
        )
        headers |= {name.replace("_", "."): text for name, text in said.items()} | {"parked_at": "2026-11-24T08:00:00.000Z"}
        value = encode(Event(user(number), "contract.1#update"))
        return self.tell(parse([(name, text.encode()) for name, text in headers.items()], value, None, timestamp_ms=0, now=now))

    def mark(self, place: Place, state: str) -> None:
        said = {"letter": f"{place[0]}:{place[1]}", "state": state}
        self.tell(parse([(name, text.encode()) for name, text in said.items()], b"", None, timestamp_ms=0, now=0.0))

    def offered(self, *, now: float = 1.0) -> list[UserKey]:
        """Offer once; return who is in the schedule then."""
        self.offers(now=now)
        return sorted(self.schedule.users)

    def offers(self, *, now: float = 1.0) -> bool:
        return self.healing.offer(self.owned, of_topic=self.of_topic, now=now)

    def waiting(self) -> list[Waiting]:
        return [*self.healing.waiting(self.owned)]

    def due_by_account(self) -> list[tuple[str, AccountId]]:
        return [*self.healing.due_by_account(self.owned)]

    def run(self, *, now: float = 2.0, sesamy: Result = DONE, **results: Result) -> tuple[Job, Outcome]:
        """Make one run; accounts end DONE, unless said otherwise."""
        gates: Any = self.doors
        job = self.schedule.take(gates, now=now)
        assert job is not None
        accounts = {account: results.get(f"a{account}", DONE) for account in job.accounts if sesamy is DONE}
        outcome = self.schedule.end_run(job, sesamy, accounts, now=now, uniform=0.5)
        self.done += self.healing.note_run(job, sesamy, accounts, outcome)
        return job, outcome
