"""The kinds of open letters: each letter counted once, from when it is read until it is closed."""

from consumer.commands.dead_letters.data import repeated
from consumer.core.letters.book import Letterbook
from consumer.core.letters.kinds import UNREADABLE_KEPT, Kind, Unreadable
from consumer.core.model import Place
from tests.fakes.written import BO, book, history, letter, mark, read


def kinds(made: Letterbook, most: int = 50, known: str = "1") -> list[Kind]:
    return list(made.kinds.largest(most, known={known}, unreadable=made.unreadable))


def test_letters_are_counted_by_code_account_and_lists_until_they_are_done() -> None:
    made, _ = book(letter(), letter(BO), letter(BO, code="held", makeas_lists="11"), letter(account="", makeas_lists=""))
    usual = Kind(code="http-422", account="1", lists=("11", "12"), needs_a_person=2)
    rest = [Kind(code="held", account="1", lists=("11",), heals=1), Kind(code="http-422", needs_a_person=1)]
    assert kinds(made) == [usual, *rest]

    read(made, Place(0, 4), *mark("0:0", "requeue"))
    read(made, Place(0, 5), *mark("0:0", "requeue"))
    assert kinds(made)[0] == Kind(code="http-422", account="1", lists=("11", "12"), needs_a_person=1, heals=1)

    for number, place in enumerate(("0:0", "0:1", "0:2", "0:3")):
        read(made, Place(0, 6 + number), *mark(place, "done"))
    assert kinds(made) == []


def test_a_replaced_letter_and_one_that_retention_took_are_counted_no_more() -> None:
    made, _ = book(letter(), letter(replaces="0:0", code="http-404"))
    assert [one.code for one in kinds(made)] == ["http-404"]

    made.forget_before(0, 2)
    assert kinds(made) == []


def test_what_is_held_for_an_account_that_the_settings_lack_needs_a_person() -> None:
    made, _ = book(letter(code="held"))

    assert [(one.needs_a_person, one.heals) for one in kinds(made, known="1")] == [(0, 1)]
    assert [(one.needs_a_person, one.heals) for one in kinds(made, known="2")] == [(1, 0)]


def test_of_many_kinds_the_small_ones_are_summed() -> None:
    made, _ = book(*(letter(code="held" if number == 9 else f"http-{number}") for number in range(400, 409)), letter(BO, code="http-400"))
    shown = kinds(made, most=3)

    assert [(one.code, one.size) for one in shown] == [("http-400", 2), ("http-401", 1), ("", 7)]


def test_a_letter_that_was_written_twice_is_counted_once_until_both_are_gone() -> None:
    made, _ = book(letter(), letter(parked_at="2026-11-24T08:00:09.000Z"), letter(source_offset="41"), letter(source_topic="u"))
    assert ([one.needs_a_person for one in kinds(made)], len(made.kinds), len(made)) == ([3], 3, 4)

    read(made, Place(0, 4), *mark("0:1", "requeue"))
    assert [(one.needs_a_person, one.heals) for one in kinds(made)] == [(2, 1)]
    read(made, Place(0, 5), *mark("0:1", "done"))
    assert [(one.needs_a_person, one.heals) for one in kinds(made)] == [(3, 0)]
    made.forget_before(0, 4)
    assert (kinds(made), len(made.kinds)) == ([], 0)


def test_letters_whose_source_is_not_known_are_each_their_own() -> None:
    made, _ = book(letter(source_offset="?"), letter(source_offset="?"))

    assert [one.needs_a_person for one in kinds(made)] == [2]


def test_what_cannot_be_read_and_was_written_twice_is_counted_once_until_both_are_gone() -> None:
    poison = letter(None, code="not-json", account="")
    nowhere = letter(None, code="not-json", account="", source_offset="?")
    made, _ = book(poison, poison, nowhere, nowhere)
    assert (len(made.unreadable), made.unreadable.by_code) == (3, {"not-json": 3})

    made.forget_before(0, 1)
    assert len(made.unreadable) == 3
    made.forget_before(0, 2)
    assert len(made.unreadable) == 2
    made.forget_before(0, 4)
    assert (len(made.unreadable), made.unreadable.by_code) == (0, {})


def test_it_counts_what_the_command_lists_but_for_what_repeats() -> None:
    records = [letter(), letter(), letter(BO), letter(None, code="not-json", account=""), letter(None, code="not-json", account="")]
    made, _ = book(*records)
    entries = history(*records).entries()

    assert len(made.kinds) + len(made.unreadable) == len(entries) - len(repeated(entries)) == 3


def test_letters_that_cannot_be_read_are_counted_until_retention_takes_them() -> None:
    poison = letter(None, code="not-json", account="")
    made, _ = book(poison, letter(), letter(None, code="not-json", account="", source_offset="41"))
    assert kinds(made)[0] == Kind(code="not-json", needs_a_person=2, unreadable=True)
    assert (len(made), len(made.unreadable)) == (1, 2)

    made.forget_before(0, 1)
    assert len(made.unreadable) == 1
    made.forget(0)
    assert (len(made.unreadable), made.unreadable.by_code) == (0, {})


def test_a_record_that_is_no_letter_is_not_counted() -> None:
    made, _ = book(([("other", b"x")], b"{}"), mark("7:0", "done"))

    assert (len(made.unreadable), kinds(made)) == (0, [])


def test_more_unreadable_ones_than_are_kept_take_no_memory() -> None:
    made = Unreadable()
    for offset in range(UNREADABLE_KEPT + 5):
        made.came(0, offset, "not-json")

    assert (len(made), made.by_code["not-json"]) == (UNREADABLE_KEPT, UNREADABLE_KEPT)
