"""Whether what was read may be believed, and how much may change."""

import re
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

import pytest

from consumer.core.answers.snapshot import Contract, Profile
from consumer.core.drift.prints import NONE, Prints
from consumer.core.drift.readers import Readers
from consumer.core.drift.reduced import deal, known
from consumer.core.drift.sound import MaxChanges, check_end, check_list, check_readers, check_usable
from consumer.core.errors import Refused
from tests.raising import raising

PRINTS = Prints(b"key")


def said_to_be(code: str) -> AbstractContextManager[None]:
    return raising(Refused, code) if code else nullcontext()


def readers(count: int, *, rows: int = 0, of_nobody: int = 0) -> Readers:
    made = Readers("v", PRINTS)
    made.take_users(known(f"u{number}", Profile(email=f"u{number}@example.com"), PRINTS) for number in range(count))
    for user, many in (("u0", rows), ("nobody", of_nobody)):
        made.take_contracts(deal(user, Contract(id=f"{user}{number}"), NONE, PRINTS) for number in range(many))
    return made


# ---- How many may change ----


@pytest.mark.parametrize(
    ("text", "of", "allowed"),
    [
        ("500", 10, 500),
        ("500", 1_000_000, 500),
        ("0", 1000, 0),
        (" 7 ", 1000, 7),
        ("10%", 1000, 100),
        ("10%", 5, 1),
        ("10%", 0, 0),
        ("10%", 1_000_000, 100_000),
        ("2.5%", 1000, 25),
        (".5%", 1000, 5),
        ("0%", 1000, 0),
        ("100%", 123, 123),
    ],
)
def test_a_number_or_a_percentage_is_taken_as_it_is(text: str, of: int, allowed: int) -> None:
    assert MaxChanges.read(text).of(of) == allowed


@pytest.mark.parametrize(("of", "allowed"), [(0, 20), (100, 20), (200, 20), (201, 21), (5000, 500), (10_000, 1000), (1_000_000, 1000)])
def test_unless_asked_it_is_a_tenth_between_twenty_and_a_thousand(of: int, allowed: int) -> None:
    assert MaxChanges().of(of) == allowed


@pytest.mark.parametrize(
    "text", ["", " ", "%", ".", ".%", "-1", "+1", "1.5", "1,5%", "10 %", "10%%", "10%x", "1..5%", "1e3", "ten", "٣", "½%", "1_000"]
)
def test_what_is_neither_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape("500, or 10%")):
        MaxChanges.read(text)


def test_more_than_all_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 100%"):
        MaxChanges.read("100.1%")


def test_lists_with_too_many_changes_are_told_with_what_is_allowed() -> None:
    changes = {"7": 21, "8": 20, "9": 1}

    assert MaxChanges().over(changes, {"7": 100, "8": 100, "9": 100}) == {"7": 20}
    assert MaxChanges.read("1%").over(changes, {"7": 2100, "8": 100}) == {"8": 1, "9": 0}


# ---- What Sesamy listed ----


@pytest.mark.parametrize(
    ("count", "said", "code"),
    [
        (0, None, "empty"),
        (0, 0, "empty"),
        (0, 500, "empty"),
        (1, None, ""),
        (1, 21, ""),
        (1, 22, "half"),
        (30, 50, ""),
        (30, 51, "half"),
        (30, 10, ""),
        (2970, 3000, ""),
        (2969, 3000, "half"),
    ],
)
def test_fewer_users_than_are_said_are_half(count: int, said: int | None, code: str) -> None:
    with said_to_be(code):
        check_readers(readers(count), said=said)


@pytest.mark.parametrize(("rows", "of_nobody", "code"), [(0, 20, ""), (0, 21, "half"), (2970, 30, ""), (2969, 31, "half")])
def test_rows_of_users_that_are_not_listed_show_that_the_users_are_half(rows: int, of_nobody: int, code: str) -> None:
    with said_to_be(code):
        check_readers(readers(1, rows=rows, of_nobody=of_nobody), said=None)


# ---- What Make.as listed ----


@pytest.mark.parametrize(
    ("rows", "said", "may_be_empty", "code"),
    [
        (0, 0, False, "empty"),
        (0, 0, True, ""),
        (0, None, False, "empty"),
        (0, None, True, "empty"),
        (0, 1, True, "empty"),
        (0, 21, True, "half"),
        (1, 0, False, ""),
        (80, 100, False, ""),
        (79, 100, False, "half"),
        (79, 100, True, "half"),
        (9900, 10_000, False, ""),
        (9899, 10_000, False, "half"),
        (500, None, False, ""),
    ],
)
def test_an_empty_or_half_list_is_not_believed(rows: int, said: int | None, may_be_empty: bool, code: str) -> None:
    with said_to_be(code):
        check_list(rows, (), said=said, may_be_empty=may_be_empty)


@pytest.mark.parametrize(
    ("active", "others", "said", "shown"),
    [
        (1000, (0, 0), 1000, True),
        (980, (5000, 0), 1000, True),
        (1000, (500, 20), 900, True),
        (1000, (500, 100), 1600, False),
        (1000, (500, 100), 1500, False),
        (1000, (500, 100), 1100, False),
        (1000, (500, 100), 1616, False),
        (500, (500, 0), 1000, False),
        (1000, (500, 100), None, False),
    ],
)
def test_a_count_shows_all_active_contacts_unless_others_may_be_in_it(active: int, others: Sequence[int], said: int, shown: bool) -> None:
    assert check_list(active, others, said=said, may_be_empty=False) is shown


@pytest.mark.parametrize(
    ("active", "others", "said", "code"),
    [
        (500, (5000, 0), 1000, "half"),
        (500, (300, 100), 1000, "half"),
        (1000, (500, 100), 1621, "half"),
        (1000, (500, 100), 1300, "half"),
        (0, (100, 0), 100, "empty"),
    ],
)
def test_those_that_left_do_not_hide_that_active_contacts_are_missing(active: int, others: Sequence[int], said: int, code: str) -> None:
    with said_to_be(code):
        check_list(active, others, said=said, may_be_empty=True)


def test_contacts_behind_the_last_page_are_the_other_half() -> None:
    check_end(500, has_more=False)
    with said_to_be("half"):
        check_end(500, has_more=True)


@pytest.mark.parametrize(("unusable", "of", "code"), [(0, 0, ""), (20, 30, ""), (21, 30, "half"), (50, 5000, ""), (51, 5000, "half")])
def test_a_few_rows_without_an_id_are_passed_over_and_many_are_half_a_list(unusable: int, of: int, code: str) -> None:
    with said_to_be(code):
        check_usable(unusable, of=of)
