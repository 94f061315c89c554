"""`python -m tests.faults`: make every fault happen, and write what came of it to `tests/FAULTS.md`; its arguments are pytest's."""

import importlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import msgspec

from tests.faults.matrix import ROWS, Row
from tests.faults.scene import RESULTS, Figures

_FOLDER: Final = Path(__file__).parent
TABLE: Final = _FOLDER.parent / "FAULTS.md"
_FIGURES: Final = _FOLDER.parents[1] / "build" / "faults"
_HEAD: Final = """\
# What goes wrong, and what comes of it

Each fault is made to happen on real parts (Apache Kafka, HTTP servers, processes) under load, and mended; all that happened is
recorded and judged by the promises of `tests/history/invariants.py`. Lost: events neither written nor parked where they were committed,
or in the end. Stale: an older state written over a newer one, or to somebody who had left. Twice: contacts written again with the
state that they had. Seconds: from the mending until all lists agree and all is committed. `make faults` writes this file, where every
promise held in the last run of each scene: a scene that fails has no row, and so there is no table.

| id | fault | how it is made | events | lost | stale | twice | seconds |
|---|---|---|---|---|---|---|---|
"""


def rows() -> list[Row]:
    """Return all rows, in order."""
    for path in sorted(_FOLDER.glob("test_*.py")):
        importlib.import_module(f"tests.faults.{path.stem}")
    return [ROWS[name] for name in sorted(ROWS)]


def table(found: dict[str, Figures]) -> str:
    """Return the matrix as Markdown; a row without figures says which test makes it, or why none does."""
    lines = []
    for one in rows():
        figures = found.get(one.id)
        if figures is not None:
            rest = f"{figures.events} | {figures.lost} | {figures.stale} | {figures.duplicates} | {figures.converge_s:g} |"
        else:
            rest = f"{one.test or one.simulated} | | | | |"
        lines.append(f"| {one.id} | {one.fault} | {one.made} | {rest}")
    return _HEAD + "\n".join(lines) + "\n"


def main() -> int:
    """Run the scenes; the table is written where each row has figures, of this run or of one before."""
    _FIGURES.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pytest", "-m", "", str(_FOLDER), *sys.argv[1:]]
    status = subprocess.run(command, env={**os.environ, RESULTS: str(_FIGURES)}, check=False).returncode
    found = {path.stem: msgspec.json.decode(path.read_bytes(), type=Figures) for path in _FIGURES.glob("*.json")}
    lacking = [one.id for one in rows() if not one.test and not one.simulated and one.id not in found]
    if lacking:
        sys.stderr.write(f"{TABLE.name} is not written: no scene of {', '.join(lacking)} has ended well yet\n")
    else:
        TABLE.write_text(table(found), encoding="utf-8")
    return status


if __name__ == "__main__":
    sys.exit(main())
