"""Numbers, names and times in words."""

import pytest

from consumer.pod.status.told.words import ago, clock, named, since, some

NOW = 1_774_620_840.0  # 2026-03-27 14:14 UTC


@pytest.mark.parametrize(("number", "words"), [(0, "0 partitions"), (1, "1 partition"), (2, "2 partitions"), (1200, "1,200 partitions")])
def test_one_is_not_many(number: int, words: str) -> None:
    assert named(number, "partition") == words


def test_of_many_names_the_first_are_given_and_the_rest_is_counted() -> None:
    assert some([*"abcde"]) == "a, b, c, d, e"
    assert some([*"abcdefg"]) == "a, b, c, d, e and 2 more"


def test_a_time_is_told_in_utc_with_its_length_and_its_date_where_it_is_long_ago() -> None:
    assert since(720.0, now=NOW) == "since 14:02 UTC (12 min)"
    assert since(2 * 86_400.0, now=NOW) == "since 2026-03-25 14:14 UTC (2 d)"
    assert ago(NOW - 5, now=NOW) == "5 s ago"


@pytest.mark.parametrize("at", [float("inf"), float("nan"), 1e300])
def test_a_time_that_is_none_is_not_known(at: float) -> None:
    assert clock(at, now=NOW) == "?"
