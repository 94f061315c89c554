"""Expects an error by its kind and its code: any other would pass for it."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from consumer.core.errors import ConsumerError


@contextmanager
def raising(kind: type[ConsumerError], code: str) -> Iterator[None]:
    """Fail the test unless an error of exactly this kind and code is raised inside."""
    with pytest.raises(kind) as caught:
        yield
    assert (type(caught.value), caught.value.code) == (kind, code)
