"""The first lines of what runs: what it is, and then what of its settings is to be thought about."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from consumer.sandbox.ports import free_port
from tests.acceptance.test_cli import GOOD

ROOT = Path(__file__).parents[2]
RECEIVER = """
[kafka]
bootstrap_servers = ["127.0.0.1:9"]
[receive]
host = "127.0.0.1"
port = {port}
secret = "0123456789abcdef0123456789abcdef"
[[vendors]]
id = "v"
"""


@pytest.mark.parametrize(("words", "first"), [(("run",), "starting"), (("run", "--dry-run"), "starting"), (("receive",), "receiving")])
def test_what_runs_is_said_before_what_is_unwise_about_it(words: tuple[str, ...], first: str, tmp_path: Path) -> None:
    file = tmp_path / "consumer.toml"
    file.write_text(RECEIVER.format(port=free_port()) if words == ("receive",) else GOOD)
    file.chmod(0o644)
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "ADMIN_PORT": "0"}
    command = [sys.executable, "-m", "consumer", *words]
    with subprocess.Popen(command, cwd=tmp_path, env=environ, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said = [json.loads(process.stderr.readline()) for _ in range(2)]
        process.kill()

    assert [line["event"] for line in said] == [first, "settings: to think about"]
    assert said[1]["cause"].startswith("holds secrets, and everyone on this machine can read it")
