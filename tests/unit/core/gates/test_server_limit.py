"""Which limit is followed, and which is none for a minute."""

import pytest

from consumer.core.gates.server_limit import ServerLimit, begins_at
from consumer.core.gates.window import Said


def followed(*said: tuple[float, float | None], ends_in_s: float = 60.0) -> float:
    """Return the limit in use after (Reset, Limit) each."""
    made = ServerLimit()
    for reset, limit in said:
        made.note(Said(limit=limit, remaining=50, reset=reset, ends_in_s=ends_in_s))
    return made.per_minute


@pytest.mark.parametrize(
    ("said", "in_use"),
    [
        ([], 100),
        ([(1000, 300)], 100),  # One window says nothing of its length.
        ([(1000, 300), (1000, 300), (1001, 300)], 100),
        ([(1000, 300), (1060, 300)], 300),
        ([(1000, 300), (1055, 300)], 300),
        ([(1000, 300), (1065, 300)], 300),
        ([(1000, 300), (1054, 300)], 100),
        ([(1000, 300), (1066, 300)], 100),
        ([(1000, 300), (1300, 300), (1360, 300)], 300),  # Nobody asked for a while.
        ([(1000, 300), (1060, 300), (1070, 300)], 100),  # None for a minute, after all.
        ([(1000, 300), (1060, 300), (1070, 300), (1130, 300)], 300),
        ([(1000, 5000), (1060, 5000)], 1000),
        ([(1000, 20), (1060, 20)], 20),
        ([(1000, 0), (1060, 0)], 1),
        ([(1000, 300), (1060, 300), (1060, 30)], 30),  # Answers differ: the least,
        ([(1000, 300), (1060, 30), (1120, 300)], 30),  # of the window before, too.
        ([(1000, 300), (1060, 30), (1120, 300), (1180, 300)], 300),
        ([(1000, 300), (1060, 300), (1000, 30)], 300),  # Late.
        ([(1000, 300), (1060, None)], 100),
        ([(2000, 300), (1000, 200), (1060, 200)], 200),  # Its clock was put back.
    ],
)
def test_a_limit_is_followed_once_two_windows_show_a_minute(said: list[tuple[float, float | None]], in_use: float) -> None:
    assert followed(*said) == in_use


def test_resets_that_are_only_ever_seen_near_are_of_a_short_window_of_which_most_were_missed() -> None:
    assert followed((1000, 10), (1060, 10), ends_in_s=30.0) == 100
    assert followed((1000, 10), (1060, 10), ends_in_s=30.1) == 10


def test_what_a_setting_begins_at() -> None:
    assert (begins_at("auto"), begins_at(12.5)) == (100, 12.5)
