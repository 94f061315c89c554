"""Processes of ours: they end when we say so, not by the Ctrl-C that we get, and not later than we do."""

import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import aiohttp
import anyio
from anyio import to_thread
from anyio.abc import Process

from ..core.errors import Exit, Fatal

_READY_S: Final = 60.0
_LINES: Final = 12


async def start_child(command: Sequence[str], *, log: Path) -> Process:
    """
    Start a process that appends what it says to `log`.

    A terminal sends its Ctrl-C to every process of the session: to a child it would come first from there, and then from us.
    """
    out = await to_thread.run_sync(log.open, "ab")
    try:
        return await anyio.open_process(
            [*await dies_with_us(), *command], stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )
    finally:
        await to_thread.run_sync(out.close)


async def dies_with_us() -> tuple[str, ...]:
    """Return what, before a command, makes Linux end it if we are killed and can't do so ourselves; empty where nothing does."""
    setpriv = await to_thread.run_sync(shutil.which, "setpriv") if sys.platform == "linux" else None
    return (setpriv, "--pdeathsig", "KILL", "--") if setpriv else ()


class Program:
    """One of our commands that answers probes, as a process of its own, started as a user would."""

    def __init__(self, name: str, arguments: Sequence[str], *, log: Path, admin_url: str) -> None:
        """Take what it is called for people, the command and its options, where it logs, and where it answers probes."""
        self._name, self._arguments = name, tuple(arguments)
        self.log, self.admin_url = log, admin_url
        self._process: Process | None = None

    @property
    def is_down(self) -> bool:
        """Say whether it does not run: not yet, or not any more."""
        return self._process is None or self._process.returncode is not None

    async def start(self) -> None:
        """
        Start it, and wait until it is ready.

        Raises:
            Fatal: it did not get ready.
        """
        self._process = await start_child([sys.executable, "-m", "consumer", *self._arguments], log=self.log)
        with anyio.move_on_after(_READY_S):
            while not self.is_down:
                if await self._is_ready():
                    return
                await anyio.sleep(0.1)
        raise Fatal(f"the {self._name} did not get ready; it said:\n{self.tail()}", code="not-ready", status=Exit.UNAVAILABLE)

    async def _is_ready(self) -> bool:
        try:
            async with aiohttp.ClientSession() as session, session.get(f"{self.admin_url}/readyz") as answer:
                return answer.status == 200  # noqa: PLR2004
        except aiohttp.ClientError:
            return False

    async def kill(self) -> None:
        """End it by SIGKILL, as a node that dies would."""
        assert self._process is not None
        self._process.kill()
        await self._ended()

    async def stop(self) -> int:
        """Let it drain; return its exit status, -1 where it does not run."""
        if self._process is None or self.is_down:
            return -1
        self._process.send_signal(signal.SIGTERM)
        return await self._ended()

    async def bury(self) -> None:
        """End it whatever it does, if it runs still."""
        if not self.is_down:
            with anyio.CancelScope(shield=True):
                await self.kill()

    async def _ended(self) -> int:
        assert self._process is not None
        status = await self._process.wait()
        await self._process.aclose()
        return status

    def tail(self) -> str:
        """Return the last lines it logged."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines() if self.log.exists() else []
        return "\n".join(lines[-_LINES:])
