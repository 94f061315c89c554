"""Findings: what was looked at, what is with it, and which cure. No value is ever quoted."""

import os
from typing import Literal

from msgspec import Struct

from ..core.errors import Exit


class Finding(Struct, frozen=True, kw_only=True):
    """One thing that was looked at: where, what is with it, and what to do about it (nothing where it is fine)."""

    path: str
    """The setting, as `kafka.topic`, or what else was looked at."""
    what: str
    cure: str
    level: Literal["fine", "warning", "error"] = "error"
    status: int = Exit.SETTINGS
    """The exit status an error leads to."""
    shown: str = ""
    """The path with what it is about, for people; empty: the path says all."""
    line: int | None = None
    """The line of the settings' file, where it is known."""
    column: int | None = None
    """The column there, from 1, of what begins no line of its own: a row of an inline array."""

    @property
    def place(self) -> str:
        """Return where it is, for people."""
        line = f", line {self.line}" if self.line is not None else ""
        return (self.shown or self.path) + line + (f", column {self.column}" if self.column is not None else "")

    @property
    def sentence(self) -> str:
        """Return all of it in a line, for people."""
        return f"{self.place}: {self.what}; {self.cure}"


def reason(error: OSError) -> str:
    """Return why a file can't be read, in the system's words and without its name: `permission denied`."""
    return os.strerror(error.errno).lower() if error.errno else "can't be read"


def fine(path: str, what: str) -> Finding:
    """Return a finding that says all is well."""
    return Finding(path=path, what=what, cure="", level="fine", status=0)


def warning(path: str, what: str, cure: str) -> Finding:
    """Return advice; it leaves the exit status alone."""
    return Finding(path=path, what=what, cure=cure, level="warning", status=0)


def wrong(path: str, what: str, cure: str, status: int) -> Finding:
    """Return an error that ends in `status`."""
    return Finding(path=path, what=what, cure=cure, status=status)
