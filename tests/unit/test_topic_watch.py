"""When offsets are no longer believed, and that a broker which lags behind, or an election, changes nothing."""

from typing import Any

import pytest

from consumer.metadata import MISSING
from consumer.topic_watch import TopicWatch

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
