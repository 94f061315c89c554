"""A clock that jumps, for what happens in memory alone; and a machine in another time zone."""

import asyncio
import functools
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import looptime
import pytest


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


@contextmanager
def zone(name: str) -> Iterator[None]:
    """Be in a time zone, as a machine whose `TZ` names it; afterwards in the one of before."""
    with pytest.MonkeyPatch.context() as changed:
        changed.setenv("TZ", name)
        time.tzset()
        try:
            yield
        finally:
            changed.undo()
            time.tzset()
