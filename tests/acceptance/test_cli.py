"""The command line as a process: words, exit statuses, and what goes where."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from inspect import cleandoc
from pathlib import Path
from typing import Final

import click
import pytest

from consumer.commands import cli
from consumer.core.errors import Fatal

COMMANDS: Final = ["check", "dead-letters", "diff", "explain", "local", "receive", "reconcile", "replay", "run", "status", "sync", "verify"]
LETTERS: Final = ("dead-letters list", "dead-letters show", "dead-letters requeue")
CANARY: Final = "hunter2-canary"
GOOD: Final = """
[kafka]
bootstrap_servers = ["127.0.0.1:9"]
[sesamy]
base_url = "http://127.0.0.1:9"
token_url = "http://127.0.0.1:9/token"
[makeas]
base_url = "http://127.0.0.1:9"
[[vendors]]
id = "vendor_123"
sesamy = { client_id = "cid", client_secret = "hunter2-canary" }
makeas = { userId = "1001", apiKey = "hunter2-canary", listId = "1466" }
"""
_ROOT: Final = Path(__file__).parent.parent.parent


def invoke(*args: str, cwd: Path, environ: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run `python -m consumer` with nothing of our own environment that could be a setting."""
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}}
    command = [sys.executable, "-W", "error", "-m", "consumer", *args]
    return subprocess.run(
        command,
        cwd=cwd,
        env=kept | {"PYTHONPATH": str(_ROOT)} | dict(environ or {}),
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


@pytest.fixture
def good(tmp_path: Path) -> Path:
    (tmp_path / "consumer.toml").write_text(GOOD)
    (tmp_path / "consumer.toml").chmod(0o600)
    return tmp_path


# ---- Words ----


def test_help_names_every_command(tmp_path: Path) -> None:
    for flag in ("--help", "-h"):
        done = invoke(flag, cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        assert re.findall(r"^  ([\w-]+)  ", done.stdout.partition("Commands:")[2], re.MULTILINE) == COMMANDS


def test_every_command_has_a_config_and_its_help(tmp_path: Path) -> None:
    for command in (*COMMANDS, *LETTERS):
        done = invoke(*command.split(), "--help", cwd=tmp_path)
        assert done.returncode == 0
        if command != "dead-letters":
            assert "--config FILE" in done.stdout
            assert ("--output" in done.stdout) == (command not in {"receive", "run"})
        examples = done.stdout.partition("Examples:")[2].strip().partition("\n\n")[0].splitlines()
        assert len(examples) in {2, 3}
        assert any(line.strip().startswith(f"sesamy-makeas {command}") for line in examples)
        assert all(command in line for line in examples)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_completes_commands(tmp_path: Path, shell: str) -> None:
    """As the README says: the script is made by the command itself, and what it asks back is answered."""
    source = {"_SESAMY_MAKEAS_COMPLETE": f"{shell}_source"}
    number = "dead" if shell == "fish" else "1"
    asked = {"_SESAMY_MAKEAS_COMPLETE": f"{shell}_complete", "COMP_WORDS": "sesamy-makeas dead", "COMP_CWORD": number}

    assert "_SESAMY_MAKEAS_COMPLETE" in invoke(cwd=tmp_path, environ=source).stdout
    assert "dead-letters" in invoke(cwd=tmp_path, environ=asked).stdout


@pytest.mark.parametrize("args", [["--help"], ["rnu"], []])
def test_the_command_line_imports_nothing_heavy_and_no_command(args: list[str]) -> None:
    heavy = ("aiokafka", "aiohttp", "msgspec", "structlog", "prometheus_client", "anyio", "asyncio", "rich")
    code = (
        "import sys, consumer.commands.cli as cli\n"
        f"cli.main({args!r})\n"
        f"print(sorted(name for name in sys.modules if name in {heavy!r} or name.startswith('consumer.commands.')), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=_ROOT, capture_output=True, text=True, timeout=50, check=True)

    assert (
        done.stderr.splitlines()[-1]
        == "['consumer.commands.cli', 'consumer.commands.shell', 'consumer.commands.shell.stdout', 'consumer.commands.terminal']"
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_the_table_says_of_a_command_what_it_says_itself(name: str) -> None:
    found = cli.command_of(name)

    assert (found.name, cleandoc(found.help or "").partition("\n\n")[0]) == (name, cli.COMMANDS[name].help)


def test_the_version(tmp_path: Path) -> None:
    assert re.fullmatch(r"sesamy-makeas (\d+\.\d+\.\d+|\(not installed\))\n", invoke("--version", cwd=tmp_path).stdout)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("rnu",), "Did you mean 'run'?"),
        (("check", "--onlin"), "'--online'?"),
        (("run", "extra"), "unexpected extra argument"),
        (("sync", "vendor_123"), "Missing argument 'USER...'"),
        (("sync",), "Missing argument 'VENDOR'"),
        (("sync", "vendor_123", " "), "a user id has 1 to 256 characters"),
        (("sync", "vendor_123", "u" * 257), "a user id has 1 to 256 characters"),
        (("sync", "vendor_124", "ann"), "known: vendor_123"),
        (("check", "--output", "yaml"), "'yaml' is not one of 'text', 'json'"),
        (("run", "--dry-run", "--rate-share", "nan"), "not a finite number"),
        (("replay", "--rate-share", "nan"), "not a finite number"),
        (("status", "--watch", "--every", "nan"), "not a finite number"),
        (("status", "--watch", "--every", "inf"), "not a finite number"),
        ((), "Usage:"),
    ],
)
def test_usage_errors_are_64(good: Path, args: tuple[str, ...], said: str) -> None:
    done = invoke(*args, cwd=good)

    assert (done.returncode, done.stdout) == (64, "")
    assert said in done.stderr


# ---- Settings ----


def test_check_of_good_settings(good: Path) -> None:
    done = invoke("check", cwd=good)

    assert (done.returncode, done.stderr) == (0, "0 to correct, 0 to think about\n")
    assert done.stdout == "fine  consumer.toml  vendors: 1, accounts: 1\n"


def test_check_says_all_that_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text("[debounce]\nquiet = 2\n" + GOOD.replace('"1466"', '"x"'))
    done = invoke("check", "--config", "other.toml", cwd=tmp_path, environ={"ADMIN_PORT": "0x"})

    assert done.returncode == 78
    assert re.findall(r"^error +(.*?)  ", done.stdout, re.MULTILINE) == [
        "debounce.quiet, line 2",
        "ADMIN_PORT (environment)",
        "vendors[0] (vendor_123).makeas[0].listId, line 14",
    ]
    assert done.stdout.count("cure: ") == 3
    assert "did you mean quiet_s?" in done.stdout
    assert done.stderr == "3 to correct, 0 to think about\n"


def test_check_for_machines(tmp_path: Path) -> None:
    (tmp_path / "consumer.toml").write_text(GOOD.replace("[kafka]", "[kafka]\ntopci = 'x'"))
    (tmp_path / "consumer.toml").chmod(0o600)  # Else that others may read it is said beside.
    done = invoke("check", "--output", "json", cwd=tmp_path)

    (found,) = json.loads(done.stdout)
    assert (found.pop("shown"), found.pop("line"), found.pop("column")) == ("kafka.topci", 3, None)
    assert found == {"path": "kafka.topci", "what": "unknown key", "cure": "did you mean topic?", "level": "error", "status": 78}
    assert (done.returncode, done.stderr) == (78, "")


def test_advice_leaves_the_status_alone(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text(CANARY)
    key.chmod(0o644)
    second = GOOD.partition("[[vendors]]")[2].replace("vendor_123", "vendor_456")
    text = f"{GOOD}[[vendors]]{second}".replace('apiKey = "hunter2-canary"', f'apiKey = {{ file = "{key}" }}')
    (tmp_path / "consumer.toml").write_text(text)
    (tmp_path / "consumer.toml").chmod(0o600)
    done = invoke("check", cwd=tmp_path)

    assert done.returncode == 0
    assert [*re.findall(r"^warning +(.*?)  ", done.stdout, re.MULTILINE)] == [
        "vendors[0] (vendor_123).makeas[0] (1466).apiKey",
        "vendors[1] (vendor_456).makeas[0] (1466).apiKey",
        "vendors[1] (vendor_456).makeas",
    ]
    assert CANARY not in done.stdout + done.stderr


@pytest.mark.parametrize("args", [("run",), ("sync", "vendor_123", "ann")])
def test_unusable_settings_are_78_with_every_finding(tmp_path: Path, args: tuple[str, ...]) -> None:
    (tmp_path / "consumer.toml").write_text(
        f"[kafka]\nsasl_mechanism = '{CANARY}'\nfoo = 1\n" + GOOD.replace("[kafka]", "[debounce]\nquiet_s = 0\n[x]")
    )
    done = invoke(*args, cwd=tmp_path)

    assert (done.returncode, done.stdout) == (78, "")
    places = (
        "kafka.sasl_mechanism (or KAFKA_SASL_MECHANISM), line 2",
        "kafka.foo, line 3",
        "debounce.quiet_s (or DEBOUNCE_QUIET_S), line 6",
    )
    for place in places:
        assert f"{place}: " in done.stderr
    assert CANARY not in done.stderr


def test_no_settings_at_all(tmp_path: Path) -> None:
    done = invoke("run", cwd=tmp_path)

    (line,) = [json.loads(line) for line in done.stderr.splitlines() if "consumer.toml" in line]
    assert (done.returncode, line["level"], line["code"]) == (78, "critical", "settings")
    assert "--config FILE" in line["event"]


# ---- The rest of the statuses ----


def test_a_port_in_use_is_69(good: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = invoke("run", cwd=good, environ={"ADMIN_HOST": "127.0.0.1", "ADMIN_PORT": str(port)})

    assert (done.returncode, done.stdout) == (69, "")
    assert f"can't listen at port {port}" in done.stderr
    assert CANARY not in done.stderr


def test_check_online_with_nothing_there_is_69(good: Path) -> None:
    done = invoke("check", "--online", "--output", "json", cwd=good)

    findings = {one["path"]: one for one in json.loads(done.stdout)}
    assert done.returncode == 69
    for path in ("kafka.bootstrap_servers", "vendors[0].sesamy", "vendors[0].makeas[0]"):
        assert (findings[path]["level"], findings[path]["status"]) == ("error", 69)
        assert findings[path]["cure"]
    assert CANARY not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("args", "status"),
    [
        (("status",), 69),
        (("explain", "vendor_123", "ann"), 69),
        (("check", "--online"), 69),
        (("diff", "vendor_123", "ann"), 69),
        (("sync", "vendor_123", "ann"), 69),
        (("replay", "--from-time", "1h"), 69),
        (("replay", "--from-time", "1h", "--dry-run", "--output", "json"), 69),
        (("dead-letters", "list"), 69),
        (("dead-letters", "show", "0:1"), 69),
        (("dead-letters", "requeue", "--all", "--yes"), 69),
        (("sync", "vendor_9", "ann"), 64),
        (("sync", "--config", "nowhere.toml", "vendor_123", "ann"), 78),
    ],
)
def test_what_a_command_says_of_errors_is_text_also_without_a_terminal(good: Path, args: tuple[str, ...], status: int) -> None:
    """A log's lines are for `run`: whoever types a command, or reads a cron job's mail, reads words."""
    done = invoke(*args, cwd=good, environ={"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9", "ADMIN_PORT": "9"})

    assert done.returncode == status
    assert [line for line in done.stderr.splitlines() if line.startswith("{")] == []
    assert "Unable connect" not in done.stderr
    assert len(done.stderr.splitlines()) <= 4, done.stderr


def raising(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> int:
    def callback() -> None:
        raise error

    monkeypatch.setitem(cli.cli.commands, "raise", click.Command("raise", callback=callback))
    return cli.main(["raise"])


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (KeyError(CANARY), 70),
        (ExceptionGroup(CANARY, [ExceptionGroup(CANARY, [ValueError(CANARY)])]), 70),
        (Fatal("no broker", code="no-broker", status=69), 69),
        (ExceptionGroup(CANARY, [ExceptionGroup(CANARY, [Fatal("no broker", code="no-broker", status=69)])]), 69),
        (ExceptionGroup(CANARY, [Fatal("denied", code="x", status=77), Fatal("no broker", code="y", status=69)]), 77),
        (ExceptionGroup(CANARY, [Fatal("denied", code="x", status=77), KeyError(CANARY)]), 77),
        (KeyboardInterrupt(), 75),
        (click.UsageError("add --yes"), 64),
        (ExceptionGroup(CANARY, [ExceptionGroup(CANARY, [click.UsageError("add --yes")])]), 64),
        (ExceptionGroup(CANARY, [click.Abort()]), 75),
    ],
)
def test_what_ends_a_command(
    error: BaseException, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert raising(error, monkeypatch) == status

    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.strip()
    assert CANARY not in captured.err


def test_a_bug_is_one_line_that_says_where(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    raising(KeyError(CANARY), monkeypatch)

    assert re.fullmatch(r"sesamy-makeas: unexpected KeyError: this is our bug \(test_cli.py:\d+ callback < .*\)\n", capsys.readouterr().err)


@pytest.mark.parametrize(("command", "status"), [(("run",), 0), (("sync", "v", "u"), 143)])
def test_a_signal_that_comes_before_anything_began_ends_it(command: tuple[str, ...], status: int, tmp_path: Path) -> None:
    """Also as process 1 of a container, which no signal ends that it does not ask for; here the settings never come."""
    settings = tmp_path / "settings"
    os.mkfifo(settings)
    as_first = [] if shutil.which("unshare") is None or os.geteuid() else ["unshare", "--pid", "--fork", "--kill-child=KILL"]
    words = [*as_first, sys.executable, "-m", "consumer", *command[:1], "--config", str(settings), *command[1:]]
    # The file opens once somebody reads it: so the command has begun.
    with subprocess.Popen(words, cwd=_ROOT, start_new_session=True) as process, settings.open("w"):
        first, deadline = _child(process.pid) if as_first else process.pid, time.monotonic() + 20
        while process.poll() is None and time.monotonic() < deadline:  # One that comes just before a read blocks is heard after it.
            with suppress(ProcessLookupError):
                os.kill(first, signal.SIGTERM)
            time.sleep(0.1)
        assert process.returncode == status


def _child(pid: int) -> int:
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


@pytest.mark.parametrize("command", ["run", "sync", "check", "replay"])
def test_no_command_leaves_a_core(command: str) -> None:
    """Secrets in memory are not to become secrets on a disk."""
    code = (
        "import resource, sys, consumer.commands.cli as cli\n"
        f"status = cli.main([{command!r}, '--help'] if {command!r} == 'run' else [{command!r}])\n"
        "print(resource.getrlimit(resource.RLIMIT_CORE))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=_ROOT, capture_output=True, text=True, timeout=50, check=True)

    assert done.stdout.endswith("(0, 0)\n")
