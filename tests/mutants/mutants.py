"""The kept list of faults: what each breaks, how it is built in, and which tests should notice."""

import ast
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Final

import msgspec

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = Path(__file__).parent / "list"


class Mutant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    One fault.

    `old` stands once in the package, wherever that is, and becomes `new`. `noticed_by` are arguments of pytest; the simulation's
    tests live through `seeds` seeds. `explained` says why nothing can notice, or need.
    """

    name: str
    promise: str
    old: str
    new: str
    noticed_by: tuple[str, ...] = ()
    seeds: int = 20
    explained: str = ""


class Misfit(Exception):
    """A fault that can't be built in as the list has it."""


def load(folder: Path = FOLDER) -> dict[str, list[Mutant]]:
    """
    Return the list, by theme (the name of its file).

    Raises:
        msgspec.ValidationError: A file has another shape.
        Misfit: Two faults share a name.
    """
    themes = {
        path.stem: msgspec.toml.decode(path.read_bytes(), type=dict[str, list[Mutant]])["mutant"] for path in sorted(folder.glob("*.toml"))
    }
    names = Counter(one.name for some in themes.values() for one in some)
    twice = [name for name, count in names.items() if count > 1]
    if twice:
        raise Misfit(f"these names stand twice in {folder.name}/: {', '.join(twice)}")
    return themes


@cache
def _texts(root: Path) -> list[tuple[Path, str]]:
    return [(path, path.read_text(encoding="utf-8")) for path in sorted((root / "consumer").rglob("*.py"))]


def built_in(mutant: Mutant, root: Path = ROOT) -> tuple[Path, str]:
    """
    Return the file that the fault changes, below `root`, and its new text.

    Raises:
        Misfit: Its old text does not stand once in the package, it changes nothing, or what it makes is no Python.
    """
    found = [(path, text) for path, text in _texts(root) if mutant.old in text]
    if len(found) != 1 or found[0][1].count(mutant.old) != 1:
        places = ", ".join(path.name for path, _ in found) or "no file"
        raise Misfit(f"{mutant.name}: its old text must stand once in consumer/, and stands in {places}; cure: write the fault anew")
    path, text = found[0]
    changed = text.replace(mutant.old, mutant.new)
    try:
        same = ast.dump(ast.parse(changed)) == ast.dump(ast.parse(text))
    except SyntaxError as error:
        raise Misfit(f"{mutant.name}: {path.name} is no Python with it: {error.msg}") from error
    if same:
        raise Misfit(f"{mutant.name}: it changes nothing that is run")
    return path, changed
