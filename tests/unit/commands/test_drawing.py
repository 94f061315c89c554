"""What is drawn on a terminal, and what comes in a pipe."""

import io
import re
import sys
import time
from types import SimpleNamespace

import pytest
from rich.text import Text

from consumer.commands import drawing
from consumer.commands.drawing import Progress, console, lines_of, show, table, word

EVIL = "\x1b]0;taken\x07[red]:boom:\u202e"


class Stream(io.TextIOWrapper):
    """A stream that is a terminal, or none."""

    def __init__(self, *, is_terminal: bool) -> None:
        self._written, self._is_terminal = io.BytesIO(), is_terminal
        super().__init__(self._written, encoding="utf-8")

    def isatty(self) -> bool:
        return self._is_terminal

    def getvalue(self) -> str:
        self.flush()
        return self._written.getvalue().decode()


@pytest.fixture(params=[False, True], ids=["in a pipe", "on a terminal"])
def out(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Stream:
    """Stand for both streams; the window is small, and the environment wants colours wherever it can."""
    stream = Stream(is_terminal=request.param)
    monkeypatch.setattr(drawing, "sys", SimpleNamespace(stdout=stream, stderr=stream))  # pytest changes those of `sys` after a fixture.
    for name, value in {"TERM": "xterm", "COLUMNS": "20", "LINES": "5", "FORCE_COLOR": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("NO_COLOR", raising=False)
    return stream


def drawn(*rows: tuple[Text, ...]) -> list[str]:
    return [line.plain for line in lines_of(table(("name", "number#"), rows), on=console())]


def test_a_table_is_as_wide_as_it_is_wherever_it_is_shown(out: Stream) -> None:
    rows = (("x" * 300, "7", "some words with spaces"), ("y", "12", ""))
    show(table(("name", "number#", "last"), (tuple(map(word, row)) for row in rows)))

    assert out.getvalue().splitlines() == [
        f"name{' ' * 298}number  last",
        f"{'x' * 300}       7  some words with spaces",
        f"y{' ' * 299}      12",
    ]


def test_without_heads_there_is_no_line_of_them(out: Stream) -> None:
    show(table(("", ""), [(word("place"), word("0:17"))]))

    assert out.getvalue() == "place  0:17\n"


def test_without_rows_nothing_is_shown(out: Stream) -> None:
    show(table(("", ""), []))

    assert out.getvalue() == ""


def test_a_long_list_takes_no_long_time(out: Stream) -> None:
    """A tenth of a second each thousand rows; the limit is for a busy machine."""
    began = time.process_time()
    show(table(("place", "user", "code"), [(word(f"0:{number}"), word(f"user-{number}"), word("http-422")) for number in range(5000)]))

    assert time.process_time() - began < 5
    assert out.getvalue().splitlines()[-1] == "0:4999  user-4999  http-422"


def test_foreign_text_is_shown_as_it_is_and_speaks_neither_to_the_terminal_nor_to_rich(out: Stream) -> None:
    show(table(("name", "number#"), [(word(EVIL), word("[/]"))]), word(EVIL), word("{task.description}"))

    text = out.getvalue()
    assert all(one.isprintable() for one in text.replace("\n", ""))
    assert text.count(r"\x1b]0;taken\x07[red]:boom:\u202e") == 2
    assert "[/]" in text


def test_colours_are_for_terminals(out: Stream) -> None:
    show(word("open", "green"))

    assert out.getvalue() == ("\x1b[32mopen\x1b[0m\n" if out.isatty() else "open\n")


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_and_not_for_those_that_want_none(out: Stream, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    show(word("open", "bold"))

    assert out.getvalue() == "open\n"


def test_wide_characters_take_two_columns() -> None:
    assert drawn((word("漢字"), word("1")), (word("abcd"), word("1"))) == ["name  number", "漢字       1", "abcd       1"]


# ---- Progress ----


def test_progress_is_a_bar_of_which_nothing_is_left(out: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    with Progress() as progress:
        progress.tell("resynced", 1200, 4800, left_s=200.0)
        progress.tell("resynced", 1300, 4800)  # Too soon after the last.

    text = out.getvalue()
    if not out.isatty():
        assert text == ""
        return
    assert re.search("resynced .*━.* 1,200 of 4,800, 3 min 20 s left at least", text)
    assert "1,300" not in text
    assert text.endswith("\x1b[2K"), "the line is cleared"
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1, "the cursor is there again"


def test_an_error_leaves_no_bar_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Stream(is_terminal=True)
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    progress = Progress()
    progress.tell("resynced", 1, 2)
    with pytest.raises(KeyError), progress:
        raise KeyError

    assert "\x1b[?25h" in stream.getvalue()


@pytest.mark.parametrize(("is_terminal", "term"), [(False, "xterm"), (True, "dumb")])
def test_progress_is_a_plain_line_each_ten_seconds_elsewhere(monkeypatch: pytest.MonkeyPatch, is_terminal: bool, term: str) -> None:
    stream, now = Stream(is_terminal=is_terminal), [1000.0]
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", term)
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    with Progress() as progress:
        for _ in range(25):
            now[0] += 1.0
            progress.tell("resynced", int(now[0]) - 1000, 50, left_s=12.34)

    assert stream.getvalue().splitlines() == [f"resynced {done} of 50, 12 s left at least" for done in (10, 20)]
