"""The dead-letter topic while it fails: a letter is tried with a new producer."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from aiokafka.errors import KafkaConnectionError, KafkaError
from msgspec.structs import replace

from consumer.core.letters.headers import Named, Origin, fields
from consumer.core.letters.record import Writing, mark
from consumer.core.model import AccountId, Addressee, Letter, Place, UserKey
from consumer.core.users.schedule import Schedule
from consumer.kafka import letter_writer
from consumer.kafka.letter_writer import LetterWriter
from consumer.settings.tls import Unusable
from consumer.telemetry.metrics import Metrics
from tests.fakes.backlog import backlog
from tests.fakes.rules import rules
from tests.generated.metrics_table import one_of_each

LETTER = Letter(code="not-json", stage="intake", partition=0, offset=7)


class Producer:
    """Takes letters, or fails as often as it is told to."""

    def __init__(self, failures: int, error: Exception | None = None) -> None:
        self.failures, self.sent, self.closed = failures, 0, False
        self.error = error or KafkaError("no")
        self.records: list[tuple[bytes | None, bytes | None, dict[str, str]]] = []

    async def partitions_for(self, _: str) -> set[int]:
        return {0, 1}

    async def send_and_wait(
        self, _: str, *, value: bytes | None, key: bytes | None, headers: list[tuple[str, bytes | None]], partition: int | None
    ) -> None:
        await anyio.lowlevel.checkpoint()
        assert partition in {None, 0, 1}, "Unrecognized partition"
        if self.failures > self.sent:
            raise self.error
        self.sent += 1
        self.records.append((key, value, fields(headers)))


ANN = UserKey("v", "ann")
ADDRESSES = {
    ("v", AccountId("a")): Addressee(id=AccountId("a"), user_id="1001", lists=("11", "12")),
    ("v", AccountId("b")): Addressee(id=AccountId("b"), user_id="2001", lists=("21",)),
}


class Desk:
    """A letter writer, the backlog that it empties, and the producers it is given."""

    def __init__(self, *made: Producer | Exception, replaced: tuple[Named, ...] = (), of_topic: int = 4) -> None:
        self.metrics = Metrics(one_of_each())
        self._coming = iter(made)
        self.backlog = backlog(Schedule(rules(), {"v": ()}, urgent=()), 0)
        self.backlog.topic_partitions = of_topic
        self.backlog.replaced_by = lambda letters: replaced if letters else ()  # type: ignore[method-assign]
        self.to_park = self.backlog.to_park
        self.users: list[UserKey] = []
        self.backlog.user_parked = self._user_parked  # type: ignore[method-assign]
        self.writer = LetterWriter(self.backlog, self._producing, Writing("events", ADDRESSES), topic="letters", metrics=self.metrics)

    def _user_parked(self, user: UserKey, letters: tuple[Letter, ...], *, now: float) -> bool:
        assert now >= 0
        if self.to_park.users.get(user) is not letters:
            return False
        del self.to_park.users[user]
        self.users.append(user)
        return True

    def put_user(self, user: UserKey, letters: tuple[Letter, ...]) -> None:
        self.to_park.users[user] = letters
        self.backlog.on_letters()

    def put_record(self, letter: Letter) -> None:
        self.backlog.park_record(letter, since_ms=0)

    def put_done(self, letter: Named) -> None:
        self.to_park.done[letter] = None
        self.backlog.on_letters()

    @asynccontextmanager
    async def _producing(self) -> AsyncIterator[Any]:
        one = next(self._coming)
        if isinstance(one, Exception):
            raise one
        yield one
        one.closed = True

    async def written(self) -> LetterWriter:
        """Return once all is written."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.writer.run)
            with anyio.fail_after(5):
                while len(self.to_park) or self.writer.failing_since is not None:
                    await anyio.sleep(0.01)
            tasks.cancel_scope.cancel()
        return self.writer

    def bugs(self) -> float:
        found: float = self.metrics.bugs.labels(stage="letter")._value.get()
        return found


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(letter_writer, "_AGAIN_S", 0.01)


async def written_by(*made: Producer | Exception) -> Desk:
    """Park one record, with these producers in turn; return once it is written."""
    desk = Desk(*made)
    desk.put_record(LETTER)
    await desk.written()
    return desk


async def test_a_letter_is_tried_again_with_a_new_producer() -> None:
    """Once the old one is closed; and it is written once."""
    old, new = Producer(failures=1), Producer(failures=0)
    desk = await written_by(old, new)

    assert (old.sent, old.closed, new.sent, new.closed) == (0, True, 1, False)
    assert (desk.writer.written, len(desk.to_park)) == Place(1, 0)


@pytest.mark.parametrize("error", [KafkaConnectionError(), TimeoutError(), Unusable("kafka.ssl_cafile", "no PEM", "put it there")])
async def test_where_no_producer_can_be_had_the_letter_waits(error: Exception) -> None:
    desk = await written_by(error, error, Producer(failures=0))

    assert (desk.writer.written, len(desk.to_park)) == Place(1, 0)


def of_account(account: str | None, *, partitions: int | None = None, lists: tuple[str, ...] = ()) -> Letter:
    return Letter(
        code="http-422",
        stage="makeas",
        partition=3,
        offset=40,
        user=ANN,
        type="contract.1#update",
        account=None if account is None else AccountId(account),
        lists=lists,
        partitions=partitions,
    )


async def test_all_letters_of_a_user_are_written_each_with_its_account_and_the_last_says_what_they_replace() -> None:
    """Before the last all others are there: a crash in between closes nothing."""
    producer = Producer(failures=0)
    desk = Desk(producer, replaced=(Named(Place(0, 7), Origin(3, 40, 0)), Named(Place(1, 8))))
    desk.put_user(ANN, (of_account("a"), of_account("b", lists=("22",)), of_account(None)))
    await desk.written()

    said = [headers for _, _, headers in producer.records]
    assert [(one.get("makeas.account"), one.get("makeas.lists")) for one in said] == [("1001", "11,12"), ("2001", "22"), (None, None)]
    assert [one.get("replaces") for one in said] == [None, None, "0:7,1:8"]
    assert said[-1]["replaces.origins"] == "3:40@1970-01-01T00:00:00.000Z,"
    assert [key for key, _, _ in producer.records] == [b"v|ann"] * 3
    assert (desk.users, desk.writer.written) == ([ANN], 3)


@pytest.mark.parametrize(("of_topic", "partitions", "said"), [(4, None, "4"), (0, None, None), (4, 3, "3"), (4, 0, None)])
async def test_a_letter_says_how_many_partitions_its_source_had(of_topic: int, partitions: int | None, said: str | None) -> None:
    """Where a letter asked for the run, as many as that one said."""
    producer = Producer(failures=0)
    desk = Desk(producer, of_topic=of_topic)
    desk.put_user(ANN, (of_account("a", partitions=partitions),))
    await desk.written()

    assert [headers.get("source.partitions") for _, _, headers in producer.records] == [said]


@pytest.mark.parametrize(("key", "written"), [(None, b"0:7"), (b"k", b"k"), (b"", b"")])
async def test_a_record_that_can_not_be_read_has_a_letter_with_a_key(key: bytes | None, written: bytes) -> None:
    """A compacted topic refuses one without, again and again, and its partition would stand still."""
    producer = Producer(failures=0)
    desk = Desk(producer)
    desk.put_record(replace(LETTER, key=key))
    await desk.written()

    assert [(found, value) for found, value, _ in producer.records] == [(written, b"")]


async def test_done_repeats_which_letter_it_means() -> None:
    producer = Producer(failures=0)
    desk = Desk(producer)
    desk.put_done(Named(Place(1, 7), Origin(3, 40, 1_795_507_200_123)))
    desk.put_done(Named(Place(1, 8)))
    await desk.written()

    (_, _, full), (_, _, bare) = producer.records
    assert (full["letter"], full["state"], full["source.partition"], full["source.offset"]) == ("1:7", "done", "3", "40")
    assert full["parked_at"] == "2026-11-24T08:00:00.123Z"
    assert set(bare) == {"letter", "state", "marked_at"}
    assert mark(Named(Place(1, 8)), "requeue", now_ms=0).partition == 1


async def test_done_for_a_partition_that_is_gone_is_dropped_and_all_else_is_written(caplog: pytest.LogCaptureFixture) -> None:
    """The client refuses such a record with an assertion."""
    producer = Producer(failures=0)
    desk = Desk(producer)
    desk.put_done(Named(Place(2, 7)))
    desk.put_done(Named(Place(1, 7)))
    desk.put_user(ANN, (of_account("a"),))
    await desk.written()

    assert [headers.get("letter") for _, _, headers in producer.records] == [None, "1:7"]
    assert [line.getMessage() for line in caplog.records if "mark dropped" in line.getMessage()] != []


async def test_what_nobody_expected_of_one_letter_ends_nothing() -> None:
    """It is counted, and the letter tried again with a new producer: the partition may have gone in between."""
    desk = Desk(Producer(failures=1, error=AssertionError("Unrecognized partition")), Producer(failures=0))
    desk.put_done(Named(Place(1, 7)))
    await desk.written()

    assert desk.bugs() == 1


async def test_a_user_whose_letter_can_not_be_made_keeps_nobody_else_waiting() -> None:
    desk = Desk(Producer(failures=0), *[KafkaError()] * 1000)
    desk.put_user(ANN, (of_account("nobody's"),))
    desk.put_user(UserKey("v", "bo"), (of_account("a"),))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(desk.writer.run)
        with anyio.fail_after(5):
            while not desk.users:
                await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()

    assert (desk.users, len(desk.to_park), desk.bugs() >= 1) == ([UserKey("v", "bo")], 1, True)


async def test_since_when_letters_fail_is_the_first_failure() -> None:
    """Each further one must not move it: the pod is not ready once it is long enough ago."""
    desk = Desk(*[Producer(failures=1)] * 3, *[KafkaError()] * 1000)
    desk.put_record(LETTER)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(desk.writer.run)
        while desk.writer.failing_since is None:
            await anyio.sleep(0.01)
        first = desk.writer.failing_since
        await anyio.sleep(0.2)
        tasks.cancel_scope.cancel()

    assert desk.writer.failing_since == first


async def test_a_letter_is_no_warning_of_its_own(caplog: pytest.LogCaptureFixture) -> None:
    """An outage parks thousands, one line each; what begins and ends is told apart."""
    caplog.set_level("INFO", logger="consumer")
    await written_by(Producer(failures=0))

    assert [one.levelname for one in caplog.records if "'parked'" in str(one.msg)] == ["INFO"]


# ---- A dry run ----


@pytest.mark.parametrize("of_user", [True, False])
async def test_a_dry_run_says_what_it_would_park_and_takes_it_as_parked(of_user: bool, caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk()
    desk.writer = LetterWriter(desk.backlog, None, Writing("events", ADDRESSES), topic="letters", metrics=desk.metrics)
    if of_user:
        desk.put_user(ANN, (replace(LETTER, user=ANN, stage="makeas", code="held"),))
    else:
        desk.backlog.begin(0, 7)
        desk.backlog.park_record(LETTER, since_ms=0)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(desk.writer.run)
        await desk.writer.written_out(limit_s=5.0)
        tasks.cancel_scope.cancel()

    assert (len(desk.to_park), desk.writer.written, desk.writer.failing_since) == (0, 0, None)
    assert ["would park" in line for line in caplog.messages] == [True]
    assert desk.metrics.registry.get_sample_value("sesamy_makeas_dead_letters_total", {"stage": "intake", "code": "not-json"}) == 0


async def test_a_dry_run_names_each_cause_of_each_list_once_and_tells_the_history_of_each_user(caplog: pytest.LogCaptureFixture) -> None:
    """A paused list would be a warning for each run."""
    desk = Desk()
    desk.writer = LetterWriter(desk.backlog, None, Writing("events", ADDRESSES), topic="letters", metrics=desk.metrics)
    told: list[str] = []
    desk.writer.on_parked = lambda letters: told.extend(one.code for one in letters)
    for number in range(4):
        for code in ("held", "http-422"):
            user = UserKey("v", f"{code}-{number}")
            desk.put_user(user, (replace(LETTER, user=user, stage="makeas", code=code),))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(desk.writer.run)
        await desk.writer.written_out(limit_s=5.0)
        tasks.cancel_scope.cancel()

    assert (len(desk.to_park), len(told)) == (0, 8)
    assert ["would park" in line for line in caplog.messages] == [True, True]
