"""The event loop of every command: uvloop's where it is installed, else asyncio's own."""

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any, Final, TypeVar

import anyio

_T = TypeVar("_T")
_HALF_MS: Final = 0.0005
_YOUNG: Final = 10_000
"""New containers before the collector looks at them; Python's own 700 is for small programs."""


def new_loop() -> asyncio.AbstractEventLoop:
    """Return a new loop."""
    loop: asyncio.AbstractEventLoop = _kind()()
    return loop


def run(work: Callable[..., Awaitable[_T]], *args: object) -> _T:
    """Run async work to its end on a new loop; raises what it raises."""
    _calm_the_collector()
    return anyio.run(work, *args, backend_options={"loop_factory": new_loop})


def loop_time() -> float:
    """Return the running loop's time (s): `anyio.current_time()`, of whose time it takes a sixth."""
    return asyncio.get_running_loop().time()


def _calm_the_collector() -> None:
    """Leave what is loaded by now out of the garbage collector's rounds, and let it make fewer: they took a tenth of all CPU time."""
    gc.freeze()
    gc.set_threshold(_YOUNG, 20, 20)


@cache
def _kind() -> Callable[[], Any]:
    try:
        import uvloop  # noqa: PLC0415 - not on every platform
    except ImportError:
        return asyncio.new_event_loop

    class Loop(uvloop.Loop):
        """Tells the time as asyncio's does, in less than milliseconds; and no timer of it is as good as none."""

        time = staticmethod(time.monotonic)

        def call_later(self, delay: float, callback: Callable[..., object], *args: object, context: Any = None) -> asyncio.TimerHandle:  # noqa: ANN401 - as the loop's own
            # It rounds to milliseconds, and what becomes 0 is called at once: a wait for the last half of one would turn in circles.
            return super().call_later(delay + _HALF_MS if delay > 0 else delay, callback, *args, context=context)

    return Loop
