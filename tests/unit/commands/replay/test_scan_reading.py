"""How a range of the topic is read to its end: over lost consumers, gone records and damaged batches."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from aiokafka.errors import CorruptRecordException, KafkaConnectionError

from consumer.commands.replay.plan import Asked, Range, Scanned
from consumer.commands.replay.scan import resolve, scan
from consumer.core.errors import Fatal
from consumer.core.model import UserKey
from consumer.kafka.client import connect
from consumer.kafka.client.unpacking import UnpacksTooLarge
from consumer.settings.model import KafkaSettings
from tests.clock import virtual
from tests.fakes.topic import Part, Topic

ANN, BO, CAT, DAN = (UserKey("v", name) for name in ("ann", "bo", "cat", "dan"))
SETTINGS = KafkaSettings()


@contextmanager
def brokers_of(topic: Topic) -> Iterator[None]:
    """Let everybody who reads outside the group read this topic."""
    before = connect.reading
    connect.reading = topic.reading  # type: ignore[assignment]
    try:
        yield
    finally:
        connect.reading = before


async def scanned(topic: Topic, *found: Range, progress: Callable[[int, int], None] = lambda *_: None) -> Scanned:
    with brokers_of(topic):
        return await scan(SETTINGS, found, vendors=["v"], asked=Asked(), progress=progress)


def between(partition: int, start: int, end: int) -> Range:
    return Range(partition=partition, start=start, end=end)


def topic_of(*users: UserKey) -> Topic:
    topic = Topic(Part())
    topic.tell(0, *users)
    return topic


@virtual
async def test_it_takes_the_range_and_nothing_before_or_behind_it() -> None:
    found = await scanned(topic_of(ANN, BO, CAT, DAN), between(0, 1, 3))

    assert list(found.users) == [BO, CAT]
    assert (found.records, found.gone) == ({0: 2}, {})


@virtual
async def test_each_partition_is_read_to_its_own_end_and_then_left_alone() -> None:
    topic = topic_of(ANN, BO)
    topic.parts.append(Part())
    topic.tell(1, CAT, CAT, DAN)
    found = await scanned(topic, between(0, 0, 1), between(1, 1, 3))

    assert set(found.users) == {ANN, CAT, DAN}
    assert found.records == {0: 1, 1: 2}
    assert {tp.partition for tp in topic.readers[0].paused} == {0, 1}


@virtual
async def test_it_ends_behind_control_records_which_nobody_hands_out() -> None:
    topic = topic_of(ANN)
    topic.parts[0].add_control(3)
    found = await scanned(topic, between(0, 0, 4))

    assert (list(found.users), found.records) == ([ANN], {0: 1})


@virtual
async def test_where_the_range_is_empty_no_broker_is_asked() -> None:
    topic = topic_of(ANN)
    found = await scanned(topic, between(0, 1, 1))

    assert (found.users, topic.readers) == ({}, [])


@virtual
async def test_a_new_consumer_goes_on_where_the_last_one_was() -> None:
    """A lost reader would be somebody who is never resynced."""
    topic = topic_of(ANN, BO)
    topic.parts.append(Part())
    topic.tell(1, CAT)
    told: list[tuple[int, int]] = []

    def stumble(done: int, of: int) -> None:
        told.append((done, of))
        if len(topic.readers) == 1:
            topic.tell(0, DAN)
            topic.poll_errors = [KafkaConnectionError()]

    found = await scanned(topic, between(0, 0, 3), between(1, 0, 1), progress=stumble)

    assert len(topic.readers) == 2
    assert (list(found.users), found.records) == ([ANN, BO, CAT, DAN], {0: 3, 1: 1})
    assert (told[0], told[-1]) == ((3, 4), (4, 4))
    assert {tp.partition for tp in topic.readers[1].positions} == {0}, "what has been read is read again"


@virtual
async def test_records_that_go_while_it_reads_are_counted_and_passed_by() -> None:
    topic = topic_of(ANN, BO, CAT, DAN)
    topic.parts[0].lose(before=2)
    found = await scanned(topic, between(0, 1, 4))

    assert (list(found.users), found.gone) == ([CAT, DAN], {0: 1})


@virtual
async def test_it_ends_where_all_of_the_range_has_gone() -> None:
    topic = topic_of(ANN, BO)
    topic.parts[0].lose(before=9)
    found = await scanned(topic, between(0, 1, 4))

    assert (found.users, found.gone) == ({}, {0: 3})


@virtual
async def test_a_damaged_batch_ends_it_with_its_place_and_the_way_around() -> None:
    """Whose events it holds, nobody can say: none of them may be taken for resynced."""
    for error, why in ((CorruptRecordException(), "its checksum is wrong"), (UnpacksTooLarge(), "it unpacks to more than 64 MiB")):
        topic = topic_of(ANN, BO, CAT)
        topic.parts.append(Part())
        topic.tell(1, DAN)
        topic.parts[0].damage(1, error)
        with pytest.raises(Fatal, match="the batch at 0:1 is damaged") as raised:
            await scanned(topic, between(0, 0, 3), between(1, 0, 1))

        assert (raised.value.code, raised.value.status, f"({why})" in str(raised.value)) == ("damaged", 69, True)
        assert "1:" not in str(raised.value).replace("0:1", "")


@virtual
async def test_damage_that_is_no_more_there_when_it_is_looked_for_is_read_over() -> None:
    topic = topic_of(ANN, BO)
    topic.poll_errors = [CorruptRecordException()]
    found = await scanned(topic, between(0, 0, 2))

    assert (list(found.users), found.records) == ([ANN, BO], {0: 2})


@virtual
async def test_brokers_that_fall_silent_are_asked_by_a_new_consumer_and_given_up_in_the_end() -> None:
    topic = topic_of(ANN)
    topic.parts[0].is_silent = True
    topic.start_errors = []
    with pytest.raises(Fatal) as raised:
        await scanned(_lost_for_good(topic), between(0, 0, 1))

    assert (raised.value.code, raised.value.status) == ("no-broker", 69)
    assert len(topic.readers) == 1


def _lost_for_good(topic: Topic) -> Topic:
    """Let every consumer but the first find no broker."""
    first = topic.reading

    def reading(*args: Any, **kwargs: Any) -> Any:
        if topic.readers:
            topic.start_errors = [KafkaConnectionError()]
        return first(*args, **kwargs)

    topic.reading = reading  # type: ignore[method-assign]
    return topic


# ---- What a range comes to ----


@virtual
async def test_times_are_asked_of_every_partition_and_none_after_it_is_the_end() -> None:
    topic = Topic(Part(3), Part())
    topic.tell(0, ANN, BO, CAT)
    with brokers_of(topic):
        found = await resolve(SETTINGS, Asked(from_ms=4000, to_ms=5000))

    assert [(one.partition, one.start, one.end) for one in found] == [(0, 4, 5), (1, 0, 0)]


@virtual
async def test_offsets_are_cut_to_what_is_there_and_a_bad_range_is_usage() -> None:
    topic = Topic(Part(3))
    topic.tell(0, ANN, BO)
    with brokers_of(topic):
        assert await resolve(SETTINGS, Asked(from_offsets={0: 1})) == (Range(partition=0, start=3, end=5, gone=2),)
        with pytest.raises(Fatal, match="7: no such partition") as raised:
            await resolve(SETTINGS, Asked(from_offsets={7: 1}))

    assert (raised.value.code, raised.value.status) == ("range", 64)
