"""Foreign text is harmless, and lengths of time are said as people say them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.core.text import age, duration, printable, shown


@given(st.text())
def test_what_is_shown_prints_and_is_short(text: str) -> None:
    assert shown(text).isprintable()
    assert len(shown(text)) <= 64
    assert shown(text) == text or not text.isprintable() or len(text) > 64


@given(st.text(st.characters(exclude_categories=())))
def test_what_is_printed_says_nothing_to_a_terminal_and_is_whole(text: str) -> None:
    assert printable(text).isprintable()
    assert len(printable(text)) >= len(text)
    assert printable(text) == text or not text.isprintable()


@pytest.mark.parametrize(("text", "expected"), [("blåbær", "blåbær"), ("a\x1b[31m", r"a\x1b[31m"), ("\u2028\ud800", r"\u2028\ud800")])
def test_only_what_does_not_print_is_escaped(text: str, expected: str) -> None:
    assert printable(text) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"), [(None, ""), (-3.0, "0 s"), (59.4, "59 s"), (60.0, "1 min"), (7200.0, "2 h"), (200_000.0, "2 d")]
)
def test_ages_need_person(seconds: float | None, expected: str) -> None:
    assert age(seconds) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"), [(0.4, "0 s"), (4.0, "4 s"), (59.6, "1 min 00 s"), (200.0, "3 min 20 s"), (3_900.0, "1 h 05 min")]
)
def test_durations_need_person(seconds: float, expected: str) -> None:
    assert duration(seconds) == expected
