"""The ground rules of the repository: what lies at its top, what no file may say, and what is pinned."""

import re
import subprocess
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
    """The runtime's pins, with traces and without, stand in the development's, in the same versions; so does what builds the wheel."""
    development = _pins("requirements-dev.txt")
    for name in ("requirements.txt", "requirements-otel.txt", "requirements-build.txt"):
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


def test_no_module_is_too_long() -> None:
    """A module that passes 350 lines wants to be two."""
    long = {
        str(path.relative_to(ROOT)): n
        for path in (ROOT / "consumer").rglob("*.py")
        if (n := len(path.read_text("utf-8").splitlines())) >= 350
    }

    assert long == {}
