"""Which parked users are tried again, by whom, and when a letter is done; and who follows the topic tells what ends nothing."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from math import inf
from typing import Any

import anyio
import pytest
from aiokafka import TopicPartition
from aiokafka.errors import OffsetOutOfRangeError
from msgspec import structs

from consumer.commands.dead_letters.topic import Letters
from consumer.core.backlog import Backlog
from consumer.core.errors import Fatal
from consumer.core.events import URGENT, encode
from consumer.core.letters.headers import Named
from consumer.core.letters.healing import Healing
from consumer.core.letters.record import Record, parse
from consumer.core.model import AccountId, Door, Event, Job, Letter, Outcome, Place, Result, UserKey, Verdict
from consumer.core.partitioner import partition_of, usual_key
from consumer.core.users.counts import Waiting
from consumer.core.users.schedule import Schedule
from consumer.kafka.client import connect
from consumer.kafka.client.reader import Poll, damaged
from consumer.kafka.letter_follower import LetterFollower
from consumer.settings.model import Account, KafkaSettings
from consumer.telemetry.metrics import Metrics
from tests.fakes.doors import Doors
from tests.fakes.rules import rules
from tests.metrics_table import one_of_each
from tests.simulation.settings import SETTINGS
from tests.simulation.world import LETTERS

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


def a_letter(account: AccountId | None, lists: tuple[str, ...] = (), number: int = 0) -> Letter:
    return Letter(
        code="http-422", stage="makeas", partition=1, offset=40, user=user(number), type="contract.1#update", account=account, lists=lists
    )


# ---- Who tries which ----


def test_what_waits_to_be_tried_says_where_it_would_be_written() -> None:
    """Nobody is let in to an account before it is known who left its lists, and that is read for whoever would be written there."""
    pod = Pod(owned=(1,))
    pod.doors.states = {"1": Door.SHUT, "2": Door.SHUT}
    assert pod.due_by_account() == []
    pod.letter(0)
    pod.letter(1, code="http-422", account="2")
    assert pod.offered() == []
    assert pod.due_by_account() == [("v1", A)]

    pod.letter(2, account=None)
    assert pod.offered() == []
    assert {*pod.due_by_account()} == {("v1", A), ("v1", B)}
    pod.owned = [0, 2, 3]
    assert pod.due_by_account() == []


def test_a_held_letter_is_tried_any_other_once_asked_for() -> None:
    pod = Pod()
    pod.letter(0)
    other = pod.letter(1, code="http-422")

    assert pod.offered() == [user(0)]
    pod.mark(other, "requeue")
    assert pod.offered() == [user(0), user(1)]


def test_two_pods_never_try_one_letter_and_no_letter_is_left_when_partitions_are_added() -> None:
    """Each letter has one owner, whatever it says of its source, before and after; and after, it is whoever has the user's events."""
    sources: list[Any] = [{"source_partition": str(one), "source_partitions": said} for one in range(4) for said in ("4", "", "3")]
    sources += [{"source_partition": "-1"}, {"source_partition": "x"}, {"source_partition": "9"}]
    first, second = Pod([0, 1]), Pod([2, 3])
    for number, source in enumerate(sources):
        for pod in (first, second):
            pod.letter(number, **source)
    everybody = sorted(map(user, range(len(sources))))
    assert sorted(first.offered() + second.offered()) == everybody

    for pod, owned in ((first, [0, 1, 2]), (second, [3, 4, 5, 6])):
        pod.schedule.set_aside([], now=1.0)
        pod.owned, pod.of_topic = owned, 7
        pod.healing.interrupted()
    mine = {pod: pod.offered() for pod in (first, second)}
    assert sorted(mine[first] + mine[second]) == everybody
    for number, source in enumerate(sources):
        if source.get("source_partitions") == "4":
            assert (user(number) in mine[first]) == (partition_of(usual_key(user(number)), 7) in first.owned)


def test_nobody_is_tried_where_it_is_not_known_whose_it_is() -> None:
    pod = Pod(of_topic=0)
    pod.letter()
    assert pod.offered() == []

    pod.of_topic = 4
    assert pod.offered() == [user()]


def test_a_letter_of_what_the_settings_do_not_know_waits_for_nobody() -> None:
    pod = Pod()
    place = pod.letter(account="77")

    assert (pod.offered(), pod.healing.unknown_accounts, pod.waiting()) == ([], 1, [])
    pod.mark(place, "done")
    assert len(pod.healing.book) == 0


def test_a_letter_that_fails_again_keeps_its_source_and_its_key() -> None:
    """Else another pod would take it, beside the owner of the user's events."""
    pod = Pod()
    value = encode(Event(user(), "contract.1#update"))
    said = {"error.code": "held", "source.partition": "2", "source.offset": "41", "source.partitions": "3", "makeas.account": "1"}
    pod.owned = [partition_of(b"another", 4)]
    pod.tell(parse([(name, text.encode()) for name, text in said.items()], value, b"another", timestamp_ms=0, now=0.0))
    assert pod.offered() == [user()]
    _, ended = pod.run(a1=REFUSED)

    (letter,) = ended.letters
    assert (letter.partition, letter.offset, letter.partitions, letter.key) == (2, 41, 3, b"another")


# ---- Gates ----


def test_at_most_fifty_letters_of_one_upstream_are_in_the_schedule_and_one_where_its_gate_wants_a_probe() -> None:
    pod = Pod()
    for number in range(120):
        pod.letter(number)
        pod.letter(1000 + number, account="2", makeas_lists="20")
    pod.doors.states["1"] = Door.PROBE
    found = pod.offered()
    assert [sum(one.user >= "u1000" and len(one.user) == 5 for one in found), len(found)] == [50, 51]
    assert pod.offered() == found

    pod.doors.states["1"] = Door.OPEN
    assert len(pod.offered()) == 100
    for _ in range(100):
        pod.run()
    pod.healing.interrupted()  # `done` may not have been written.
    assert len(pod.offered()) == 100


def test_no_letter_is_tried_before_a_shut_gate() -> None:
    pod = Pod()
    pod.letter(0)
    pod.letter(1, account=None)
    pod.doors.states = {"1": Door.SHUT}
    assert pod.offered() == [user(1)]
    pod = Pod()
    pod.letter(0, account=None)
    pod.doors.states = {"1": Door.SHUT, "2": Door.SHUT}
    assert pod.offered() == []
    pod.doors.states = {"v1": Door.SHUT}
    assert pod.offered() == []
    pod.doors.states = {}
    assert pod.offered() == [user()]


def test_a_letter_whose_user_was_let_go_is_tried_again_and_no_probe_twice_before_all_others() -> None:
    """Its gate held it too long: the letter is open still."""
    pod = Pod()
    for number in range(3):
        pod.letter(number)
    pod.doors.states["1"] = Door.PROBE
    tried = []
    for at in range(3):
        pod.offered(now=10.0 * at)
        job, _ = pod.run(now=10.0 * at + 1, a1=HELD)
        tried.append(job.user)
        pod.schedule.set_aside([], now=10.0 * at + 2)
        pod.offered(now=10.0 * at + 3)
        pod.schedule.set_aside([], now=10.0 * at + 4)

    assert sorted(set(tried)) == [user(0), user(1), user(2)]


def test_who_is_let_go_takes_the_time_of_its_last_try_along() -> None:
    """Else one reader whom the list refuses would be every probe."""
    pod = Pod()
    for number in range(2):
        pod.letter(number)
    tried = []
    for at in (1.0, 11.0):
        pod.offered(now=at)
        pod.doors.states["1"] = Door.PROBE
        tried.append(pod.run(now=at + 1, a1=HELD)[0].user)
        pod.schedule.set_aside([], now=at + 2)
        pod.doors.states["1"] = Door.OPEN

    assert tried == [user(0), user(1)]


# ---- Lists that are left out ----

TWO_LISTS = {"v1": (structs.replace(ACCOUNTS["v1"][0], lists=("10", "11")), ACCOUNTS["v1"][1])}


def test_a_letter_about_a_list_that_is_left_out_waits_for_its_probe_alone() -> None:
    """Else it would be resynced in a circle, each time for a letter more."""
    pod = Pod(accounts=TWO_LISTS)
    pod.hears("11", taken=["10"], times=5)
    for number in range(3):
        pod.letter(number, makeas_lists="11")
    pod.letter(9, makeas_lists="10,11")
    assert [pod.offered(now=at) for at in (1.0, 4.9)] == [[user(9)]] * 2

    assert pod.offered(now=5.0) == [user(0), user(9)]
    pod.hears("11", taken=["10"], now=5.0)
    assert pod.offered(now=14.9) == [user(0), user(9)]
    pod.hears("", taken=["10", "11"], now=15.0)
    assert pod.offered(now=15.0) == [user(0), user(1), user(2), user(9)]


def test_a_letter_about_several_lists_is_tried_once_one_of_them_may_be() -> None:
    pod = Pod(accounts={"v1": (structs.replace(ACCOUNTS["v1"][0], lists=("10", "11", "12")), ACCOUNTS["v1"][1])})
    pod.hears("11", taken=["10", "12"], times=5)
    pod.letter(0, makeas_lists="11,12", code="http-422", state="x")
    pod.letter(1, makeas_lists="11")
    pod.mark(Place(0, 0), "requeue")

    assert pod.offered(now=1.0) == [user(0)]


def test_of_held_letters_about_a_list_that_nobody_has_tried_since_the_start_one_is_its_probe() -> None:
    """Else the first of them would be refused as its user's own, and wait for a human after each restart."""
    pod = Pod(accounts=TWO_LISTS)
    for number in range(3):
        pod.letter(number, makeas_lists="11")
    assert pod.offered(now=1.0) == [user(0)]
    assert pod.doors.lists.state(A, "11", now=1.0).door == "left-out"

    pod.hears("11", taken=["10"], now=1.0)
    assert pod.doors.lists.state(A, "11", now=1.0).next_try_s == 10.0
    pod.hears("", taken=["10", "11"], now=11.0)
    assert len(pod.offered(now=11.0)) == 3


def test_who_an_operator_asks_for_puts_no_list_in_doubt() -> None:
    pod = Pod(accounts=TWO_LISTS)
    pod.mark(pod.letter(code="http-422", makeas_lists="11"), "requeue")

    assert pod.offered() == [user()]
    assert pod.doors.lists.state(A, "11", now=1.0).door == "open"


def test_what_is_owed_to_some_lists_waits_for_those_alone() -> None:
    pod = Pod(accounts=TWO_LISTS)
    pod.letter(0, makeas_lists="11")
    pod.letter(1, makeas_lists="11,10")
    pod.letter(2, makeas_lists="77")
    pod.letter(3, account=None)
    pod.offers(now=1.0)
    pod.schedule.set_aside([], now=1.0)

    assert {one.parked_ms: 0 for one in pod.waiting()}.keys() == {1795507200000}
    assert sorted((one.accounts, one.lists) for one in pod.waiting()) == [((A,), ()), ((A,), ()), ((A,), ("11",)), ((A, B), ())]


# ---- Done ----


def test_a_letter_is_done_by_runs_that_began_after_it_was_read() -> None:
    """An older one may have fetched what was before it: what was parked would be lost."""
    pod = Pod()
    pod.schedule.submit(Event(user(), "contract.1#update"), 1, 50, since_ms=0, now=0.0)
    place = pod.letter(now=3.0)
    pod.run(now=2.0)
    assert pod.done == []

    pod.schedule.submit(Event(user(), "contract.1#update"), 1, 51, since_ms=0, now=3.0)
    pod.run(now=4.0)
    assert [one.place for one in pod.done] == [place]
    assert [one.origin for one in pod.done] == [pod.healing.book[place].origin]


def test_a_letter_for_all_accounts_may_be_done_by_several_runs_and_is_not_offered_while_it_is_closed() -> None:
    pod = Pod()
    place = pod.letter(account=None)
    pod.offered()
    pod.run(a1=REFUSED)
    assert pod.done == []
    pod.schedule.parked(user(), now=3.0)
    pod.offered(now=3.0)
    pod.run(now=4.0)
    assert [one.place for one in pod.done] == [place]

    assert pod.offered(now=5.0) == []
    assert pod.waiting() == []
    pod.mark(place, "done")
    assert (pod.offered(now=6.0), len(pod.healing.book)) == ([], 0)


def test_a_letter_done_by_an_events_run_is_not_tried_while_it_is_closed() -> None:
    pod = Pod()
    pod.doors.states["1"] = Door.SHUT
    place = pod.letter()
    pod.offered()
    pod.schedule.submit(Event(user(), "contract.1#update"), 1, 50, since_ms=0, now=0.0)
    pod.doors.states["1"] = Door.OPEN
    pod.run()

    assert ([one.place for one in pod.done], pod.offered(now=3.0)) == ([place], [])
    pod.healing.interrupted()
    assert pod.offered(now=4.0) == []


def test_a_letter_whose_replacement_went_with_a_rebalance_is_tried_again() -> None:
    """The newer one may never be written."""
    pod = Pod()
    pod.letter()
    pod.offered()
    _, ended = pod.run(a1=REFUSED)
    pod.healing.replaced(ended.letters)
    pod.schedule.parked(user(), now=3.0)
    assert pod.offered(now=3.0) == []

    pod.healing.interrupted()
    assert pod.offered(now=4.0) == [user()]


def test_a_letter_that_waits_is_not_tried_while_a_newer_one_takes_its_place() -> None:
    pod = Pod()
    pod.doors.states["1"] = Door.SHUT
    pod.letter()
    pod.offered()
    pod.doors.states["1"] = Door.OPEN
    pod.schedule.submit(Event(user(), "contract.1#update"), 1, 50, since_ms=0, now=0.0)
    _, ended = pod.run(a1=REFUSED)
    pod.healing.replaced(ended.letters)
    pod.schedule.parked(user(), now=3.0)

    assert pod.offered(now=3.0) == []


@pytest.mark.parametrize(("verdict", "is_done"), [(Verdict.SKIPPED, True), (Verdict.RETRY, False)])
def test_who_is_skipped_is_owed_nothing(verdict: Verdict, is_done: bool) -> None:
    pod = Pod()
    pod.letter()
    pod.offered()
    pod.run(sesamy=Result(verdict))

    assert bool(pod.done) == is_done


# ---- What a newer letter replaces ----


@pytest.mark.parametrize(
    ("old", "new", "replaces"),
    [
        ("1", [A], True),
        ("1", [B], False),
        ("1", [None], True),
        (None, [A], False),
        (None, [A, B], True),
        (None, [None], True),
    ],
)
def test_a_letter_takes_the_place_of_those_that_ask_for_no_more(old: str | None, new: list[AccountId | None], replaces: bool) -> None:
    pod = Pod()
    place = pod.letter(account=old)

    assert [one.place for one in pod.healing.replaced([a_letter(one) for one in new])] == [place] * replaces


@pytest.mark.parametrize(("old", "replaces"), [("10", True), ("10,12", False), ("", False)])
def test_a_letter_about_some_lists_takes_the_place_of_those_that_name_no_other(old: str, replaces: bool) -> None:
    pod = Pod()
    place = pod.letter(makeas_lists=old)

    assert [one.place for one in pod.healing.replaced([a_letter(A, ("10", "11"))])] == [place] * replaces


@pytest.mark.parametrize(("read_at", "replaces"), [(0.0, True), (3.0, False)])
def test_of_an_account_whose_other_lists_a_run_wrote_the_letter_about_some_takes_the_place(read_at: float, replaces: bool) -> None:
    """Where that run began after the older letter was read. Else it would be tried in a circle."""
    pod = Pod()
    pod.schedule.submit(Event(user(), "contract.1#update"), 1, 50, since_ms=0, now=0.0)
    place = pod.letter(makeas_lists="10,11", now=read_at)
    _, ended = pod.run(a1=Result(Verdict.REFUSED, "held", lists={"11": "held"}))

    assert [(one.code, one.account, one.lists) for one in ended.letters] == [("held", A, ("11",))]
    assert [one.place for one in pod.healing.replaced(ended.letters)] == [place] * replaces


def test_a_letter_about_some_lists_is_done_with_its_account() -> None:
    pod = Pod()
    place = pod.letter(makeas_lists="11")
    pod.offered()
    pod.run()

    assert [one.place for one in pod.done] == [place]


# ---- What is kept ----


def test_nothing_is_kept_of_what_is_closed_forgotten_or_out_of_the_topic() -> None:
    pod = Pod()
    places = [pod.letter(number, account=None) for number in range(60)]
    pod.owned = [0]
    pod.offered()
    pod.owned = [1]
    pod.offered()
    for _ in range(10):
        pod.run(now=3.0)
    for place in places[:20]:
        pod.mark(place, "done")
    pod.healing.forget_before(0, 30)
    pod.healing.forget(0)

    healing = pod.healing
    kept = [len(one) for one in (healing.book, healing._taken, healing._progress, healing._closing, healing._unsorted)]
    assert kept + [len(queue) for by_home in healing._waiting.values() for queue in by_home.values()] == [0] * 6
    assert (+healing._taken_of, pod.offered(now=9.0) != [], pod.waiting()) == ({}, True, [])


def test_a_round_looks_at_no_letter_that_is_not_ours() -> None:
    pod = Pod([0])
    for number in range(2000):
        pod.letter(number)
    assert pod.offered() == []
    pod.healing.book = None  # type: ignore[assignment]  # To look is to fail.

    assert pod.offered() == []


# ---- Following the topic ----


class Row:
    """A record of the client's."""

    def __init__(self, offset: int, headers: Any = (), value: bytes | None = None) -> None:
        self.offset, self.headers, self.value, self.key, self.timestamp = offset, headers, value, b"k", 0


class Reader:
    """A consumer with some partitions; each holds rows, or what its next batch raises."""

    def __init__(self, **at: Any) -> None:
        self.at = {TopicPartition(LETTERS.topic, int(name[1:])): rows for name, rows in at.items()}
        self.next = dict.fromkeys(self.at, 0)
        self.polls = 0

    async def partitions(self, _: object) -> list[TopicPartition]:
        return list(self.at)

    def assign(self, _: list[TopicPartition]) -> None: ...

    def seek(self, tp: TopicPartition, offset: int) -> None:
        self.next[tp] = offset

    def position_now(self, tp: TopicPartition) -> int:
        return self.next[tp]

    def last_poll_timestamp(self, _: TopicPartition) -> int:
        return self.polls

    async def beginning_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, 0)

    async def end_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return {tp: len(rows) if isinstance(rows := self.at[tp], list) else 7 for tp in partitions}

    async def getmany(self, *asked: TopicPartition, **_: int) -> Any:
        """Throw away what others have where one fails, as the client does."""
        self.polls += 1
        await anyio.sleep(0.001)
        found = {}
        for tp in asked or self.at:
            rows = self.at[tp]
            start, self.next[tp] = self.next[tp], len(rows) if isinstance(rows, list) else 7
            if isinstance(rows, Exception):
                raise rows
            if rows[start:]:
                found[tp] = rows[start:]
        return found


def following(pod: Pod, reader: Any) -> LetterFollower:
    nobody: Any = None
    metrics = Metrics(one_of_each())
    backlog = Backlog(pod.schedule, pod.healing)
    backlog.heals, backlog.topic_partitions = True, pod.of_topic
    for partition in pod.owned:
        backlog.begin(partition, 0)
    return LetterFollower(backlog, topic=LETTERS.topic, reading=nobody, partitions=reader.partitions, metrics=metrics)


async def live_until(follower: LetterFollower, reader: Any, is_so: Callable[[], bool]) -> None:
    """Follow with one consumer until something is so."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(follower._reader.live, reader)
        with anyio.fail_after(5):
            while not is_so():
                await anyio.sleep(0.001)
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize("error", [ConnectionResetError("the network"), AttributeError("ours")])
async def test_only_a_damaged_batch_is_left_out(error: Exception) -> None:
    reader: Any = Reader(p0=error)
    with pytest.raises(type(error)):
        await following(Pod(), reader)._reader.live(reader)


async def test_a_damaged_batch_keeps_no_other_partition_waiting(caplog: pytest.LogCaptureFixture) -> None:
    """Letters of the others are read and tried; the topic as a whole does not count as followed, and nothing spins."""
    pod = Pod()
    headers = [("error.code", b"held"), ("source.partition", b"1"), ("makeas.account", b"1")]
    reader: Any = Reader(p0=ValueError("does not unpack"), p1=[Row(0, headers, encode(Event(user(), "contract.1#update")))])
    follower = following(pod, reader)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(follower._reader.live, reader)
        with anyio.fail_after(5):
            while not len(pod.schedule):
                await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()

    assert (sorted(pod.schedule.users), follower.followed_at) == ([user()], inf)
    assert ["left out" in line.getMessage() for line in caplog.records] == [True]


async def test_what_nobody_expected_of_one_record_costs_that_record_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is counted and passed over; what is wrong in the book itself ends the pod."""
    pod = Pod()
    headers = [("error.code", b"held"), ("source.partition", b"1"), ("makeas.account", b"1")]
    good = Row(1, headers, encode(Event(user(), "contract.1#update")))
    reader: Any = Reader(p0=[Row(0, headers=7), good])
    follower = following(pod, reader)
    await live_until(follower, reader, lambda: len(pod.healing.book) == 1)

    assert [place for place, _ in pod.healing.book.items()] == [Place(0, 1)]
    assert (follower._metrics.bugs.labels(stage="letter")._value.get(), follower._reader.at) == (1, {0: 2})

    def torn(*_: object) -> None:
        raise KeyError

    monkeypatch.setattr(pod.healing.book, "read", torn)
    with pytest.raises(KeyError):
        await follower._take_poll(Poll(records={0: [Row(2, headers, good.value)]}))


async def test_letters_of_a_partition_that_is_gone_are_forgotten_and_a_new_consumer_goes_on_where_the_last_was() -> None:
    headers = [("error.code", b"held"), ("source.partition", b"1"), ("makeas.account", b"1")]
    rows = [Row(at, headers, encode(Event(user(at), "contract.1#update"))) for at in range(3)]
    pod = Pod()
    before: Any = Reader(p0=rows, p1=rows)
    follower = following(pod, before)
    await live_until(follower, before, lambda: len(pod.healing.book) == 6)

    after: Any = Reader(p0=rows)
    follower._partitions = after.partitions
    await live_until(follower, after, lambda: after.polls > 0)
    assert (after.next, len(pod.healing.book), follower._reader.at) == ({LETTERS: 3}, 3, {0: 3})


async def test_letters_are_offered_once_all_that_was_there_has_been_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a letter is tried whose `done` stands further on."""
    headers = [("error.code", b"held"), ("source.partition", b"1"), ("makeas.account", b"1")]
    done = [("letter", b"0:0"), ("state", b"done")]
    rows = [Row(0, headers, encode(Event(user(), "contract.1#update"))), Row(1, done, b"")]
    pod = Pod()
    reader: Any = Reader(p0=rows)
    offers: list[int] = []

    def offer(*_: object, **__: float) -> bool:
        offers.append(len(pod.healing.book))
        return False

    monkeypatch.setattr(pod.healing, "offer", offer)
    whole = reader.getmany

    async def by_one(*_: TopicPartition, **__: int) -> Any:
        start = reader.next[LETTERS]
        await whole()
        reader.next[LETTERS] = min(start + 1, 2)
        return {LETTERS: rows[start : start + 1]} if start < len(rows) else {}

    reader.getmany = by_one
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(following(pod, reader)._reader.live, reader)
        with anyio.fail_after(5):
            while not offers:
                await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()

    assert set(offers) == {0}


# ---- The commands' reader ----


def reading(monkeypatch: pytest.MonkeyPatch, reader: Reader) -> Letters:
    async def partitions_of(*_: object) -> list[TopicPartition]:
        return list(reader.at)

    @asynccontextmanager
    async def opened(*_: object, **__: object) -> AsyncIterator[Reader]:
        yield reader

    monkeypatch.setattr(connect, "partitions_of", partitions_of)
    monkeypatch.setattr(connect, "reading", opened)
    return Letters(KafkaSettings(dead_letter_topic=LETTERS.topic))


async def test_a_command_says_which_batch_of_letters_can_not_be_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands behind it is not known, so no list of letters would be whole: 69, and not for want of a broker."""
    letters = reading(monkeypatch, Reader(p0=[Row(0)], p1=ValueError("does not unpack")))
    with pytest.raises(Fatal) as caught:
        await letters.read()

    assert (caught.value.status, "at 1:0 can't be unpacked (ValueError)" in str(caught.value)) == (69, True)


async def test_a_command_passes_over_a_record_that_nobody_expected(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    headers = [("error.code", b"held"), ("source.partition", b"1"), ("parked_at", b"x")]
    letters = reading(monkeypatch, Reader(p0=[Row(0, headers=7), Row(1, headers, encode(Event(user(), "contract.1#update")))]))
    await letters.read()

    assert [one.place for one in letters.history.entries()] == ["0:1"]
    assert ["passed over" in line.getMessage() for line in caplog.records] == [True]


async def test_offsets_that_are_gone_are_no_damage() -> None:
    reader: Any = Reader(p0=OffsetOutOfRangeError({LETTERS: 0}), p1=EOFError())

    assert list(await damaged(reader, dict.fromkeys(reader.at, 5))) == [TopicPartition(LETTERS.topic, 1)]
    assert set(reader.next.values()) == {5}
