"""What of a letter's headers counts, whoever wrote them and wherever we run."""

import time
from collections.abc import Iterator

import pytest

from consumer.core.letters.headers import fields, read_time, written_time
from consumer.core.letters.history import Entry, State
from consumer.core.letters.record import parse


@pytest.mark.parametrize(("bytes_", "letters"), [(16_384, 4096), (16_385, 0), (1_000_000, 0)])
def test_a_header_longer_than_16_kib_counts_as_empty(bytes_: int, letters: int) -> None:
    """Whoever may write to the topic may write a megabyte, which each pod would go through."""
    text = b"0:1," * (bytes_ // 4) + b" " * (bytes_ % 4)
    assert len(text) == bytes_
    record = parse([("error.code", b"held"), ("replaces", text)], b"", None, timestamp_ms=0, now=0.0)

    assert len(record.replaces) == letters
    assert fields([("replaces", text), ("other", b"x")]) == {"replaces": text.decode() if letters else "", "other": "x"}


@pytest.fixture
def far_away(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Be where it is twelve hours later, or more."""
    with monkeypatch.context() as changed:
        changed.setenv("TZ", "NZST-12")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("far_away")
def test_a_time_without_a_zone_is_utc_wherever_we_run() -> None:
    """Else two pods, or a pod and an operator, would mean other letters by one mark."""
    assert time.localtime(0).tm_hour == 12, "else the zone is not in force"
    assert read_time("2026-11-24T08:00:00.123") == read_time("2026-11-24T08:00:00.123Z") == 1_795_507_200_123
    assert written_time(1_795_507_200_123) == "2026-11-24T08:00:00.123Z"


@pytest.mark.parametrize(
    ("state", "is_open"), [("open", True), ("requeued", True), ("unreadable", True), ("done", False), ("replaced", False)]
)
def test_a_letter_is_open_until_it_is_done_or_replaced(state: State, is_open: bool) -> None:
    """Of a record that can't be read as well: nothing can close it, so an operator must see it."""
    assert Entry(place="0:0", state=state).is_open == is_open
