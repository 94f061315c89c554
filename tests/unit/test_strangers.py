"""Vendors that the settings don't know: each event counts once, and nothing grows without bound."""

import pytest

from consumer.strangers import UnknownVendors


def test_the_first_event_and_the_earliest_time_are_kept() -> None:
    unknown = UnknownVendors()
    for partition, offset, at_ms in ((0, 40, 3000), (1, 7, 2000), (0, 41, 4000)):
        unknown.note("v", partition, offset, at_ms=at_ms)

    one = unknown.seen["v"]
    assert (one.first, one.since_ms, one.events) == ((0, 40), 2000, 3)


def test_what_is_read_again_after_a_rebalance_counts_once() -> None:
    unknown = UnknownVendors()
    for offset in (40, 41, 40, 41, 42):
        unknown.note("v", 0, offset, at_ms=1)

    assert unknown.seen["v"].events == 3


def test_no_more_than_a_hundred_are_kept_and_that_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    unknown = UnknownVendors()
    for number in range(103):
        unknown.note(f"v{number}", 0, number, at_ms=1)
    unknown.note("v7", 0, 200, at_ms=1)

    assert (len(unknown.seen), unknown.seen["v7"].events) == (100, 2)
    assert caplog.text.count("more unknown vendors than are kept") == 1
