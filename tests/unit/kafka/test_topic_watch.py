"""When offsets are no longer believed, and that a broker which lags behind, or an election, changes nothing."""

from typing import Any

import anyio
import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from consumer.kafka.client.metadata import MISSING
from consumer.kafka.topic_watch import TopicWatch
from tests.clock import virtual

OLD, NEW, NEWER = b"a" * 16, b"b" * 16, b"c" * 16


async def seen(watch: TopicWatch, *ids: bytes | None) -> bool:
    """Look, as brokers answer in turn; return whether the topic is another then."""

    class Consumer:
        def __init__(self, answer: bytes | None) -> None:
            self.answer = answer

        async def topic_id(self, topic: str) -> bytes | None:
            assert topic == "t"
            return self.answer

    for one in ids:
        consumer: Any = Consumer(one)
        await watch.look(consumer)
    return watch.is_new


@pytest.mark.parametrize("ids", [(OLD,), (OLD, OLD), (OLD, MISSING, OLD), (OLD, None, OLD), (MISSING, OLD), (None,), (MISSING,)])
async def test_the_same_topic_is_no_new_one(ids: tuple[bytes | None, ...]) -> None:
    watch = TopicWatch("t")

    assert not await seen(watch, *ids)
    assert watch.lost([0, 1]) == []


@pytest.mark.parametrize("ids", [(OLD, NEW), (OLD, MISSING, NEW), (OLD, NEW, NEW)])
async def test_another_of_its_name_loses_all_offsets_until_it_is_accepted(ids: tuple[bytes | None, ...]) -> None:
    watch = TopicWatch("t")

    assert await seen(watch, *ids)
    assert watch.lost([0, 1]) == [0, 1]
    watch.accept([0, 1])
    assert watch.lost([0, 1]) == []
    assert not await seen(watch, NEW)
    assert await seen(watch, NEWER)


async def test_a_broker_that_has_not_heard_yet_brings_no_topic_back() -> None:
    watch = TopicWatch("t")
    await seen(watch, OLD, NEW)
    watch.accept([0])

    assert not await seen(watch, OLD, NEW, OLD)


async def test_brokers_that_tell_no_identity_are_asked_whether_it_was_missing(caplog: pytest.LogCaptureFixture) -> None:
    watch = TopicWatch("t")
    await seen(watch, None)
    watch.is_missing()
    watch.is_missing()

    assert await seen(watch, None)
    watch.accept([])
    assert not await seen(watch, None)
    assert caplog.text.count("topic is missing") == 1


@pytest.mark.parametrize(
    ("ends", "lost"),
    [
        ((200, 150, 160), [1]),
        ((200, 150, 199, 250), []),
        ((200, 150, 200, 150, 200), []),
        ((200, 200, 201), []),
        ((200, None, 150, None), []),
        ((0, 0, 0), []),
    ],
)
def test_an_end_that_went_back_for_good_loses_its_partition(ends: tuple[int | None, ...], lost: list[int]) -> None:
    watch = TopicWatch("t")
    for end in ends:
        watch.end_is(0, 100)
        watch.end_is(1, end)

    assert watch.lost([0, 1, 2]) == lost
    watch.accept(lost)
    assert watch.lost([0, 1, 2]) == []


class Looked:
    """A consumer that answers each look in turn; `...` never answers."""

    def __init__(self, *answers: Any, ends: tuple[int, ...] = (200,)) -> None:
        self.answers, self.ends, self.looks = list(answers), list(ends), 0

    async def topic_id(self, _: str) -> bytes:
        self.looks += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer is ...:
            await anyio.sleep_forever()
        if isinstance(answer, Exception):
            raise answer
        found: bytes = answer
        return found

    def assignment(self) -> set[TopicPartition]:
        return {TopicPartition("t", 1)}

    def highwater(self, _: TopicPartition) -> int:
        return self.ends.pop(0) if len(self.ends) > 1 else self.ends[0]


async def watched(*consumers: Any, seconds: float) -> TopicWatch:
    """Watch so long with these consumers in turn, the last of which stays."""
    watch, left = TopicWatch("t"), list(consumers)
    with anyio.move_on_after(seconds):
        await watch.run(lambda: left.pop(0) if len(left) > 1 else left[0])
    return watch


@virtual
async def test_the_topic_is_looked_at_every_few_seconds_with_whatever_consumer_there_is() -> None:
    """While there is none, and where a broker does not answer, the next look comes all the same."""
    consumer = Looked(OLD, KafkaError("no"), ConnectionResetError(), TimeoutError(), NEW)
    watch = await watched(None, consumer, seconds=31)

    assert (consumer.looks, watch.is_new) == (5, True)


@virtual
async def test_a_look_that_hangs_is_given_up() -> None:
    consumer = Looked(OLD, ..., NEW)
    watch = await watched(consumer, seconds=26)

    assert (consumer.looks, watch.is_new) == (3, True)


@virtual
async def test_the_ends_of_partitions_are_noted_at_each_look_also_where_the_broker_does_not_answer() -> None:
    watch = await watched(Looked(OLD, KafkaError("no"), ends=(200, 150, 150)), seconds=16)

    assert watch.lost([0, 1]) == [1]
