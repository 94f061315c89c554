"""The dead-letter topic while it fails: a letter is tried with a new producer, and a reader that hears nothing is given up."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError, KafkaError

from consumer import deadletters
from consumer.board import _lines
from consumer.deadletters import Parker, Poison
from consumer.model import Letter
from consumer.silence import Answers
from consumer.status import LetterCounts, Status
from consumer.telemetry import Metrics, gauges
from consumer.tls import Unusable
from tests.metrics_table import one_of_each

LETTER = Letter(code="not-json", stage="intake", partition=0, offset=7)
ONE, OTHER = TopicPartition("letters", 0), TopicPartition("letters", 1)


class Producer:
    """Takes letters, or fails as often as it is told to."""

    def __init__(self, failures: int) -> None:
        self.failures, self.sent, self.closed = failures, 0, False

    async def send_and_wait(self, *_: object, **__: object) -> None:
        await anyio.lowlevel.checkpoint()
        if self.failures > self.sent:
            raise KafkaError("no")
        self.sent += 1


async def written_by(monkeypatch: pytest.MonkeyPatch, *made: Producer | Exception) -> Parker:
    """Park one record, with these producers in turn; return once it is written."""
    monkeypatch.setattr(deadletters, "_AGAIN_S", 0.01)
    coming = iter(made)
    done = anyio.Event()

    @asynccontextmanager
    async def producing() -> AsyncIterator[Any]:
        one = next(coming)
        if isinstance(one, Exception):
            raise one
        yield one
        one.closed = True

    parker = Parker(
        producing,
        topic="letters",
        source_topic="events",
        addresses={},
        on_user=lambda _: None,
        on_poison=lambda *_: done.set(),
        replaced=lambda _: (),
        metrics=Metrics(one_of_each()),
    )
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(parker.run)
        parker.put_poison(Poison(None, LETTER))
        with anyio.fail_after(5):
            await done.wait()
            while parker.failing_since is not None:
                await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()
    return parker


async def test_a_letter_is_tried_again_with_a_new_producer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once the old one is closed; and it is written once."""
    old, new = Producer(failures=1), Producer(failures=0)
    parker = await written_by(monkeypatch, old, new)

    assert (old.sent, old.closed, new.sent, new.closed) == (0, True, 1, False)
    assert (parker.written, len(parker)) == (1, 0)


@pytest.mark.parametrize("error", [KafkaConnectionError(), TimeoutError(), Unusable("kafka.ssl_cafile", "no PEM", "put it there")])
async def test_where_no_producer_can_be_had_the_letter_waits(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    parker = await written_by(monkeypatch, error, error, Producer(failures=0))

    assert (parker.written, len(parker)) == (1, 0)


class Reader:
    """Says when its partitions answered."""

    def __init__(self) -> None:
        self.at_ms: dict[TopicPartition, int | None] = {ONE: None, OTHER: None}

    def last_poll_timestamp(self, tp: TopicPartition) -> int | None:
        return self.at_ms[tp]


def test_a_reader_is_heard_once_all_partitions_answer_and_given_up_where_one_no_longer_does() -> None:
    reader, answers = Reader(), Answers(0.0)

    def heard(now: float) -> bool:
        return answers.has_come(reader, reader.at_ms, now=now)  # type: ignore[arg-type]

    assert (heard(1.0), answers.any) == (False, False)
    reader.at_ms[ONE] = 1000
    assert (heard(2.0), answers.any) == (False, False)
    reader.at_ms[OTHER] = 1100
    assert (heard(3.0), heard(4.0), answers.any) == (True, False, True)
    reader.at_ms[ONE] = 500  # A wall clock may go back.
    assert heard(5.0)
    reader.at_ms[OTHER] = 9000
    assert not heard(35.0)
    with pytest.raises(KafkaConnectionError):
        heard(35.5)


def told(letters: LetterCounts) -> tuple[str, list[float]]:
    """Return what page and terminal say of letters, and the gauge of open ones."""
    status = Status(dead_letters=letters)
    open_ = next(one for one in gauges(status, now=0.0) if one.name == "sesamy_makeas_dead_letters_open")
    return [cell.text for cell in _lines(status, now=0.0)][-1], [sample.value for sample in open_.samples]


def test_open_letters_that_nobody_has_counted_are_not_none() -> None:
    assert told(LetterCounts()) == ("letters open: not known; 0 written by this pod, 0 waiting", [])
    assert told(LetterCounts(open=0)) == ("0 letters open; 0 written by this pod, 0 waiting", [0.0])
    text, _ = told(LetterCounts(readable=False, writable=False))
    assert text.endswith("waiting: the dead-letter topic takes none and can't be read")
