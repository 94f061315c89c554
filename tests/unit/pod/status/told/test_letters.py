"""The letters, as a person sees them: what needs one, what heals, and the commands."""

import shlex

from consumer.pod.status.told.letters import HEADS, letter_groups, letter_rows
from consumer.pod.status.tree import LetterCounts, LetterGroup
from tests.fakes.written import BO, book, letter
from tests.simulation.settings import SETTINGS


def test_a_group_says_what_to_type_and_what_heals_says_that_nothing_is_to_be() -> None:
    groups = (
        LetterGroup(code="held", account="1", lists=("11",), heals=9),
        LetterGroup(code="http-422", account="1", lists=("11", "12"), needs_a_person=3, heals=1),
        LetterGroup(code="http-422", needs_a_person=2),
    )
    rows = list(letter_rows(LetterCounts(groups=groups)))

    show, again = "sesamy-makeas dead-letters list", "sesamy-makeas dead-letters requeue"
    assert rows == [
        ("http-422", "1", "11, 12", "3", "1", f"{show} --account 1 --code http-422", f"{again} --account 1 --code http-422"),
        ("http-422", "", "", "2", "0", f"{show} --code http-422", f"{again} --code http-422"),
        ("held", "1", "11", "0", "9", f"{show} --account 1 --code held", "by themselves"),
    ]
    assert {len(row) for row in rows} == {len(HEADS)}


def test_nobody_is_told_to_requeue_what_has_nothing_to_be_tried() -> None:
    (row,) = letter_rows(LetterCounts(groups=(LetterGroup(code="not-json", needs_a_person=135, unreadable=True),)))

    assert row[3:] == (
        "135",
        "0",
        "sesamy-makeas dead-letters list --code not-json",
        "not from here: only their publisher can send them again",
    )


def test_the_rest_stands_last_and_many_lists_are_cut() -> None:
    groups = (LetterGroup(needs_a_person=99), LetterGroup(code="c", account="1", lists=tuple("abcdefg"), needs_a_person=1))
    first, last = letter_rows(LetterCounts(groups=groups))

    assert first[2] == "a, b, c, d, e and 2 more"
    assert last == ("all others", "", "", "99", "0", "sesamy-makeas dead-letters list", "")


def test_foreign_words_are_one_word_to_a_shell() -> None:
    (row,) = letter_rows(LetterCounts(groups=(LetterGroup(code="a; rm -r", account="$(x)", needs_a_person=1),)))

    assert shlex.split(row[5])[3:] == ["--account", "$(x)", "--code", "a; rm -r"]


def test_the_groups_are_those_of_the_book() -> None:
    user_id = SETTINGS.accounts[0].user_id
    made, _ = book(letter(account=user_id), letter(BO, code="held", account=user_id), letter(None, code="no-ids", account=""))

    assert letter_groups(made, SETTINGS.accounts) == (
        LetterGroup(code="held", account=user_id, lists=("11", "12"), heals=1),
        LetterGroup(code="http-422", account=user_id, lists=("11", "12"), needs_a_person=1),
        LetterGroup(code="no-ids", needs_a_person=1, unreadable=True),
    )
