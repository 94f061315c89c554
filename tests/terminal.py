"""Commands as processes: in pipes, and on a terminal of their own."""

import os
import pty
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Mapping
from fcntl import ioctl
from pathlib import Path
from typing import Final, NamedTuple

import anyio
import anyio.to_thread

HOME: Final = "\x1b[H"
ENTER: Final = f"\x1b[?1049h{HOME}\x1b[?25l"
"""Take a screen of our own, without a cursor."""
LEAVE: Final = "\x1b[?25h\x1b[?1049l"
"""Give back what was there before, and the cursor."""
_ROOT: Final = Path(__file__).parent.parent


class Said(NamedTuple):
    """How a command ended."""

    status: int
    out: str
    err: str


def environment(more: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}}
    return kept | {"PYTHONPATH": str(_ROOT), "TERM": "xterm-256color"} | dict(more)


def command(*args: str) -> list[str]:
    return [sys.executable, "-W", "error", "-m", "consumer", *args]


async def piped(*args: str, **environ: str) -> Said:
    done = await anyio.run_process(command(*args), check=False, env=environment(environ))
    return Said(done.returncode, done.stdout.decode(), done.stderr.decode())


class Terminal:
    """A terminal with a command on it; its lines end as a terminal's do."""

    def __init__(
        self, *args: str, rows: int = 24, columns: int = 80, environ: Mapping[str, str] | None = None, within_s: float = 20
    ) -> None:
        """Start it; what is waited for may take `within_s`."""
        self._ours, theirs = pty.openpty()
        ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.process = subprocess.Popen(
            command(*args), env=environment(environ or {}), stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
        )
        os.close(theirs)
        self._read, self._within_s = b"", within_s

    @property
    def shown(self) -> str:
        return self._read.decode(errors="replace")

    def read(self) -> bool:
        """Read some; return False at the end."""
        try:
            part = os.read(self._ours, 65_536)
        except OSError:  # What Linux says of a terminal that nobody has open any more.
            part = b""
        self._read += part
        return bool(part)

    async def until(self, holds: Callable[[str], bool]) -> None:
        with anyio.fail_after(self._within_s):
            while not holds(self.shown):
                assert await anyio.to_thread.run_sync(self.read, abandon_on_cancel=True), self.shown

    async def ended(self) -> int:
        with anyio.fail_after(self._within_s):
            while await anyio.to_thread.run_sync(self.read, abandon_on_cancel=True):
                pass
            return await anyio.to_thread.run_sync(self.process.wait, abandon_on_cancel=True)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._ours)

    def screens(self) -> list[str]:
        """Return what was drawn on a screen of its own, one after the other; the last may not be whole."""
        return [screen.replace("\r\n", "\n") for screen in self.shown.partition(ENTER)[2].partition(LEAVE)[0].split(HOME)[1:]]


async def shown(*args: str, **environ: str) -> tuple[int, str]:
    """Run a command on a terminal to its end."""
    terminal = Terminal(*args, environ=environ)
    try:
        return await terminal.ended(), terminal.shown
    finally:
        terminal.close()


async def completed(words: str, **environ: str) -> tuple[list[str], str]:
    """Return what a shell would offer behind `sesamy-makeas WORDS`, and what is said on stderr."""
    asked = {"_SESAMY_MAKEAS_COMPLETE": "bash_complete", "COMP_WORDS": f"sesamy-makeas {words}", "COMP_CWORD": str(len(words.split(" ")))}
    said = await piped(**asked, **environ)
    return [line.partition(",")[2] for line in said.out.splitlines() if line], said.err
