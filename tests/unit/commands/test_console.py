"""What operators may write for a time and for a number."""

import os
import pty
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import anyio
import click
import pytest

from consumer.commands import cli
from consumer.commands.console import TIME, FiniteRange, ask, confirm


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


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Give the other side of a terminal that is our standard input."""
    keys, screen = pty.openpty()
    with os.fdopen(screen, encoding="utf-8") as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        yield keys
    os.close(keys)


@pytest.mark.parametrize(
    ("typed", "answer"), [(b"y\n", True), (b" YES\n", True), (b"n\n", False), (b"No\n", False), (b"\n", False), (b"?\ny\n", True)]
)
async def test_a_question_is_answered_by_a_line(terminal: int, typed: bytes, answer: bool) -> None:
    os.write(terminal, typed)
    assert await ask("Well?", yes=False) is answer


async def test_while_a_question_stands_other_work_goes_on_and_it_can_be_cut_off(terminal: int) -> None:
    turns = 0
    with anyio.move_on_after(0.5) as scope:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(partial(ask, "Well?", yes=False))
            while turns < 3:
                turns += 1
                await anyio.sleep(0.01)
            os.write(terminal, b"half a word\x04")
            while True:
                turns += 1
                await anyio.sleep(0.01)
    assert (turns > 10, scope.cancelled_caught) == (True, True)


def test_the_end_of_the_input_is_no_answer(terminal: int, capsys: pytest.CaptureFixture[str]) -> None:
    os.write(terminal, b"\x04")
    with pytest.raises(click.Abort):
        confirm("Well?", yes=False)
    assert capsys.readouterr().err == "Well? [y/N]: \n"


def test_without_a_terminal_it_says_what_to_add(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "none").touch()
    with (tmp_path / "none").open(encoding="utf-8") as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        with pytest.raises(click.UsageError, match="add --yes"):
            confirm("Well?", yes=False)
        assert confirm("Well?", yes=True)
    monkeypatch.setattr("sys.stdin", None)  # It was closed by the caller.
    with pytest.raises(click.UsageError, match="add --yes"):
        confirm("Well?", yes=False)
