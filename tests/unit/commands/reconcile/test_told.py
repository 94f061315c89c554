"""What a reconcile says in words: every difference is counted, and no more than twenty of a kind are named."""

import io
from typing import Any

import pytest
from msgspec import structs
from rich.console import Console

from consumer.commands.batch import Synced
from consumer.commands.reconcile.looking import Looked
from consumer.commands.reconcile.report import Report
from consumer.commands.reconcile.told import drawn, ended, too_many
from consumer.core.drift.contacts import KINDS, Finding, Kind
from consumer.core.drift.findings import Findings
from consumer.core.model import AccountId

ACCOUNT = AccountId("1001")


def looked(*found: Finding, **more: Any) -> Looked:
    findings = Findings()
    findings.take(found, lists_of=lambda _: ("10", "11"))
    none = Looked(
        findings=findings,
        readers={"v": 1200, "w": 34},
        skipped={"v": 5, "w": 0},
        contacts={"1001": 2000},
        of_list={},
        unknown_ids=0,
        no_account=0,
        not_compared=(),
    )
    return structs.replace(none, **more)


def finding(kind: Kind = "missing", user: str = "ann", **more: Any) -> Finding:
    return Finding(kind=kind, vendor="v", user=user, account=ACCOUNT, **more)


def said(what: Looked, *, retires: bool = False) -> str:
    console = Console(file=io.StringIO(), width=160)
    for one in drawn(what, {"10": "Morning"}, retires=retires):
        console.print(one)
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


REPORT = Report(
    ended="agreed",
    started_at="2026-01-01T00:00:00Z",
    took_s=3,
    vendors=("v",),
    lists=("10",),
    readers={"v": 9},
    skipped={"v": 0},
    contacts={"1001": 9},
    counts=(),
    unknown_ids=0,
    no_account=0,
    not_compared=(),
    to_repair=0,
    repaired=0,
    skipped_at_repair=0,
    retired=0,
    left=0,
)


def test_it_says_how_much_was_looked_at_and_what_was_not_compared() -> None:
    lines = said(looked(no_account=3, not_compared=("products of v: why",))).splitlines()
    assert lines == [
        "1,234 readers looked at (5 guests or without an address beside), 2,000 contacts",
        "3 rows of contacts without an external id are no reader's, and left alone",
        "not compared: products of v: why",
    ]


def test_each_kind_is_counted_by_list_with_its_name_for_people() -> None:
    text = said(looked(finding(lists=("10", "11")), finding("field", "bo")))
    nowhere = ["on", "none", "of", "its", "lists,", "or", "not", "at", "Make.as", "at", "all"]
    assert [line.split() for line in text.splitlines() if line.strip().startswith("1001")] == [
        ["1001", "(of", "the", "account)", "a", "field", "differs", "1"],
        ["1001", "10", "Morning", *nowhere, "1"],
        ["1001", "11", *nowhere, "1"],
    ]
    assert "  v  ann  account 1001  10, 11\n" in text


def test_every_kind_that_can_be_found_has_its_words() -> None:
    kinds = list(KINDS)
    """Of which there is but a number."""
    text = said(looked(*(finding(kind, f"user-{kind}", repairs=False, why="so it is") for kind in kinds)))
    assert [kind for kind in kinds if f"user-{kind}  account 1001  so it is: reported, not repaired" not in text] == []


def test_of_many_the_first_twenty_are_named_and_the_others_counted() -> None:
    text = said(looked(*(finding(user=f"user-{number}") for number in range(1021))))
    assert text.count("  v  user-") == 20
    assert "and 1,001 more: --report FILE has all of them" in text
    assert "more: --report" not in said(looked(*(finding(user=f"user-{number}") for number in range(20))))


def test_what_moved_is_said_to_lose_its_tags_only_where_that_is_wanted() -> None:
    left = structs.replace(finding("moved", repairs=False, why="it left"), contact="17")
    other = finding("moved", "cy", repairs=False, why="it may be another's")
    moved = looked(left, other, finding("doubled", "bo", repairs=False, why="two"))
    assert "ann  account 1001  it left: reported, not repaired" in said(moved)
    text = said(moved, retires=True)
    assert "ann  account 1001  it left: its tags are taken" in text
    assert "bo  account 1001  two: reported, not repaired" in text
    assert "cy  account 1001  it may be another's: reported, not repaired" in text


def test_an_id_of_the_upstreams_moves_no_cursor() -> None:
    assert "\x1b" not in said(looked(finding(user="\x1b[2Jann")))


def test_too_many_changes_are_said_list_by_list_with_what_is_allowed() -> None:
    assert list(too_many({"10": 20}, {"10": 1200, "11": 3})) == [
        "list 10: 1,200 readers would be changed, and --max-changes allows 20",
        "so nothing is written: look at the examples, and raise --max-changes if they are right",
    ]


def test_the_end_says_whether_all_agrees() -> None:
    assert list(ended(REPORT)) == ["all lists agree with Sesamy"]
    repaired = structs.replace(REPORT, to_repair=2, repaired=2)
    assert list(ended(repaired)) == ["2 of 2 readers resynced, 0 failed, in 3 s", "all lists agree with Sesamy"]
    left = structs.replace(REPORT, ended="differs", left=1, retired=4)
    assert list(ended(left)) == [
        "4 contacts at addresses that their readers have left: without sesamy_ tags now",
        "1 difference left",
    ]


def test_a_dry_run_says_that_nothing_was_written_and_never_that_all_agrees() -> None:
    assert list(ended(structs.replace(REPORT, ended="dry-run", to_repair=2))) == ["to resync: 2 readers; nothing was written"]


def test_readers_that_failed_are_named_with_their_codes_twenty_of_them() -> None:
    failures = tuple(Synced(vendor="v", user=f"user-{number}", outcome="failed", failed={"1001": "http-500"}) for number in range(22))
    lines = list(ended(structs.replace(REPORT, ended="differs", to_repair=22, failures=failures, left=22)))
    assert lines[0] == "0 of 22 readers resynced, 22 failed, in 3 s"
    assert lines[1] == "failed  v  user-0  (1001: http-500)"
    assert lines[-2:] == ["and 2 more: --report FILE has all of them", "22 differences left"]
    assert len([line for line in lines if line.startswith("failed")]) == 20


def test_it_says_what_was_seen_of_readers_that_were_looked_at_again() -> None:
    repaired = structs.replace(REPORT, to_repair=30, repaired=30, looked_again=20)
    assert list(ended(repaired))[1:] == [
        "looked at again: 20 readers; Make.as has kept what was written",
        "all lists agree with Sesamy",
    ]
    still = (finding("tags", "ann"), finding("field", "ann"), finding("tags", "bo"))
    assert list(ended(structs.replace(repaired, ended="differs", left=2, still=still, not_looked_again=3)))[1:] == [
        "not looked at again: 3 readers, for an upstream did not answer",
        "looked at again: 20 readers, of which 2 still differ: Make.as does not keep what is written",
        "a field differs:",
        "  v  ann  account 1001",
        "sesamy_ tags are missing or stale:",
        "  v  ann  account 1001",
        "  v  bo  account 1001",
        "sesamy-makeas diff v ann  shows what",
        "2 differences left",
    ]


def test_that_all_agrees_is_said_with_what_it_does_not_speak_of() -> None:
    never = "products and subscriptions of v: Make.as does not give them back"
    assert list(ended(structs.replace(REPORT, not_compared=(never,)))) == ["all lists agree with Sesamy"]
    assert list(ended(structs.replace(REPORT, not_compared=(never, "tags of v: why"), unknown_ids=1))) == [
        "all lists agree with Sesamy; left alone: 1 contact of no reader; not all could be compared"
    ]


@pytest.mark.parametrize("how", ["declined", "too-many"])
def test_what_was_not_resynced_is_never_said_to_be(how: Any) -> None:
    assert list(ended(structs.replace(REPORT, ended=how, to_repair=1, left=3))) == [
        "1 reader to resync, and nothing was written",
        "3 differences left",
    ]
