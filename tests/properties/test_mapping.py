"""What holds of every user's documents, however odd the snapshot."""

import unicodedata
from collections import Counter
from random import Random

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from consumer.core.answers.snapshot import Contract, Entitlement, Item, Origin, Payer, Profile, Snapshot
from consumer.core.errors import Retryable
from consumer.core.mapping.documents import Documents, Skip, documents
from consumer.core.mapping.tags import is_ours, slug
from consumer.core.model import UserKey

USER = "email|ann"
# Few values, so that they meet; none of them ends as a joint does.
NAMES = (
    st.none()
    | st.sampled_from(["", " ", "A", "b", "Å", "Magazine"])
    | st.text(max_size=120).filter(lambda text: not text.endswith((" - ", "|")))
)
STATUS = st.none() | st.sampled_from(
    ["", " ", "ACTIVE", "active", "Overdue", "OVERDUE", "CANCELED", "CANCELLED", "expired", "PENDING", "NEW"]
)
DATES = st.none() | st.sampled_from(["", "2020-01-01", "2024-01-01T00:00:00.000Z", "2024-01-01T02:00:00+02:00", "2025-01-01T00:00:00.000Z"])
FLAGS = st.none() | st.booleans() | st.sampled_from(["", "true", "NONE", "EMAIL", 0, 1])
IDS = st.sampled_from(["c1", "c2", "c3", "c4", "c5"])
ITEMS = st.builds(
    Item,
    sku=NAMES,
    name=NAMES,
    title=NAMES,
    list_price_id=NAMES,
    purchase_option_id=NAMES,
    purchase_option_name=NAMES,
    option_title=NAMES,
    purchase_type=st.none() | st.sampled_from(["SINGLE", "RECURRING"]),
)
CONTRACTS = st.builds(
    Contract,
    id=IDS,
    user_id=st.sampled_from([None, "", USER]),
    status=STATUS,
    is_active=st.none() | st.booleans(),
    contract_duration=st.none() | st.sampled_from(["RECURRING", "RENEWABLE", "PERPETUAL", "x"]),
    recurring_interval=st.none() | st.just("MONTH"),
    start_date=DATES,
    created_at=DATES,
    end_date=DATES,
    canceled_at=DATES,
    will_cancel_at=DATES,
    items=st.none() | st.lists(ITEMS, max_size=3),
    payer=st.none() | st.builds(Payer, id=NAMES, email=NAMES),
    payer_email=NAMES,
    gift_mode=FLAGS,
    is_gift=FLAGS,
)
ENTITLEMENTS = st.builds(
    Entitlement,
    id=IDS,
    sku=NAMES,
    purchase_option=NAMES,
    title=NAMES,
    type=st.none() | st.sampled_from(["article", "pass"]),
    origin=st.none() | st.builds(Origin, type=st.sampled_from([None, "PAYMENTS", "EXTERNAL"]), contract_id=st.none() | IDS),
    has_access=st.none() | st.booleans(),
)
PROFILES = st.builds(
    Profile,
    email=st.sampled_from([None, "", " ", "ann@example.com", " ann@example.com "]),
    first_name=NAMES,
    given_name=NAMES,
    company=NAMES,
    tags=st.none() | st.lists(st.text(max_size=120), max_size=4),
    is_guest=FLAGS,
)
SNAPSHOTS = st.builds(
    Snapshot,
    user=st.just(UserKey("vendor_123", USER)),
    profile=PROFILES,
    contracts=st.lists(CONTRACTS, max_size=6).map(tuple),
    entitlements=st.lists(ENTITLEMENTS, max_size=4).map(tuple),
)
WRITABLE = st.builds(
    lambda snapshot: structs.replace(snapshot, profile=structs.replace(snapshot.profile, email="ann@example.com", is_guest=None)), SNAPSHOTS
)


def written(snapshot: Snapshot) -> Documents:
    found = documents(snapshot)
    assert isinstance(found, Documents)
    return found


@given(SNAPSHOTS, st.none() | st.sampled_from(["contract", "entitlement"]))
def test_there_are_documents_or_a_skip_or_an_answer_that_is_not_believed(snapshot: Snapshot, foreign: str | None) -> None:
    if foreign == "contract":
        snapshot = structs.replace(snapshot, contracts=(*snapshot.contracts, Contract(id="c9", user_id="email|bob")))
    if foreign == "entitlement":
        snapshot = structs.replace(snapshot, entitlements=(*snapshot.entitlements, Entitlement(id="e9", user_id="email|bob")))
    flag = snapshot.profile.is_guest
    try:
        found = documents(snapshot)
    except Retryable as error:
        assert error.code == "foreign-contract"  # noqa: PT017
        assert foreign
    else:
        assert not foreign
        if isinstance(found, Skip):
            assert found.reason == ("guest" if flag in (True, 1, "true", "1") else "no-email")
        else:
            assert found.subscriber.email == (snapshot.profile.email or "").strip() != ""


@given(WRITABLE)
def test_every_subscription_points_at_a_product(snapshot: Snapshot) -> None:
    found = written(snapshot)

    assert {one.product_external_id for one in found.subscriptions} <= {one.external_id for one in found.products}


@given(WRITABLE)
def test_no_id_stands_twice(snapshot: Snapshot) -> None:
    found = written(snapshot)

    assert set(Counter(one.external_id for one in found.products).values()) <= {1}
    assert set(Counter(one.external_id for one in found.subscriptions).values()) <= {1}


@given(WRITABLE)
def test_every_contract_is_sent_or_counted(snapshot: Snapshot) -> None:
    found = written(snapshot)

    assert len(found.subscriptions) + found.skipped_contracts == len({one.id for one in snapshot.contracts})


@given(WRITABLE)
def test_no_joint_dangles_and_nothing_is_empty(snapshot: Snapshot) -> None:
    found = written(snapshot)

    for product in found.products:
        assert product.external_id.strip()
        assert product.name.strip()
        assert not product.external_id.endswith("|")
        assert not product.name.endswith(" - ")
    for subscription in found.subscriptions:
        assert not subscription.name.endswith(" - ")
        assert "" not in (subscription.start_date, subscription.end_date)
    assert "" not in structs.asdict(found.subscriber).values()


@given(WRITABLE)
def test_an_end_date_stands_only_where_a_contract_has_ended(snapshot: Snapshot) -> None:
    last = {one.id: one for one in snapshot.contracts}

    for one in written(snapshot).subscriptions:
        status = (last[one.external_id].status or "").strip().upper()
        active = status == "ACTIVE" or (not status and last[one.external_id].is_active is True)
        assert one.status == ("active" if active else "cancelled")
        if active or status in {"OVERDUE", "PENDING"}:
            assert one.end_date is None


@given(WRITABLE)
def test_tags_are_ours_sorted_short_and_lower_case(snapshot: Snapshot) -> None:
    tags = written(snapshot).tags

    assert list(tags) == sorted(set(tags))
    for tag in tags:
        assert is_ours(tag)
        assert len(tag) <= 99
        assert not tag.endswith(("-", "_"))
        assert tag == unicodedata.normalize("NFC", tag.lower())


@given(WRITABLE, st.randoms())
def test_the_order_of_an_answer_changes_nothing(snapshot: Snapshot, random: Random) -> None:
    contracts = list({one.id: one for one in snapshot.contracts}.values())
    shuffled = random.sample(contracts, len(contracts))
    one = written(structs.replace(snapshot, contracts=tuple(contracts)))
    other = written(structs.replace(snapshot, contracts=tuple(shuffled), entitlements=snapshot.entitlements[::-1]))

    assert one.products == other.products
    assert one.tags == other.tags
    assert sorted(one.subscriptions, key=lambda found: found.external_id) == sorted(
        other.subscriptions, key=lambda found: found.external_id
    )


@given(st.text())
def test_a_slug_is_its_own_slug(text: str) -> None:
    found = slug(text)

    assert slug(found) == found
    assert all(part and part.isalnum() for part in found.split("-")) or not found


@given(st.text())
def test_how_a_letter_is_put_together_does_not_matter(text: str) -> None:
    assert slug(unicodedata.normalize("NFD", text)) == slug(unicodedata.normalize("NFC", text)) == slug(text)
