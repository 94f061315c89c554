"""The text of `/metrics`: in both formats, beside the loop, once for all that ask within a second."""

import asyncio
import threading
from collections.abc import Iterator

import anyio
import pytest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from consumer.telemetry.serving import scrapes as module
from consumer.telemetry.serving.scrapes import Scrapes


class Counted(Collector):
    """Says how often it was asked, and in which threads; is as slow as one likes."""

    def __init__(self) -> None:
        self.asked = 0
        self.threads: set[int] = set()
        self.go_on = threading.Event()
        self.go_on.set()

    def collect(self) -> Iterator[Metric]:
        self.asked += 1
        self.threads.add(threading.get_ident())
        self.go_on.wait(10)
        yield GaugeMetricFamily("canned", "How often it was asked.", value=self.asked)


async def test_the_format_is_the_one_that_is_asked_for_and_of_one_that_is_none_the_plain_one() -> None:
    scrapes = Scrapes(Counted)
    formats = [(await scrapes.text(accept))[1] for accept in ("", "application/openmetrics-text; version=1.0.0", "x; version=abc")]
    assert [one.partition(";")[0] for one in formats] == ["text/plain", "application/openmetrics-text", "text/plain"]
    assert (await scrapes.text("application/openmetrics-text; version=1.0.0"))[0].endswith(b"# EOF\n")
    assert (await scrapes.text("application/openmetrics-text; version=abc"))[1].startswith("text/plain")


async def test_all_that_scrape_within_a_second_get_one_text_and_the_next_a_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    collector = Counted()
    scrapes = Scrapes(lambda: collector)
    texts = await asyncio.gather(*(scrapes.text("") for _ in range(20)))
    assert (len(set(texts)), collector.asked) == (1, 1)

    monkeypatch.setattr(module, "_SCRAPED_S", 0.0)
    assert await scrapes.text("") != texts[0]


async def test_a_text_is_written_beside_the_loop_which_goes_on() -> None:
    collector = Counted()
    collector.go_on.clear()
    scrapes = Scrapes(lambda: collector)
    writing = asyncio.ensure_future(scrapes.text(""))
    with anyio.fail_after(10):
        while not collector.asked:
            await anyio.sleep(0.01)
    assert not writing.done()
    collector.go_on.set()
    assert b"canned 1.0" in (await writing)[0]
    assert threading.get_ident() not in collector.threads


async def test_versions_that_clients_make_up_fill_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "choose_encoder", lambda accept: (lambda _: b"text", accept))
    scrapes = Scrapes(Counted)
    for number in range(100):
        await scrapes.text(str(number))
    assert len(scrapes._made) <= module._FORMATS
