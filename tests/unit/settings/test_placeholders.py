"""Placeholders that nobody has filled in are refused; what only looks a little like one is not."""

from pathlib import Path

import pytest

from consumer.settings.findings import Finding
from consumer.settings.load import SettingsError, load


def _load(tmp_path: Path, *, secret: str = "s3", key: str = "k1", vendor: str = "v") -> list[str]:
    path = tmp_path / "consumer.toml"
    path.write_text(
        f'[[vendors]]\nid = "{vendor}"\nsesamy = {{ client_id = "c", client_secret = "{secret}" }}\n'
        f'makeas = {{ userId = "1001", apiKey = {key}, listId = "1466" }}\n',
        encoding="utf-8",
    )
    found: tuple[Finding, ...] = ()
    try:
        load(path, {"KEY": "changeme"})
    except SettingsError as error:
        found = error.findings
    assert {one.what for one in found} <= {"a placeholder that nobody has filled in"}
    return [one.path for one in found]


@pytest.mark.parametrize(
    "text",
    [
        "…",
        "...",
        "......",
        "changeme",
        "CHANGE-ME",
        "change_me_please",
        "<client secret>",
        "example",
        "your-secret",
        "0" * 64,
        "xxxx",
        "${SECRET}",
    ],
)
def test_a_placeholder_is_refused(text: str, tmp_path: Path) -> None:
    assert _load(tmp_path, secret=text, key='"k1"') == ["vendors[0].sesamy.client_secret"]


@pytest.mark.parametrize("text", ["s3", "exampleton", "a...b", "a<b>c", "0000", "changed-it", "xx"])
def test_what_may_be_real_is_taken(text: str, tmp_path: Path) -> None:
    assert _load(tmp_path, secret=text, key='"k1"') == []


def test_ids_and_secrets_from_elsewhere_are_looked_at_too(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("changeme\n")

    assert _load(tmp_path, key='{ env = "KEY" }', vendor="<vendor>") == ["vendors[0].id", "vendors[0].makeas[0].apiKey"]
    assert _load(tmp_path, key=f'{{ file = "{tmp_path}/key" }}') == ["vendors[0].makeas[0].apiKey"]
