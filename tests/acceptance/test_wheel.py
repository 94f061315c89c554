"""The wheel as others install it: in a new environment, with what is pinned and nothing else, on the oldest and the newest Python."""

import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from consumer import __version__
from tests.acceptance.test_cli import GOOD
from tests.generated.rules import ROOT
from tests.integration.conftest import lacking

OLDEST, NEWEST_KNOWN = 11, 14
ENVIRON: Final = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV", "KAFKA_", "ADMIN_"))}


@cache
def pythons() -> list[tuple[int, str]]:
    """Return the oldest and the newest Python that are here and that we promise to run on, each with its minor version."""
    found: dict[int, str] = {}
    for minor in range(OLDEST, NEWEST_KNOWN + 1):
        kept = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
        for name in (f"python3.{minor}", *map(str, sorted(kept.glob(f"3.{minor}.*/bin/python3.{minor}")))):
            path = shutil.which(name)
            if path and _says(path, "import sys, venv, ensurepip; print(sys.version_info[1])") == str(minor):
                found.setdefault(minor, path)
    ours = found.setdefault(sys.version_info[1], sys.executable)
    assert ours
    return [(minor, found[minor]) for minor in sorted({min(found), max(found)})]


def _says(python: str, code: str) -> str | None:
    try:
        done = subprocess.run([python, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def run(*words: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*map(str, words)], cwd=cwd, env=ENVIRON, capture_output=True, text=True, timeout=240, check=False)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build it with what is pinned."""
    folder = tmp_path_factory.mktemp("wheel")
    build = ("wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, ROOT)
    done = run(sys.executable, "-m", "pip", *build, cwd=folder)
    assert done.returncode == 0, done.stderr
    (made,) = folder.glob("*.whl")
    return made


def install(python: Path, *words: str | Path, cwd: Path) -> None:
    uv = Path(sys.executable).parent / "uv"
    tool = (uv, "pip", "install", "--python", python) if uv.exists() else (python, "-m", "pip", "install", "--disable-pip-version-check")
    done = run(*tool, "--quiet", *words, cwd=cwd)
    if done.returncode and re.search("No matching distribution|[Cc]onnect|resolve|fetch", done.stderr):
        lacking(f"no package registry answers: {done.stderr[-300:]}")
    assert done.returncode == 0, done.stderr[-3000:]


def test_it_holds_the_package_and_nothing_else(wheel: Path, tmp_path: Path) -> None:
    shutil.unpack_archive(wheel, tmp_path, format="zip")

    assert {path.name for path in tmp_path.iterdir()} == {"consumer", f"sesamy_makeas-{__version__}.dist-info"}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("which", [0, -1], ids=["oldest", "newest"])
def test_it_runs_in_a_bare_environment(which: int, wheel: Path, tmp_path: Path) -> None:
    """All that it needs is in requirements.txt, and it needs nothing of this tree."""
    minor, interpreter = pythons()[which]
    if which and len(pythons()) == 1:
        pytest.skip(f"no Python but 3.{minor} is here")
    print(f"Python 3.{minor}: {interpreter}")
    made = run(interpreter, "-m", "venv", tmp_path / "venv", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    python, command = tmp_path / "venv/bin/python", tmp_path / "venv/bin/sesamy-makeas"
    install(python, "--require-hashes", "--requirement", ROOT / "requirements.txt", cwd=tmp_path)
    install(python, "--no-deps", "--no-index", wheel, cwd=tmp_path)
    (tmp_path / "consumer.toml").write_text(GOOD)
    (tmp_path / "consumer.toml").chmod(0o600)

    assert run(python, "-m", "pip", "check", cwd=tmp_path).stdout == "No broken requirements found.\n"
    assert run(command, "--version", cwd=tmp_path).stdout == f"sesamy-makeas {__version__}\n"
    assert run(command, "--help", cwd=tmp_path).stdout.startswith("Usage: sesamy-makeas ")
    done = run(command, "check", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "fine  consumer.toml  vendors: 1, accounts: 1\n")
    # Also what only a run imports: it gets as far as asking for a Kafka that is not there.
    modules = ("pod.process", "commands.replay.work", "commands.sync", "commands.check.online")
    code = f"import {', '.join(f'consumer.{name}' for name in modules)}"
    imported = run(python, "-W", "error", "-c", code, cwd=tmp_path)
    assert (imported.returncode, imported.stderr) == (0, "")
    # And what is no module: the files that the status page is made of.
    code = "from consumer.pod.status import page, tree; print(page.page(tree.Status(), now=0.0))"
    drawn = run(python, "-W", "error", "-c", code, cwd=tmp_path)
    assert (drawn.returncode, drawn.stderr) == (0, "")
    assert all(part in drawn.stdout for part in ("<!doctype html>", "color-scheme: light dark", "setInterval(", "</html>"))
