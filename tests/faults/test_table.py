"""The matrix is whole: every fault has a row, and every row a test or a reason."""

import re
from pathlib import Path

from tests.faults.__main__ import TABLE, rows
from tests.mutants.mutants import ROOT


def test_every_fault_of_the_matrix_has_a_row() -> None:
    assert {f"F{number:02}" for number in range(1, 41)} <= {one.id for one in rows()}


def test_every_row_without_a_scene_names_a_test_that_is_there_or_says_why_there_is_none() -> None:
    for one in rows():
        if one.test:
            path, _, name = one.test.partition("::")
            assert re.search(rf"^(async )?def {name}\(", (ROOT / "tests" / path).read_text(encoding="utf-8"), re.MULTILINE), one.test
    scenes = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    for one in rows():
        assert bool(one.test) + bool(one.simulated) + (f'@row("{one.id}"' in scenes or f'@row(\n    "{one.id}"' in scenes) == 1, one.id


def test_the_published_matrix_has_every_row_and_nothing_lost() -> None:
    text = TABLE.read_text(encoding="utf-8")
    shown = re.findall(r"^\| (\w+) \|", text, re.MULTILINE)

    assert shown[1:] == [one.id for one in rows()]
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split("|")][1:-1]
        if len(cells) == 8 and cells[3].isdigit():
            assert cells[4:6] == ["0", "0"], line
