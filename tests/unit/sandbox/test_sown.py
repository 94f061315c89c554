"""Drift that is sown is what the referee finds, of each kind and in nobody else; and nothing that a resync may not touch is touched."""

import random
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from consumer.sandbox.sown import KINDS, STALE, Kind, Sown, settle, sow, undouble
from consumer.sandbox.town import PLACES, VENDORS, Town, town

EACH: Final[dict[Kind, int]] = dict.fromkeys(KINDS, 4)


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Town]:
    async with town(tmp_path, readers=250) as here:
        settle(here)
        yield here


def found(here: Town) -> dict[tuple[str, str, str], list[str]]:
    """Return what the referee says, by vendor, user and account."""
    return {(place.vendor, user, place.account): wrong for place in PLACES for user, wrong in here.wrong(place).items()}


def told(sown: Sown, kinds: Iterable[Kind]) -> set[tuple[str, str, str]]:
    return {one for kind in kinds for one in sown[kind]}


async def test_a_town_that_is_settled_agrees_and_forces_nobody(tmp_path: Path) -> None:
    async with town(tmp_path, readers=250) as here:
        left = [(account, row["email"]) for account in here.makeas.accounts.values() for row in account.contacts.values()]
        left = [(account, email) for account, email in left if account.contacts[email.lower()]["email_status"] != "active"]
        before = {(account.user_id, email): list(account.contacts[email.lower()]["lists"]) for account, email in left}
        assert len(found(here)) > 100
        settle(here)
        assert found(here) == {}
        assert {(account.user_id, email): account.contacts[email.lower()]["lists"] for account, email in left} == before
        assert len(left) > 10


async def test_the_referee_finds_what_was_sown_and_nothing_else(here: Town) -> None:
    sown = sow(here, random.Random(1), EACH)
    wrong = found(here)
    first = {one for one in sown["doubled"] if one not in wrong}
    assert wrong.keys() | first == told(sown, (kind for kind in KINDS if kind != "stranger"))
    assert {
        kind: {text.partition(":")[0] for one in sown[kind] for text in wrong[one]} for kind in KINDS if kind not in {"stranger", "doubled"}
    } == {
        "missing": {"no contact"},
        "field": {"firstname differs"},
        "tags": {"tags"},
        "list": {"not on every list"},
        "moved": {"no contact"},
        "unlinked": {"external_id differs"},
    }
    tags = [text for one in sown["tags"] for text in wrong[one]]
    assert [STALE in text for text in tags] == [True, False, True, False]
    assert not any("missing [], stale []" in text for text in tags)
    assert here.violations() == []


async def test_each_kind_is_as_many_as_asked_for_each_in_a_reader_of_its_own(here: Town) -> None:
    sown = sow(here, random.Random(2), EACH | {"list": 9, "field": 0})
    assert {kind: len(sown[kind]) for kind in KINDS if kind != "doubled"} == dict.fromkeys(KINDS[:-1], 4) | {"list": 9, "field": 0}
    users = Counter((vendor, user) for kind in KINDS for vendor, user in {one[:2] for one in sown[kind]})
    assert set(users.values()) == {1}
    assert len({one[:2] for one in sown["doubled"]}) == 8


async def test_a_contact_that_moved_is_there_with_its_readers_id(here: Town) -> None:
    for vendor, user, account in sow(here, random.Random(3), {"moved": 5})["moved"]:
        contacts = here.makeas.accounts[account].contacts
        assert here.address(vendor, user) not in contacts
        moved = contacts[f"moved.{here.address(vendor, user)}"]
        assert (moved["external_id"], moved["lists"] != [], any(tag.startswith("sesamy_") for tag in moved["tags"])) == (user, True, True)


async def test_a_stranger_is_on_the_lists_and_unknown_to_sesamy(here: Town) -> None:
    sown = sow(here, random.Random(4), {"stranger": 5})["stranger"]
    for vendor, user, account in sown:
        assert user not in here.sesamy.users[vendor]
        (contact,) = [one for one in here.makeas.accounts[account].contacts.values() if one.get("external_id") == user]
        assert contact["lists"]
    assert found(here) == {}
    assert len({user for _, user, _ in sown}) == 5


async def test_two_readers_with_one_address_have_one_contact_at_each_account(here: Town) -> None:
    sown = sow(here, random.Random(5), {"doubled": 3})["doubled"]
    pairs = [(sown[at], sown[at + 1]) for at in range(0, len(sown), 2)]
    for (vendor, first, account), (_, second, same) in pairs:
        contacts = here.makeas.accounts[account].contacts
        assert here.address(vendor, first) == here.address(vendor, second)
        assert (account, contacts[here.address(vendor, first)]["external_id"]) == (same, first)
        assert not [one for one in contacts.values() if one.get("external_id") == second]
    assert {(vendor, account) for vendor, _, account in sown} >= {
        (place.vendor, place.account) for place in PLACES if place.vendor == sown[0][0]
    }


async def test_drift_off_a_list_has_left_none(here: Town) -> None:
    for vendor, user, account in sow(here, random.Random(6), {"list": 6})["list"]:
        there = here.makeas.accounts[account]
        email = here.address(vendor, user)
        assert (there.left_lists(email), there.contacts[email]["email_status"]) == (set(), "active")
        assert len(there.contacts[email]["lists"]) == len(there.lists) - 1


async def test_who_left_or_drifted_before_gets_no_drift(here: Town) -> None:
    for place in PLACES:
        for email in list(here.account(place).contacts):
            here.account(place).leave(email, list_id=place.lists[0])
    with pytest.raises(ValueError, match="too few readers of"):
        sow(here, random.Random(7), {"field": 1})
    assert found(here) == {}


async def test_a_seed_sows_the_same_and_a_second_sowing_takes_others(tmp_path: Path) -> None:
    seen = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        async with town(tmp_path / name, readers=250) as here:
            settle(here)
            seen.append(sow(here, random.Random(8), EACH))
            again = sow(here, random.Random(9), EACH | {"field": 0, "tags": 0})
            touched = told(seen[-1], [kind for kind in KINDS if kind != "field"])
            assert not touched & told(again, KINDS)
            assert len(told(again, ["stranger"])) == 4
    assert seen[0] == seen[1]
    assert {vendor for vendor, _, _ in told(seen[0], KINDS)} == set(VENDORS)


class Watched(dict[str, Any]):
    """Contacts that count how often they are gone through."""

    walks = 0

    def __iter__(self) -> Iterator[str]:
        self.walks += 1
        return super().__iter__()

    def values(self) -> Any:
        self.walks += 1
        return super().values()

    def items(self) -> Any:
        self.walks += 1
        return super().items()


async def test_no_contact_is_looked_for_among_all_of_them(tmp_path: Path) -> None:
    """So that a town of 5,000 readers takes seconds."""
    async with town(tmp_path, readers=250) as here:
        for account in here.makeas.accounts.values():
            account.contacts = Watched(account.contacts)
        settle(here)
        sow(here, random.Random(1), EACH)
        assert {one.user_id: one.contacts.walks for one in here.makeas.accounts.values() if isinstance(one.contacts, Watched)} == {
            place.account: 0 for place in PLACES
        }


async def test_two_readers_with_one_address_have_one_each_once_that_is_sorted_out(here: Town) -> None:
    sown = sow(here, random.Random(6), {"doubled": 3})
    users = list(dict.fromkeys((vendor, user) for vendor, user, _ in sown["doubled"]))
    before = {one: here.address(*one) for one in users}

    undouble(here, sown)

    after = {one: here.address(*one) for one in users}
    assert (len(users), len({*before.values()}), len({*after.values()})) == (6, 3, 6)
    assert sum(before[one] != after[one] for one in users) == 3
