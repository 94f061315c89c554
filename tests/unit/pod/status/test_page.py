"""The status as a page: self-contained, and every value no more than text."""

import base64
import hashlib
import re
from html.parser import HTMLParser

from consumer.core.model import Failure
from consumer.core.text import shown
from consumer.pod.status.page import POLICY, page
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
    assert not {"img", "link", "iframe", "object", "form"} & set(parsed.tags)
    assert {value for name, value in parsed.attributes if name in {"href", "src"}} == {"status.json", "metrics"}
    assert not {name for name, _ in parsed.attributes if name.startswith("on") or name == "style"}
    for tag in ("style", "script"):
        assert parsed.tags.count(tag) == 1
        body = text.partition(f"<{tag}>")[2].partition(f"</{tag}>")[0]
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in POLICY
    assert {"default-src 'none'", "connect-src 'self'", "frame-ancestors 'none'"} <= set(POLICY.split("; "))


def test_every_value_is_escaped() -> None:
    text = page(busy(evil=EVIL), now=1000.0)

    assert "<img" not in text
    assert "img" not in Parsed(text).tags
    assert text.count("&lt;img") == 8


def test_the_page_of_a_pod_that_has_just_begun() -> None:
    parsed = Parsed(page(Status(), now=1000.0))

    assert "starting" in parsed.words
    assert "table" not in parsed.tags


def test_the_refresh_is_not_hectic() -> None:
    """Without JavaScript the browser loads it anew; with it, the script asks as often."""
    text = page(Status(), now=0.0)
    assert re.search(r'<noscript><meta http-equiv="refresh" content="5"></noscript>', text)
    assert "}, 5000);" in text
