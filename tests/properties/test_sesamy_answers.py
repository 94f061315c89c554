"""What holds of every answer of Sesamy's, however odd."""

import json
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from consumer.core.answers.sesamy import CONTRACTS, ENTITLEMENTS, ITEM, ORIGIN, PAYER, USER, Row, odd_names, profile, rows
from consumer.core.answers.shapes import Json, Kind, Shape, date, decoded, flag
from consumer.core.answers.snapshot import Contract, Entitlement
from consumer.core.errors import Retryable

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["true", "ACTIVE", "1735689600", "\ud83c"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def odd_of(shape: Shape[Any], **nested: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Objects with our fields, in which anything may stand."""
    fields = {name: nested.get(name, st.nothing()) | ANYTHING for name in shape.kinds}
    return st.fixed_dictionaries({}, optional=fields) | ANYTHING


CONTRACT = odd_of(CONTRACTS, items=st.lists(odd_of(ITEM), max_size=3), payer=odd_of(PAYER), id=st.sampled_from(["c1", "c2", "c3"]))
ENTITLEMENT = odd_of(ENTITLEMENTS, origin=odd_of(ORIGIN), id=st.sampled_from(["e1", "e2", "e3"]))

NONE = st.none()
DATES = st.sampled_from(["", "2026-03-01", "2024-01-01T00:00:00.000Z", "20260301", "soon"])


def good(kind: Kind) -> st.SearchStrategy[Any]:
    """Values as Sesamy's documents have them."""
    return NONE | (st.booleans() if kind is flag else DATES if kind is date else st.text())


def good_of(shape: Shape[Any], **nested: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects as Sesamy's documents have them."""
    return st.fixed_dictionaries(
        {}, optional={name: NONE | nested[name] if name in nested else good(kind) for name, kind in shape.kinds.items()}
    )


IDS = st.text(min_size=1).filter(str.strip)
GOOD_CONTRACT = st.builds(
    lambda row, one: {**row, "id": one}, good_of(CONTRACTS, items=st.lists(good_of(ITEM), max_size=3), payer=good_of(PAYER)), IDS
)
GOOD_ENTITLEMENT = st.builds(lambda row, one: {**row, "id": one}, good_of(ENTITLEMENTS, origin=good_of(ORIGIN)), IDS)


def read(body: bytes, shape: Shape[Row]) -> tuple[list[Row], Json] | None:
    said = decoded(body)
    try:
        found, length = rows(said, shape)
    except Retryable as error:
        assert error.code == "wrong-shape"  # noqa: PT017
        return None
    assert len(found) <= length
    return found, said


@given(st.lists(CONTRACT | GOOD_CONTRACT, max_size=4))
def test_a_page_of_contracts_is_read_or_unusable_and_can_be_written(page: list[Any]) -> None:
    outcome = read(json.dumps(page).encode(), CONTRACTS)
    if outcome is None:
        return
    found, said = outcome
    assert msgspec.convert(msgspec.json.decode(msgspec.json.encode(found)), list[Contract]) == found
    assert set(said.odd) <= set(odd_names())
    assert bool(found) == bool(page)
    assert sum(name == "contracts" for name in said.odd) == len(page) - len(found)


@given(ENTITLEMENT.filter(lambda row: isinstance(row, dict)))
def test_access_is_read_as_it_is_said_or_the_page_is_unusable(row: dict[str, Any]) -> None:
    outcome = read(json.dumps([row]).encode(), ENTITLEMENTS)
    if outcome is None:
        return
    ((found,), _) = outcome
    told = None if row.get("hasAccess") is None else str(row["hasAccess"]).strip().lower()

    words: dict[bool | None, set[str | None]] = {None: {None}, True: {"true", "1", "1.0"}, False: {"false", "0", "0.0", "-0.0"}}
    assert told in words[found.has_access]
    assert (found.type is None) == (row.get("type") is None)
    assert (found.origin is None) == (row.get("origin") is None)
    assert found.origin is None or (found.origin.type is None) == (row["origin"].get("type") is None)


@given(odd_of(USER))
def test_a_profile_is_read_or_unusable(tree: Any) -> None:
    said = decoded(json.dumps(tree).encode())
    try:
        found = profile(said)
    except Retryable as error:
        assert error.code == "wrong-shape"  # noqa: PT017
        return
    assert found.named
    assert msgspec.json.encode(found)
    # Who has an address is not taken for somebody without.
    assert (found.email is None) == (tree.get("email") is None)


@given(st.lists(GOOD_CONTRACT, min_size=1, max_size=4))
def test_what_is_well_typed_is_read_as_it_is(page: list[dict[str, Any]]) -> None:
    plain = msgspec.convert(json.loads(json.dumps(page)), list[Contract])
    tree = [*page, {"id": "odd", "createdAt": {}}]
    found, _ = rows(Json(tree), CONTRACTS)

    assert found == [*plain, Contract(id="odd")]


@given(st.lists(GOOD_ENTITLEMENT, min_size=1, max_size=4))
def test_one_odd_row_changes_no_other(page: list[dict[str, Any]]) -> None:
    plain = msgspec.convert(json.loads(json.dumps(page)), list[Entitlement])
    found, _ = rows(Json([{"id": 7}, *page, {}]), ENTITLEMENTS)

    assert found == [Entitlement(id="7"), *plain]


@given(st.binary(max_size=50) | ANYTHING.map(lambda tree: json.dumps(tree).encode()))
def test_a_body_is_json_or_not(body: bytes) -> None:
    try:
        said = decoded(body)
    except ValueError:
        return
    for read_one in (profile, lambda said: rows(said, CONTRACTS), lambda said: rows(said, ENTITLEMENTS)):
        try:
            read_one(said)
        except Retryable as error:
            assert error.code == "wrong-shape"  # noqa: PT017
