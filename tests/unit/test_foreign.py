"""What values of others are read as."""

import pytest

from consumer.foreign import number


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (60, 60.0),
        (1.5, 1.5),
        (-1, -1.0),
        ("60", 60.0),
        (" 60.5 ", 60.5),
        (10**400, None),
        (-(10**400), None),
        ("9" * 400, None),
        (float("inf"), None),
        (float("nan"), None),
        ("nan", None),
        ("1_000", None),
        ("\u0662", None),
        ("\u00b2", None),
        (".", None),
        ("", None),
        (True, None),
        (None, None),
        ([1], None),
    ],
)
def test_a_number_is_one_that_a_clock_can_take(value: object, found: float | None) -> None:
    assert found == number(value)
