"""What was read in bulk: given back whole, for an hour, and never once an event has come."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.core.answers.snapshot import Contract, Entitlement, Item, Origin, Payer, Profile, Snapshot
from consumer.core.drift.bulk import FRESH_S, Bulk
from consumer.core.model import UserKey

words = st.none() | st.text(max_size=12)
ids = st.sampled_from([f"row-{number}" for number in range(4)])
profiles = st.builds(
    Profile,
    user_id=st.just("ann"),
    email=words,
    first_name=words,
    family_name_=words,
    tags=st.none() | st.lists(st.text(max_size=5), max_size=3),
)
items = st.builds(Item, sku=words, name=words, purchase_option_id=words, purchase_type=words)
contracts = st.builds(
    Contract,
    id=ids,
    user_id=st.just("ann"),
    status=words,
    is_active=st.none() | st.booleans(),
    created_at=words,
    will_cancel_at=words,
    items=st.none() | st.lists(items, max_size=2),
    payer=st.none() | st.builds(Payer, id=words, email=words),
    payer_email=words,
    is_gift=st.none() | st.booleans(),
)
entitlements = st.builds(
    Entitlement,
    id=ids,
    user_id=st.just("ann"),
    sku=words,
    title=words,
    origin=st.none() | st.builds(Origin, type=words, contract_id=words),
    has_access=st.none() | st.booleans(),
)


def bulk(user: str = "ann", *rows: Any, profile: Profile | None = None, now: float = 100.0) -> Bulk:
    made = Bulk("v1")
    made.take_users([(user, profile or Profile(user_id=user, email="ann@example.com"))], now=now)
    made.take_rows(rows)
    return made


@given(profiles, st.lists(contracts, max_size=5), st.lists(entitlements, max_size=5))
def test_a_reader_is_given_back_as_its_lists_had_it(profile: Profile, deals: list[Contract], rights: list[Entitlement]) -> None:
    found = bulk("ann", *deals, *rights, profile=profile).snapshot("ann", now=100.0)

    assert found == Snapshot(
        user=UserKey("v1", "ann"),
        profile=profile,
        contracts=tuple({one.id: one for one in deals}.values()),
        entitlements=tuple({one.id: one for one in rights}.values()),
    )


def test_rows_of_one_kind_are_each_readers_own() -> None:
    made = Bulk("v1")
    made.take_users([(user, Profile(user_id=user)) for user in ("ann", "bo")], now=0.0)
    made.take_rows([Contract(id="1", user_id="ann", status="ACTIVE"), Contract(id="2", user_id="bo", status="ACTIVE")])

    assert [[one.id for one in made.snapshot(user, now=0.0).contracts] for user in ("ann", "bo")] == [["1"], ["2"]]  # type: ignore[union-attr]


@pytest.mark.parametrize(("age_s", "is_given"), [(0.0, True), (FRESH_S, True), (FRESH_S + 1, False)])
def test_it_is_given_for_an_hour_since_its_page_was_asked_for(age_s: float, *, is_given: bool) -> None:
    assert (bulk(now=100.0).snapshot("ann", now=100.0 + age_s) is not None) == is_given


def test_a_page_that_comes_again_makes_it_no_younger() -> None:
    made = bulk(now=0.0)
    made.take_users([("ann", Profile(user_id="ann"))], now=FRESH_S)

    assert made.snapshot("ann", now=FRESH_S + 1) is None


def test_once_an_event_has_come_it_is_never_given_nor_is_anybody_else_than_was_kept() -> None:
    made = Bulk("v1")
    made.take_users([(user, Profile(user_id=user)) for user in ("ann", "bo", "cy")], now=0.0)
    made.drop("ann")
    made.drop("nobody")

    assert made.keep({"ann", "bo"}) == 1
    assert [made.snapshot(user, now=0.0) is not None for user in ("ann", "bo", "cy", "nobody")] == [False, True, False, False]

    made.clear()
    assert made.snapshot("bo", now=0.0) is None
