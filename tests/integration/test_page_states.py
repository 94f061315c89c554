"""The page in the states that people meet: what is so is seen at once, on a phone and on a wall, by day and by night."""

import os
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.async_api import Browser, Page
from prometheus_client import CollectorRegistry

from consumer.pod.status.page import page as page_text
from consumer.pod.status.server import serving
from tests.fakes.states import AT, LISTS, STATES, well
from tests.integration.harness import until
from tests.integration.test_status_page import browser

__all__ = ["browser"]

_WIDTHS: Final = (390, 1024, 1600)
_MIN_CONTRAST: Final = 4.5
"""Of words, by WCAG 2.2, level AA."""


_SAYS: Final = {"fine": "All is well", "notice": "It works, and somebody should know", "trouble": "Trouble: somebody must act"}
_CONTRASTS: Final = """() => {
  const light = rgb => { const [r, g, b] = rgb.map(v => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b; };
  const canvas = document.createElement("canvas").getContext("2d");
  const read = colour => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data]; };
  const ground = getComputedStyle(document.getElementById("late")).backgroundColor;
  const found = {};
  for (const one of document.querySelectorAll(".says, .cure, .soft, .good, .bad, .mild, li.trouble p, li.notice p, figcaption, th, a")) {
    const [a, b] = [light(read(getComputedStyle(one).color)), light(read(ground))].sort((x, y) => y - x);
    found[one.className || one.tagName] = Math.min(found[one.className || one.tagName] ?? 99, (a + .05) / (b + .05));
  }
  return found;
}"""


@pytest.fixture
def shots(tmp_path: Path) -> Path:
    """Give the folder for pictures: the one of SCREENSHOTS, where it is set."""
    folder = Path(os.environ.get("SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


async def _opened(browser: Browser, url: str, complaints: list[str], **options: Any) -> Page:
    page = await (await browser.new_context(**options)).new_page()
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    await page.goto(url)
    return page


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", [one for one in STATES if one != "gone"])
async def test_each_state_is_said_first_and_fits_every_screen(browser: Browser, shots: Path, name: str, *, scheme: str) -> None:
    state, complaints = STATES[name], list[str]()
    async with serving("127.0.0.1", 0, lambda: state.status, CollectorRegistry()) as port:
        page = await _opened(browser, f"http://127.0.0.1:{port}/", complaints, color_scheme=scheme)
        for width in _WIDTHS:
            await page.set_viewport_size({"width": width, "height": 844})
            await page.screenshot(path=shots / f"{name}-{width}-{scheme}.png", full_page=True)
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), width
            verdict = page.get_by_role("region", name="verdict")
            said = await verdict.inner_text()
            assert all(words in said for words in (_SAYS[state.level], *state.said))
            assert ("To do: " in said) == (state.level != "fine")
            box = await verdict.bounding_box()
            assert box is not None
            assert box["y"] + box["height"] <= 844, "it is seen without scrolling"
        assert await page.get_by_role("img", name="events in, last hour").count() == 1
        assert await page.get_by_role("img", name="fresh after, last hour").count() == len(LISTS)
        weak = {what: ratio for what, ratio in (await page.evaluate(_CONTRASTS)).items() if ratio < _MIN_CONTRAST}
        assert weak == {}
    assert complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_a_pod_that_is_gone_is_seen_in_the_tab_and_on_the_page(browser: Browser, shots: Path, *, scheme: str) -> None:
    state = STATES["gone"]
    async with serving("127.0.0.1", 0, lambda: state.status, CollectorRegistry()) as port:
        page = await _opened(browser, f"http://127.0.0.1:{port}/", [], color_scheme=scheme)
        well = await page.locator("#icon").get_attribute("href")
    late = page.locator("#late")
    await until(late.is_visible, what=lambda: "the page says that it is old", within_s=30)
    for width in _WIDTHS:
        await page.set_viewport_size({"width": width, "height": 844})
        await page.screenshot(path=shots / f"gone-{width}-{scheme}.png", full_page=True)
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), width
        assert "no answer from the pod since" in await late.inner_text()
    assert "Not known any more" in await page.get_by_role("region", name="verdict").inner_text()
    assert await page.title() == "no answer · sesamy-makeas"
    assert await page.locator("#icon").get_attribute("href") != well
    assert await page.get_by_text("All is well").count() == 0, "nothing is called well of which nothing is known"


async def test_pictures_are_seen_in_the_dark_too(browser: Browser) -> None:
    """Their colour is another than by day, and the gaps are none of it."""
    colours = {}
    for scheme in ("light", "dark"):
        page = await (await browser.new_context(color_scheme=scheme)).new_page()
        await page.set_content(page_text(well(), now=AT))
        colours[scheme] = await page.evaluate("getComputedStyle(document.querySelector('.chart path')).fill")
    assert colours["light"] != colours["dark"]
