"""What runs the tiers beside each other: all is run and told, any failure counts, nothing is left running."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import pytest

from tests.generated.rules import ROOT

BESIDE: Final = (sys.executable, str(ROOT / ".ci/beside.py"))
# Begins a session of its own, as brokers do, and leaves its process behind.
LEAVES: Final = "setsid sleep 600 & echo $! >left; until [ -s left ]; do :; done"


def beside(*parts: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*BESIDE, *parts], cwd=cwd, capture_output=True, text=True, timeout=50, check=False)


def runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


def test_parts_run_at_the_same_time(tmp_path: Path) -> None:
    """Each waits for what the other one does."""
    done = beside("one=touch a; until [ -e b ]; do :; done", "two=touch b; until [ -e a ]; do :; done", cwd=tmp_path)

    assert (done.returncode, done.stderr) == (0, "")


def test_what_a_part_says_stands_whole_with_its_seconds(tmp_path: Path) -> None:
    done = beside(
        "one=echo a; touch 1; until [ -e 2 ]; do :; done; echo b >&2", "two=until [ -e 1 ]; do :; done; echo c; touch 2", cwd=tmp_path
    )

    assert re.search(r"one ended with 0 after \d+ s; it said:\na\nb\n", done.stdout)
    assert re.search(r"two ended with 0 after \d+ s; it said:\nc\n", done.stdout)
    assert sorted(re.findall(r"^ +\d+  (\w+)$", done.stdout, re.MULTILINE)) == ["one", "two"]


def test_one_that_fails_fails_the_whole_and_stops_no_other(tmp_path: Path) -> None:
    """Also one whose command fails in its middle; what comes after it is run all the same."""
    done = beside("one=false; true", "two:one=touch ran", cwd=tmp_path)

    assert done.returncode == 1
    assert "one  FAILED with 1" in done.stdout
    assert (tmp_path / "ran").exists()


def test_a_part_that_comes_after_another_begins_when_that_has_ended(tmp_path: Path) -> None:
    done = beside("one=sleep 0.3; touch over", "two:one=test -e over", cwd=tmp_path)

    assert done.returncode == 0


@pytest.mark.parametrize(
    "words", [(), ("a",), ("a=",), ("a=true", "a=true"), ("a:b=true",)], ids=["none", "name", "empty", "twice", "no-such"]
)
def test_words_that_make_no_sense_are_2(words: tuple[str, ...], tmp_path: Path) -> None:
    done = beside(*words, cwd=tmp_path)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("beside: ")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere what begins a session of its own is out of reach")
def test_nothing_that_a_part_left_is_left_running(tmp_path: Path) -> None:
    done = beside(f"one={LEAVES}", cwd=tmp_path)

    assert done.returncode == 0
    assert not runs(int((tmp_path / "left").read_text()))


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere what begins a session of its own is out of reach")
def test_a_signal_ends_all_and_tells_what_was_said(tmp_path: Path) -> None:
    with subprocess.Popen([*BESIDE, f"one=echo so far; {LEAVES}; sleep 600"], cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 40
        while not ((left := tmp_path / "left").exists() and left.read_text()) and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=40)

    assert process.returncode == 128 + signal.SIGTERM
    assert "so far\n" in said
    assert not runs(int(left.read_text()))
