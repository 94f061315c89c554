"""What a shell completes, as a shell asks for it."""

import subprocess
from pathlib import Path

import pytest

from tests.terminal import command, environment


def _completed(cwd: Path, words: str) -> tuple[list[str], str]:
    asked = {"_SESAMY_MAKEAS_COMPLETE": "bash_complete", "COMP_WORDS": f"sesamy-makeas {words}", "COMP_CWORD": str(len(words.split(" ")))}
    done = subprocess.run(command(), capture_output=True, text=True, cwd=cwd, env=environment(asked), timeout=50, check=False)
    return [line.partition(",")[2] for line in done.stdout.splitlines() if line], done.stderr


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("sync ", ["vendor_123", "vendor_456"]),
        ("diff vendor_4", ["vendor_456"]),
        ("explain vendor_1", ["vendor_123"]),
        ("replay --vendor ", ["vendor_123", "vendor_456"]),
        ("dead-letters list --vendor vendor_4", ["vendor_456"]),
        ("dead-letters list --account ", ["1001", "1002"]),
        ("dead-letters requeue --code snap", ["snapshot-old"]),
        ("sync --config nowhere.toml ", []),
        ("check --onl", ["--online"]),
    ],
)
def test_names_and_options_are_completed(words: str, found: list[str], tmp_path: Path) -> None:
    (tmp_path / "consumer.toml").write_text(
        "".join(
            f'[[vendors]]\nid = "{vendor}"\nsesamy = {{ client_id = "c", client_secret = "s" }}\n'
            f'makeas = {{ userId = "{account}", apiKey = "k", listId = "1" }}\n'
            for vendor, account in (("vendor_123", "1001"), ("vendor_456", "1002"))
        )
    )

    assert _completed(tmp_path, words) == (found, "")
