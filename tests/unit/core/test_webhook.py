"""What a webhook's body means for the topic."""

import json
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.core.errors import Unreadable
from consumer.core.events import decode
from consumer.core.model import Event, UserKey
from consumer.core.webhook import MAX_EVENTS, BadBody, Refusal, read

DOCUMENTED = (
    b'{"eventType":"userVendor.1#new","vendorId":"vendor_123","userId":"user_456","contractId":"contract_789",'
    b'"entitlementId":"entitlement_012","checkoutId":"checkout_345","occured_at":"2025-11-10T12:00:00Z"}'
)


def event(user: str = "u", type_: str = "contract.1#update", **more: Any) -> dict[str, Any]:
    return {"eventType": type_, "vendorId": "v", "userId": user, **more}


def test_the_documented_example_goes_to_the_topic_with_its_ids_and_nothing_else() -> None:
    (one,) = read(DOCUMENTED).accepted
    assert one.key == b"vendor_123|user_456"
    assert json.loads(one.value) == {"eventType": "userVendor.1#new", "vendorId": "vendor_123", "userId": "user_456"}
    assert decode(one.value) == Event(UserKey("vendor_123", "user_456"), "userVendor.1#new")


def test_several_at_once_go_in_their_order_and_those_that_can_not_be_used_are_named_by_their_place() -> None:
    body = json.dumps([event("a"), {"eventType": "x"}, event("b"), 7, None, event("c")]).encode()
    found = read(body)
    assert [one.user.user for one in found.accepted] == ["a", "b", "c"]
    assert found.refused == (Refusal(1, "no-ids"), Refusal(3, "not-json"), Refusal(4, "not-json"))


def test_an_unknown_type_passes_on_as_it_stands() -> None:
    (one,) = read(json.dumps(event(type_="newsletter.1#sent")).encode()).accepted
    assert json.loads(one.value)["eventType"] == "newsletter.1#sent"


def test_another_version_of_a_type_passes_on_as_the_documented_one() -> None:
    (one,) = read(json.dumps(event(type_="contract.2#update")).encode()).accepted
    assert json.loads(one.value)["eventType"] == "contract.1#update"


@pytest.mark.parametrize(
    ("body", "code"),
    [(b"[", "not-json"), (b"[{]", "not-json"), (b"[]", "no-events"), (b" [ ] ", "no-events"), (b"[" * 100_000, "not-json")],
)
def test_a_body_that_holds_no_events_at_all(body: bytes, code: str) -> None:
    with pytest.raises(Unreadable) as refused:
        read(body)
    assert refused.value.code == code
    assert refused.value.__cause__ is None


@pytest.mark.parametrize("body", [b"7", b"null", b'"[]"', b"{}"])
def test_one_event_that_is_none_is_refused_at_place_0(body: bytes) -> None:
    found = read(body)
    assert (found.accepted, len(found.refused), found.refused[0].position) == ((), 1, 0)


@pytest.mark.parametrize(
    ("body", "at_byte"), [(b"", None), (b"{", None), (b"\xff\xfe", 0), (b'[{"a":1},{"b":x}]', 14), (b'{"a":' * 100_000, None)]
)
def test_a_body_that_is_no_json_is_refused_with_the_place_of_the_fault(body: bytes, at_byte: int | None) -> None:
    with pytest.raises(BadBody) as refused:
        read(body)
    assert (refused.value.code, refused.value.at_byte) == ("not-json", at_byte)


def test_a_thousand_are_taken_and_one_more_is_too_many() -> None:
    assert len(read(json.dumps([event(str(number)) for number in range(MAX_EVENTS)]).encode()).accepted) == MAX_EVENTS
    with pytest.raises(Unreadable) as refused:
        read(json.dumps([event()] * (MAX_EVENTS + 1)).encode())
    assert refused.value.code == "too-many"


def test_one_that_is_too_large_costs_the_others_nothing() -> None:
    found = read(json.dumps([event("a", pad="x" * 70_000), event("b")]).encode())
    assert [one.user.user for one in found.accepted] == ["b"]
    assert found.refused == (Refusal(0, "too-large"),)


@given(st.lists(st.one_of(st.builds(event, st.text(max_size=300)), st.integers(), st.none(), st.dictionaries(st.text(), st.text()))))
def test_each_place_is_accepted_or_refused_once_and_what_is_accepted_can_be_read_again(rows: list[Any]) -> None:
    body = json.dumps(rows).encode()
    if not rows:
        return
    found = read(body)
    assert len(found.accepted) + len(found.refused) == len(rows)
    for one in found.accepted:
        again = decode(one.value)
        assert getattr(again, "user", None) == one.user
        assert set(msgspec.json.decode(one.value)) == {"eventType", "vendorId", "userId"}


@given(st.binary(max_size=400))
def test_no_bytes_at_all_do_any_harm(body: bytes) -> None:
    found = None
    with suppress(BadBody):
        found = read(body)
    if found is not None:
        assert len(found.refused) + len(found.accepted) >= 1
