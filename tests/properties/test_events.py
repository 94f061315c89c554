"""No bytes whatever break the decoder, and what it takes it can give back."""

import json

from hypothesis import example, given
from hypothesis import strategies as st

from consumer.core.errors import Unreadable
from consumer.core.events import TYPES, Unknown, decode, encode
from consumer.core.model import Event, UserKey

IDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=256)
EVENTS = st.builds(Event, st.builds(UserKey, IDS, IDS), st.sampled_from(sorted(TYPES)))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
KEYS = ["eventType", "vendorId", "userId", "occured_at"]


def check(value: bytes) -> None:
    """An event that can be sent on, or nothing to do, or an error with one of the three codes."""
    try:
        event = decode(value)
    except Unreadable as error:
        assert error.code in {"too-large", "not-json", "no-ids"}  # noqa: PT017
    else:
        if isinstance(event, Event):
            assert event.type in TYPES
            assert 0 < len(event.user.vendor.encode()) <= 4 * 256
            assert 0 < len(event.user.user.encode()) <= 4 * 256
        else:
            assert isinstance(event, Unknown)
            assert event.type not in TYPES
            assert decode(encode(Event(event.user, event.type))) == event


@given(st.binary(max_size=400))
@example(b'{"eventType":"contract.1#update","vendorId":"v","userId":"\\ud800"}')
def test_any_bytes(value: bytes) -> None:
    check(value)


@given(JSON)
def test_any_json(value: object) -> None:
    check(json.dumps(value).encode())


@given(st.dictionaries(st.sampled_from(KEYS), JSON | st.sampled_from(sorted(TYPES))))
def test_any_values_under_our_keys(value: dict[str, object]) -> None:
    check(json.dumps(value).encode())


@given(EVENTS, st.data())
def test_a_good_event_with_some_bytes_changed(event: Event, data: st.DataObject) -> None:
    value = bytearray(encode(event))
    for index in data.draw(st.lists(st.integers(0, len(value) - 1), min_size=1, max_size=4)):
        value[index] = data.draw(st.integers(0, 255))

    check(bytes(value))


@given(EVENTS)
def test_a_dead_letters_value_is_an_event_again(event: Event) -> None:
    assert decode(encode(event)) == event


@given(EVENTS, st.dictionaries(st.text(max_size=12).filter(lambda key: key not in KEYS), JSON, max_size=4), st.booleans())
def test_neither_other_keys_nor_the_way_of_writing_matter(event: Event, extra: dict[str, object], plain: bool) -> None:
    fields = {"userId": event.user.user, **extra, "vendorId": event.user.vendor, "eventType": event.type}

    assert decode(json.dumps(fields, ensure_ascii=plain, indent=1).encode(errors="surrogatepass")) == event
