"""The filling of the last hour: once a minute, from the counters that there are."""

from itertools import chain, repeat

import anyio

from consumer.pod.status.hour.filling import counted, fill
from consumer.pod.status.hour.last_hour import Ring
from consumer.pod.status.tree import Status, UserCounts
from consumer.telemetry.metrics import Metrics
from tests.clock import virtual
from tests.simulation.settings import SETTINGS

NOON = 1_795_521_600.0


@virtual
async def test_each_minute_of_the_wall_clock_has_what_was_counted_in_it() -> None:
    metrics, ring, begun = Metrics(SETTINGS), Ring(), anyio.current_time()
    vendor = SETTINGS.vendors[0].id

    def wall() -> float:
        return NOON + 17 + anyio.current_time() - begun

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: fill(ring, lambda: Status(at=wall(), users=UserCounts(dirty=2)), metrics, wall_clock=wall))
        await anyio.sleep(1)
        metrics.records.labels("user").inc(3)
        metrics.records.labels("poison").inc(1)
        await anyio.sleep(60)
        metrics.resyncs.labels(vendor, "synced").inc(2)
        metrics.resyncs.labels(vendor, "failed").inc(1)
        await anyio.sleep(60)
        tasks.cancel_scope.cancel()

    found = ring.seen(at=wall())
    assert found is not None
    assert (found.events[-3:], found.resyncs[-3:], found.dirty[-3:]) == ((None, 4, 0), (None, 0, 3), (None, 2, 2))


@virtual
async def test_a_look_that_fails_costs_its_minute_and_nothing_else() -> None:
    metrics, ring, begun = Metrics(SETTINGS), Ring(), anyio.current_time()
    fails = chain([False, True], repeat(False))

    def wall() -> float:
        return NOON + anyio.current_time() - begun

    def status() -> Status:
        if next(fails):
            raise RuntimeError
        return Status(at=wall())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: fill(ring, status, metrics, wall_clock=wall))
        for _ in range(4):
            await anyio.sleep(60.5)
            metrics.records.labels("user").inc(1)
        tasks.cancel_scope.cancel()

    found = ring.seen(at=wall())
    assert found is not None
    assert found.events[-4:] == (None, None, 1, 1)


def test_a_counter_is_summed_over_its_labels() -> None:
    metrics = Metrics(SETTINGS)
    metrics.records.labels("user").inc(40)
    metrics.records.labels("unknown_type").inc(2)

    assert counted(metrics.records) == 42
