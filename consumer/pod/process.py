"""One process of the group: starts the parts in order, answers the probes, and ends by signals."""

import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

import anyio
from anyio.abc import TaskGroup
from msgspec.structs import replace

from ..core.errors import Exit
from ..core.text import shown
from ..kafka import start
from ..kafka.client import connect
from ..kafka.rights import permitted
from ..resync.clients import upstreams
from ..settings.findings import Finding
from ..settings.model import Settings
from ..telemetry.advice import advise
from ..telemetry.fences import for_ever
from ..telemetry.logs import log
from ..telemetry.metrics import Metrics
from ..telemetry.tracing import Traces, tracing
from .reader.lookup import Lookup
from .reader.routes import Readers, add_routes
from .service import Service
from .status.explain import explain
from .status.hour.filling import fill
from .status.peers.addresses import Peers
from .status.report import Report
from .status.server import serving
from .watch.conditions import Conditions
from .watch.hello import hello
from .watch.push import Push
from .watch.watch import Watch

_log = log(__name__)


_DRY: Final = "dry run: nothing is written to Make.as, no letter, no notice to notify.url; offsets are committed to a group of its own"


async def run(settings: Settings, *, advised: Sequence[Finding] = (), dry_run: bool = False, rate_share: float = 1.0) -> int:
    """
    Be a pod until stopped: SIGTERM or SIGINT drains, a second one ends at once.

    Args:
        advised: what of the settings is to be thought about, said once the pod has said what runs.
        dry_run: whether nothing is written, and what would be is said; the group is one of its own (`dry`).
        rate_share: the part of every limit that all pods of the group may use together.

    Returns the exit status: 0 a clean drain, 75 a run was cut off that had begun to write, or a second signal.

    Raises:
        Fatal: see `start.until_broker` and `tracing`.
    """
    settings = dry(settings) if dry_run else settings
    hello(settings)
    advise(advised)
    with tracing(settings, os.environ) as traces:
        status = await _run(settings, traces, dry_run=dry_run, rate_share=rate_share)
    if status and not dry_run:  # Else nothing was under way that could be half-written.
        _log.warning(
            "stopped: runs were cut off while they wrote; raise workers.drain_s, and the pod's grace period with it", status=int(status)
        )
    else:
        _log.info("stopped", status=int(status))
    return status


def dry(settings: Settings) -> Settings:
    """Return the settings of a dry run: its group is `<kafka.group_id>-dry-run`, so that the real group's offsets stay where they are."""
    return replace(settings, kafka=replace(settings.kafka, group_id=f"{settings.kafka.group_id}-dry-run"))


async def _run(settings: Settings, traces: Traces | None, *, dry_run: bool, rate_share: float) -> int:
    metrics = Metrics(settings)
    if dry_run:
        _log.warning(_DRY)
    # Real pods go first: so a dry run makes way where the limit is reached.
    made = upstreams(settings, metrics, traces=traces, rate_share=rate_share, courteous=dry_run, heals=True, dry_run=dry_run)
    async with made as up:
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
        report = Report(service, started_at=time.time(), host=socket.gethostname())
        async with _answering(service, report), anyio.create_task_group() as everything:
            everything.start_soon(for_ever, "pod", partial(_live, service))
            _watching(everything, service, report)
            with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
                status = await _until_stopped(service, signals)
            everything.cancel_scope.cancel()
    return status


@asynccontextmanager
async def _answering(service: Service, report: Report) -> AsyncIterator[None]:
    """Serve the probes, the metrics and the page, where a port is set."""
    admin = service.settings.admin
    if admin.port == 0:
        yield
        return
    served = serving(
        admin.host,
        admin.port,
        report.status,
        service.metrics.registry,
        partial(explain, service),
        peers=Peers(admin.peers) if admin.peers else None,
        finds_readers=admin.reader_lookup,
        add_routes=lambda app: add_routes(app, readers(service)),
    )
    async with served, anyio.create_task_group() as tasks:
        tasks.start_soon(fill, report.last_hour, report.status, service.metrics)
        yield
        tasks.cancel_scope.cancel()


def _watching(tasks: TaskGroup, service: Service, report: Report) -> None:
    """
    Look at what begins and ends, and send it where an address is set; it ends with the pod, which waits for no receiver.

    A dry run sends nothing: the receiver could not tell it from the pods that write.
    """
    settings, push = service.settings, None
    if settings.notify.url is not None and not service.up.dry_run:
        push = Push(settings.notify.url, service.metrics, host=shown(socket.gethostname()), proxy=settings.http.proxy)
        tasks.start_soon(for_ever, "push", push.run)
    watch = Watch(report.status, Conditions(settings), put=None if push is None else push.put)
    tasks.start_soon(for_ever, "watch", watch.run)


def readers(service: Service) -> Readers | None:
    """Return what answers of readers; None: the settings don't turn it on."""
    if not service.settings.admin.reader_lookup:
        return None
    names = {one: name for account in service.settings.accounts for one, name in account.names.items()}
    return Readers([vendor.id for vendor in service.settings.vendors], partial(explain, service), Lookup(service.up, names))


async def _live(service: Service) -> None:
    def trying() -> None:
        service.membership.tried_at = anyio.current_time()

    dry_run, kafka = service.up.dry_run, service.settings.kafka
    await start.until_broker(lambda: permitted(kafka, "dry-run" if dry_run else "run"), "rights", kafka, trying=trying)
    await start.until_broker(lambda: start.pin_group(kafka), "pin the group", kafka, trying=trying)
    if not dry_run:
        await start.until_broker(lambda: start.ensure_letters(kafka), "dead-letter topic", kafka, trying=trying)
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
