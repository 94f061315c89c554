"""What is so and what to do, in one look."""

from consumer.pod.status.verdict import Point, Verdict, weighed


def test_the_worst_stands_first_and_gives_the_level() -> None:
    notice, unknown, first, second = (
        Point(level="notice", text="a"),
        Point(level="unknown", text="b"),
        Point(level="trouble", text="c"),
        Point(level="trouble", text="d"),
    )

    assert weighed([notice, unknown, first, second]) == Verdict(level="trouble", points=(first, second, unknown, notice))
    assert weighed([]) == Verdict(level="fine")
