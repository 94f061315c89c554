"""The README's commands, from the README: those that a laptop can run as they stand are run, each other has the reason why not."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.generated.rules import ROOT

README: Final = (ROOT / "README.md").read_text(encoding="utf-8")
FENCED: Final = re.compile(r"^```\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BEGINS: Final = ("make ", "sesamy-makeas ", "pip ", "eval ")
SCRIPT: Final = Path(sys.executable).parent / "sesamy-makeas"
READY: Final = ROOT / ".venv" / ".ready"

# Command -> what it says at its end, all being well.
AS_THEY_STAND: Final = {
    "make local": "all lists agree",
    'make local ARGS="--chaos"': "all lists agree",
    'make local ARGS="--reconcile"': "all lists agree",
    'eval "$(_SESAMY_MAKEAS_COMPLETE=bash_source sesamy-makeas)"': "",
}
# Command -> why it is not run. Those of ours are held against the command line all the same: names, arguments, options.
WHY_NOT: Final = {
    "make test": "it is what runs this",
    "make test-quick": "it is a part of what runs this",
    "make test-long": "takes hours",
    "make faults": "takes half an hour; each run of CI tries a share of it",
    "make mutants": "takes an hour; each run of CI tries a share of it",
    "make soak": "takes an hour; one minute of it is among the faults",
    "make image": "needs a container engine; tests/integration/test_image.py runs it where there is one",
    "make deploy-check": "needs Go; CI runs it",
    "pip install .": "would change this very environment; test_wheel.py installs into new ones",
    "sesamy-makeas receive": "needs a Kafka; `make local` runs it with one",
    "sesamy-makeas run": "needs a Kafka, Sesamy and Make.as; `make local` runs it with all three",
    "sesamy-makeas sync VENDOR USER...": "needs upstreams, and names for the words in capitals",
    "sesamy-makeas replay": "needs a Kafka and upstreams",
    "sesamy-makeas replay --from-time 2026-11-24 --dry-run": "needs a Kafka",
    "sesamy-makeas reconcile": 'needs a Kafka and upstreams; `make local ARGS="--reconcile"` runs it',
    "sesamy-makeas reconcile --dry-run": "needs upstreams; tests/integration/test_reconcile.py runs it",
    "sesamy-makeas diff VENDOR USER...": "needs upstreams, and names for the words in capitals",
    'sesamy-makeas diff vendor_123 "auth0|5f7c"': "needs upstreams",
    "sesamy-makeas explain VENDOR USER": "needs a pod",
    'sesamy-makeas explain --url http://POD:8080 vendor_123 "auth0|5f7c"': "needs a pod",
    "sesamy-makeas status [--watch]": "needs a pod",
    "sesamy-makeas status --watch --url-dns NAME:PORT": "needs pods, and goes on until it is stopped",
    "sesamy-makeas run --dry-run": "needs a Kafka, Sesamy and Make.as; tests/integration/test_dry_run.py runs it",
    "sesamy-makeas dead-letters list": "needs a Kafka",
    "sesamy-makeas check --online": "needs a Kafka and upstreams",
    "sesamy-makeas check [--online] [--for replay]": "needs settings; below it has the README's",
    "sesamy-makeas verify": "needs upstreams; tests/acceptance/test_verify.py runs it",
    "sesamy-makeas local": "it is what `make local` runs",
}
OURS: Final = [command for command in WHY_NOT if command.startswith("sesamy-makeas ")]


def commands() -> set[str]:
    """Return every command that the README has: in a block of its own, or within a line."""
    fenced = [line for block in FENCED.findall(README) for line in block.splitlines()]
    inline = re.findall(r"`([^`\n]+)`", FENCED.sub("", README))
    found = [re.sub(r"\s+#.*", "", one).strip() for one in fenced] + [one.replace(r"\|", "|") for one in inline]
    return {one for one in found if one.startswith(BEGINS)}


def test_each_command_is_run_or_has_its_reason() -> None:
    """A command that the README gains or loses is noticed."""
    assert commands() == AS_THEY_STAND.keys() | WHY_NOT.keys()
    assert AS_THEY_STAND.keys() & WHY_NOT.keys() == set()
    assert all(WHY_NOT.values())


@pytest.mark.timeout(600)
@pytest.mark.parametrize("command", AS_THEY_STAND)
def test_what_a_laptop_can_run_does_what_it_says(command: str) -> None:
    if command.startswith("make ") and not READY.exists():
        pytest.skip("without .venv it would be made first; cure: make test")
    # Nothing of ours but the path: a machine on which this is all that happened.
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "SIMULATION", "MAKE", "MFLAGS"))}
    environ["PATH"] = f"{SCRIPT.parent}:{environ['PATH']}"
    process = subprocess.Popen(
        ["bash", "-c", command],
        cwd=ROOT,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        said, _ = process.communicate(timeout=540)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGTERM)
        said, _ = process.communicate(timeout=30)
        pytest.fail(f"{command} did not end; it said:\n{said[-3000:]}")
    assert process.returncode == 0, said[-3000:]
    assert (said.splitlines() or [""])[-1] == AS_THEY_STAND[command]


@pytest.mark.parametrize("command", OURS)
def test_ours_has_the_arguments_and_options_that_the_readme_names(command: str, tmp_path: Path) -> None:
    """Words that the command line does not know end it before its help."""
    words = command.replace("[", "").replace("]", "").replace('"', "").split()[1:]

    done = subprocess.run([str(SCRIPT), *words, "--help"], cwd=tmp_path, capture_output=True, text=True, timeout=50, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Usage: sesamy-makeas ")


def test_a_word_that_the_command_line_does_not_know_is_noticed(tmp_path: Path) -> None:
    words = ["status", "--watch-it", "--help"]

    done = subprocess.run([str(SCRIPT), *words], cwd=tmp_path, capture_output=True, text=True, timeout=50, check=False)

    assert done.returncode == 64


def test_its_settings_are_good(tmp_path: Path) -> None:
    """As they stand, but that the file with a secret lies elsewhere, and that the client's id is filled in."""
    text, *_ = re.findall(r"^```toml\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    secret = tmp_path / "make-a"
    secret.write_text("key")
    settings = tmp_path / "consumer.toml"
    settings.write_text(text.replace("/run/secrets/make-a", str(secret)).replace('"…"', '"cid"'), encoding="utf-8")
    for path in (secret, settings):
        path.chmod(0o600)
    environ = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ} | {"SESAMY_SECRET": "secret"}

    done = subprocess.run([str(SCRIPT), "check"], cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=50, check=False)

    assert (done.returncode, done.stderr) == (0, "0 to correct, 0 to think about\n")
    assert done.stdout.startswith("fine ")


def test_make_test_leaves_no_folder_with_tests_out() -> None:
    """It names the folders, so that they run beside each other."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    said = subprocess.run(["make", "-n", "test"], cwd=ROOT, env=environ, capture_output=True, text=True, check=True).stdout

    folders = {"/".join(path.relative_to(ROOT).parts[:2]) for path in (ROOT / "tests").rglob("test_*.py")}
    assert folders == set(re.findall(r"tests/\w+", said))
