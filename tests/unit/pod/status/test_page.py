"""The status as a page: self-contained, and every value no more than text."""

import base64
import hashlib
import re
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from msgspec import structs

from consumer.core.model import Failure
from consumer.core.text import shown
from consumer.pod.status import page as pages
from consumer.pod.status.hour.shapes import LastHour, ListHour
from consumer.pod.status.page import POLICY, Links, page, page_of_all
from consumer.pod.status.peers.addresses import Peer
from consumer.pod.status.tables import sheet
from consumer.pod.status.tree import (
    CauseStatus,
    GateStatus,
    GroupStatus,
    LetterCounts,
    ListStatus,
    PartitionStatus,
    Status,
    UnknownAnswer,
    UnknownType,
    UnknownVendor,
    UserCounts,
)
from consumer.pod.status.verdict import Level, Point, Verdict, weighed

EVIL = '<img src=x onerror=alert(1)>"&\n'


def busy(*, evil: str = "vendor") -> Status:
    return Status(
        build="0.1.0",
        state="consuming",
        ready=False,
        not_ready=("the dead-letter topic takes no letters",),
        started_at=900.0,
        group=GroupStatus(generation=3, lease_left_s=21.5, topic_partitions=4),
        host="pod-a",
        partitions=(PartitionStatus(partition=2, position=9, end=12, committed=5, open=2, paused=True, oldest_open_at=700.0),),
        users=UserCounts(dirty=1234, limit=250_000, causes=(CauseStatus(cause="held", users=1234, oldest_s=7300.0),)),
        upstreams=(GateStatus(name=evil, kind="sesamy", state="closed", cause="denied", closed_s=7, next_try_s=3, waiting_users=4),),
        lists=(
            ListStatus(
                vendor=evil, account="1001", list="7", last_write_at=880.0, oldest_pending_s=7300.0, oldest_due_s=7300.0, owed_users=4
            ),
        ),
        unknown_vendors=(
            UnknownVendor(
                vendor=shown(evil),
                events=3,
                first_offset="0:17",
                replay="sesamy-makeas replay --vendor v --from-time 2026-11-24T08:00:00.000Z",
            ),
        ),
        unknown_types=(
            UnknownType(type=shown(evil), events=2, first_offset="1:5", replay="sesamy-makeas replay --unknown-types --from-offset 1:5"),
        ),
        dead_letters=LetterCounts(written=5, waiting=2, writable=False),
        recent_failures=(Failure(code="http-500", upstream=evil, count=9, last_at=990.0),),
        unknown_answers=(UnknownAnswer(upstream=evil, op="upsert", shape="took", count=31),),
        settings_fingerprint="abcdef012345",
    )


class Parsed(HTMLParser):
    """What a browser would see."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.words += f"{data} "


def test_the_page_has_no_foreign_assets() -> None:
    """Its script and style are in it, the policy lets these two run and nothing else; behind a proxy with a path it works, too."""
    text = page(busy(), now=1000.0)
    parsed = Parsed(text)

    assert "took" in parsed.words
    assert not {"img", "iframe", "object", "form"} & set(parsed.tags)
    addresses = {value or "" for name, value in parsed.attributes if name in {"href", "src"}}
    assert {one for one in addresses if not one.startswith("data:image/svg+xml,")} == {"status.json", "metrics"}
    assert not {name for name, _ in parsed.attributes if name.startswith("on") or name == "style"}
    for tag in ("style", "script"):
        assert parsed.tags.count(tag) == 1
        body = text.partition(f"<{tag}>")[2].partition(f"</{tag}>")[0]
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in POLICY
    assert {"default-src 'none'", "connect-src 'self'", "img-src data:", "frame-ancestors 'none'"} <= set(POLICY.split("; "))


def test_every_value_is_escaped() -> None:
    text = page(busy(evil=EVIL), now=1000.0)

    assert "<img" not in text
    assert "img" not in Parsed(text).tags
    assert text.count("&lt;img") >= 8


def test_the_page_of_a_pod_that_has_just_begun() -> None:
    parsed = Parsed(page(Status(), now=1000.0))

    assert "starting" in parsed.words
    assert "table" not in parsed.tags


def test_the_refresh_is_not_hectic() -> None:
    """Without JavaScript the browser loads it anew; with it, the script asks as often."""
    text = page(Status(), now=0.0)
    assert re.search(r'<noscript><meta http-equiv="refresh" content="5"></noscript>', text)
    assert "}, 5000);" in text


# ---- The verdict, the hour, the other pods ----


def judged(monkeypatch: pytest.MonkeyPatch, verdict: Verdict) -> str:
    """Return a page with that verdict."""
    monkeypatch.setattr(pages, "sheet", lambda status, *, now: structs.replace(sheet(status, now=now), verdict=verdict))
    return page(Status(state="consuming", ready=True), now=1000.0)


def test_the_verdict_stands_above_all_else_with_its_cures() -> None:
    with pytest.MonkeyPatch.context() as patch:
        text = judged(
            patch,
            weighed(
                [
                    Point(level="notice", text="an <old> thing"),
                    Point(level="trouble", text="1 of 4 lists stopped", cure="give it a new key", runbook="SesamyMakeasKeyRefused"),
                ]
            ),
        )
    words = " ".join(Parsed(text).words.split())

    in_order = ["Trouble: somebody must act", "1 of 4 lists stopped", "To do: give it a new key.", "Runbook: SesamyMakeasKeyRefused"]
    places = [words.index(one) for one in (*in_order, "an <old> thing", "users dirty")]
    assert all(one < other for one, other in pairwise(places))
    assert "an <old> thing" not in text


@pytest.mark.parametrize(("level", "glyph"), [("notice", "i"), ("trouble", "!"), ("unknown", "?")])
def test_a_tab_shows_that_something_is_not_well(monkeypatch: pytest.MonkeyPatch, level: Level, glyph: str) -> None:
    """By its title and its icon, which differs in form and not in colour alone."""
    text, well = judged(monkeypatch, Verdict(level=level)), judged(monkeypatch, Verdict(level="fine"))

    assert f"<title>{glyph} consuming · sesamy-makeas</title>" in text
    assert "<title>consuming · sesamy-makeas</title>" in well
    icons = [next(value for name, value in Parsed(one).attributes if value and value.startswith("data:")) for one in (text, well)]
    assert icons[0].split("d%3D%27")[1].split("%27")[0] != icons[1].split("d%3D%27")[1].split("%27")[0]


def test_many_points_do_not_push_everything_else_off(monkeypatch: pytest.MonkeyPatch) -> None:
    words = Parsed(judged(monkeypatch, weighed(Point(level="trouble", text=f"point-{n}") for n in range(40)))).words

    assert ("point-11" in words, "point-12" in words, "and 28 more" in words) == (True, False, True)


def test_the_last_hour_is_drawn_and_said_and_each_list_has_its_own() -> None:
    hour = LastHour(
        events=(None, 4, 120),
        resyncs=(None, 1, 2),
        dirty=(None, 0, 9),
        lists=(ListHour(vendor="v", account="1", list="11", freshness_s=(None, 30.0, 2000.0)),),
    )
    lists = (ListStatus(vendor="v", account="1", list="11"), ListStatus(vendor="v", account="1", list="12"))
    text = page(Status(last_hour=hour, lists=lists), now=1_795_521_600.0)
    labels = [value for name, value in Parsed(text).attributes if name == "aria-label"]

    assert "events in, last hour: 120 a minute now, at most 120, began 11:58 UTC" in labels
    assert "fresh after, last hour: 33 min now, at most 33 min, began 11:58 UTC" in labels
    assert text.count("<svg") == 4
    assert text.count('class="late"') == 1
    assert "<svg" not in page(Status(lists=lists), now=1000.0)


def test_the_other_pods_are_linked_to_and_this_one_is_marked() -> None:
    peers = (Peer(url="http://a:1", name="a:1", is_own=True), Peer(url="http://b:1/x", name="b:1/x"))
    parsed = Parsed(page(Status(), now=1000.0, links=Links(peers=peers, unresolved=("gone",))))
    links = {value for name, value in parsed.attributes if name == "href" and value and not value.startswith("data:")}

    assert links == {"http://b:1/x/", "all", "status.json", "metrics"}
    assert "a:1 (this pod)" in parsed.words
    assert "gone: its addresses are not known" in parsed.words


def test_the_page_of_all_pods_links_to_each() -> None:
    a, b = Peer(url="http://a:1", name="a:1", is_own=True), Peer(url="http://b:1", name="b:1")
    parsed = Parsed(page_of_all({a: Status(host=EVIL), b: "no usable answer (no answer in time)"}, now=1000.0))
    links = [value for name, value in parsed.attributes if name == "href" and value and not value.startswith("data:")]

    assert {"http://a:1/", "http://b:1/", "./"} <= set(links)
    assert "img" not in parsed.tags
    assert "1 of 2 pods silent, b:1" in parsed.words


@pytest.mark.parametrize("finds_readers", [True, False])
def test_a_reader_is_looked_for_from_each_page_where_that_is_on(*, finds_readers: bool) -> None:
    links = Links(finds_readers=finds_readers)
    for text in (page(Status(), now=1000.0, links=links), page_of_all({}, now=1000.0, links=links)):
        assert (("href", "reader") in Parsed(text).attributes) == finds_readers


def test_where_no_pod_answers_nothing_is_called_none() -> None:
    silent = Peer(url="http://a:1", name="a:1")
    words = Parsed(page_of_all({silent: "no usable answer (could not connect)"}, now=1000.0)).words

    assert "events behind, dirty users: no pod answers: not known" in words
    assert "partitions: no pod answers: not known" in words
    assert not any(word in words for word in ("0 dirty", "none in the settings", "nobody waits", "none since the start", "0 pods"))
