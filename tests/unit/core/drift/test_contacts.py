"""The contacts of one account, compared with all readers."""

import tracemalloc
from typing import Any

import pytest
from msgspec import convert

from consumer.core.answers.snapshot import Contract, Profile
from consumer.core.drift.contacts import UNKNOWN_IDS_KEPT, Contacts, Finding
from consumer.core.drift.prints import Prints
from consumer.core.drift.readers import Readers
from consumer.core.mapping.contact import Contact
from consumer.core.model import AccountId

from .some_readers import settled

ACCOUNT = AccountId("1")
ANN, BOB = Profile(email="ann@example.com"), Profile(email="bob@example.com")


def contact(user: str | None = "ann", *, email: str | None = None, **fields: Any) -> Contact:
    """Return a contact of a reader, at its address unless another is given."""
    given = {"id": f"m-{user}", "external_id": user, "email": f"{user}@example.com" if email is None else email, "email_status": "active"}
    return convert(given | fields, Contact)


def contacts(*readers: Readers, lists: dict[str, list[str]] | None = None, keeps: bool = True, **more: bool) -> Contacts:
    made = Contacts(ACCOUNT, lists or {"7": ["v"], "8": ["v"]}, {one.vendor: one for one in readers}, keep_single_purchase=keeps, **more)
    made.whole = {*made.lists}
    return made


def kinds(account: Contacts) -> list[tuple[str, str]]:
    return [(one.kind, one.user) for one in account.findings()]


TELLING = convert(
    {
        "id": 99,
        "email": "nobody@example.com",
        "external_id": "nobody",
        "firstname": "N",
        "lastname": "N",
        "company": "N",
        "tags": [],
    },
    Contact,
)
"""A row that has all: so what others lack is a difference."""


def on_both(account: Contacts, *those: Contact) -> None:
    for one in account.lists:
        account.take(one, those, left=False)


def test_where_all_agrees_nothing_is_found() -> None:
    account = contacts(settled({"ann": ANN, "bob": BOB}))
    on_both(account, contact("ann"), contact("bob"))

    assert kinds(account) == []
    assert account.rows == 4


def test_a_reader_without_a_contact_is_missing_on_all_lists() -> None:
    account = contacts(settled({"ann": ANN, "bob": BOB, "guest|1": ANN, "nameless": Profile()}))
    on_both(account, contact("bob"))

    assert list(account.findings()) == [Finding(kind="missing", vendor="v", user="ann", account=ACCOUNT, lists=("7", "8"))]


def test_a_reader_without_a_contact_may_have_one_unseen_where_nothing_tells_who_is_new() -> None:
    account = contacts(settled({"ann": ANN, "bob": BOB}))
    on_both(account, contact("bob"))
    account.tells_new = False
    (found,) = account.findings()

    assert (found.kind, found.user, found.lists, found.repairs) == ("unseen", "ann", ("7", "8"), False)
    assert "opted out" in found.why


def test_a_reader_that_is_on_one_list_only_is_put_on_the_other() -> None:
    account = contacts(settled({"ann": ANN}))
    account.take("7", [contact()], left=False)

    assert list(account.findings()) == [Finding(kind="list", vendor="v", user="ann", account=ACCOUNT, lists=("8",))]


def test_where_it_is_not_known_who_left_a_list_nobody_is_put_on_it() -> None:
    account = contacts(settled({"ann": ANN}))
    account.take("7", [contact()], left=False)
    account.whole = {"7"}

    (found,) = account.findings()
    assert (found.kind, found.lists, found.repairs, found.why) == ("list", ("8",), False, "who left the list can't be read")


@pytest.mark.parametrize("status", ["unsubscribed", "bounce", None])
def test_who_left_a_list_is_not_off_it(status: str | None) -> None:
    account = contacts(settled({"ann": ANN}))
    account.take("7", [contact()], left=False)
    account.take("8", [contact(email_status=status)], left=True)

    assert kinds(account) == []


def test_who_opted_out_is_put_on_no_list() -> None:
    account = contacts(settled({"ann": ANN}))
    account.take("7", [contact(email_status="unsubscribed")], left=False)

    assert kinds(account) == []


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({}, []),
        ({"external_id": None}, ["field"]),
        ({"external_id": "other"}, ["field"]),
        ({"email": "ANN@example.com"}, []),
        ({"firstname": "Ann"}, []),
        ({"tags": ["VIP", "SESAMY_VIP"]}, []),
        ({"tags": ["sesamy_old"]}, ["tags"]),
        ({"tags": ["Sesamy_Active_Subscriber"]}, ["tags"]),
        ({"tags": ["sesamy_made_single_purchase"]}, []),
        ({"tags": [{"title": "sesamy_old"}], "external_id": None}, ["field", "tags"]),
    ],
)
def test_what_differs_of_a_contact(fields: dict[str, Any], found: list[str]) -> None:
    account = contacts(settled({"ann": ANN}))
    on_both(account, contact(**fields))
    account.take("7", [TELLING], left=False)

    assert [one.kind for one in account.findings() if one.kind != "stranger"] == found


@pytest.mark.parametrize(
    ("fields", "not_told"),
    [({"tags": None}, ("tags",)), ({"firstname": None, "lastname": None, "company": None}, ("firstname", "lastname", "company"))],
)
def test_what_no_row_has_is_not_compared(fields: dict[str, Any], not_told: tuple[str, ...]) -> None:
    reader = Profile(email="ann@example.com", first_name="Ann", last_name="Ås", company="A", tags=["vip"])
    account = contacts(settled({"ann": reader}))
    given = {"firstname": "Ann", "lastname": "Ås", "company": "A", "tags": ["sesamy_tag_vip"]} | fields
    on_both(account, contact(**given))

    assert kinds(account) == []
    assert set(not_told) <= set(account.not_told)


def test_where_some_row_has_tags_one_without_any_has_none() -> None:
    account = contacts(settled({"ann": Profile(email="ann@example.com", tags=["vip"])}))
    on_both(account, contact(tags=None))
    account.take("7", [TELLING], left=False)

    assert ("tags", "ann") in kinds(account)


def test_a_contact_that_its_reader_has_left_is_told_as_long_as_it_has_a_tag_of_ours() -> None:
    for tags, found in ((["sesamy_vip", "VIP"], ["missing", "moved"]), (["VIP"], ["missing"]), (None, ["missing", "moved"])):
        account = contacts(settled({"ann": ANN}))
        on_both(account, contact(email="old@example.com", tags=tags))

        assert sorted(kind for kind, _ in kinds(account)) == found


def test_a_single_purchase_that_need_not_stay_goes() -> None:
    account = contacts(settled({"ann": ANN}), keeps=False)
    on_both(account, contact(tags=["sesamy_made_single_purchase"]))

    assert kinds(account) == [("tags", "ann")]


def test_tags_that_are_not_known_are_not_compared() -> None:
    readers = settled({"ann": ANN}, {"ann": [Contract(id="c1", status="ACTIVE")]}, has_tags=False)
    account = contacts(readers)
    on_both(account, contact(tags=["sesamy_old"]))

    assert kinds(account) == []


# ---- Moved, doubled, strangers ----


def test_a_contact_at_an_address_that_its_reader_has_left_has_moved() -> None:
    account = contacts(settled({"ann": ANN}))
    on_both(account, contact("ann", email="old@example.com"))

    moved, missing = account.findings()
    assert (moved.kind, moved.contact, moved.repairs) == ("moved", "m-ann", False)
    assert (missing.kind, missing.repairs) == ("missing", True)


def test_beside_the_contact_that_it_has_the_old_one_is_told() -> None:
    account = contacts(settled({"ann": ANN}))
    on_both(account, contact("ann", email="old@example.com", id=1), contact("ann", id=2))

    assert [(one.kind, one.contact) for one in account.findings()] == [("moved", "1")]


def test_two_readers_with_one_address_are_not_repaired() -> None:
    account = contacts(settled({"ann": ANN, "twin": ANN, "bob": BOB}))
    on_both(account, contact("ann"), contact("bob"))

    assert [(one.kind, one.user, one.repairs) for one in account.findings()] == [("doubled", "ann", False), ("doubled", "twin", False)]


def test_an_id_that_nobody_has_is_a_stranger_once() -> None:
    account = contacts(settled({"ann": ANN}))
    on_both(account, contact("ann"), contact("who"), contact(None, email="x@example.com"), contact("", email="y@example.com"))

    (found,) = account.findings()
    assert (found.kind, found.user, found.vendor, found.repairs) == ("stranger", "who", "", False)
    assert (account.unknown_ids, account.no_account, account.names) == (1, 4, ("who",))


def test_a_guest_and_a_reader_without_an_address_are_no_strangers() -> None:
    account = contacts(settled({"guest|1": ANN, "nameless": Profile()}))
    on_both(account, contact("guest|1"), contact("nameless"))

    assert (kinds(account), account.unknown_ids) == ([], 0)


@pytest.mark.parametrize(("gathers", "kept", "told"), [(False, UNKNOWN_IDS_KEPT, UNKNOWN_IDS_KEPT), (True, UNKNOWN_IDS_KEPT + 5, 0)])
def test_of_strangers_the_first_ten_thousand_are_kept_unless_all_are_wanted(gathers: bool, kept: int, told: int) -> None:
    account = contacts(settled({"ann": ANN}), gathers=gathers)
    account.take("7", [contact(f"s{number}") for number in range(UNKNOWN_IDS_KEPT + 5)], left=False)

    assert (account.unknown_ids, len(account.names)) == (UNKNOWN_IDS_KEPT + 5, kept)
    assert sum(one.kind == "stranger" for one in account.findings()) == told


# ---- Two vendors on one account ----

TWO = {"7": ["v"], "8": ["w"]}


def test_a_contact_of_another_vendor_is_no_stranger() -> None:
    account = contacts(settled({"ann": ANN}), settled({"bob": BOB}, vendor="w", prints=Prints(b"other")), lists=TWO)
    account.take("7", [contact("ann"), contact("bob")], left=False)
    account.take("8", [contact("bob")], left=False)

    assert kinds(account) == []


def test_each_vendors_readers_belong_on_its_own_lists() -> None:
    account = contacts(settled({"ann": ANN}), settled({"bob": BOB}, vendor="w", prints=Prints(b"other")), lists=TWO)
    account.take("7", [contact("bob")], left=False)

    assert [(one.vendor, one.kind, one.lists) for one in account.findings()] == [("v", "missing", ("7",)), ("w", "list", ("8",))]


@pytest.mark.parametrize("other", ["ann", "ann of w"])
def test_readers_of_two_vendors_with_one_address_are_told_and_not_repaired(other: str) -> None:
    """There is one contact of both: whoever is repaired takes it from the other."""
    account = contacts(settled({"ann": ANN}), settled({other: ANN}, vendor="w", prints=Prints(b"other")), lists=TWO)
    on_both(account, contact("ann"))

    assert [(one.vendor, one.user, one.kind, one.repairs) for one in account.findings()] == [
        ("v", "ann", "doubled", False),
        ("w", other, "doubled", False),
    ]


def test_where_another_vendor_writes_an_id_that_nobody_has_may_be_its_readers() -> None:
    """A resync would put the id of this vendor's reader in the place of the other's, who would lose its contact."""
    account = contacts(settled({"ann": ANN, "bob": BOB}), shared=True)
    on_both(account, contact("somebody", email="Ann@example.com", tags=["sesamy_x"]), contact("bob"))

    assert list(account.findings()) == [
        Finding(
            kind="doubled",
            vendor="v",
            user="ann",
            account=ACCOUNT,
            repairs=False,
            why="a contact of another vendor's reader may stand at its address",
        ),
        Finding(kind="stranger", vendor="", user="somebody", account=ACCOUNT, repairs=False, why="Sesamy does not know this id"),
    ]


def test_where_another_vendor_writes_the_reader_of_a_vendor_that_does_not_write_the_list_is_not_missing() -> None:
    """A contact stands at its address, though on a list that its vendor does not write: a resync would take it."""
    account = contacts(settled({"ann": ANN}), settled({"bob": BOB}, vendor="w", prints=Prints(b"other")), lists=TWO, shared=True)
    account.take("8", [contact("bob"), contact("somebody", email="ann@example.com")], left=False)

    assert [(one.vendor, one.user, one.kind, one.repairs) for one in account.findings() if one.kind != "stranger"] == [
        ("v", "ann", "doubled", False)
    ]


@pytest.mark.parametrize(("user", "shared"), [(None, True), ("bob", True), ("somebody", False)])
def test_a_contact_without_an_id_or_with_one_of_ours_is_the_readers_at_its_address(user: str | None, shared: bool) -> None:
    account = contacts(settled({"ann": ANN, "bob": BOB}), shared=shared)
    on_both(account, contact(user, email="ann@example.com"), TELLING)

    assert [(one.kind, one.repairs) for one in account.findings() if one.user == "ann"] == [("field", True)]


# ---- A list that is read anew ----


def test_what_was_put_back_is_as_it_was_before_a_list() -> None:
    account = contacts(settled({"ann": ANN, "bob": BOB}), lists={"7": ["v"], "8": ["v"]})
    account.take("7", [contact("ann")], left=False)
    put_back = account.kept()
    account.take(
        "8", [contact("ann", tags=["sesamy_x"]), contact("bob"), contact("strange"), contact(None, email="x@example.com")], left=False
    )
    account.doubts.append("doubt")
    put_back()

    assert (account.rows, account.unknown_ids, account.no_account, account.names, account.doubts) == (1, 0, 0, (), [])
    assert [(one.kind, one.user, one.lists) for one in account.findings()] == [("list", "ann", ("8",)), ("missing", "bob", ("7", "8"))]


# ---- Memory ----


@pytest.mark.long
@pytest.mark.timeout(400)
def test_a_reader_takes_less_than_a_kilobyte() -> None:
    """100,000 readers, 130,000 contracts, 200,000 entitlements and two lists: as `make bench` shows it."""
    from tests.benchmarks.drift import READERS, filled  # noqa: PLC0415 - only here

    tracemalloc.start()
    try:
        kept = filled()
        assert tracemalloc.get_traced_memory()[1] / READERS <= 1000, len(kept)
    finally:
        tracemalloc.stop()


def test_of_two_readers_with_one_address_that_nobody_has_one_is_written() -> None:
    """Else no mail comes to that address, whoever of them pays; once one is there, both are left alone."""
    account = contacts(settled({"ann": ANN, "an": ANN, "bob": BOB}))
    on_both(account, contact("bob"))
    assert kinds(account) == [("doubled", "ann"), ("missing", "ann"), ("doubled", "an")]

    account = contacts(settled({"ann": ANN, "an": ANN, "bob": BOB}))
    on_both(account, contact("bob"), contact("an", email="ann@example.com"))
    assert kinds(account) == [("doubled", "ann"), ("doubled", "an")]


def test_a_reader_that_has_left_two_addresses_is_told_of_both_once() -> None:
    account = contacts(settled({"ann": ANN}))
    old = [contact("ann", email=f"{one}@example.com", id=one, tags=["sesamy_a"]) for one in ("old", "older")]
    on_both(account, contact("ann"), *old)
    assert [(one.kind, one.contact) for one in account.findings() if one.kind == "moved"] == [("moved", "old"), ("moved", "older")]


def test_that_who_left_one_list_belongs_on_another_is_believed_once_a_reader_shows_it() -> None:
    """Else they would be resynced each night for nothing: by its own status such a contact is put on no list."""
    gone = contact("ann", email_status="unsubscribed")
    account = contacts(settled({"ann": ANN, "bob": BOB}))
    account.take("7", [contact("bob")], left=False)
    account.take("7", [gone], left=True)
    account.take("8", [contact("bob")], left=False)
    assert (kinds(account), account.left_elsewhere) == ([], 1)

    account.take("7", [contact("bob", email_status="unsubscribed")], left=True)
    assert (kinds(account), account.left_elsewhere) == ([("list", "ann")], 0)


# ---- One id at two vendors ----


def test_of_two_vendors_readers_with_one_id_the_contact_is_the_ones_that_is_at_its_address() -> None:
    for writing in ({"1": ["v"], "2": ["w"]}, {"1": ["v", "w"], "2": ["v", "w"]}):
        account = contacts(settled({"ann": ANN}), settled({"ann": BOB}, vendor="w", prints=Prints(b"other")), lists=writing)
        on_both(account, contact("ann", email="bob@example.com", tags=["sesamy_vip"], firstname=None))

        assert [(one.kind, one.vendor) for one in account.findings() if one.kind in {"moved", "missing"}] == [("missing", "v")]


def test_nothing_is_taken_from_an_old_address_where_another_vendor_may_use_it() -> None:
    account = contacts(settled({"ann": ANN}), shared=True)
    on_both(account, contact("ann", email="old@example.com"))

    moved = next(one for one in account.findings() if one.kind == "moved")
    assert (moved.contact, moved.repairs) == ("", False)


def test_of_a_stranger_whose_id_is_an_address_the_contact_is_told() -> None:
    account = contacts(settled({"ann": ANN}))
    on_both(account, contact("eve@example.com", email="eve@example.com", id=7), contact("eve", email="e@example.com", id=8))

    assert [one.user for one in account.findings() if one.kind == "stranger"] == ["contact 7", "eve"]
    assert account.names == ("eve@example.com", "eve")
