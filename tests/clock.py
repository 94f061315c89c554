"""A clock that jumps: for what happens in memory alone."""

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any

import looptime


def virtual(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """Run a test on a loop whose time goes by where everybody waits."""

    @functools.wraps(test)
    def run() -> None:
        with asyncio.Runner(loop_factory=looptime.new_event_loop) as runner:
            runner.run(test())

    del run.__wrapped__
    return run
