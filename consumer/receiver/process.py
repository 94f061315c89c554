"""One receiver: starts the parts in order, answers the probes, and ends by signals."""

import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Final

import anyio
from aiohttp import web

from ..core.errors import Exit
from ..kafka import start
from ..kafka.client import connect
from ..kafka.client.publisher import Publisher
from ..kafka.rights import permitted
from ..settings.findings import Finding
from ..settings.model import AdminSettings, Settings
from ..telemetry.advice import advise
from ..telemetry.fences import for_ever
from ..telemetry.logs import log
from ..telemetry.metrics import version
from ..telemetry.receiving import ReceiverMetrics
from ..telemetry.serving.listening import Bounds, listening
from ..telemetry.serving.probes import harden, probe
from ..telemetry.serving.scrapes import Scrapes
from .body import BODY_S
from .door import Door
from .webhook import Webhook

_log = log(__name__)
# A proxy keeps its connections for a minute or so: it must be the one that closes them, or a webhook meets a closed one.
_BOUNDS: Final = Bounds(connections=512, head_s=10.0, idle_s=75.0, header_bytes=4096, headers=64, unread_s=2.0)
_ADMIN_BOUNDS: Final = Bounds(connections=64, head_s=10.0, idle_s=15.0)
_NO_TOPIC: Final = "nothing can be written to the topic: Kafka does not answer, or the topic is not there; the log says which"
_AGAIN_S: Final = 0.05
_MORE_S: Final = 2.0


async def run(settings: Settings, *, advised: Sequence[Finding] = ()) -> int:
    """
    Receive until stopped: SIGTERM or SIGINT drains, a second one ends at once.

    Args:
        advised: what of the settings is to be thought about, said once the receiver has said what runs.

    Returns the exit status: 0 a clean drain, 75 a request was cut off.

    Raises:
        Fatal: an address can't be listened at, or no broker for 10 minutes at the start (69); Kafka refuses us (77).
    """
    metrics = ReceiverMetrics(settings)
    publisher = Publisher(partial(connect.publishing, settings.kafka), settings.kafka.topic)
    secrets = [one for one in (settings.receive.secret, settings.receive.second_secret) if one is not None]
    door = Door(secrets, limit=settings.receive.max_in_flight, clock=time.monotonic)
    webhook = Webhook(settings.receive, publisher, metrics, vendors=[vendor.id for vendor in settings.vendors], door=door)
    async with AsyncExitStack() as served:
        await served.enter_async_context(_probes(settings.admin, metrics, publisher, webhook))
        receive = settings.receive
        cure = "free it, or set receive.port"
        await served.enter_async_context(listening(webhook.app(), receive.host, receive.port, _BOUNDS, section="receive", cure=cure))
        _hello(settings)
        advise(advised)
        async with anyio.create_task_group() as everything:
            everything.start_soon(for_ever, "publisher", partial(_publish, settings, publisher))
            with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
                status = await _until_stopped(webhook, door, signals, limit_s=receive.timeout_s + BODY_S + _MORE_S)
            everything.cancel_scope.cancel()
    _log.info("stopped", status=int(status))
    return status


def _hello(settings: Settings) -> None:
    _log.info(
        "receiving",
        version=version(),
        fingerprint=settings.fingerprint(),
        topic=settings.kafka.topic,
        port=settings.receive.port,
        vendors=str(len(settings.vendors)),
    )


async def _publish(settings: Settings, publisher: Publisher) -> None:
    await start.until_broker(lambda: permitted(settings.kafka, "receive"), "rights", settings.kafka)
    await publisher.run()


@asynccontextmanager
async def _probes(admin: AdminSettings, metrics: ReceiverMetrics, publisher: Publisher, webhook: Webhook) -> AsyncIterator[None]:
    """Serve the probes and the metrics, where a port is set."""
    if admin.port == 0:
        yield
        return

    def why_not() -> list[str]:
        return ["draining"] * webhook.is_draining + [_NO_TOPIC] * (not publisher.is_ready)

    async def livez(_: web.Request) -> web.Response:
        return probe(good=True, word="live", why_not=())

    async def readyz(_: web.Request) -> web.Response:
        return probe(good=not why_not(), word="ready", why_not=why_not())

    metrics.ready.set_function(lambda: float(not why_not()))
    app = web.Application()
    answers: dict[str, Callable[[web.Request], Awaitable[web.Response]]] = {
        "/livez": livez,
        "/readyz": readyz,
        "/metrics": Scrapes(lambda: metrics.registry).answer,
    }
    for path, answer in answers.items():
        app.router.add_get(path, answer)
    app.on_response_prepare.append(harden())
    cure = "free it, or set admin.port (0 = off)"
    async with listening(app, admin.host, admin.port, _ADMIN_BOUNDS, section="admin", cure=cure):
        yield


async def _until_stopped(webhook: Webhook, door: Door, signals: AsyncIterator[signal.Signals], *, limit_s: float) -> int:
    """Wait for a signal, then for what is in flight; a second signal, or `limit_s`, cuts it off."""
    status: int = Exit.CUT_OFF
    await anext(signals)
    webhook.is_draining = True
    _log.info("draining", count=door.inside)
    with anyio.move_on_after(limit_s):
        async with anyio.create_task_group() as tasks:

            async def drain() -> None:
                nonlocal status
                while door.inside:
                    await anyio.sleep(_AGAIN_S)
                status = Exit.FINE
                tasks.cancel_scope.cancel()

            tasks.start_soon(drain)
            await anext(signals)
            tasks.cancel_scope.cancel()
    return status
