"""The admin server: five addresses, nothing else, and nothing personal."""

import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import anyio
import msgspec
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from consumer.core.errors import Fatal
from consumer.pod.status.page import POLICY
from consumer.pod.status.peers.addresses import Peers
from consumer.pod.status.server import serving
from consumer.pod.status.tree import (
    Status,
)
from consumer.telemetry.metrics import Metrics
from tests.unit.pod.status.test_page import Parsed, busy
from tests.unit.telemetry.test_metrics import settings


@dataclass
class Pod:
    """A served status that a test may change."""

    status: Status = field(default_factory=lambda: Status(state="consuming", ready=True))
    base: str = ""


@pytest.fixture
async def pod() -> AsyncIterator[Pod]:
    made = Pod()
    registry = Metrics(settings()).registry
    async with serving("127.0.0.1", 0, lambda: made.status, registry) as port:
        made.base = f"http://127.0.0.1:{port}"
        yield made


async def ask(pod: Pod, path: str, method: str = "GET") -> tuple[int, str, aiohttp.ClientResponse]:
    async with aiohttp.ClientSession() as session, session.request(method, pod.base + path) as answer:
        return answer.status, await answer.text(), answer


async def test_the_probes_follow_the_status(pod: Pod) -> None:
    assert [(await ask(pod, path))[:2] for path in ("/livez", "/readyz")] == [(200, "live\n"), (200, "ready\n")]

    pod.status = Status(ready=False, not_ready=("starting", "no letters"), live=True)
    assert (await ask(pod, "/readyz"))[:2] == (503, "starting\nno letters\n")
    assert (await ask(pod, "/livez"))[:2] == (200, "live\n")

    pod.status = Status(ready=True, live=False)
    assert (await ask(pod, "/readyz"))[0] == 200
    assert (await ask(pod, "/livez"))[0] == 503


async def test_status_json_is_the_status(pod: Pod) -> None:
    pod.status = busy()
    code, text, answer = await ask(pod, "/status.json")

    assert (code, answer.content_type) == (200, "application/json")
    assert msgspec.json.decode(text.encode(), type=Status) == pod.status


async def test_metrics_in_both_formats(pod: Pod) -> None:
    pod.status = busy()
    _, text, answer = await ask(pod, "/metrics")
    accept = {"Accept": "application/openmetrics-text; version=1.0.0"}
    async with aiohttp.ClientSession(headers=accept) as session, session.get(pod.base + "/metrics") as other:
        openmetrics = await other.text()

    assert answer.content_type == "text/plain"
    assert 'sesamy_makeas_dirty_users{cause="held"} 1234.0' in text
    assert openmetrics.endswith("# EOF\n")


class Counted(Collector):
    """Says how often it was asked; is as large as one likes, and as slow."""

    def __init__(self, *, rows: int = 1, name: str = "") -> None:
        self.rows, self.name, self.asked = rows, name, 0
        self.go_on = threading.Event()
        self.go_on.set()

    def collect(self) -> Iterator[Metric]:
        self.asked += 1
        self.go_on.wait(10)
        family = GaugeMetricFamily("canned", "Rows.", labels=["row"])
        for row in range(self.rows):
            family.add_metric([f"{self.name}{row}"], 1.0)
        yield family


@asynccontextmanager
async def scraped(collector: Counted, status: Callable[[], Status] = Status) -> AsyncIterator[Pod]:
    registry = CollectorRegistry()
    registry.register(collector)
    collector.asked = 0
    async with serving("127.0.0.1", 0, status, registry) as port:
        yield Pod(base=f"http://127.0.0.1:{port}")


async def test_a_probe_is_answered_while_a_scrape_is_being_written() -> None:
    """It is written in a thread; the status is asked where it lives."""
    collector, threads = Counted(), set()

    def status() -> Status:
        threads.add(threading.current_thread())
        return Status()

    async with scraped(collector, status) as pod, anyio.create_task_group() as tasks:
        collector.go_on.clear()
        tasks.start_soon(ask, pod, "/metrics")
        with anyio.fail_after(10):
            while not collector.asked:
                await anyio.sleep(0.01)
            assert (await ask(pod, "/livez"))[:2] == (200, "live\n")
        collector.go_on.set()
    assert threads == {threading.main_thread()}


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
async def test_nothing_but_reading(pod: Pod, method: str) -> None:
    for path in ("/", "/livez", "/readyz", "/metrics", "/status.json"):
        assert (await ask(pod, path, method))[0] == 405


async def test_nothing_else_is_there(pod: Pod) -> None:
    for path in ("/healthz", "/status", "/livez/", "/../etc/passwd", "//", "/debug/pprof"):
        assert (await ask(pod, path))[0] == 404


async def test_head_answers_without_a_body(pod: Pod) -> None:
    for path in ("/", "/livez", "/readyz", "/metrics", "/status.json"):
        assert (await ask(pod, path, "HEAD"))[:2] == (200, "")


async def test_every_answer_is_hardened(pod: Pod) -> None:
    for path in ("/", "/livez", "/metrics", "/status.json", "/nowhere"):
        headers = (await ask(pod, path))[2].headers
        assert headers["Content-Security-Policy"] == POLICY
        assert (headers["X-Content-Type-Options"], headers["Cache-Control"], headers["Server"]) == ("nosniff", "no-store", "sesamy-makeas")


async def test_a_port_in_use_is_fatal_with_its_cure(pod: Pod) -> None:
    port = int(pod.base.rpartition(":")[2])
    with pytest.raises(Fatal, match=rf"port {port} .*free it, or set admin.port") as caught:
        async with serving("127.0.0.1", port, Status, CollectorRegistry()):
            pass
    assert caught.value.status == 69


async def test_the_port_is_free_after_the_block() -> None:
    async with serving("127.0.0.1", 0, Status, CollectorRegistry()) as port:
        pass
    async with serving("127.0.0.1", port, Status, CollectorRegistry()) as again:
        assert again == port


# ---- The page ----


async def test_the_page_shows_it_all(pod: Pod) -> None:
    pod.status = busy()
    code, text, answer = await ask(pod, "/")
    words = " ".join(Parsed(text).words.split())

    assert (code, answer.content_type) == (200, "text/html")
    for expected in (
        "not ready",
        "the dead-letter topic takes no letters",
        "1,234 users dirty, at most 250,000",
        "pod-a: generation 3",
        "1 of 4 partitions: 100% of every limit",
        "held shut gates, and nothing else",
        "denied",
        "replay --vendor v --from-time 2026-11-24T08:00:00.000Z",
        "gate vendor not open: account vendor refuses the key",
        "1 of 1 list late, 7: an event has waited since",
        "1 vendor that the settings don't know",
        "http-500",
        "abcdef012345",
        "paused",
    ):
        assert expected in words


# ---- All pods ----


async def test_all_pods_are_one_page_where_the_settings_name_them() -> None:
    """And nowhere else: there is no `/all` of one pod."""
    alone, other = Pod(), Status(host="pod-b", state="consuming", ready=True)
    async with serving("127.0.0.1", 0, lambda: other, CollectorRegistry()) as port:
        peers = Peers((f"http://127.0.0.1:{port}", "http://127.0.0.1:9"))
        async with serving("127.0.0.1", 0, lambda: alone.status, CollectorRegistry(), peers=peers) as own:
            alone.base = f"http://127.0.0.1:{own}"
            with anyio.fail_after(10):
                while not peers.known:
                    await anyio.sleep(0.01)
            code, text, answer = await ask(alone, "/all")
            assert (code, answer.headers["Content-Security-Policy"]) == (200, POLICY)
            assert "pod-b" in Parsed(text).words
            assert "1 of 3 pods silent, 127.0.0.1:9" in Parsed(text).words
            assert "this pod, not in admin.peers" in Parsed(text).words
            assert f'<a href="http://127.0.0.1:{port}/">' in (await ask(alone, "/"))[1]
        async with serving("127.0.0.1", 0, lambda: alone.status, CollectorRegistry()) as own:
            alone.base = f"http://127.0.0.1:{own}"
            assert (await ask(alone, "/all"))[0] == 404
