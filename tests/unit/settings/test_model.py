"""The fingerprint of settings."""

from pathlib import Path

from tests.unit.settings.test_load import LEAST, read


def test_the_fingerprint_follows_the_settings_but_no_secret(tmp_path: Path) -> None:
    base = read(tmp_path, LEAST).fingerprint()

    assert base == read(tmp_path, LEAST.replace('"s3"', '"other"')).fingerprint()
    assert base != read(tmp_path, LEAST.replace("1466", "1467")).fingerprint()
    assert base != read(tmp_path, LEAST, {"DEBOUNCE_QUIET_S": "3"}).fingerprint()
    assert len(base) == 12
