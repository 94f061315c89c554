"""The filling of the last hour: looks at the counters that there are, at the end of each minute."""

import time
from collections.abc import Callable
from typing import Final

import anyio
from prometheus_client import Counter

from ....telemetry.logs import frames, log
from ....telemetry.metrics import Metrics
from ..tree import Status
from .last_hour import STEP_S, Ring, look

_log = log(__name__)
_AFTER_S: Final = 0.05
"""So late, since a sleeper may wake a little early by another clock."""


async def fill(ring: Ring, status: Callable[[], Status], metrics: Metrics, *, wall_clock: Callable[[], float] = time.time) -> None:
    """
    Fill the ring for ever; what fails costs a minute of the picture, and nothing else.

    Args:
        status: gives the status of now.
        wall_clock: seconds since 1970.
    """
    while True:
        try:
            seen = look(status(), events=counted(metrics.records), resyncs=counted(metrics.resyncs))
            ring.note(seen, at=wall_clock())
        except Exception as error:  # noqa: BLE001 - a picture is not worth the pod
            _log.error("a minute of the last hour is lost: our bug", error=type(error).__name__, where=frames(error))
        await anyio.sleep(STEP_S - wall_clock() % STEP_S + _AFTER_S)


def counted(counter: Counter) -> int:
    """Return the sum of a counter over all its labels."""
    return int(sum(sample.value for metric in counter.collect() for sample in metric.samples if sample.name.endswith("_total")))
