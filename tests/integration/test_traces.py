"""Traces reach a collector, linked to the events that asked for them, and name nobody; without one nothing is imported."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
import pytest_asyncio
from aiohttp import web
from aiokafka import AIOKafkaProducer
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from consumer.sandbox.brokers.broker import Broker
from consumer.sandbox.publishers import event
from consumer.sandbox.stand_ins.faults import Fault
from consumer.sandbox.town import PLACES, VENDORS, town
from tests.integration.harness import Pod, Stage, staged, until

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest_asyncio.fixture
async def stage(kafka: Broker, topic: str, tmp_path: Path) -> AsyncIterator[Stage]:
    async with town(tmp_path, readers=10) as here, staged(here, kafka, topic, tmp_path) as made:
        yield made


@asynccontextmanager
async def collector() -> AsyncIterator[tuple[str, list[bytes]]]:
    """Take in what an OTLP exporter sends; give the address and the bodies."""
    bodies: list[bytes] = []

    async def take(request: web.Request) -> web.Response:
        bodies.append(await request.read())
        return web.Response(content_type="application/x-protobuf")

    app = web.Application()
    app.router.add_post("/v1/traces", take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", bodies
    finally:
        await runner.cleanup()


def spans(bodies: list[bytes]) -> list[Span]:
    parsed = [ExportTraceServiceRequest.FromString(body) for body in bodies]
    return [span for one in parsed for resource in one.resource_spans for scope in resource.scope_spans for span in scope.spans]


def said(span: Span, name: str) -> object:
    (value,) = [one.value for one in span.attributes if one.key == name]
    return value.string_value or value.int_value


async def begun(stage: Stage, pod: Pod) -> None:
    """Wait until a run has met its fault: before its event is read, a pod is idle, too."""

    async def is_met() -> bool:
        return stage.town.makeas.faults.seen > 0

    await until(is_met, what=pod.said, within_s=60)


async def test_a_resync_is_linked_to_its_events_and_holds_its_calls(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    user = stage.town.reader(VENDORS[0])
    email = stage.town.sesamy.users[VENDORS[0]][user]["profile"]["email"]
    stage.town.makeas.faults.add(Fault(kind="status", upstream=PLACES[0].account, user=email.lower(), status=422))
    async with collector() as (address, bodies):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
        pod = await stage.pod().start()
        producer = AIOKafkaProducer(bootstrap_servers=stage.kafka.bootstrap)
        await producer.start()
        message = event(VENDORS[0], user, "contract.1#update")
        header = [("traceparent", f"00-{TRACE}-{PARENT}-01".encode())]
        await producer.send(stage.topic, message.value, message.key, headers=header)
        await producer.send(stage.topic, message.value, message.key)
        await producer.stop()
        await begun(stage, pod)
        await stage.idle(pod)
        assert await pod.stop() == 0

    (resync,) = [span for span in spans(bodies) if span.name == "resync"]
    assert [(link.trace_id.hex(), link.span_id.hex()) for link in resync.links] == [(TRACE, PARENT)]
    assert (said(resync, "messaging.batch.message_count"), said(resync, "sesamy.outcome")) == (2, "partial")
    assert len(str(said(resync, "sesamy.user_ref"))) == 16
    calls = [span for span in spans(bodies) if span.parent_span_id == resync.span_id]
    assert {one.kind for one in calls} == {Span.SPAN_KIND_CLIENT}
    assert {f"sesamy:{VENDORS[0]} {op}" for op in ("user", "contracts", "entitlements")} <= {one.name for one in calls}
    assert [said(one, "http.response.status_code") for one in calls if one.name == f"{PLACES[0].account} contact"] == [422]
    assert all(resync.start_time_unix_nano - 2_000_000 <= one.start_time_unix_nano <= one.end_time_unix_nano for one in calls)

    whole = b"".join(bodies)
    secrets = [stage.town.account(place).key for place in PLACES]
    assert [word for word in (user, email, *secrets) if word.encode() in whole] == []


async def test_a_retry_is_linked_to_the_same_events(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    user = stage.town.reader(VENDORS[0])
    email = stage.town.sesamy.users[VENDORS[0]][user]["profile"]["email"]
    # A run tries twice.
    stage.town.makeas.faults.add(Fault(kind="status", upstream=PLACES[0].account, user=email.lower(), status=500, times=2))
    async with collector() as (address, bodies):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
        pod = await stage.pod().start()
        message = event(VENDORS[0], user, "contract.1#update")
        async with AIOKafkaProducer(bootstrap_servers=stage.kafka.bootstrap) as producer:
            header = [("traceparent", f"00-{TRACE}-{PARENT}-01".encode())]
            await producer.send(stage.topic, message.value, message.key, headers=header)
        await begun(stage, pod)
        await stage.idle(pod)
        assert await pod.stop() == 0

    runs = sorted((span for span in spans(bodies) if span.name == "resync"), key=lambda span: span.start_time_unix_nano)
    assert [(said(one, "sesamy.outcome"), said(one, "messaging.batch.message_count")) for one in runs] == [("partial", 1), ("synced", 1)]
    assert [[link.trace_id.hex() for link in one.links] for one in runs] == [[TRACE], [TRACE]]


async def test_a_collector_that_is_gone_stops_nothing(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """What its variables hold stays unsaid, be it badly written or refused."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9/?api_key=SECRETQ")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "Authorization: Bearer SECRETTOKEN,x-key=SEC%0ARET")
    pod = await stage.pod().start()
    await stage.touch_all()
    await stage.agree()
    await stage.idle(pod)

    assert await pod.stop() == 0
    log = pod.log.read_text(encoding="utf-8")
    assert "Header format invalid!" in log
    assert "Failed to export %s batch" in log
    assert [word for word in ("@", "SECRET", "SEC\\nRET", "RET'", "api_key") if word in log] == []


async def test_a_variable_that_opentelemetry_refuses_is_a_setting_to_correct(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "10")
    pod = await stage.pod().start(ready=False)

    assert await pod.ended() == 78
    assert "OpenTelemetry refuses the value of a variable OTEL_*: correct it, or take it away" in pod.said()


async def test_without_a_collector_nothing_is_imported(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither by the modules nor by a pod at work."""
    code = "import sys, consumer.pod.process; print([name for name in sys.modules if name.startswith('opentelemetry')])"
    assert (await anyio.run_process([sys.executable, "-c", code])).stdout == b"[]\n"
    folder = stage.folder / "lib"
    (folder / "opentelemetry").mkdir(parents=True)
    (folder / "opentelemetry" / "__init__.py").write_text("raise ImportError", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(folder))
    pod = await stage.pod().start()
    await stage.touch_all()
    await stage.agree()
    assert await pod.stop() == 0

    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    pod = await stage.pod().start(ready=False)
    assert await pod.ended() == 78
    assert "install sesamy-makeas[otel], or take the variable away" in pod.said()
