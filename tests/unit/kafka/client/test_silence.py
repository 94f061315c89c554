"""When brokers count as silent."""

from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError

from consumer.kafka.client.silence import Answers

ONE, OTHER = TopicPartition("t", 0), TopicPartition("t", 1)


def polled(**at_ms: int | None) -> Any:
    """Return a consumer whose partitions were answered at these times."""
    return SimpleNamespace(last_poll_timestamp=lambda tp: at_ms[f"p{tp.partition}"])


def test_a_partition_that_has_not_answered_is_silence_though_the_other_has() -> None:
    answers = Answers(now=100)
    assert not answers.has_come(polled(p0=5, p1=None), [ONE, OTHER], now=101)
    assert not answers.any
    assert answers.has_come(polled(p0=6, p1=5), [ONE, OTHER], now=102)
    assert answers.any
    assert not answers.has_come(polled(p0=9, p1=5), [ONE, OTHER], now=103)


def test_half_a_minute_without_an_answer_is_an_error_and_each_answer_begins_it_anew() -> None:
    answers = Answers(now=100)
    assert not answers.has_come(polled(p0=0), [ONE], now=130)
    assert answers.has_come(polled(p0=7), [ONE], now=130)
    assert not answers.has_come(polled(p0=7), [ONE], now=160)
    with pytest.raises(KafkaConnectionError):
        answers.has_come(polled(p0=7), [ONE], now=160.1)


def test_who_has_never_answered_is_silent_too() -> None:
    with pytest.raises(KafkaConnectionError):
        Answers(now=100).has_come(polled(p0=None), [ONE], now=130.1)
