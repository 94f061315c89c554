"""What a shell completes, as a shell asks for it."""

import os
from pathlib import Path

import anyio
import pytest

from tests.terminal import completed


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("sync --config {} ", ["vendor_123", "vendor_456"]),
        ("diff --config {} vendor_4", ["vendor_456"]),
        ("explain --config {} vendor_1", ["vendor_123"]),
        ("replay --config {} --vendor ", ["vendor_123", "vendor_456"]),
        ("dead-letters list --config {} --vendor vendor_4", ["vendor_456"]),
        ("dead-letters list --config {} --account ", ["1001", "1002"]),
        ("dead-letters requeue --code snap", ["snapshot-old"]),
        ("verify --config {} --list ", ["11", "12"]),
        ("reconcile --config {} --list 12", ["12"]),
        ("sync --config nowhere.toml ", []),
        ("check --onl", ["--online"]),
    ],
)
async def test_names_and_options_are_completed(words: str, found: list[str], tmp_path: Path) -> None:
    config = tmp_path / "consumer.toml"
    config.write_text(
        "".join(
            f'[[vendors]]\nid = "{vendor}"\nsesamy = {{ client_id = "c", client_secret = "s" }}\n'
            f'makeas = {{ userId = "{account}", apiKey = "k", listId = "{list_id}" }}\n'
            for vendor, account, list_id in (("vendor_123", "1001", "11"), ("vendor_456", "1002", "12"))
        )
    )

    assert await completed(words.format(config)) == (found, "")


@pytest.mark.parametrize("words", ["sync --config {} ", "dead-letters list --config {} --account ", "dead-letters show --config {} "])
async def test_settings_in_a_pipe_keep_no_shell_waiting(words: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    with anyio.fail_after(20):
        assert await completed(words.format(tmp_path / "pipe")) == ([], "")
