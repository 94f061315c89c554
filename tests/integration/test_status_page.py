"""The status, as a person sees it: in a real browser, and on a terminal."""

import json
import os
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Final

import anyio
import pytest
import pytest_asyncio
from msgspec import structs
from playwright.async_api import Browser, Page, async_playwright
from prometheus_client import CollectorRegistry

from consumer.core.model import Failure
from consumer.pod.status.page import REFRESH_S
from consumer.pod.status.server import serving
from consumer.pod.status.tree import (
    CauseStatus,
    GateStatus,
    GroupStatus,
    LetterCounts,
    ListStatus,
    PartitionStatus,
    Status,
    UnknownType,
    UnknownVendor,
    UserCounts,
)
from consumer.sandbox.brokers.broker import Broker
from consumer.sandbox.publishers import event
from consumer.sandbox.town import PLACES, VENDORS, town
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
    assert (await page.title(), await page.locator("main").get_attribute("class")) == ("no answer · sesamy-makeas", "old")

    await pod.start()
    await until(late.is_hidden, what=pod.said, within_s=30)

    async def is_consuming() -> bool:  # An answer that was given while it joined is shown until the next one.
        return (await page.title()).endswith("consuming · sesamy-makeas")

    await until(is_consuming, what=pod.said, within_s=30)
    assert await page.locator("main").get_attribute("class") is None


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
        assert (await page.title()).endswith("consuming · sesamy-makeas")
        assert await page.get_by_text(name, exact=True).first.is_visible()
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert await page.evaluate("document.images.length") == 0
        await shot(page, f"script-phone-{scheme}")
        styles = "(() => { const s = getComputedStyle(document.body); return [s.color, s.backgroundColor]; })()"
        ink, _ = await page.evaluate(styles)
        assert (sum(json.loads(ink.replace("rgb(", "[").replace(")", "]"))) > 380) == (scheme == "dark")
    assert complaints == []


_BROKEN_WORDS: Final = """() => [...document.querySelectorAll("th, td, h1")].filter(cell => {
  const texts = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
  for (let text; (text = texts.nextNode());) {
    for (const word of text.data.matchAll(/[^ -]+/g)) {
      const range = document.createRange();
      range.setStart(text, word.index);
      range.setEnd(text, word.index + word[0].length);
      if (range.getClientRects().length > 1) return true;
    }
  }
  return false;
}).map(cell => cell.textContent)"""


def crowded() -> Status:
    """Return a state with large numbers, usual ids and every kind of trouble."""
    at = 1_800_000_000.0
    partitions = [
        PartitionStatus(
            partition=p, position=18_234_567, end=18_234_570, committed=18_134_567, open=800, paused=p == 3, oldest_open_at=at - 7300
        )
        for p in range(6)
    ]
    causes = [CauseStatus(cause="debounce", users=12, oldest_s=3.0), CauseStatus(cause="held", users=48_000, oldest_s=7300.0)]
    return Status(
        build="0.1.0",
        host="sesamy-makeas-7c9f8d6b5-x2k4q",
        at=at,
        state="consuming",
        ready=True,
        started_at=at - 86_400 * 3,
        group=GroupStatus(generation=12, lease_left_s=27.0, topic_partitions=12),
        users=UserCounts(dirty=48_213, limit=250_000, causes=tuple(causes)),
        partitions=tuple(partitions),
        upstreams=(
            GateStatus(name="sesamy:morgenposten", kind="sesamy", rate_share=0.5, waiting_users=3),
            GateStatus(
                name="100123456", kind="makeas", state="closed", cause="denied", closed_s=7200.0, next_try_s=44.0, held_users=48_000
            ),
            GateStatus(name="account-335c6689", kind="makeas", state="probing", cause="breaker", closed_s=70.0, in_use=1, rate_share=0.5),
        ),
        lists=(
            ListStatus(
                vendor="morgenposten", account="100123456", list="1466", oldest_pending_s=7300.0, oldest_due_s=7300.0, owed_users=48_000
            ),
            ListStatus(
                vendor="vendor_5f7c1a2b3c4d", account="account-335c6689", list="20456", last_write_at=at - 40, freshness_last_s=3700.0
            ),
        ),
        dead_letters=LetterCounts(written=5, waiting=2, writable=False, open=1312, to_retry=7),
        recent_failures=(Failure(code="http-401", upstream="100123456", count=203, last_at=at - 4),),
        unknown_vendors=(
            UnknownVendor(
                vendor="klassekampen",
                events=5210,
                first_offset="7:18234567",
                replay="sesamy-makeas replay --vendor klassekampen --from-time 2026-11-24T08:00:00.000Z",
            ),
        ),
        unknown_types=(
            UnknownType(
                type="paymentMethod.12#reversed",
                events=1_805_210,
                first_offset="7:18234567",
                replay="sesamy-makeas replay --unknown-types --from-time 2026-11-24T08:00:00.000Z",
            ),
        ),
        settings_fingerprint="938a51fad4cc",
    )


@pytest.mark.parametrize("width", [1200, 900, 760, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_no_word_is_broken_and_nothing_overflows(browser: Browser, *, width: int, scheme: str) -> None:
    async with serving("127.0.0.1", 0, crowded, CollectorRegistry()) as port:
        page = await opened(browser, f"http://127.0.0.1:{port}/", [], viewport={"width": width, "height": 844}, color_scheme=scheme)
        await shot(page, f"crowded-{width}-{scheme}")
        assert await page.evaluate(_BROKEN_WORDS) == []
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_what_is_selected_stays_so_until_it_is_copied(browser: Browser) -> None:
    """The page does not take itself away from under one's hands, and goes on as soon as it may."""
    moving = crowded()
    async with serving("127.0.0.1", 0, lambda: moving, CollectorRegistry()) as port:
        page = await opened(browser, f"http://127.0.0.1:{port}/", [], viewport=WIDE)
        await page.get_by_role("link", name="metrics").focus()
        await page.get_by_text("--from-time").first.select_text()
        moving = structs.replace(crowded(), ready=False, not_ready=("draining",))
        await anyio.sleep(2.5 * REFRESH_S)
        assert "--from-time" in await page.evaluate("getSelection().toString()")
        assert (await page.title()).endswith("consuming · sesamy-makeas")

        await page.evaluate("getSelection().removeAllRanges()")

        async def goes_on() -> bool:
            return "not ready" in await page.title()

        await until(goes_on, what=lambda: "the page goes on", within_s=4 * REFRESH_S)
        assert await page.evaluate("document.activeElement.textContent") == "metrics"


async def test_a_phone_reads_tables_as_tables_to_those_who_listen(browser: Browser) -> None:
    async with serving("127.0.0.1", 0, crowded, CollectorRegistry()) as port:
        page = await opened(browser, f"http://127.0.0.1:{port}/", [], viewport=PHONE)
        lists = page.get_by_role("table", name="Lists")
        assert await lists.get_by_role("columnheader").all_inner_texts() != []
        assert await lists.get_by_role("row").count() == 3


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
