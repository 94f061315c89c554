"""A disk that is full is said and ends in 69; a reader that went away is no error, and what a command does is done."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.terminal import command, environment

pytestmark = pytest.mark.usefixtures("buffering")
_PRINTS = "import sys\nfrom consumer.commands import cli\nimport click\n"


@pytest.fixture(params=["", "1"], ids=["buffered", "unbuffered"])
def buffering(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run each test as by hand, and as in the image, whose Python does not buffer."""
    monkeypatch.setenv("PYTHONUNBUFFERED", request.param)


def _environment() -> dict[str, str]:
    return environment({"PYTHONUNBUFFERED": os.environ["PYTHONUNBUFFERED"]})


def _run(redirect: str, *args: str, script: str = "", cwd: Path) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-W", "error", "-c", script] if script else command(*args)
    shell = ["sh", "-c", f'"$@" {redirect}', "sh", *words]
    return subprocess.run(shell, capture_output=True, text=True, cwd=cwd, env=_environment(), timeout=50, check=False)


def _into(stdout: int, script: str, *, cwd: Path) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-W", "error", "-c", script]
    try:
        return subprocess.run(words, stdout=stdout, stderr=-1, text=True, cwd=cwd, env=_environment(), timeout=50, check=False)
    finally:
        os.close(stdout)


def _script(name: str, status: int) -> str:
    """Return a program of ours with a command of that name that prints more than any pipe holds, and then ends with a status."""
    return f"""{_PRINTS}
def callback():
    for _ in range(20_000):
        click.echo("a line of data")
    click.echo("done", err=True)
    return {status}
cli.command_of = lambda name: click.Command(name, callback=callback)
sys.exit(cli.main([{name!r}]))
"""


@pytest.mark.parametrize("args", [("check",), ("check", "--output", "json"), ("--version",), ("--help",)])
def test_a_full_disk_is_said_in_one_line(args: tuple[str, ...], tmp_path: Path) -> None:
    done = _run(">/dev/full", *args, cwd=tmp_path)

    assert done.returncode == 69
    assert done.stderr.splitlines()[-1] == "sesamy-makeas: can't write to stdout: no space left"
    assert "our bug" not in done.stderr


@pytest.mark.parametrize("name", ["sync", "status"])
def test_a_full_disk_in_the_middle_of_the_data_is_said_in_one_line(name: str, tmp_path: Path) -> None:
    done = _run(">/dev/full", script=_script(name, 0), cwd=tmp_path)

    assert (done.returncode, done.stderr) == (69, "sesamy-makeas: can't write to stdout: no space left\n")


def test_a_view_ends_with_its_reader_quietly(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    words = [sys.executable, "-W", "error", "-c", _script("status", 1)]
    done = subprocess.run(words, stdout=write, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=_environment(), timeout=50, check=False)
    os.close(write)

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("status", [0, 1])
def test_a_reader_that_went_away_leaves_the_status_alone(status: int, tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    words = [sys.executable, "-W", "error", "-c", _script("diff", status)]
    done = subprocess.run(words, stdout=write, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=_environment(), timeout=50, check=False)
    os.close(write)

    assert (done.returncode, done.stderr) == (status, "done\n")


@pytest.mark.parametrize("redirect", [">&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_a_closed_stdout_is_no_bug(redirect: str, tmp_path: Path) -> None:
    done = _run(redirect, script=_script("sync", 1), cwd=tmp_path)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr in {"", "done\n"}


def test_a_reader_that_went_away_leaves_the_status_of_wrong_settings_alone(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("nonsense = 1")
    read, write = os.pipe()
    os.close(read)
    words = command("check", "--config", "bad.toml")
    done = subprocess.run(words, stdout=write, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=_environment(), timeout=50, check=False)
    os.close(write)

    assert (done.returncode, "our bug" in done.stderr) == (78, False)


@pytest.mark.parametrize(("name", "status", "ends"), [("diff", 1, 1), ("diff", 0, 0), ("status", 1, 0)])
def test_a_reader_of_both_that_went_away_leaves_the_status_alone(name: str, status: int, ends: int, tmp_path: Path) -> None:
    """As in `2>&1 | head -1`."""
    read, write = os.pipe()
    os.close(read)
    words = [sys.executable, "-W", "error", "-c", _script(name, status)]
    done = subprocess.run(words, stdout=write, stderr=write, cwd=tmp_path, env=_environment(), timeout=50, check=False)
    os.close(write)

    assert done.returncode == ends


def test_a_full_disk_under_stderr_changes_nothing(tmp_path: Path) -> None:
    done = _run("2>/dev/full", script=_script("diff", 1), cwd=tmp_path)

    assert (done.returncode, done.stdout.count("a line of data")) == (1, 20_000)
