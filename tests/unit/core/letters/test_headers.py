"""What of a letter's headers counts, whoever wrote them and wherever we run."""

import time

import pytest

from consumer.core.letters.headers import Named, Origin, fields, places, read_time, replaced, replacing, written_time
from consumer.core.letters.record import parse
from consumer.core.model import Place
from tests.clock import zone


@pytest.mark.parametrize(("bytes_", "letters"), [(16_384, 4096), (16_385, 0), (1_000_000, 0)])
def test_a_header_longer_than_16_kib_counts_as_empty(bytes_: int, letters: int) -> None:
    """Whoever may write to the topic may write a megabyte, which each pod would go through."""
    text = b"0:1," * (bytes_ // 4) + b" " * (bytes_ % 4)
    assert len(text) == bytes_
    record = parse([("error.code", b"held"), ("replaces", text)], b"", None, timestamp_ms=0, now=0.0)

    assert len(record.replaces) == letters
    assert fields([("replaces", text), ("other", b"x")]) == {"replaces": text.decode() if letters else "", "other": "x"}


def test_a_time_without_a_zone_is_utc_wherever_we_run() -> None:
    """Else two pods, or a pod and an operator, would mean other letters by one mark."""
    with zone("NZST-12"):
        assert time.localtime(0).tm_hour == 12, "else the zone is not in force"
        assert read_time("2026-11-24T08:00:00.123") == read_time("2026-11-24T08:00:00.123Z") == 1_795_507_200_123
        assert written_time(1_795_507_200_123) == "2026-11-24T08:00:00.123Z"


def test_places() -> None:
    assert places("0:1,2:30, 4:5,x,7") == (Place(0, 1), Place(2, 30))


def test_what_a_letter_replaces_is_read_as_it_was_written() -> None:
    named = (Named(Place(0, 3), Origin(3, 40, 1_795_507_200_123)), Named(Place(1, 4)), Named(Place(0, 5), Origin(-1, -1, 0)))

    assert replaced(replacing(named)) == named
    assert places(replacing(named)["replaces"]) == (Place(0, 3), Place(1, 4), Place(0, 5))


@pytest.mark.parametrize(
    ("text", "at_ms"),
    [
        ("2026-11-24T08:00:00.123Z", 1_795_507_200_123),
        ("2026-11-24T10:00:00.123+02:00", 1_795_507_200_123),
        ("2026-11-24T08:00:00.123", 1_795_507_200_123),
        ("0001-01-01", -62_135_596_800_000),
        ("9999-12-31T23:59:59.999-23:59", 253_402_387_139_999),
        ("", None),
        ("soon", None),
    ],
)
def test_times(text: str, at_ms: int | None) -> None:
    """Where no zone is said it is UTC, wherever we run."""
    assert read_time(text) == at_ms
    if at_ms is not None and at_ms < 253_402_300_800_000:
        assert read_time(written_time(at_ms)) == at_ms
