"""Whose users commands outside the group take from the topic, where an event's type is none of the eight."""

import json
from types import SimpleNamespace
from typing import Any, Literal

import pytest

from consumer.commands.replay import scan
from consumer.commands.replay.plan import Asked
from consumer.commands.replay.scan import _Sorting
from consumer.core.events import decode
from consumer.core.model import UserKey
from consumer.kafka import tail
from consumer.kafka.tail import Tail
from consumer.settings.model import KafkaSettings

ANN, BO, CAT = (UserKey("v1", name) for name in ("ann", "bo", "cat"))


def record(user: UserKey, type_: str) -> bytes:
    return json.dumps({"eventType": type_, "vendorId": user.vendor, "userId": user.user}).encode()


RECORDS = (
    record(ANN, "contract.7#update"),
    record(BO, "userVendor.1#deleted"),
    record(CAT, "article.1#read"),
    record(CAT, "article.1#read"),
    record(UserKey("v9", "dan"), "article.1#read"),
    None,
)


@pytest.mark.parametrize(("takes", "users", "ignored"), [(False, [ANN], 4), (True, [ANN, BO, CAT], 1)])
def test_a_scan_counts_unknown_types_and_takes_their_users_where_asked(takes: bool, users: list[UserKey], ignored: int) -> None:
    sorting = _Sorting(frozenset({"v1"}), Asked(), takes_unknown=takes)
    for value in RECORDS:
        sorting.take(value)

    found = sorting.scanned
    assert (list(found.users), found.ignored, found.unknown_vendors) == (users, ignored, {"v9": 1})
    assert (found.unknown_types, found.takes_unknown_types) == ({"userVendor.1#deleted": 1, "article.1#read": 2}, takes)


def test_a_scan_keeps_no_more_than_fifty_types() -> None:
    sorting = _Sorting(frozenset({"v1"}), Asked(), takes_unknown=False)
    for number in range(60):
        sorting.take(record(ANN, f"a#{number}"))

    assert (len(sorting.scanned.unknown_types), sorting.scanned.unknown_types["other"]) == (51, 10)


def test_a_selection_of_users_holds_for_unknown_types_too() -> None:
    sorting = _Sorting(frozenset({"v1"}), Asked(users=("bo",)), takes_unknown=True)
    for value in RECORDS:
        sorting.take(value)

    assert (list(sorting.scanned.users), sorting.scanned.unknown_types) == ([BO], {"userVendor.1#deleted": 1})


@pytest.mark.parametrize(("unknown_types", "seen"), [("ignore", [ANN]), ("resync", [ANN, BO, CAT, CAT, UserKey("v9", "dan")])])
async def test_a_tail_sees_the_events_that_pods_run_for(unknown_types: Literal["ignore", "resync"], seen: list[UserKey]) -> None:
    """Where they pass a type over, no run of theirs covers what was written before its event."""
    found: list[UserKey] = []
    follow: Any = SimpleNamespace(seen=lambda user, *_: found.append(user), read=lambda *_: None)
    following = Tail(KafkaSettings(unknown_types=unknown_types), follow)
    records = [SimpleNamespace(offset=number, value=value) for number, value in enumerate(RECORDS)]

    following._take(0, records)

    assert found == seen


def stumbles(value: bytes | None) -> object:
    if value == RECORDS[1]:
        raise OverflowError
    return decode(value)


def test_a_record_at_which_our_reading_fails_costs_a_scan_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "decode", stumbles)
    sorting = _Sorting(frozenset({"v1"}), Asked(), takes_unknown=True)
    for value in RECORDS:
        sorting.take(value)

    assert (list(sorting.scanned.users), sorting.scanned.unreadable) == ([ANN, CAT], 1)


def test_a_record_at_which_our_reading_fails_may_be_anybodys_to_a_tail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "decode", stumbles)
    told: list[object] = []
    follow: Any = SimpleNamespace(seen=lambda user, *_: told.append(user), missed=told.append)
    records = [SimpleNamespace(offset=number, value=value) for number, value in enumerate(RECORDS[:2])]

    Tail(KafkaSettings(), follow)._take(3, records)

    assert told == [ANN, 3]
