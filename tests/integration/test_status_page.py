"""The status, as a person sees it: in a real browser, and on a terminal."""

import json
import os
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright
from prometheus_client import CollectorRegistry

from consumer.admin import serving
from consumer.sandbox.broker import Broker
from consumer.sandbox.publishers import event
from consumer.sandbox.town import PLACES, VENDORS, town
from consumer.status import GateStatus, ListStatus, Status
from tests.integration.conftest import lacking
from tests.integration.harness import Stage, staged, until

SECOND: Final = PLACES[1].account
PHONE: Final = {"width": 360, "height": 780}
WIDE: Final = {"width": 1200, "height": 900}
_SHOTS: Final = os.environ.get("SCREENSHOTS")
"""A folder to leave pictures in, to be looked at."""


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        lacking("there is no browser; cure: apt-get install chromium")
    async with async_playwright() as driver:
        made = await driver.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        try:
            yield made
        finally:
            await made.close()


@pytest_asyncio.fixture
async def stage(kafka: Broker, topic: str, tmp_path: Path) -> AsyncIterator[Stage]:
    async with town(tmp_path, readers=30) as here, staged(here, kafka, topic, tmp_path) as made:
        yield made


async def opened(browser: Browser, url: str, complaints: list[str], **options: Any) -> Page:
    """Open a page; what the browser has to complain of, the policy's breaches first, goes into `complaints`."""
    page = await (await browser.new_context(**options)).new_page()
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    await page.goto(url)
    return page


async def gate_row(page: Page, upstream: str) -> str:
    return await page.locator("tr", has=page.get_by_role("cell", name=upstream, exact=True)).filter(has_text="%").inner_text(timeout=5_000)


def reads(page: Page, upstream: str, *words: str) -> Callable[[], Any]:
    async def holds() -> bool:
        row = await gate_row(page, upstream)
        return all(word in row for word in words)

    return holds


async def shot(page: Page, name: str) -> None:
    if _SHOTS:
        await page.screenshot(path=f"{_SHOTS}/{name}.png", full_page=True)


@pytest.mark.parametrize("javascript", [True, False])
async def test_a_refused_key_is_seen_and_so_is_its_healing(stage: Stage, browser: Browser, *, javascript: bool) -> None:
    """The page stays open all the while, and shows both by itself; the terminal says the same."""
    complaints: list[str] = []
    stage.town.account(PLACES[1]).key = "new"
    pod = await stage.pod().start()
    page = await opened(browser, f"http://127.0.0.1:{pod.port}/", complaints, viewport=WIDE, java_script_enabled=javascript)
    await until(reads(page, SECOND, "open"), what=pod.said, within_s=20)

    await stage.touch_all()
    await until(reads(page, SECOND, "closed", "denied: the key is refused"), what=pod.said, within_s=40)
    waits = page.locator("section, main").get_by_text("shut gates, and nothing else").first
    await until(waits.is_visible, what=pod.said, within_s=40)
    status = await pod.status()
    assert status is not None
    assert [gate.name for gate in status.upstreams if gate.held_users] == [SECOND]
    if javascript:
        await shot(page, "refused-light")
        await page.emulate_media(color_scheme="dark")
        await shot(page, "refused-dark")
        await page.set_viewport_size(PHONE)  # type: ignore[arg-type]
        await shot(page, "refused-phone-dark")
        await page.set_viewport_size(WIDE)  # type: ignore[arg-type]
    said = await stage.command("status", "--url", f"http://127.0.0.1:{pod.port}")
    assert said.status == 0, said
    assert "denied: the key is refused" in next(line for line in said.out.splitlines() if line.startswith(SECOND) and "%" in line)

    stage.town.key_file(SECOND).write_text("new\n", encoding="utf-8")
    await until(reads(page, SECOND, "open"), what=pod.said, within_s=60)
    await stage.agree()
    await until(lambda: page.get_by_text("nobody waits").is_visible(), what=pod.said, within_s=40)
    assert complaints == []


async def test_a_page_that_gets_no_answer_says_so(stage: Stage, browser: Browser) -> None:
    pod = await stage.pod().start()
    page = await opened(browser, f"http://127.0.0.1:{pod.port}/", [])
    await pod.stop()
    late = page.locator("#late")
    await until(late.is_visible, what=pod.said, within_s=30)
    assert "what follows is old" in await late.inner_text()

    await pod.start()
    await until(late.is_hidden, what=pod.said, within_s=30)


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_a_vendor_named_like_a_script_is_only_a_name(browser: Browser, *, scheme: str) -> None:
    """And the page fits a phone, in both themes, with words one can read."""
    name = '<script>document.title="taken"</script>"\'><img src=x onerror=alert(1)>'
    status = Status(
        state="consuming",
        ready=True,
        upstreams=(GateStatus(name=f"sesamy:{name}", kind="sesamy", state="closed", cause="breaker"),),
        lists=(ListStatus(vendor=name, account="1001", list="7", owed_users=3, oldest_pending_s=4000.0),),
    )
    complaints: list[str] = []
    async with serving("127.0.0.1", 0, lambda: status, CollectorRegistry()) as port:
        page = await opened(browser, f"http://127.0.0.1:{port}/", complaints, viewport=PHONE, color_scheme=scheme)
        assert await page.title() == "consuming · sesamy-makeas"
        assert await page.get_by_text(name, exact=True).first.is_visible()
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert await page.evaluate("document.images.length") == 0
        await shot(page, f"script-phone-{scheme}")
        styles = "(() => { const s = getComputedStyle(document.body); return [s.color, s.backgroundColor]; })()"
        ink, _ = await page.evaluate(styles)
        assert (sum(json.loads(ink.replace("rgb(", "[").replace(")", "]"))) > 380) == (scheme == "dark")
    assert complaints == []


# ---- On a terminal ----


async def test_status_of_several_pods_and_one_that_is_gone(stage: Stage) -> None:
    """Two pods share the topic; the third address answers nothing: the two are shown, and the third is said."""
    pods = [await stage.pod().start(), await stage.pod().start()]
    urls = [f"http://127.0.0.1:{pod.port}" for pod in pods]

    async def shared() -> bool:
        return [len(status.partitions) for pod in pods if (status := await pod.status()) is not None] == [2, 2]

    await until(shared, what=pods[0].said, within_s=30)
    await stage.send([event(VENDORS[0], "nobody-here", "contract.1#update")])
    both = await stage.command("status", "--output", "json", *(part for url in urls for part in ("--url", url)))
    assert both.status == 0, both
    found = json.loads(both.out)
    assert [one["url"] for one in found] == urls
    assert sorted(row["partition"] for one in found for row in one["status"]["partitions"]) == [0, 1, 2, 3]

    gone = await stage.command("status", "--url", urls[0], "--url", "http://127.0.0.1:9")
    assert gone.status == 69
    assert "http://127.0.0.1:9: no usable answer" in gone.err
    assert "2 of 4 partitions: 50% of every limit" in gone.out
    assert (await stage.command("status", "--url", "127.0.0.1:9")).status == 64


async def test_status_watches_until_it_is_stopped(stage: Stage) -> None:
    pod = await stage.pod().start()
    process = await stage.begin("status", "--watch", "--every", "0.5", "--output", "json", "--url", f"http://127.0.0.1:{pod.port}")
    try:
        assert process.stdout is not None
        seen = b""
        while seen.count(b"\n") < 2:
            seen += await process.stdout.receive()
        assert [json.loads(line)[0]["status"]["ready"] for line in seen.splitlines()[:2]] == [True, True]
    finally:
        process.terminate()
        await process.wait()
        await process.aclose()
