"""The ground rules of the repository: what lies at its top, what no file may say, and what is pinned."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
import yaml

ROOT: Final = Path(__file__).parents[2]
_TOP: Final = {"README.md", "LICENSE", "CHANGELOG.md", "Makefile", "pyproject.toml", "consumer", "tests", "deploy"}
_REQUIREMENTS: Final = tuple(f"requirements{part}.txt" for part in ("", "-otel", "-build", "-dev", "-deploy", "-uv"))

# In parts, so that this file does not hold what it looks for.
_FORBIDDEN: Final = {
    "the host of a package registry": "|".join(
        re.escape(".".join(parts))
        for parts in (
            ("pypi", "org"),
            ("python" + "hosted", "org"),
            ("maven", "apache", "org", "maven2"),
            ("repo1", "maven", "org"),
            ("registry", "npmjs", "org"),
            ("deb", "debian", "org"),
            ("proxy", "golang", "org"),
            ("crates", "io"),
        )
    ),
    "a path of one machine": "|".join(f"/{top}/[a-z]" for top in ("work", "root", "Users")) + "|/" + "home/(?!nonroot)[a-z]",
    "a folder beside the repository": re.escape("../") + "shared",
    "a private key": "-----BEGIN [A-Z ]*" + "PRIVATE KEY-----",
    "a conflict's mark": "^(<{7}|>{7}) ",
}


def _files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a git repository")
    return [path for name in listed.stdout.decode().split("\0") if name and (path := ROOT / name).is_file()]


def _lines() -> Iterator[tuple[str, str]]:
    for path in _files():
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            yield f"{path.relative_to(ROOT)}:{number}", line


def test_the_top_level_holds_what_is_agreed() -> None:
    """Beside the agreed entries only dotfiles and pinned requirements."""
    top = {path.relative_to(ROOT).parts[0] for path in _files()}

    strangers = {name for name in top - _TOP if not name.startswith(".") and not re.fullmatch(r"requirements[a-z-]*\.txt", name)}
    assert strangers == set()
    assert top >= _TOP


@pytest.mark.parametrize("what", _FORBIDDEN)
def test_no_file_names(what: str) -> None:
    """No file, this one included, holds what must stay out of the repository."""
    pattern = re.compile(_FORBIDDEN[what])

    assert [where for where, line in _lines() if pattern.search(line)] == []


@pytest.mark.parametrize(
    ("what", "line"),
    [
        ("the host of a package registry", "index = https://" + "pypi" + ".org/simple"),
        ("a path of one machine", "see /" + "home/ann/x"),
        ("a folder beside the repository", "see .." + "/shared/x"),
        ("a private key", "-----BEGIN RSA " + "PRIVATE KEY-----"),
        ("a conflict's mark", "<" * 7 + " HEAD"),
    ],
)
def test_the_search_finds(what: str, line: str) -> None:
    """What must stay out would be found."""
    assert re.search(_FORBIDDEN[what], line)


@pytest.mark.parametrize("name", _REQUIREMENTS)
def test_every_requirement_is_pinned_with_hashes(name: str) -> None:
    """Each is `name==version` with a hash, and there is nothing else: no address, no option."""
    text = re.sub(r"^ *#.*\n", "", (ROOT / name).read_text(encoding="utf-8"), flags=re.MULTILINE).replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines() if line.strip()]

    assert lines != []
    pinned = re.compile(r"[a-z0-9][a-z0-9._-]*(\[[a-z0-9, -]+\])?==[^ ;]+( ; [^\\]+?)?( +--hash=sha256:[0-9a-f]{64})+")
    assert [line[:60] for line in lines if pinned.fullmatch(line) is None] == []


def _pins(name: str) -> dict[str, str]:
    found = re.findall(r"^([a-z0-9._-]+)(?:\[[^]]*\])?==([^ ;\\]+)", (ROOT / name).read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(found)


def test_what_is_tested_is_what_runs() -> None:
    """The runtime's pins, with traces and without, stand in the development's, in the same versions; so does what `make local` takes."""
    development = _pins("requirements-dev.txt")
    for name in ("requirements.txt", "requirements-otel.txt", "requirements-local.txt", "requirements-build.txt"):
        pins = _pins(name)
        assert pins == {one: development.get(one) for one in pins}, name


def test_every_declared_dependency_is_pinned() -> None:
    """A dependency added to pyproject.toml without `make lock` is found."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    runtime, extras, groups = project["project"]["dependencies"], project["project"]["optional-dependencies"], project["dependency-groups"]
    everything = [*runtime, *extras["local"], *extras["otel"], *groups["dev"]]

    def missing(declared: list[str], name: str) -> set[str]:
        return {re.split(r"[<>=!~;\[ ]", one)[0].lower() for one in declared} - set(_pins(name))

    assert missing(runtime, "requirements.txt") == set()
    assert missing(everything, "requirements-dev.txt") == set()
    assert missing([*runtime, *extras["otel"]], "requirements-otel.txt") == set()
    assert missing([*runtime, *extras["local"], *groups["editable"]], "requirements-local.txt") == set()
    for group in ("build", "deploy", "uv"):
        assert missing(groups[group], f"requirements-{group}.txt") == set()


def test_pre_commit_runs_what_is_pinned() -> None:
    """Every hook calls a tool of .venv, hence of the version that CI has."""
    hooks = [
        hook for repo in yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"] for hook in repo["hooks"]
    ]

    assert [hook["id"] for hook in hooks if not hook["entry"].startswith(".venv/bin/") or hook["language"] != "system"] == []
    assert {"ruff", "ruff-format", "mypy", "import-linter", "codespell", "large-files", "private-keys"} == {hook["id"] for hook in hooks}


def test_help_lists_the_targets() -> None:
    """`make` alone answers, with every target that people use."""
    said = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert {"help", "local", "test", "check", "bench", "image", "test-quick", "test-long", "clean"} <= {
        line.split()[1] for line in said.splitlines()
    }


def test_a_machine_without_python_is_told_the_cure(tmp_path: Path) -> None:
    """No traceback: what is missing, and how to get it."""
    (tmp_path / "Makefile").write_bytes((ROOT / "Makefile").read_bytes())
    for name in ("requirements-dev.txt", "requirements-uv.txt", "pyproject.toml"):
        (tmp_path / name).touch()

    done = subprocess.run(["make", "test", "PYTHONS=no-such-python"], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert "cure: install Python 3.11 or newer with its venv module" in done.stderr


def test_make_deploy_check_names_what_is_missing_before_it_builds(tmp_path: Path) -> None:
    """With the cure, all of it at once; what a build takes minutes for is not begun."""
    (tmp_path / "deploy").mkdir()
    for name in ("Makefile", "deploy/tools.py"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    for name in ("requirements-dev.txt", "requirements-uv.txt", "requirements-deploy.txt", "pyproject.toml"):
        (tmp_path / name).touch()
    _only(tmp_path / "tools", "make", "sh", "touch")
    ready = tmp_path / ".venv/bin/python"
    ready.parent.mkdir(parents=True)
    ready.symlink_to(sys.executable)
    (tmp_path / ".venv/.ready").touch()

    done = subprocess.run(
        ["make", "deploy-check"], cwd=tmp_path, env={"PATH": str(tmp_path / "tools")}, capture_output=True, text=True, check=False
    )

    assert done.returncode == 2
    assert re.findall(r"^deploy-check: (\w+) is missing; cure: \S", done.stderr, re.MULTILINE) == ["go", "promtool"]
    assert "making" not in done.stderr


def test_make_says_that_it_installs_and_nothing_where_that_is_done(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_bytes((ROOT / "Makefile").read_bytes())
    for name in ("requirements-dev.txt", "requirements-local.txt", "requirements-uv.txt", "pyproject.toml"):
        (tmp_path / name).touch()
    # It makes a Python that only says that all went well.
    fake = tmp_path / "python"
    fake.write_text(
        '#!/bin/sh\n[ "$2" = venv ] && mkdir -p .venv/bin && cp "$0" .venv/bin/python && cp "$0" .venv/bin/sesamy-makeas; exit 0\n'
    )
    fake.chmod(0o755)
    command = ["make", "local", f"PYTHONS={fake}"]

    first, second = (subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False) for _ in range(2))

    assert (first.returncode, second.returncode) == (0, 0), first.stderr
    assert re.search(r"^installing into .venv with .*\(first time, half a minute\)$", first.stderr, re.MULTILINE)
    assert first.stderr.splitlines()[-1] == "installed"
    assert (second.stdout, second.stderr) == ("", "")


def _only(folder: Path, *names: str) -> None:
    """Make a folder of programs with these alone."""
    folder.mkdir()
    for name in names:
        found = shutil.which(name)
        assert found is not None
        (folder / name).symlink_to(found)


# ---- How the package is laid out ----

_CONSUMER: Final = ROOT / "consumer"
_SOURCES: Final = sorted(_CONSUMER.rglob("*.py"))
_FOLDERS: Final = sorted({path.parent for path in _SOURCES})
_MOST_LINES: Final = 300
_MOST_FILES: Final = 12
_MOST_CODE: Final = 40
_MOST_LATE_IMPORTS: Final = 9


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _told(folder: Path) -> list[str]:
    """Return what a folder's docstring gives a line of its own, indented by four: `name` or `name/`, then words."""
    said = ast.get_docstring(ast.parse((folder / "__init__.py").read_text("utf-8"))) or ""
    return re.findall(r"^    (\w+/?) +\S", said, flags=re.MULTILINE)


@pytest.mark.parametrize("folder", _FOLDERS, ids=_name)
def test_a_folder_tells_what_is_in_it(folder: Path) -> None:
    """Its docstring has a line for each file and each sub-folder, and for nothing else; of code there is at most the version."""
    files = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    folders = {f"{path.name}/" for path in folder.iterdir() if (path / "__init__.py").exists()}
    code = [ast.unparse(one) for one in ast.parse((folder / "__init__.py").read_text("utf-8")).body[1:]]

    assert sorted(_told(folder)) == sorted(files | folders)
    assert [one for one in code if not one.startswith("__version__ = ")] == []


def test_no_file_is_too_long() -> None:
    """A file that passes 300 lines wants to be two."""
    lines = {_name(path): len(path.read_text("utf-8").splitlines()) for path in _SOURCES}

    assert {name: n for name, n in lines.items() if n > _MOST_LINES} == {}


def test_no_folder_is_too_full() -> None:
    """A folder can be seen at a glance."""
    files = {_name(folder): len([path for path in folder.glob("*.py") if path.name != "__init__.py"]) for folder in _FOLDERS}

    assert {name: n for name, n in files.items() if n > _MOST_FILES} == {}


def _code(text: str) -> dict[str, int]:
    """Return how many lines of code each function has, without signature, docstring, comments and blank lines."""
    lines, found = text.splitlines(), {}
    for one in ast.walk(ast.parse(text)):
        if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef):
            body = one.body[1:] if ast.get_docstring(one) is not None else one.body
            first, last = (body[0].lineno, body[-1].end_lineno) if body else (1, 0)
            code = [line for line in lines[first - 1 : last] if line.strip() and not line.strip().startswith("#")]
            found[f"{one.name}:{one.lineno}"] = len(code)
    return found


def test_no_function_is_too_long() -> None:
    """A function of more than 40 lines of code does more than one thing."""
    long = {f"{_name(path)}:{name}": n for path in _SOURCES for name, n in _code(path.read_text("utf-8")).items()}

    assert {name: n for name, n in long.items() if n > _MOST_CODE} == {}


def test_lines_of_code_are_counted_without_signature_docstring_comments_and_blanks() -> None:
    text = 'def f(\n    a,\n):\n    """\n    Say.\n    """\n    # why\n\n    b = a\n    return b\n\n\ndef g():\n    """Say."""\n'

    assert _code(text) == {"f:1": 2, "g:13": 0}


def test_imports_stand_at_the_top() -> None:
    """Imports in functions are few: only what is dear, or an extra."""
    mark = "noqa: " + "PLC0415"
    late = [f"{_name(path)}:{n}" for path in _SOURCES for n, line in enumerate(path.read_text("utf-8").splitlines(), 1) if mark in line]

    assert len(late) <= _MOST_LATE_IMPORTS, late
