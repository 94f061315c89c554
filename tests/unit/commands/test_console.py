"""What operators may write for a time and for a number."""

import time
from collections.abc import Iterator

import click
import pytest

from consumer.commands import cli
from consumer.commands.console import TIME, FiniteRange


@pytest.mark.parametrize(("text", "ago_s"), [("90m", 5400), ("2h", 7200), ("3d", 259_200), ("45s", 45)])
def test_so_long_ago(text: str, ago_s: int) -> None:
    found = TIME.convert(text, None, None)
    assert isinstance(found, int)
    assert found / 1000 == pytest.approx(time.time() - ago_s, abs=60)


def test_a_time_as_ever() -> None:
    assert TIME.convert("2026-11-24T08:00:00Z", None, None) == 1_795_507_200_000


def _float_options(command: click.Command) -> Iterator[click.ParamType[float]]:
    if isinstance(command, click.Group):
        for one in command.commands.values():
            yield from _float_options(one)
    yield from (one.type for one in command.params if isinstance(one.type, click.types.FloatParamType))


def test_every_number_of_every_command_is_finite() -> None:
    found = [one for name in cli.COMMANDS for one in _float_options(cli.command_of(name))]

    assert len(found) >= 3
    assert all(isinstance(one, FiniteRange) for one in found)


@pytest.mark.parametrize("text", ["nan", "NaN", "-nan", "inf", "-inf", "1e999"])
def test_a_number_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter):
        FiniteRange(0).convert(text, None, None)


def test_a_number_as_ever() -> None:
    assert FiniteRange(0, 1).convert("0.25", None, None) == 0.25
    with pytest.raises(click.BadParameter):
        FiniteRange(0, 1, min_open=True).convert("0", None, None)
