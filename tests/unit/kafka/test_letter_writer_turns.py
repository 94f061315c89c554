"""When a letter counts as written, how often it is tried, and what happens to it while it is on its way."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from aiokafka.errors import KafkaError
from msgspec import structs

from consumer.core.letters.headers import Named
from consumer.core.model import Place, UserKey
from tests.clock import virtual
from tests.unit.kafka.test_letter_writer import ANN, LETTER, Desk, Producer, of_account

MARK = Named(Place(1, 7))
KEYS = {"user": b"v|ann", "poison": b"0:7", "done": b"1:7"}


class Choosy(Producer):
    """Takes no record with one of these keys."""

    def __init__(self, *refused: bytes) -> None:
        super().__init__(0)
        self.refused = refused

    async def send_and_wait(self, _: str, *, key: bytes | None, **said: Any) -> None:
        if key in self.refused:
            raise self.error
        await super().send_and_wait(_, key=key, **said)


class Slow(Producer):
    """Takes each record after a time; counts those on their way."""

    def __init__(self, takes_s: float) -> None:
        super().__init__(0)
        self.takes_s = takes_s
        self.on_their_way = self.most = 0

    async def send_and_wait(self, _: str, **said: Any) -> None:
        self.on_their_way += 1
        self.most = max(self.most, self.on_their_way)
        try:
            await anyio.sleep(self.takes_s)
        finally:
            self.on_their_way -= 1
        await super().send_and_wait(_, **said)


class Timed(Desk):
    """A desk that keeps when a producer was asked for; the last one made stays."""

    def __init__(self, *made: Producer | Exception) -> None:
        super().__init__()
        self.made, self.asked_at = list(made), list[float]()

    @asynccontextmanager
    async def _producing(self) -> AsyncIterator[Any]:
        self.asked_at.append(anyio.current_time())
        one = self.made.pop(0) if len(self.made) > 1 else self.made[0]
        if isinstance(one, Exception):
            raise one
        yield one

    async def run_for(self, seconds: float) -> None:
        with anyio.move_on_after(seconds):
            await self.writer.run()

    @property
    def records_written(self) -> int:
        letter = self.metrics.dead_letters.labels(stage="intake", code=LETTER.code)
        return int(letter._value.get())

    def said(self) -> list[str]:
        """Return for which kinds it was said that they are written."""
        done = self.metrics.dead_letters_done._value.get()
        return ["user"] * len(self.users) + ["poison"] * self.records_written + ["done"] * int(done)


@pytest.mark.parametrize("refused", ["user", "poison", "done"])
def test_what_is_not_taken_is_not_said_to_be_written_and_all_else_is(refused: str) -> None:
    """Its offset would be committed, or its mark be missing, and nobody would ever write it."""

    @virtual
    async def test() -> None:
        desk = Timed(Choosy(KEYS[refused]))
        desk.put_user(ANN, (of_account("a"),))
        desk.put_record(LETTER)
        desk.put_done(MARK)
        await desk.run_for(35)

        assert len(desk.asked_at) == 4, "else it was not tried again"
        assert desk.said() == [kind for kind in KEYS if kind != refused]
        assert len(desk.to_park) == 1
        desk.made[0] = Choosy()
        await desk.run_for(1)
        assert (sorted(desk.said()), len(desk.to_park)) == (sorted(KEYS), 0)

    test()


@virtual
async def test_of_a_users_letters_one_that_is_not_taken_keeps_all_open() -> None:
    class Second(Producer):
        async def send_and_wait(self, _: str, **said: Any) -> None:
            if len(self.records) == 1:
                raise self.error
            await super().send_and_wait(_, **said)

    whole = Producer(0)
    desk = Timed(Second(0), whole)
    desk.put_user(ANN, (of_account("a"), of_account("b")))
    await desk.run_for(5)
    assert (desk.users, len(desk.to_park)) == ([], 1)

    await desk.run_for(5)
    assert desk.users == [ANN]
    assert [said["makeas.account"] for _, _, said in whole.records] == ["1001", "2001"]


# ---- While it is on its way ----


@virtual
async def test_letters_that_come_while_older_ones_of_the_user_are_on_their_way_are_written_too() -> None:
    """The user counts as parked once the newest are."""
    producer = Slow(2)
    desk = Timed(producer)
    desk.put_user(ANN, (of_account("a"),))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(desk.run_for, 10)
        await anyio.sleep(1)
        assert (producer.on_their_way, desk.users) == (1, [])
        desk.put_user(ANN, (of_account("b"),))
        await anyio.sleep(2)
        assert desk.users == []

    assert [said["makeas.account"] for _, _, said in producer.records] == ["1001", "2001"]
    assert (desk.users, len(desk.to_park)) == ([ANN], 0)


@virtual
async def test_what_is_given_up_while_it_is_on_its_way_is_not_said_to_be_written() -> None:
    """Its partition has gone: whoever has it now writes it again, and its offset is not ours to close."""
    producer = Slow(2)
    desk = Timed(producer)
    desk.put_user(ANN, (of_account("a"),))
    desk.put_record(LETTER)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(desk.run_for, 10)
        await anyio.sleep(1)
        assert producer.on_their_way == 2
        assert desk.backlog.set_aside([0], now=anyio.current_time())[0].unreadable == [LETTER]

    assert len(producer.records) == 2, "else they were not on their way"
    assert (desk.said(), len(desk.to_park), desk.writer.written) == ([], 0, 0)


@virtual
async def test_no_more_than_five_hundred_letters_of_a_kind_are_on_their_way() -> None:
    producer = Slow(0.1)
    desk = Timed(producer)
    for number in range(1200):
        desk.put_user(UserKey("v", f"u{number}"), (of_account("a"),))
    await desk.run_for(5)

    assert producer.most == 500
    assert (len(producer.records), len(desk.users), len(desk.to_park)) == (1200, 1200, 0)


# ---- How often, and since when ----


@virtual
async def test_ten_seconds_after_a_failure_it_is_tried_again() -> None:
    desk = Timed(KafkaError("no"), Producer(1), KafkaError("no"), Producer(0))
    desk.put_user(ANN, (of_account("a"),))
    began = anyio.current_time()
    await desk.run_for(100)

    assert [round(at - began) for at in desk.asked_at] == [0, 10, 20, 30]
    assert desk.users == [ANN]


@virtual
async def test_a_write_that_hangs_is_given_up_and_does_not_count() -> None:
    """After 10 s; 10 s later it is tried with a new producer."""
    hung, good = Slow(10_000), Producer(0)
    desk = Timed(hung, good)
    desk.put_user(ANN, (of_account("a"),))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(desk.run_for, 30)
        await anyio.sleep(5)
        assert hung.on_their_way == 1
        await anyio.sleep(14)
        assert (hung.on_their_way, desk.users, good.records) == (0, [], [])
        await anyio.sleep(5)
        assert (desk.users, len(good.records), hung.records) == ([ANN], 1, [])


@virtual
async def test_a_broker_that_does_not_say_which_partitions_there_are_keeps_no_letter_waiting_for_ever() -> None:
    """It is asked only for marks; but users' letters are written in the same round."""

    class Silent(Producer):
        async def partitions_for(self, _: str) -> set[int]:
            await anyio.sleep_forever()
            raise AssertionError

    desk = Timed(Silent(0), Producer(0))
    desk.put_done(MARK)
    desk.put_user(ANN, (of_account("a"),))
    await desk.run_for(25)

    assert desk.said() == ["user", "done"]


@virtual
async def test_a_topic_that_is_asked_for_nothing_more_does_not_count_as_failing() -> None:
    """What could not be written has gone with its partition; the pod would never be ready again."""
    desk = Timed(KafkaError("no"))
    desk.put_record(LETTER)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(desk.run_for, 30)
        await anyio.sleep(1)
        assert desk.writer.failing_since is not None
        desk.backlog.set_aside([0], now=anyio.current_time())
        await anyio.sleep(15)
        assert desk.writer.failing_since is None


@virtual
async def test_a_letter_has_the_key_of_the_users_own_events() -> None:
    """Else it would stand on another partition than its user's other letters, and be tried by another pod."""
    producer = Producer(0)
    desk = Timed(producer)
    desk.put_user(ANN, (structs.replace(of_account("a"), key=b"own"), structs.replace(of_account("b"), key=b""), of_account(None)))
    await desk.run_for(1)

    assert [key for key, _, _ in producer.records] == [b"own", b"", b"v|ann"]
