"""Runs tests on copies of the tree that have one fault each."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from queue import SimpleQueue
from typing import Final, NamedTuple

from tests.mutants.mutants import ROOT, Mutant, built_in

_LIMIT_S: Final = 900
_NOT_COPIED: Final = shutil.ignore_patterns("__pycache__", ".hypothesis", "benchmarks")
_FAILED, _PASSED = 1, 0


class Verdict(Enum):
    """What came of a fault."""

    NOTICED = "noticed"
    SURVIVED = "survived"
    EXPLAINED = "explained"
    BROKEN = "can't be judged"


class Judged(NamedTuple):
    """A fault, its verdict, and who noticed: the first test that failed, or what pytest said."""

    mutant: Mutant
    verdict: Verdict
    by: str


class Copies:
    """Copies of the tree, one for each worker."""

    def __init__(self, folders: Iterable[Path]) -> None:
        self._free: SimpleQueue[Path] = SimpleQueue()
        for folder in folders:
            self._free.put(folder)

    @contextmanager
    def one(self) -> Iterator[Path]:
        folder = self._free.get()
        try:
            yield folder
        finally:
            self._free.put(folder)


def judge(mutants: list[Mutant], *, jobs: int) -> Iterator[Judged]:
    """Build each fault into a copy and run what should notice; yields in the list's order."""
    with tempfile.TemporaryDirectory(prefix="mutants-") as name:
        copies = Copies([_copy(Path(name) / str(number)) for number in range(jobs)])
        with ThreadPoolExecutor(jobs) as pool:
            yield from pool.map(lambda one: _judge_one(one, copies), mutants)


def fails_without(mutants: list[Mutant]) -> str:
    """Run all that should notice on the tree as it is; return what pytest said if that fails already, else nothing."""
    targets = sorted({target for one in mutants for target in one.noticed_by})
    seeds = max((one.seeds for one in mutants), default=1)
    with tempfile.TemporaryDirectory(prefix="mutants-") as name:
        status, said = _pytest(_copy(Path(name) / "0"), targets, seeds, "-n", str(os.cpu_count()))
    return "" if status == _PASSED else said


def _copy(folder: Path) -> Path:
    for part in ("consumer", "tests"):
        shutil.copytree(ROOT / part, folder / part, ignore=_NOT_COPIED)
    for part in ("pyproject.toml", "README.md", "deploy", ".ci", "Makefile", "CHANGELOG.md"):
        (folder / part).symlink_to(ROOT / part)
    return folder


def _judge_one(mutant: Mutant, copies: Copies) -> Judged:
    if mutant.explained and not mutant.noticed_by:
        return Judged(mutant, Verdict.EXPLAINED, mutant.explained)
    with copies.one() as folder:
        path, changed = built_in(mutant, folder)
        before = path.read_text(encoding="utf-8")
        path.write_text(changed, encoding="utf-8")
        try:
            status, said = _pytest(folder, mutant.noticed_by, mutant.seeds, "-x")
        finally:
            path.write_text(before, encoding="utf-8")
            # Within one second and of one size, a file made anew looks to Python like the one before.
            shutil.rmtree(path.parent / "__pycache__", ignore_errors=True)
    if status == _FAILED:
        return Judged(mutant, Verdict.NOTICED, _first_failed(said))
    return Judged(mutant, Verdict.SURVIVED if status == _PASSED else Verdict.BROKEN, said[-600:])


def _pytest(folder: Path, targets: Iterable[str], seeds: int, *more: str) -> tuple[int, str]:
    """Run tests in a copy; a run that does not end counts as failed, since a test that hangs is ended and seen."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "--no-header",
        "--tb=line",
        "--show-capture=no",
        "-p",
        "no:cacheprovider",
        "-m",
        "",
        *more,
        *targets,
    ]
    environ = os.environ | {
        "PYTHONPATH": str(folder),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HYPOTHESIS_PROFILE": "mutants",
        "SIMULATION_SEEDS": str(seeds),
        "REQUIRE_KAFKA": "1",
    }
    try:
        done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=_LIMIT_S, check=False)
    except subprocess.TimeoutExpired:
        return _FAILED, f"FAILED the run did not end in {_LIMIT_S} s"
    return done.returncode, done.stdout + done.stderr


def _first_failed(said: str) -> str:
    found = re.search(r"^(?:FAILED|ERROR) (?:tests/)?(.+?)(?: - .*)?$", said, re.MULTILINE)
    # A hang is ended together with its process, before pytest's summary.
    return found.group(1) if found else "a test that was ended because it hung"
