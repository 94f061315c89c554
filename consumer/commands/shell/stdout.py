"""The stdout of a command: a disk that is full is no bug of ours, and a reader that went away is no error at all."""

import errno
import io
import os
import sys
from contextlib import suppress
from typing import Any, Final, TextIO, cast

from ...core.errors import Exit

_FDS: Final = range(3)


class Unwritable(OSError):
    """Stdout can't be written to, and it is not that nobody reads it."""


class NoReader(BrokenPipeError):
    """Nobody reads stdout any more; it has no number, for click would end the process by it."""


class _Raw(io.FileIO):
    """The file under stdout, whose errors can be told from those of any other file."""

    goes_on = False
    """Whether what nobody reads is dropped, and the command goes on to its end."""

    def write(self, data: Any) -> int:  # noqa: ANN401 - any buffer
        try:
            return super().write(data)
        except BrokenPipeError:
            if self.goes_on:
                return len(memoryview(data).cast("B"))
            raise NoReader from None
        except OSError as error:
            raise Unwritable(error.errno, error.strerror) from None


class _Unread(io.FileIO):
    """The file under stderr: what can't be written there is dropped, for there is no better place to say so."""

    def write(self, data: Any) -> int:  # noqa: ANN401 - any buffer
        try:
            return super().write(data)
        except OSError:
            return len(memoryview(data).cast("B"))


def guard() -> None:
    """
    See to it that stdin, stdout and stderr are open, that stdout's errors are its own, and that stderr has none.

    One that was closed (`>&-`) takes what is written and drops it; else the next file that is opened would stand in its place.
    """
    for number in _FDS:
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # Takes the lowest number that is free: this one.
    said: TextIO | None = sys.stderr
    own: TextIO | None = sys.__stderr__
    if said is None or (said is own and type(getattr(said.buffer, "raw", said.buffer)) is io.FileIO):
        code = "utf-8" if said is None else said.encoding
        sys.stderr = io.TextIOWrapper(
            io.BufferedWriter(_Unread(2, "w", closefd=False)), encoding=code, errors="backslashreplace", line_buffering=True
        )
    old: TextIO | None = sys.stdout
    first: TextIO | None = sys.__stdout__
    # Without buffers (PYTHONUNBUFFERED, as in the image) the file itself stands where else its buffer does.
    if old is None or (old is first and type(getattr(old.buffer, "raw", old.buffer)) is io.FileIO):
        raw = _Raw(1, "w", closefd=False)
        told = {"encoding": old.encoding, "errors": old.errors} if old is not None else {"encoding": "utf-8"}
        if old is not None and not old.encoding.lower().startswith("utf"):
            told["errors"] = "replace"  # A name in other letters is no reason to show nothing.
        # It is written through at each line on a terminal, as Python's own is.
        sys.stdout = io.TextIOWrapper(io.BufferedWriter(raw), **told, line_buffering=raw.isatty())


def go_on_without_reader() -> None:
    """Have what nobody reads dropped: this command's work and its exit status are worth more than what it prints."""
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    if isinstance(raw, _Raw):
        raw.goes_on = True


def flushed() -> OSError | None:
    """Write what is left; return what stands in the way."""
    try:
        sys.stdout.flush()
    except (NoReader, Unwritable) as error:
        return error
    return None


def given_up(error: OSError) -> tuple[int, str]:
    """Return the status of a command that could not write, and what is to be said (empty: nothing); nothing more is written to stdout."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)  # Else the interpreter, at its end, would try to write what is left, and fail as we did.
    os.close(null)
    with suppress(OSError):
        sys.stdout.flush()
    if isinstance(error, NoReader):
        return Exit.FINE, ""
    why = "no space left" if error.errno in {errno.ENOSPC, errno.EDQUOT} else os.strerror(cast("int", error.errno)).lower()
    return Exit.UNAVAILABLE, f"can't write to stdout: {why}"
