"""What operators may write for a time."""

import time

import pytest

from consumer.commands.console import TIME


@pytest.mark.parametrize(("text", "ago_s"), [("90m", 5400), ("2h", 7200), ("3d", 259_200), ("45s", 45)])
def test_so_long_ago(text: str, ago_s: int) -> None:
    found = TIME.convert(text, None, None)
    assert isinstance(found, int)
    assert found / 1000 == pytest.approx(time.time() - ago_s, abs=60)


def test_a_time_as_ever() -> None:
    assert TIME.convert("2026-11-24T08:00:00Z", None, None) == 1_795_507_200_000
