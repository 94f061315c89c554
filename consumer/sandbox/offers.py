"""The commands that a sitting offers to try in another terminal, each as it is to be typed, and only those that its broker can serve."""

import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import anyio

_SCRIPT: Final = "sesamy-makeas"
_MEMORY_LACKS: Final = "not with the in-process broker: check --online, replay --from-time; they need a real Kafka (--broker jvm)"


def typed(*, python: Path | None = None, path: str | None = None, folder: Path | None = None) -> tuple[str, ...]:
    """
    Return the words by which this program is started from `folder`.

    The script beside the interpreter is this very program: its name alone where the path finds that one, else where it is. Without it,
    the interpreter runs the package.

    Args:
        python: The interpreter; None: the one that runs this.
        path: Folders with programs, as PATH has them; None: PATH.
        folder: Where the words are typed; None: here.
    """
    python, folder = python or Path(sys.executable), folder or Path.cwd()
    script = python.parent / _SCRIPT
    if not script.exists():
        return (str(_from(folder, python)), "-m", "consumer")
    found = shutil.which(_SCRIPT, path=path)
    if found is not None and Path(found).samefile(script):
        return (_SCRIPT,)
    return (str(_from(folder, script)),)


def _from(folder: Path, program: Path) -> Path:
    """Shorten what lies below the folder; a bare name would be looked for on the path, which no program in a folder of its own has."""
    short = program.relative_to(folder) if program.is_relative_to(folder) else program
    return short if len(short.parts) > 1 else program


def offers(
    words: Sequence[str], *, config: Path, kind: str, vendor: str, user: str, trial: Sequence[str], letter: str | None = None
) -> Iterator[str]:
    """
    Give each command as one line for a shell.

    Args:
        words: What starts this program.
        config: The settings.
        kind: The broker's.
        vendor: Whose reader.
        user: A reader to be asked about.
        trial: Whose contacts may be written to try what the APIs are like, as options of `verify`.
        letter: The place of a letter in the dead-letter topic; None: there is none to be shown.
    """
    since = ("--from-offset", "0:0") if kind == "memory" else ("--from-time", "2020-01-01")
    for command, *arguments in (
        ("status", "--watch"),
        ("explain", vendor, user),
        ("diff", vendor, user),
        ("sync", vendor, user),
        *(() if kind == "memory" else (("check", "--online"),)),
        ("replay", *since, "--dry-run"),
        ("reconcile", "--dry-run"),
        ("verify", "--vendor", vendor, "--user", user, *trial, "--write", "--plan"),
        ("verify", "--vendor", vendor, "--user", user, *trial, "--write", "--yes"),
        ("dead-letters list",),
        *(() if letter is None else (("dead-letters show", letter),)),
        ("dead-letters requeue", "--all", "--yes"),
    ):
        yield shlex.join([*words, *command.split(), "--config", str(config), *arguments])


def listed(words: Sequence[str], config: Path) -> str:
    """Return the command that lists dead letters, as one line for a shell."""
    return shlex.join([*words, "dead-letters", "list", "--config", str(config)])


async def a_letter(config: Path) -> str | None:
    """Return the place of a letter, as the command that lists them says; None: there is none."""
    done = await anyio.run_process(
        [sys.executable, "-m", "consumer", "dead-letters", "list", "--config", str(config), "--output", "json"],
        stderr=subprocess.DEVNULL,
        check=False,
    )
    return next((str(one["place"]) for one in json.loads(done.stdout or b"[]")), None)


def lacks(kind: str) -> str | None:
    """Say which commands this kind of broker can't serve, and where they work; None: it serves all."""
    return _MEMORY_LACKS if kind == "memory" else None
