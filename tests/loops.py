"""Both loops: a folder whose conftest imports this hook has each async test run on uvloop, which is what runs, and on asyncio's."""

import asyncio
from collections.abc import Callable, Mapping

from consumer.telemetry.loop import new_loop


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"uvloop": new_loop, "asyncio": asyncio.new_event_loop}
