"""Processes of ours: they end when we say so, not by the Ctrl-C that we get, and not later than we do."""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import anyio
from anyio import to_thread
from anyio.abc import Process


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
