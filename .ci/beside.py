"""
Runs commands beside each other: `python3 .ci/beside.py NAME=COMMAND NAME:AFTER=COMMAND ...`.

A part begins at once, or when part AFTER has ended, however that ended. It promises: what a part said stands whole where the part
ended, with its seconds; the exit status is 1 if any part's was not 0, and 2 for words that make no sense; and nothing is left running,
neither of a part that ended nor of those that a signal cuts off (on Linux not even what began a session of its own).
"""

import contextlib
import ctypes
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import IO, Final, NamedTuple, NoReturn

_GRACE_S: Final = 15.0
"""Time for a part that is cut off to end what it began; then it is killed."""
_LOOK_S: Final = 0.1
_ADOPTS: Final = 36
"""PR_SET_CHILD_SUBREAPER: whose parent dies becomes our child."""
_PART: Final = re.compile(r"([a-z0-9-]+)(?::([a-z0-9-]+))?=(.+)", re.DOTALL)


class Part(NamedTuple):
    """What is to be run."""

    name: str
    after: str | None
    command: str


class Running(NamedTuple):
    """What runs: its process leads a session, and so a group, of its own."""

    process: subprocess.Popen[bytes]
    said: IO[bytes]
    began: float


class Ended(NamedTuple):
    """What came of a part."""

    status: int
    seconds: float


def parts_of(words: Sequence[str]) -> list[Part]:
    """
    Return the parts that the words name.

    Raises:
        ValueError: they name none, one twice, or one to wait for that does not stand before.
    """
    parts: list[Part] = []
    for word in words:
        found = _PART.fullmatch(word)
        if found is None:
            raise ValueError(f"{word!r} is not NAME=COMMAND or NAME:AFTER=COMMAND")
        part = Part(*found.groups())
        known = {one.name for one in parts}
        if part.name in known or (part.after is not None and part.after not in known):
            raise ValueError(f"{part.name}: there twice, or after a part that does not stand before it")
        parts.append(part)
    if not parts:
        raise ValueError("say what to run: NAME=COMMAND or NAME:AFTER=COMMAND ...")
    return parts


def run(parts: Sequence[Part]) -> dict[str, Ended]:
    """Run them all; give what came of each, in the order in which they ended."""
    waiting, running, ended = list(parts), dict[str, Running](), dict[str, Ended]()
    try:
        while waiting or running:
            for part in [one for one in waiting if one.after is None or one.after in ended]:
                waiting.remove(part)
                _say(f"begins: {part.name}")
                running[part.name] = _begin(part.command)
            for name, one in list(running.items()):
                if (status := one.process.poll()) is not None:
                    del running[name]
                    _end_group(one.process.pid, signal.SIGKILL)
                    ended[name] = Ended(status, time.monotonic() - one.began)
                    _tell(name, one, ended[name])
            time.sleep(_LOOK_S)
    finally:
        _cut_off(running)
        _end_adopted()
    return ended


def _begin(command: str) -> Running:
    said = tempfile.TemporaryFile()  # noqa: SIM115 - _tell closes it
    process = subprocess.Popen(
        ["bash", "-euo", "pipefail", "-c", command],
        stdin=subprocess.DEVNULL,
        stdout=said,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    return Running(process, said, time.monotonic())


def _cut_off(running: Mapping[str, Running]) -> None:
    for one in running.values():
        _end_group(one.process.pid, signal.SIGINT)  # pytest ends its fixtures, as at Ctrl-C.
    until = time.monotonic() + _GRACE_S
    for name, one in running.items():
        with contextlib.suppress(subprocess.TimeoutExpired):
            one.process.wait(max(0.0, until - time.monotonic()))
        _end_group(one.process.pid, signal.SIGKILL)
        _tell(name, one, Ended(one.process.wait(), time.monotonic() - one.began))


def _end_group(group: int, how: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, how)


def _end_adopted() -> None:
    """Kill whoever was left by a part: what we began ourselves is over."""
    with contextlib.suppress(OSError):
        children = Path(f"/proc/self/task/{os.getpid()}/children")
        while pids := [int(one) for one in children.read_text(encoding="ascii").split()]:
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)


def _tell(name: str, one: Running, came: Ended) -> None:
    """Print all that a part said."""
    one.said.seek(0)
    _say(f"{name} ended with {came.status} after {came.seconds:.0f} s; it said:")
    shutil.copyfileobj(one.said, sys.stdout.buffer)
    sys.stdout.flush()
    one.said.close()


def _say(line: str) -> None:
    sys.stdout.write(f"==== {line}\n")
    sys.stdout.flush()


def _stop(number: int, _: FrameType | None) -> NoReturn:
    for one in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(one, signal.SIG_IGN)
    raise SystemExit(128 + number)


def main(words: Sequence[str]) -> int:
    """Run what the words name; return the exit status."""
    try:
        parts = parts_of(words)
    except ValueError as error:
        sys.stderr.write(f"beside: {error}\n")
        return 2
    for one in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(one, _stop)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_ADOPTS, 1, 0, 0, 0)
    ended = run(parts)
    _say("seconds by part:")
    for name, came in ended.items():
        sys.stdout.write(f"{came.seconds:8.0f}  {name}{f'  FAILED with {came.status}' if came.status else ''}\n")
    return int(any(came.status for came in ended.values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
