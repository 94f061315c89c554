"""The list of built-in faults keeps pace with the code."""

from pathlib import Path

import pytest

from tests.mutants.__main__ import share_of
from tests.mutants.mutants import ROOT, Misfit, Mutant, built_in, load

ALL = [one for some in load().values() for one in some]


@pytest.mark.parametrize("mutant", ALL, ids=[one.name for one in ALL])
def test_each_fault_can_still_be_built_in(mutant: Mutant) -> None:
    path, text = built_in(mutant)

    assert path.read_text(encoding="utf-8") != text


@pytest.mark.parametrize("mutant", ALL, ids=[one.name for one in ALL])
def test_each_fault_has_tests_that_are_there_or_is_explained(mutant: Mutant) -> None:
    assert mutant.explained or mutant.noticed_by
    assert [target for target in mutant.noticed_by if not (ROOT / target.partition("::")[0]).exists()] == []


def test_shares_are_the_whole_list_and_do_not_overlap() -> None:
    shares = [share_of(ALL, f"{turn}/7") for turn in range(7)]

    assert sorted(one.name for share in shares for one in share) == sorted(one.name for one in ALL)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("not there", "x", "no file"),
        ("x = 1", "y", "one.py"),
        ("z = 2", "z = (", "no Python"),
        ("z = 2", "z  =  2", "changes nothing"),
    ],
    ids=["gone", "twice", "no-python", "no-change"],
)
def test_a_fault_that_does_not_fit_is_refused(tmp_path: Path, old: str, new: str, said: str) -> None:
    (tmp_path / "consumer").mkdir()
    (tmp_path / "consumer" / "one.py").write_text("x = 1\nx = 1\nz = 2\n", encoding="utf-8")

    with pytest.raises(Misfit, match=said):
        built_in(Mutant(name="a", promise="b", old=old, new=new), tmp_path)


def test_two_faults_of_one_name_are_refused(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.toml").write_text("[[mutant]]\nname = 'a'\npromise = 'p'\nold = 'o'\nnew = 'n'\n", encoding="utf-8")

    with pytest.raises(Misfit, match="twice"):
        load(tmp_path)
