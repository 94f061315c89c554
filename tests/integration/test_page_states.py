"""The page in the states that people meet: what is so is seen at once, on a phone and on a wall, by day and by night."""

import os
from pathlib import Path
from typing import Any, Final

import pytest
from msgspec import Struct, structs
from playwright.async_api import Browser, Page
from prometheus_client import CollectorRegistry

from consumer.core.model import Failure
from consumer.pod.status.hour.shapes import LastHour, ListHour
from consumer.pod.status.page import page as page_text
from consumer.pod.status.server import serving
from consumer.pod.status.tree import (
    CauseStatus,
    GateStatus,
    GroupStatus,
    LetterCounts,
    LetterGroup,
    ListStatus,
    PartitionStatus,
    Status,
    UserCounts,
)
from consumer.pod.status.verdict import Level
from tests.integration.harness import until
from tests.integration.test_status_page import browser

__all__ = ["browser"]

AT: Final = 1_795_521_600.0
_WIDTHS: Final = (390, 1024, 1600)
_MIN_CONTRAST: Final = 4.5
"""Of words, by WCAG 2.2, level AA."""


class State(Struct, frozen=True):
    """One state, what its verdict is, and what is said of it."""

    status: Status
    level: Level
    said: tuple[str, ...]


def _hour(*, stuck_list: str = "") -> LastHour:
    events = (*[None] * 12, *(20 + (minute * 37) % 90 for minute in range(30)), None, None, *(60 + minute * 5 for minute in range(16)))
    fresh = (*[None] * 12, *(8.0 + minute % 7 for minute in range(48)))
    stuck = (*[None] * 12, *(8.0 for _ in range(30)), *(60.0 * (minute + 1) for minute in range(18)))
    return LastHour(
        events=events,
        resyncs=tuple(None if one is None else one // 2 for one in events),
        dirty=tuple(None if one is None else one % 40 for one in events),
        lists=tuple(
            ListHour(vendor=vendor, account=account, list=name, freshness_s=stuck if name == stuck_list else fresh)
            for vendor, account, name in _LISTS
        ),
    )


_LISTS: Final = (
    ("morgenposten", "100123456", "1466"),
    ("morgenposten", "100123456", "1467"),
    ("vendor_5f7c1a2b3c4d", "account-335c6689", "20456"),
    ("kveldsavisen", "100123999", "31"),
)


def _well() -> Status:
    return Status(
        build="0.1.0",
        host="sesamy-makeas-7c9f8d6b5-x2k4q",
        at=AT,
        state="consuming",
        ready=True,
        started_at=AT - 86_400 * 3,
        group=GroupStatus(generation=12, lease_left_s=27.0, topic_partitions=12),
        users=UserCounts(dirty=12, limit=250_000, causes=(CauseStatus(cause="debounce", users=12, oldest_s=3.0),)),
        partitions=tuple(PartitionStatus(partition=one, position=18_234_570, end=18_234_570, committed=18_234_567) for one in range(6)),
        upstreams=(
            *(GateStatus(name=f"sesamy:{one}", kind="sesamy", rate_share=0.5) for one in dict.fromkeys(vendor for vendor, _, _ in _LISTS)),
            *(GateStatus(name=one, kind="makeas", rate_share=0.5) for one in dict.fromkeys(account for _, account, _ in _LISTS)),
        ),
        lists=tuple(
            ListStatus(vendor=vendor, account=account, list=name, last_write_at=AT - 40, freshness_last_s=12.0)
            for vendor, account, name in _LISTS
        ),
        dead_letters=LetterCounts(open=0),
        settings_fingerprint="abcdef012345",
        last_hour=_hour(),
    )


def _stopped() -> State:
    well = _well()
    lists = (
        structs.replace(well.lists[0], last_write_at=AT - 1200, oldest_pending_s=1080.0, oldest_due_s=1080.0, owed_users=412),
        *well.lists[1:],
    )
    gates = tuple(
        structs.replace(one, state="closed", cause="denied", closed_s=1080.0, next_try_s=44.0, held_users=412)
        if one.name == "100123456"
        else one
        for one in well.upstreams
    )
    failures = (Failure(code="http-401", upstream="100123456", count=203, last_at=AT - 4, said="The token is not valid any more"),)
    status = structs.replace(well, lists=lists, upstreams=gates, recent_failures=failures, last_hour=_hour(stuck_list="1466"))
    said = ("2 of 4 lists stopped since 11:42 UTC (18 min)", "account 100123456 refuses the key", "replace apiKey")
    return State(status, "trouble", said)


def _letters() -> State:
    groups = (
        LetterGroup(code="not-json", needs_a_person=135, unreadable=True),
        LetterGroup(code="http-422", account="100123456", lists=("1466", "1467"), needs_a_person=17, heals=2),
        LetterGroup(code="held", account="account-335c6689", lists=("20456",), heals=1204),
    )
    letters = LetterCounts(open=1223, oldest_s=90_000.0, to_retry=1206, unreadable=135, groups=groups, need_person=17)
    return State(structs.replace(_well(), dead_letters=letters), "trouble", ("17 letters need a person", "dead-letters list"))


def _paused() -> State:
    well = _well()
    status = structs.replace(
        well,
        partitions=tuple(structs.replace(one, paused=True, end=one.end + 5_000, open=20_000) for one in well.partitions),
        users=UserCounts(dirty=250_000, limit=250_000, causes=(CauseStatus(cause="ready", users=250_000, oldest_s=600.0),)),
    )
    return State(status, "trouble", ("paused",))


def _no_member() -> State:
    status = structs.replace(
        _well(),
        ready=False,
        not_ready=("not a member of the group",),
        partitions=(),
        group=GroupStatus(topic_partitions=12),
        last_hour=structs.replace(_hour(), events=(*[None] * 60,), resyncs=(*[None] * 60,)),
    )
    return State(status, "trouble", ("not a member of the group",))


STATES: Final[dict[str, State]] = {
    "fine": State(_well(), "fine", ()),
    "stopped": _stopped(),
    "paused": _paused(),
    "no-member": _no_member(),
    "letters": _letters(),
    "gone": State(_well(), "fine", ()),
}
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
        assert await page.get_by_role("img", name="fresh after, last hour").count() == len(_LISTS)
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
        await page.set_content(page_text(_well(), now=AT))
        colours[scheme] = await page.evaluate("getComputedStyle(document.querySelector('.chart path')).fill")
    assert colours["light"] != colours["dark"]
