"""How many lookups a pod begins in a minute."""

from consumer.pod.reader.allowance import PER_MINUTE, Allowance


def test_in_no_minute_more_begin_than_may_and_the_wait_is_said() -> None:
    allowed = Allowance(3)
    assert [allowed.take(now=at) for at in (0.0, 10.0, 20.0)] == [0.0, 0.0, 0.0]

    assert allowed.take(now=25.0) == 35.0
    assert allowed.take(now=59.0) == 1.0, "one that was refused costs nothing"
    assert allowed.take(now=60.0) == 0.0
    assert allowed.take(now=60.0) == 10.0


def test_twenty_a_minute() -> None:
    allowed = Allowance()

    assert [allowed.take(now=0.0) for _ in range(PER_MINUTE + 1)] == [0.0] * 20 + [60.0]
