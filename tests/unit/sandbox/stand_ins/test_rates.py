"""The limits of Sesamy's stand-in: windows that follow each other, and headers that tell them, or something absurd."""

import pytest

from consumer.sandbox.stand_ins.rates import Rate, Told


class Clock:
    """Epoch seconds that stand still until they are set."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


def told(rate: Rate, what: Told = "right") -> list[str]:
    headers = rate.headers(what)
    return [headers[f"X-RateLimit-{name}"] for name in ("Limit", "Remaining", "Reset")]


def test_a_window_counts_down_and_the_next_begins_where_it_ended() -> None:
    clock = Clock()
    rate = Rate(requests_per_minute=3, burst=100, by_window=False, now=clock)
    seen = []
    for now_s in (1_000.0, 1_001.0, 1_059.9, 1_060.0, 1_185.0):
        clock.now_s = now_s
        rate.take()
        seen.append(told(rate))
    assert seen == [["3", "2", "1060"], ["3", "1", "1060"], ["3", "0", "1060"], ["3", "2", "1120"], ["3", "2", "1240"]]


def test_the_bucket_refuses_and_the_window_only_tells_unless_it_is_to_refuse() -> None:
    clock = Clock()
    lenient, strict = (Rate(requests_per_minute=2, burst=4, by_window=one, now=clock) for one in (False, True))
    assert [lenient.take() for _ in range(4)] == [True] * 4
    assert told(lenient) == ["2", "0", "1060"]
    assert [strict.take() for _ in range(3)] == [True, True, False]
    clock.now_s = 1_018.0
    assert (lenient.retry_after_s(), strict.retry_after_s()) == (2, 42)
    clock.now_s = 1_060.0
    assert strict.take()


@pytest.mark.parametrize(
    ("what", "wanted"),
    [
        ("past", ["100", "99", "-2600"]),
        ("in-10-years", ["100", "99", "315361000"]),
        ("text", ["100", "99", "soon"]),
        ("huge", ["1000000000", "999999999", "1060"]),
    ],
)
def test_the_headers_may_be_absurd(what: Told, wanted: list[str]) -> None:
    rate = Rate(requests_per_minute=100, burst=100, by_window=False, now=Clock())
    rate.take()
    assert told(rate, what) == wanted


def test_the_headers_may_be_missing() -> None:
    assert Rate(requests_per_minute=100, burst=100, by_window=False, now=Clock()).headers("none") == {}
