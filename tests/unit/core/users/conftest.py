"""A schedule for each test."""

import pytest

from tests.fakes.schedule import Bench


@pytest.fixture
def bench() -> Bench:
    return Bench()
