"""The pictures of the last hour: gaps where nothing is known, and all of it in words."""

from consumer.pod.status.hour.charts import HEIGHT, charts, freshness
from consumer.pod.status.hour.shapes import LastHour

NOON = 1_795_521_600.0
"""12:00 UTC."""


def test_a_chart_says_in_words_what_it_shows() -> None:
    hour = LastHour(events=(*[None] * 57, 400, 30, 1200), resyncs=(*[None] * 57, 1, None, 0), dirty=(*[None] * 57, 3, 4, 5))
    events, resyncs, dirty = charts(hour, at=NOON + 20)

    assert events.words == "events in, last hour: 1,200 a minute now, at most 1,200, began 11:57 UTC"
    assert resyncs.words == "resyncs ended, last hour: 0 a minute now, at most 1, began 11:57 UTC, 1 minute without a value"
    assert dirty.words == "dirty users, last hour: 5 now, at most 5, began 11:57 UTC"
    assert (events.now, events.most, events.width) == ("1,200 a minute", "1,200", 60)


def test_what_is_not_known_is_a_gap_and_zero_is_a_line() -> None:
    (events, _, _) = charts(LastHour(events=(10, None, 0, 0, 5)), at=NOON)

    assert events.path == f"M0 {HEIGHT}V0H1V{HEIGHT}zM2 {HEIGHT}V19.3H4V{HEIGHT}zM4 {HEIGHT}V10H5V{HEIGHT}z"


def test_where_nothing_is_known_nothing_is_drawn_and_that_is_said() -> None:
    assert charts(None, at=NOON) == ()
    (events, _, _) = charts(LastHour(events=(None, None), resyncs=(None, None), dirty=(None, None)), at=NOON)

    assert (events.path, events.now, events.words) == ("", "", "events in, last hour: nothing known")


def test_only_zeros_are_no_peak() -> None:
    (events, _, _) = charts(LastHour(events=(0, 0)), at=NOON)

    assert events.path == f"M0 {HEIGHT}V19.3H2V{HEIGHT}z"
    assert events.words == "events in, last hour: 0 a minute now, at most 0, began 11:58 UTC"


def test_a_list_that_was_too_late_shows_when() -> None:
    found = freshness((10.0, 1800.0, None), at=NOON)

    assert found.late == f"M1 {HEIGHT}V0H2V{HEIGHT}z"
    assert found.words == "fresh after, last hour: not known now, at most 30 min, began 11:57 UTC, 1 minute without a value"
    assert freshness((10.0, 900.0), at=NOON).late == ""
