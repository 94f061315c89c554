"""The files of a replay: its state, so that it can go on after a crash, and its report. Ids only."""

import os
from pathlib import Path
from tempfile import mkstemp
from typing import TypeVar

import msgspec
from msgspec import Struct, field

from ...core.errors import Exit, Fatal
from ...core.model import UserKey
from ..batch import Synced
from .plan import Asked, Plan, Range

_T = TypeVar("_T")


class State(Struct, kw_only=True):
    """An interrupted replay: what was asked, and which users are done."""

    topic: str
    asked: Asked
    ranges: tuple[Range, ...] = field(name="spans")
    done: list[tuple[str, str]] = []
    """Vendor and user; failed ones are among them."""
    failed: list[Synced] = []
    resyncs: int = 0


class Report(Struct, frozen=True, kw_only=True):
    """How a replay went."""

    complete: bool
    """False: it was interrupted; `--state` goes on."""
    started_at: str
    """ISO 8601, UTC."""
    took_s: float
    plan: Plan
    users: int
    """Of the range; `synced`, `skipped` and `failed` are those of this run."""
    synced: int
    skipped: int
    failed: int
    resyncs: int
    """Of this run and those before, where it went on from a state."""
    failures: tuple[Synced, ...] = ()
    """All of them, those of runs before too."""


class Keeper:
    """
    Keeps the state in a file.

    It promises: the file is whole at any time, and for our eyes only; it is behind by at most half of `concurrency`.
    """

    def __init__(self, path: Path | None, state: State, *, concurrency: int) -> None:
        """Take where the state is kept; None: nowhere."""
        self._path, self.state, self._most = path, state, max(1, concurrency // 2)
        self.unsaved = 0

    @property
    def done(self) -> set[UserKey]:
        """Return the users that are done."""
        return {UserKey(*one) for one in self.state.done}

    def add(self, one: Synced, *, resyncs: int) -> None:
        """Note a user's end."""
        self.state.done.append((one.vendor, one.user))
        if one.outcome == "failed":
            self.state.failed.append(one)
        self.state.resyncs = resyncs
        self.unsaved += 1
        if self.unsaved >= self._most:
            self.save()

    def save(self) -> None:
        """Write the file anew, where something is new."""
        if self._path is not None:
            write(self._path, msgspec.json.encode(self.state))
        self.unsaved = 0

    def remove(self) -> None:
        """Take the file away: there is nothing to go on with."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)


def read_state(path: Path, *, topic: str, asked: Asked) -> State | None:
    """
    Return the state to go on with; None: there is no file.

    Raises:
        Fatal: it is the state of another topic or range, or it can't be read (64).
    """
    state = _read(path, State, "--state")
    if state is None:
        return None
    for what, theirs, ours in (("topic", state.topic, topic), ("range or selection", state.asked, asked)):
        if theirs != ours:
            raise Fatal(
                f"--state {path}: it is the state of another {what}; name another file, or delete it", code="state", status=Exit.USAGE
            )
    return state


def read_failed(path: Path) -> list[UserKey]:
    """
    Return the users that failed, of a report.

    Raises:
        Fatal: there is no such file, or it is no report (64).
    """
    report = _read(path, Report, "--retry-report")
    if report is None:
        raise Fatal(f"--retry-report {path}: no such file", code="report", status=Exit.USAGE)
    return [one.key for one in report.failures]


def _read(path: Path, type_: type[_T], option: str) -> _T | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=type_)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Fatal(f"{option} {path}: {error.strerror}", code="file", status=Exit.USAGE) from None
    except (msgspec.MsgspecError, ValueError):
        raise Fatal(f"{option} {path}: not a file that replay wrote", code="file", status=Exit.USAGE) from None


def require_regular(path: Path) -> None:
    """
    See to it that a path names a regular file, or nothing yet: a device or pipe would be replaced by a file.

    Raises:
        Fatal: it names something else (64).
    """
    if path.exists() and not path.is_file():
        raise Fatal(f"{path}: not a regular file: name one, or a path where nothing is yet", code="file", status=Exit.USAGE)
    if not path.parent.is_dir():
        raise Fatal(f"{path}: its folder is not there: make it, or name another", code="file", status=Exit.USAGE)


def write_report(path: Path, report: Struct) -> None:
    """Write a report, as JSON for people; raises as `write`."""
    write(path, msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")


def write(path: Path, data: bytes) -> None:
    """
    Replace a file, whole, for our eyes only.

    Raises:
        Fatal: it can't be written, or is no regular file (64).
    """
    require_regular(path)
    try:
        handle, name = mkstemp(dir=path.parent, prefix=f".{path.name}.")  # It makes files of mode 0600.
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise Fatal(f"{path}: {error.strerror}: name a file that can be written", code="file", status=Exit.USAGE) from None
