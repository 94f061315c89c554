"""Every exchange is tried on uvloop, which is what runs, and on asyncio, which stands in for it."""

import asyncio
from collections.abc import Callable, Mapping

from consumer.telemetry.loop import new_loop


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"uvloop": new_loop, "asyncio": asyncio.new_event_loop}
