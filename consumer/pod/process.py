"""One process of the group: starts the parts in order, answers the probes, and ends by signals."""

import os
import signal
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import anyio

from ..core.errors import Exit
from ..kafka import start
from ..kafka.client import connect
from ..kafka.rights import permitted
from ..resync.clients import upstreams
from ..settings.model import Settings
from ..telemetry.fences import for_ever
from ..telemetry.logs import log
from ..telemetry.metrics import Metrics
from ..telemetry.tracing import Traces, tracing
from .reader.lookup import Lookup
from .reader.routes import Readers, add_routes
from .service import Service
from .status.explain import explain
from .status.report import Report
from .status.server import serving

_log = log(__name__)


async def run(settings: Settings) -> int:
    """
    Be a pod until stopped: SIGTERM or SIGINT drains, a second one ends at once.

    Returns the exit status: 0 a clean drain, 75 a run was cut off that had begun to write, or a second signal.

    Raises:
        Fatal: see `start.until_broker` and `tracing`.
    """
    with tracing(settings, os.environ) as traces:
        status = await _run(settings, traces)
    if status:
        _log.warning(
            "stopped: runs were cut off while they wrote; raise workers.drain_s, and the pod's grace period with it", status=int(status)
        )
    else:
        _log.info("stopped", status=int(status))
    return status


async def _run(settings: Settings, traces: Traces | None) -> int:
    metrics = Metrics(settings)
    async with upstreams(settings, metrics, traces=traces, heals=True) as up:
        service = Service(
            settings,
            metrics,
            up,
            producing=lambda: connect.producing(settings.kafka, suffix="-letters"),
            reading=lambda: connect.reading(settings.kafka, suffix="-letters"),
            partitions=lambda reader: connect.partitions_of(reader, settings.kafka.dead_letter_topic, "kafka.dead_letter_topic"),
            join=lambda listener, made: connect.joined(
                settings.kafka, listener, made, leave_limit_s=lambda: service.membership.leave_limit_s
            ),
        )
        async with _answering(service), anyio.create_task_group() as everything:
            everything.start_soon(for_ever, "pod", partial(_live, service))
            with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
                status = await _until_stopped(service, signals)
            everything.cancel_scope.cancel()
    return status


@asynccontextmanager
async def _answering(service: Service) -> AsyncIterator[None]:
    """Serve the probes, the metrics and the page, where a port is set."""
    admin = service.settings.admin
    status = Report(service, started_at=time.time(), host=socket.gethostname()).status
    if admin.port == 0:
        yield
        return
    registry, why = service.metrics.registry, partial(explain, service)
    async with serving(admin.host, admin.port, status, registry, why, add_routes=lambda app: add_routes(app, readers(service))):
        yield


def readers(service: Service) -> Readers | None:
    """Return what answers of readers; None: the settings don't turn it on."""
    if not service.settings.admin.reader_lookup:
        return None
    names = {one: name for account in service.settings.accounts for one, name in account.names.items()}
    return Readers([vendor.id for vendor in service.settings.vendors], partial(explain, service), Lookup(service.up, names))


async def _live(service: Service) -> None:
    def trying() -> None:
        service.membership.tried_at = anyio.current_time()

    await start.until_broker(lambda: permitted(service.settings.kafka, "run"), "rights", trying=trying)
    await start.until_broker(lambda: start.pin_group(service.settings.kafka), "pin the group", trying=trying)
    await start.until_broker(lambda: start.ensure_letters(service.settings.kafka), "dead-letter topic", trying=trying)
    await service.live()


async def _until_stopped(service: Service, signals: AsyncIterator[signal.Signals]) -> int:
    status: int = Exit.CUT_OFF
    await anext(signals)
    _log.info("draining")
    async with anyio.create_task_group() as tasks:

        async def drain() -> None:
            nonlocal status
            status = Exit.FINE if await service.membership.drain() else Exit.CUT_OFF
            tasks.cancel_scope.cancel()

        tasks.start_soon(drain)
        await anext(signals)
        service.membership.leave_limit_s = 0.5
        tasks.cancel_scope.cancel()
    return status
