"""Whether an account keeps what it takes: what a look proves, when one is due, three different readers in a row."""

from typing import Any

import pytest
from msgspec import convert

from consumer.core.mapping.contact import Contact
from consumer.core.mapping.kept import APART_S, EVERY_S, Asked, Kept, judged
from consumer.core.model import AccountId, UserKey

ALL: dict[str, Any] = {"lists": ["7"], "tags": ["Quiz", "sesamy_a"], "email_status": "active"}
NEW: dict[str, Any] = {"lists": [], "tags": [], "email_status": "active"}


def contact(**fields: Any) -> Contact:
    return convert({"id": 1, **fields}, Contact)


def asked(before: dict[str, Any] | None = None, *, lists: tuple[str, ...] = ("7",), tags: tuple[str, ...] = ("sesamy_a",)) -> Asked:
    return Asked(email="ann@example.com", before=None if before is None else contact(**before), lists=lists, tags=tags)


# ---- What a look proves ----


@pytest.mark.parametrize(
    ("before", "tells"),
    [
        (None, {"lists", "tags"}),
        (NEW, {"lists", "tags"}),
        ({**NEW, "lists": None}, {"tags"}),
        ({**NEW, "tags": ["Quiz"]}, {"lists", "tags", "others_tags"}),
        (ALL, {"others_tags"}),
        ({**ALL, "tags": ["sesamy_a"]}, set()),
        ({**ALL, "tags": ["sesamy_a", "sesamy_old"]}, {"tags"}),
    ],
)
def test_what_a_contact_has_had_all_along_proves_nothing(before: dict[str, Any] | None, tells: set[str]) -> None:
    assert asked(before).tells == tells


def test_a_new_contact_without_tags_on_no_list_proves_nothing() -> None:
    assert asked(lists=(), tags=()).tells == set()


@pytest.mark.parametrize(
    ("before", "after", "kept"),
    [
        (None, ALL, {"lists": True, "tags": True}),
        (None, NEW, {"lists": False, "tags": False}),
        (None, {**ALL, "lists": []}, {"lists": False, "tags": True}),
        (None, {**ALL, "tags": ["Quiz"]}, {"lists": True, "tags": False}),
        (None, {**ALL, "tags": ["SESAMY_A"]}, {"lists": True, "tags": False}),
        (None, {**ALL, "lists": [{"id": 7}], "tags": [{"id": 4, "title": "sesamy_a"}]}, {"lists": True, "tags": True}),
        # What is not shown is not judged.
        (None, {**ALL, "lists": None}, {"tags": True}),
        (None, {"lists": ["7"]}, {"lists": True}),
        ({**NEW, "tags": ["Quiz"]}, {"lists": ["7"]}, {"lists": True, "tags": False, "others_tags": False}),
        # It opted out meanwhile, or had before: it is rightly on no list.
        (None, {**NEW, "email_status": "unsubscribed", "tags": ["sesamy_a"]}, {"tags": True}),
        # What is stale goes, what is of others stays.
        ({**ALL, "tags": ["sesamy_old"]}, {**ALL, "tags": ["sesamy_a", "sesamy_old"]}, {"tags": False}),
        ({**ALL, "tags": ["Quiz", "sesamy_a"]}, {**ALL, "tags": ["sesamy_a"]}, {"others_tags": False}),
        ({**ALL, "tags": ["Quiz", "sesamy_a"]}, {**ALL, "tags": ["quiz ", "sesamy_a"]}, {"others_tags": True}),
    ],
)
def test_what_was_kept_is_judged_by_what_the_contact_shows(
    before: dict[str, Any] | None, after: dict[str, Any], kept: dict[str, bool]
) -> None:
    assert judged(asked(before), contact(**after), hides_left=False) == kept


def test_an_address_that_shows_no_contact_says_nothing_where_those_that_opted_out_are_hidden() -> None:
    assert judged(asked(), None, hides_left=True) == {}
    assert judged(asked(), None, hides_left=False) == {"lists": False, "tags": False}


# ---- When, and how often ----


class Account:
    """An account that is looked at whenever that is due."""

    def __init__(self) -> None:
        self.kept, self.told, self.looks = Kept(AccountId("1")), list[set[str]](), 0
        self.kept.told = lambda what: self.told.append({*what})

    def write(self, user: str, after: dict[str, Any], *, now: float, before: dict[str, Any] | None = None, **more: Any) -> bool:
        """Write a contact; return whether it was looked at."""
        one = asked(before, **more)
        if not self.kept.is_due(one, now=now):
            return False
        self.looks += 1
        self.kept.looks(now=now)
        self.kept.learn(UserKey("v", user), one, contact(**after), hides_left=False, now=now)
        return True


def test_a_thousand_contacts_in_an_hour_are_one_look() -> None:
    there = Account()
    for number in range(1000):
        there.write(f"u{number}", ALL, now=number * EVERY_S / 1000)

    assert (there.looks, there.kept.not_kept()) == (1, ())
    assert there.write("next", ALL, now=EVERY_S)


def test_contacts_that_can_prove_nothing_are_not_looked_at() -> None:
    there = Account()
    assert not there.write("u", ALL, now=0.0, before={**ALL, "tags": ["sesamy_a"]})


def test_what_an_account_does_not_show_is_not_looked_for_again_within_the_hour() -> None:
    there = Account()
    assert there.write("u", {"lists": None}, now=0.0)
    assert not there.write("v", {"lists": None}, now=APART_S)


def test_what_was_never_seen_is_looked_for_at_the_next_contact_that_can_tell() -> None:
    there = Account()
    there.write("u", ALL, now=0.0, tags=())
    assert not there.write("v", ALL, now=APART_S - 1)
    assert there.write("v", ALL, now=APART_S)
    assert not there.write("w", ALL, now=2 * APART_S)


def test_three_different_readers_in_a_row_are_believed_and_the_first_that_is_kept_ends_it() -> None:
    there = Account()
    gone = {**ALL, "lists": []}
    for number, user in enumerate(["a", "a", "b", "a"]):
        assert there.write(user, gone, now=number * APART_S)
    assert there.kept.not_kept() == ()
    there.write("c", gone, now=4 * APART_S)

    assert there.kept.not_kept() == ("lists",)
    assert there.kept.not_kept_s(now=4 * APART_S + 30) == 30
    assert not there.write("d", gone, now=5 * APART_S - 1), "no more than one a minute"
    there.write("d", ALL, now=5 * APART_S)
    assert (there.kept.not_kept(), there.kept.not_kept_s(now=0.0), there.told) == ((), 0.0, [{"lists"}, set()])


def test_one_that_is_kept_in_between_begins_the_count_anew() -> None:
    there = Account()
    gone = {**ALL, "tags": []}
    for number, after in enumerate([gone, gone, ALL]):
        there.write(f"u{number}", after, now=number * APART_S)
    for number in range(2):
        there.write(f"v{number}", gone, now=EVERY_S * 2 + number * APART_S)

    assert there.kept.not_kept() == ()
    there.write("v2", gone, now=EVERY_S * 2 + 2 * APART_S)
    assert there.kept.not_kept() == ("tags",)


def test_what_says_nothing_of_it_neither_counts_nor_ends_it() -> None:
    there = Account()
    gone = {**ALL, "lists": []}
    for number in range(3):
        there.write(f"u{number}", gone, now=number * APART_S)
    there.write("left", {**NEW, "email_status": "unsubscribed", "tags": ["sesamy_a"]}, now=3 * APART_S)
    there.write("hidden", {"lists": None}, now=4 * APART_S)

    assert there.kept.not_kept() == ("lists",)
    assert there.looks == 5
