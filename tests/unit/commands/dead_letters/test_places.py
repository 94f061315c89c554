"""The places of letters that a shell is offered; those of a real topic are in tests/integration/test_letters.py."""

from pathlib import Path

import pytest

from consumer.sandbox.ports import free_port
from tests.terminal import completed


@pytest.mark.parametrize("words", ["dead-letters show", "dead-letters requeue"])
async def test_where_no_broker_answers_nothing_is_offered_and_nothing_said(words: str, tmp_path: Path) -> None:
    config = tmp_path / "consumer.toml"
    config.write_text(
        f'[kafka]\nbootstrap_servers = ["127.0.0.1:{free_port()}"]\n[[vendors]]\nid = "v"\n'
        'sesamy = { client_id = "c", client_secret = "s" }\nmakeas = { userId = "1", apiKey = "k", listId = "1" }\n'
    )

    assert await completed(f"{words} --config {config} ") == ([], "")
    assert await completed(f"{words} --config {tmp_path}/nowhere.toml ") == ([], "")
