"""What is tested here hangs on the loop: each runs on both."""

from tests.loops import pytest_asyncio_loop_factories

__all__ = ["pytest_asyncio_loop_factories"]
