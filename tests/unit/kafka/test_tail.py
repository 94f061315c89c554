"""What is read of the topic's end while a command writes beside the pods: each promise of `Tail`, and how long it is patient."""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager

import anyio
import pytest
from aiokafka.errors import KafkaConnectionError

from consumer.core.errors import Fatal
from consumer.core.model import UserKey
from consumer.core.users.settling import Settling
from consumer.kafka.client import connect
from consumer.kafka.client.unpacking import UnpacksTooLarge
from consumer.kafka.tail import Tail
from consumer.settings.model import KafkaSettings
from tests.clock import virtual
from tests.fakes.topic import Part, Topic

ANN, BO, CAT, DAN = (UserKey("v", name) for name in ("ann", "bo", "cat", "dan"))


class Heard(Settling):
    """Keeps what it is told, too."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[tuple[str, int, int]] = []
        self.lost: list[int] = []
        self.up_to: dict[int, int] = {}
        self.ends: dict[UserKey, dict[int, int]] = {}

    def seen(self, user: UserKey, partition: int, offset: int) -> None:
        super().seen(user, partition, offset)
        self.events.append((user.user, partition, offset))

    def missed(self, partition: int) -> None:
        super().missed(partition)
        self.lost.append(partition)

    def read(self, partition: int, next_offset: int) -> None:
        super().read(partition, next_offset)
        self.up_to[partition] = next_offset

    def end_is(self, users: Iterable[UserKey], ends: Mapping[int, int]) -> None:
        users = [*users]
        super().end_is(users, ends)
        self.ends |= {user: dict(ends) for user in users}


@asynccontextmanager
async def following(topic: Topic) -> AsyncIterator[Heard]:
    """Follow a topic while the block lasts."""
    heard, before = Heard(), connect.reading
    connect.reading = topic.reading  # type: ignore[assignment]
    try:
        made = Tail(KafkaSettings(), heard)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(made.run)
            with anyio.fail_after(5):
                await made.ready()
            yield heard
            tasks.cancel_scope.cancel()
    finally:
        connect.reading = before


async def a_while(seconds: float = 1.0) -> None:
    await anyio.sleep(seconds)


def topic_of(*users: UserKey) -> Topic:
    topic = Topic(Part(5))
    topic.tell(0, *users)
    return topic


@virtual
async def test_it_begins_at_the_end_and_leaves_nothing_out_from_then_on() -> None:
    topic = topic_of(ANN, ANN)
    async with following(topic) as heard:
        assert heard.up_to == {0: 7}, "it is ready before it knows where it begins"
        topic.tell(0, BO, CAT)
        await a_while()

        assert heard.events == [("bo", 0, 7), ("cat", 0, 8)]
        assert (heard.up_to, heard.lost) == ({0: 9}, [])
    assert [(one["suffix"], "group_id" in one) for one in topic.options] == [("-tail", False)]


@virtual
async def test_what_nobody_is_handed_counts_as_read() -> None:
    """Control records stand at the end of what a transaction wrote: a run would wait for them for ever."""
    topic = topic_of(ANN)
    async with following(topic) as heard:
        topic.tell(0, BO)
        topic.parts[0].add_control(2)
        await a_while()

        assert heard.up_to == {0: 9}


@virtual
async def test_a_new_consumer_goes_on_where_the_last_one_was() -> None:
    for error in (KafkaConnectionError(), TimeoutError(), ConnectionResetError()):
        topic = topic_of(ANN)
        async with following(topic) as heard:
            topic.tell(0, BO)
            await a_while()
            topic.poll_errors = [error]
            await a_while(0.2)
            topic.tell(0, CAT, DAN)
            await a_while(3)

            assert len(topic.readers) == 2
            assert heard.events == [("bo", 0, 6), ("cat", 0, 7), ("dan", 0, 8)]
            assert heard.lost == []


@virtual
async def test_where_the_topic_was_made_anew_all_of_it_is_read_and_what_was_lost_is_said() -> None:
    """It is as long as the one before was, so that no offset is out of range."""
    topic = topic_of(ANN)
    async with following(topic) as heard:
        heard.started(BO)
        topic.parts, topic.id = [Part(0)], b"second"
        topic.tell(0, *[CAT] * 9)
        await a_while()
        assert len(heard.events) == 3, "behind our offset only"
        heard.ended(BO)
        await a_while()

        assert heard.lost == [0]
        assert (len(heard.events), heard.up_to, heard.ends[BO]) == (12, {0: 9}, {0: 9})
        assert heard.settled() == ([], [BO]), "an event may have been lost: it is run again"


@virtual
async def test_a_topic_that_is_not_told_apart_is_taken_for_the_same() -> None:
    topic = topic_of(ANN)
    async with following(topic) as heard:
        topic.id = None
        heard.ended(BO)
        await a_while()

        assert (heard.lost, heard.settled()) == ([], ([BO], []))


@virtual
async def test_a_partition_that_appears_is_read_from_its_first_record() -> None:
    """An event of a user may stand there before we know of it."""
    topic = topic_of(ANN)
    async with following(topic) as heard:
        topic.parts.append(Part())
        topic.tell(1, BO, CAT)
        topic.readers[0].known = 2
        await a_while()

        assert sorted(heard.events) == [("bo", 1, 0), ("cat", 1, 1)]
        assert heard.up_to == {0: 6, 1: 2}


@virtual
async def test_where_records_are_gone_they_may_have_been_anybodys() -> None:
    topic = topic_of(ANN)
    async with following(topic) as heard:
        heard.started(BO)
        topic.parts[0].lose(before=20)
        topic.tell(0, CAT)
        await a_while()

        assert (heard.lost, heard.events, heard.up_to) == ([0], [("cat", 0, 20)], {0: 21})
        heard.ended(BO)
        await a_while()
        assert heard.settled() == ([], [BO])


@virtual
async def test_where_a_batch_is_damaged_it_goes_on_behind_it_and_says_so() -> None:
    topic = topic_of(ANN)
    topic.parts.append(Part())
    async with following(topic) as heard:
        topic.tell(1, BO)
        topic.parts[0].damage(6)
        topic.tell(0, BO, BO)
        await a_while(5)

        assert heard.lost == [0]
        assert heard.up_to == {0: 8, 1: 1}
        assert heard.events == [("bo", 1, 0)], "what was read of the other is not lost, nor read twice"
        topic.tell(0, CAT)
        await a_while()
        assert heard.events == [("bo", 1, 0), ("cat", 0, 8)]


def test_what_unpacks_too_large_is_passed_by_with_what_to_do(caplog: pytest.LogCaptureFixture) -> None:
    @virtual
    async def test() -> None:
        topic = topic_of(ANN)
        async with following(topic) as heard:
            topic.parts[0].damage(6, UnpacksTooLarge())
            topic.tell(0, BO, BO)
            await a_while(5)

            assert (heard.lost, heard.up_to) == ([0], {0: 8})
        said = [line.getMessage() for line in caplog.records if "passed by" in line.getMessage()]
        assert ["more than 64 MiB: stop what writes" in one for one in said] == [True]

    test()


@virtual
async def test_the_topics_end_is_that_of_after_the_last_write() -> None:
    """Who ends while the end is asked for is asked for again: what came meanwhile would count as later."""
    topic = topic_of(ANN)
    async with following(topic) as heard:
        topic.readers[0].ends_take_s = 2.0
        heard.ended(ANN)
        await a_while(1)
        topic.tell(0, BO)
        heard.ended(BO)
        await a_while(5)

        assert heard.ends == {ANN: {0: 6}, BO: {0: 7}}


# ---- Lost brokers ----


@virtual
async def test_brokers_that_no_longer_answer_are_asked_by_a_new_consumer() -> None:
    topic = topic_of(ANN)
    async with following(topic) as heard:
        await a_while()
        topic.parts[0].is_silent = True
        await a_while(29)
        assert len(topic.readers) == 1
        await a_while(5)
        assert len(topic.readers) == 2
        topic.parts[0].is_silent = False
        topic.tell(0, BO)
        await a_while(3)

        assert heard.events == [("bo", 0, 6)]


@virtual
async def test_without_a_broker_at_the_start_it_ends_at_once() -> None:
    topic = topic_of(ANN)
    topic.start_errors = [KafkaConnectionError()]
    began = anyio.current_time()
    with pytest.raises(ExceptionGroup) as raised:
        async with following(topic):
            pytest.fail("it is ready")

    (fatal,) = raised.value.exceptions
    assert isinstance(fatal, Fatal)
    assert (fatal.code, fatal.status, anyio.current_time() - began) == ("no-broker", 69, 0)


async def outlive(topic: Topic) -> None:
    """Follow a topic whose brokers go away after a second, for ever."""
    async with following(topic):
        await a_while()
        topic.start_errors = [KafkaConnectionError()] * 1000
        topic.poll_errors = [KafkaConnectionError()]
        await anyio.sleep(1000)


@virtual
async def test_later_it_is_patient_for_two_minutes() -> None:
    began = anyio.current_time()
    with pytest.raises(ExceptionGroup) as raised:
        await outlive(topic_of(ANN))

    assert [type(one) for one in raised.value.exceptions] == [Fatal]
    assert anyio.current_time() - began == pytest.approx(121, abs=2)
