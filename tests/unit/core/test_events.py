"""What a record's bytes say, and every kind of poison."""

import json
import sys
from typing import Any

import pytest

from consumer.core.errors import Unreadable
from consumer.core.events import MAX_RECORD_BYTES, TYPES, URGENT, Ignored, Unknown, decode, encode
from consumer.core.model import Event, UserKey

ANN = "email|84cccf985de28a2a84824786"


def record(**changes: Any) -> bytes:
    """Make a record; a field given as `...` is missing."""
    fields = {"eventType": "contract.1#update", "vendorId": "vendor_123", "userId": ANN} | changes
    return json.dumps({key: value for key, value in fields.items() if value is not ...}).encode()


def code(value: bytes) -> str:
    with pytest.raises(Unreadable) as caught:
        decode(value)
    return caught.value.code


def padded(size: int) -> bytes:
    """Make a good record of `size` bytes."""
    return record(extra="x" * (size - len(record(extra=""))))


@pytest.mark.parametrize(
    "type_",
    [
        "userVendor.1#new",
        "userVendor.1#update",
        "contract.1#purchased",
        "contract.1#update",
        "contract#cancelRequest",
        "checkout.1#confirm",
        "entitlement.1#new",
        "entitlement.1#update",
    ],
)
def test_each_of_the_eight_types_is_an_event(type_: str) -> None:
    assert type_ in TYPES
    assert decode(record(eventType=type_)) == Event(UserKey("vendor_123", ANN), type_)


def test_there_are_eight_types_and_three_are_urgent() -> None:
    assert len(TYPES) == 8
    assert {"checkout.1#confirm", "contract.1#purchased", "userVendor.1#new"} == URGENT
    assert URGENT < TYPES


@pytest.mark.parametrize("user", [ANN, "sid:a/b?c=d&e#f%2F", "auth|æøå", "a", "x" * 256, "å" * 256, "😀", "a\x00b\r\n", "..", " "])
def test_a_user_id_is_taken_as_it_is(user: str) -> None:
    assert decode(record(userId=user)) == Event(UserKey("vendor_123", user), "contract.1#update")


@pytest.mark.parametrize(
    "extra",
    [
        {"occured_at": "2025-11-10T12:00:00Z"},
        {"occurred_at": "2025-11-10T12:00:00Z"},
        {"occurredAt": "2025-11-10T12:00:00Z"},
        {"occured_at": 17, "contractId": None, "checkoutId": [], "entitlementId": {"a": 1}},
        {"email": "ann@example.com", "user": {"userId": "other"}},
    ],
)
def test_other_keys_say_nothing(extra: dict[str, Any]) -> None:
    assert decode(record(**extra)) == decode(record())


def test_of_a_key_that_stands_twice_the_last_one_counts() -> None:
    value = b'{"eventType":"x","userId":"a","vendorId":"v","userId":"b","eventType":"contract.1#update"}'

    assert decode(value) == Event(UserKey("v", "b"), "contract.1#update")


@pytest.mark.parametrize("first", ["5", "null", '""', '[{"userId": "c"}]', f'"{"i" * 257}"'])
def test_what_a_later_key_overrides_may_be_unusable(first: str) -> None:
    value = f'{{"userId":{first},"vendorId":"v","eventType":"contract.1#update","userId":"b"}}'.encode()

    assert decode(value) == Event(UserKey("v", "b"), "contract.1#update")


def test_two_vendors_may_know_one_user_id() -> None:
    one, other = decode(record(vendorId="v1")), decode(record(vendorId="v2"))

    assert isinstance(one, Event)
    assert isinstance(other, Event)
    assert one.user != other.user


def test_a_null_value_is_a_tombstone() -> None:
    ignored = decode(None)

    assert ignored is Ignored.TOMBSTONE
    assert ignored.reason == "tombstone"


@pytest.mark.parametrize("version", ["", ".1", ".2", ".0", ".17", ".1000000000000000000000"])
@pytest.mark.parametrize("type_", sorted(TYPES))
def test_of_a_type_family_and_action_decide(type_: str, version: str) -> None:
    family, _, action = type_.replace(".1#", "#").partition("#")
    found = decode(record(eventType=f"{family}{version}#{action}"))

    assert isinstance(found, Event)
    assert found == Event(UserKey("vendor_123", ANN), type_)
    assert any(found.type is known for known in TYPES)


@pytest.mark.parametrize(
    "type_",
    [
        "bill.1#paid",
        "userVendor.1#deleted",
        "article.1#read",
        "contract.1#Update",
        "contract.1#update ",
        "contract.#update",
        "contract.x#update",
        "contract.-1#update",
        "contract.\u0661#update",
        "contract.\u00b2#update",
        "contract.1.1#update",
        "Contract#update",
        ".1#update",
        "contract",
        "contract#",
        "#update",
        "#",
        "contract.1#update#",
        "contract.1##update",
        "ann@example.com" * 10,
    ],
)
def test_another_type_is_unknown_and_keeps_its_ids(type_: str) -> None:
    assert decode(record(eventType=type_)) == Unknown(UserKey("vendor_123", ANN), type_)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(b"", id="no bytes"),
        pytest.param(b" \n", id="space"),
        pytest.param(b"null", id="null"),
        pytest.param(b"[]", id="array"),
        pytest.param(b"17", id="number"),
        pytest.param(b'"text"', id="string"),
        pytest.param(b"hello", id="text"),
        pytest.param(record()[:-1], id="cut"),
        pytest.param(record() + b"}", id="tail"),
        pytest.param(record() * 2, id="two"),
        pytest.param(b"\xef\xbb\xbf" + record(), id="BOM"),
        pytest.param(record().decode().encode("utf-16"), id="UTF-16"),
        pytest.param(b"\x00\x00\x00\x00\x07" + record(), id="schema registry"),
        pytest.param(record(userId="X").replace(b"X", b"\xff"), id="no UTF-8"),
        pytest.param(record(userId="X").replace(b"X", b"\xed\xa0\x80"), id="surrogate in bytes"),
        pytest.param(record(userId="X").replace(b"X", b"\\ud800"), id="lone surrogate"),
        pytest.param(record(userId="X").replace(b"X", b"\\udc00\\ud800"), id="surrogates the wrong way round"),
        pytest.param(record(userId="X").replace(b'"X"', b"9" * 60_000), id="huge number"),
        pytest.param(record(userId="X").replace(b'"X"', b"NaN"), id="NaN"),
        pytest.param(record(userId="X").replace(b'"X"', b"[" * 60_000), id="deep"),
        pytest.param(record(x="X").replace(b'"X"', b"[" * 30_000 + b"]" * 30_000), id="deep in what is skipped"),
    ],
)
def test_what_is_no_json_object_is_unreadable(value: bytes) -> None:
    assert code(value) == "not-json"


@pytest.mark.parametrize("key", ["eventType", "vendorId", "userId"])
@pytest.mark.parametrize("bad", [..., None, "", 17, 1.5, True, ["a"], {"a": "b"}, "x" * 257], ids=lambda bad: str(bad)[:12])
def test_an_id_that_is_unusable_is_unreadable(key: str, bad: Any) -> None:
    assert code(record(**{key: bad})) == "no-ids"


def test_an_empty_object_has_no_ids() -> None:
    assert code(b"{}") == "no-ids"


def test_64_kib_is_the_limit() -> None:
    assert MAX_RECORD_BYTES == 64 * 1024
    assert isinstance(decode(padded(MAX_RECORD_BYTES)), Event)
    assert code(padded(MAX_RECORD_BYTES + 1)) == "too-large"


@pytest.mark.parametrize("value", [b"[" * 200_000, b'"' + b"a" * 1_048_576 + b'"', b"\xff" * 100_000])
def test_size_is_looked_at_before_anything_else(value: bytes) -> None:
    assert code(value) == "too-large"


@pytest.mark.parametrize(
    "value",
    [
        b"ann@example.com",
        b'{"eventType": "ann@example.com',
        record(userId=["ann@example.com"]),
        record(eventType="", email="ann@example.com"),
        record(userId="ann@example.com" * 5_000),
        record(userId="ann@example.com X").replace(b"X", b"\xff"),
    ],
)
def test_an_error_quotes_nothing(value: bytes) -> None:
    with pytest.raises(Unreadable) as caught:
        decode(value)

    assert "ann" not in repr(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None or caught.value.__suppress_context__


def test_users_share_the_strings_of_their_vendor_and_type() -> None:
    one, other = decode(record(vendorId="vendor_shared", userId="a")), decode(record(vendorId="vendor_shared", userId="b"))

    assert isinstance(one, Event)
    assert isinstance(other, Event)
    assert one.user.vendor is other.user.vendor
    assert one.user.vendor is sys.intern("vendor_shared")
    assert any(one.type is known for known in TYPES)


def test_a_dead_letter_holds_the_three_ids_and_no_more() -> None:
    value = encode(Event(UserKey("vendor_123", "email|æøå"), "contract#cancelRequest"))

    assert json.loads(value) == {"eventType": "contract#cancelRequest", "vendorId": "vendor_123", "userId": "email|æøå"}
