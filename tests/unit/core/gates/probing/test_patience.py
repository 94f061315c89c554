"""How long a Retry-After is heeded, and which one is doubted."""

import pytest

from consumer.core.errors import Retryable
from consumer.core.gates.probing.patience import Patience


@pytest.mark.parametrize(
    ("code", "wish_s", "retry_at", "ends_at"),
    [
        ("http-503", None, float("-inf"), float("-inf")),
        ("http-503", 60, 60, 60),
        ("http-503", 61, 60, 61),
        ("http-503", 3600, 60, 3600),
        ("http-429", 3600, 3600, 3600),
    ],
)
def test_of_a_long_wish_that_is_no_429s_the_first_minute_is_heeded_by_all(
    code: str, wish_s: float, retry_at: float, ends_at: float
) -> None:
    made = Patience(courteous=False)
    is_doubted = made.heed(Retryable("wait", code=code, retry_after_s=wish_s), now=0)
    assert (is_doubted, made.retry_at, made.ends_at) == (retry_at < ends_at, retry_at, ends_at)


def test_who_is_courteous_stays_away_for_twice_as_long() -> None:
    made = Patience(courteous=True)
    made.heed(Retryable("wait", code="http-503", retry_after_s=600), now=0)
    assert (made.retry_at, made.ends_at) == (120, 1200)


def test_a_shorter_wish_does_not_shorten_a_longer_one() -> None:
    made = Patience(courteous=False)
    for code, wish_s in (("http-429", 300), ("http-503", 900), ("http-503", 100)):
        made.heed(Retryable("wait", code=code, retry_after_s=wish_s), now=0)
    assert (made.retry_at, made.ends_at) == (300, 900)
