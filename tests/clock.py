"""A clock that jumps: for what happens in memory alone."""

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any

import looptime


def new_loop() -> asyncio.AbstractEventLoop:
    """Return a loop whose time goes by at once where everybody waits."""
    # Where nothing is ready, nothing comes of itself before the next timer: to look 42 times, as it does by itself, takes most of a run.
    loop: asyncio.AbstractEventLoop = looptime.new_event_loop(noop_cycles=0)
    return loop


def virtual(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """Run a test on a loop whose time goes by where everybody waits."""

    @functools.wraps(test)
    def run() -> None:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(test())

    del run.__wrapped__
    return run
