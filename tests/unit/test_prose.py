"""The prose of the package: what its docstrings and comments may not say, and how a docstring of a file begins."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
_SOURCES: Final = sorted((ROOT / "consumer").rglob("*.py"))
_OF_PERSONS: Final = re.compile(r"\b(he|him|his|who|whom|whoever)\b", re.IGNORECASE)
_QUESTION: Final = re.compile(r"(what|which|whether|how|where|when|why|who|whose|until when)\b", re.IGNORECASE)
_VERB: Final = re.compile(
    r"(asks|builds|commits|decides|fetches|follows|makes|polls|reads|runs?|sends|starts|tells|writes)\b", re.IGNORECASE
)


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _prose(path: Path) -> Iterator[tuple[int, str]]:
    """Give the lines of docstrings and comments; messages and other texts are the product's."""
    text = path.read_text("utf-8")
    lines = text.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
    for one in ast.walk(ast.parse(text)):
        if isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant) and isinstance(one.value.value, str):
            for number in range(one.lineno, (one.end_lineno or one.lineno) + 1):
                yield number, lines[number - 1]


def test_a_user_is_no_person_in_prose() -> None:
    """A user, a pod and a broker is *it*: such words hide which of them is meant."""
    assert [f"{_name(path)}:{number}" for path in _SOURCES for number, line in _prose(path) if _OF_PERSONS.search(line)] == []


def _says_what_it_is(line: str) -> bool:
    """Say whether a line about a file begins with what it is, not with a question nor with a verb."""
    return not _QUESTION.match(line) and not _VERB.match(line)


def _lines_about_files(path: Path) -> list[str]:
    """Return the first line of a file's docstring, and of a folder's also those of what is in it; not those of a walk through them."""
    first, *rest = (ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "").splitlines()
    return [first, *(found[1] for line in rest if (found := re.match(r" {4}\w+/? +(\S.*)", line)))]


def test_a_file_is_told_by_a_noun() -> None:
    """A docstring says what the file *is*: the reader looks for a thing, not for the answer to a question."""
    told = {_name(path): [line for line in _lines_about_files(path) if not _says_what_it_is(line)] for path in _SOURCES}

    assert {name: lines for name, lines in told.items() if lines} == {}


@pytest.mark.parametrize(
    ("line", "does"),
    [
        ("The line: the dirty users", True),
        ("Whole lists", True),
        ("Howitzers", True),
        ("What a gate makes of it", False),
        ("Whether it is open", False),
        ("until when it is ours", False),
        ("polls the topic", False),
    ],
)
def test_a_question_and_a_verb_are_no_noun(line: str, *, does: bool) -> None:
    assert _says_what_it_is(line) == does
