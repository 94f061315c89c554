"""The program with a watch on its event loop: at its end it says its greatest memory, its CPU time and the loop's longest stall."""

import sys
import threading
import time
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import FrameType
from typing import Any, Final

import anyio
import anyio.lowlevel
import msgspec
from msgspec import Struct

_BEAT_S: Final = 0.01
_LOOK_S: Final = 0.02
_LATE_S: Final = 0.1
_OURS: Final = "/consumer/"


class Seen(Struct, kw_only=True):
    """What a process was seen to take."""

    peak_kib: int = 0
    cpu_s: float = 0.0
    stall_s: float = 0.0
    """The longest time that the event loop ran nothing else."""
    where: str = ""
    """What it ran at the end of that."""


class Watch:
    """
    A task that sleeps 10 ms for ever and notes by how much it oversleeps, and a thread that looks what runs meanwhile.

    What holds the interpreter's lock stops the thread, too, so that `where` is the first of ours that is seen behind it.
    """

    def __init__(self) -> None:
        self.seen = Seen()
        self._at = time.monotonic()
        self._here = threading.get_ident()
        self._late: str = ""
        self._over = threading.Event()

    async def beat(self) -> None:
        threading.Thread(target=self._look, daemon=True).start()
        try:
            while True:
                self._at = time.monotonic()
                await anyio.sleep(_BEAT_S)
                late_s = time.monotonic() - self._at - _BEAT_S
                if late_s > self.seen.stall_s:
                    self.seen.stall_s, self.seen.where = late_s, self._late
                self._late = ""
        finally:
            self._over.set()

    def _look(self) -> None:
        while not self._over.wait(_LOOK_S):
            if time.monotonic() - self._at > _LATE_S:
                self._late = _place(sys._current_frames().get(self._here)) or self._late

    def ended(self) -> Seen:
        # Not getrusage: what it says begins with the memory of the process that forked this one.
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        self.seen.peak_kib = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
        self.seen.cpu_s = time.process_time()
        return self.seen


def _place(frame: FrameType | None) -> str:
    ours = [one for one in traceback.extract_stack(frame) if _OURS in one.filename] if frame is not None else []
    return " < ".join(f"{Path(one.filename).name}:{one.lineno} {one.name}" for one in ours[:-4:-1])


def main() -> int:
    from consumer.commands import cli  # noqa: PLC0415 - its imports count, too
    from consumer.commands.reconcile import command  # noqa: PLC0415

    real: Callable[..., Awaitable[int]] = vars(command)["reconcile"]
    seen: list[Seen] = []

    async def watched(*args: Any) -> int:
        watch = Watch()
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(watch.beat)
                await anyio.lowlevel.checkpoint()
                status = await real(*args)
                tasks.cancel_scope.cancel()
            return status
        finally:
            seen.append(watch.ended())

    vars(command)["reconcile"] = watched
    try:
        return int(cli.main(sys.argv[1:]) or 0)
    finally:
        sys.stderr.buffer.write(b"\n" + msgspec.json.encode(seen[-1] if seen else Seen()) + b"\n")


if __name__ == "__main__":
    sys.exit(main())
