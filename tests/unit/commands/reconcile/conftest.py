"""What the tests of a reconcile share: it may read secrets and write its files as it goes."""

import pytest

from consumer.resync.listing import turns


@pytest.fixture(autouse=True)
def blockbuster() -> None:
    """Let it read and write files: a command holds up nobody but itself."""


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what fails in passing be tried three times, at once."""
    monkeypatch.setattr(turns, "_TRIES", 3)
    monkeypatch.setattr(turns, "_WAIT_FIRST_S", 0.0)
