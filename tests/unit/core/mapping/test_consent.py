"""Who left a list, and what that means for a write."""

import tracemalloc
from collections.abc import Sequence
from typing import Literal

import pytest

from consumer.core.errors import Held
from consumer.core.mapping.consent import (
    NAMELESS,
    Choice,
    Consent,
    ContactId,
    Found,
    Register,
    Row,
    Standing,
    Unreadable,
    Walk,
    choose,
    standing,
)

ANN, BO = "ann@example.com", "bo@example.com"
ACTIVE, LEFT, UNREADABLE = Standing.ACTIVE, Standing.LEFT, Standing.UNREADABLE
WHOLE, WHOLE_AND_LEFT, NONE, NONE_AND_LEFT = (True, None), (True, 7), (False, None), (False, 7)


def row(number: int, says: Standing = LEFT, *, email: str | None = None) -> Row:
    return Row(number, email if email is not None else f"{number}@example.com", says)


def register(*rows: Row) -> Register:
    made = Register(b"salt")
    made.begin()
    made.take(rows)
    made.complete(read_at=0.0)
    return made


# ---- What a status says ----


@pytest.mark.parametrize(
    ("status", "others", "says"),
    [
        ("active", (), ACTIVE),
        (" Active ", (None, "200 Success"), ACTIVE),
        ("unsubscribed", (), LEFT),
        ("bounce", (), LEFT),
        ("whatever", (), LEFT),
        (None, (), UNREADABLE),
        ("", (), UNREADABLE),
        (1, (), UNREADABLE),
        ({"email": "active"}, (), UNREADABLE),
        (None, ("active",), UNREADABLE),
        (None, ("unsubscribed",), LEFT),
        (None, (None, " Bounced"), LEFT),
        ("active", ("unsubscribed",), LEFT),
    ],
)
def test_that_mail_is_wanted_is_believed_under_one_name_only(status: object, others: tuple[object, ...], says: Standing) -> None:
    assert standing(status, *others) is says


# ---- How a contact is written ----


@pytest.mark.parametrize(
    ("found", "first", "second", "choice"),
    [
        # Nobody by the address: new, unless a register knows better.
        (None, WHOLE, WHOLE, Choice(("1", "2"))),
        (None, NONE, NONE, Choice(("1", "2"))),
        (None, WHOLE_AND_LEFT, WHOLE, Choice((), 7, is_hidden=True, left=True)),
        (None, NONE, NONE_AND_LEFT, Choice((), 7, is_hidden=True, left=True)),
        # A status that is there decides; a register keeps out of its own list.
        (ACTIVE, WHOLE, NONE, Choice(("1", "2"), 5)),
        (ACTIVE, WHOLE_AND_LEFT, WHOLE, Choice(("2",), 5, left=True)),
        (ACTIVE, WHOLE_AND_LEFT, NONE_AND_LEFT, Choice((), 5, left=True)),
        (LEFT, WHOLE, NONE, Choice((), 5, left=True)),
        # Where none can be read, only a whole register lets in.
        (UNREADABLE, WHOLE, WHOLE, Choice(("1", "2"), 5)),
        (UNREADABLE, WHOLE, NONE, Choice(("1",), 5)),
        (UNREADABLE, WHOLE_AND_LEFT, WHOLE, Choice(("2",), 5, left=True)),
        (UNREADABLE, NONE, NONE, Choice((), 5)),
    ],
)
def test_which_lists_may_be_sent(
    found: Standing | None, first: tuple[bool, ContactId | None], second: tuple[bool, ContactId | None], choice: Choice
) -> None:
    assert choose(Found(5, found) if found else None, {"1": first, "2": second}, unreadable="leave") == choice


@pytest.mark.parametrize(
    ("found", "first", "sent"),
    [(UNREADABLE, NONE, ("1",)), (UNREADABLE, NONE_AND_LEFT, ()), (UNREADABLE, WHOLE_AND_LEFT, ()), (LEFT, NONE, ())],
)
def test_add_lets_in_whose_status_cant_be_read_and_nobody_who_is_known_to_have_left(
    found: Standing, first: tuple[bool, ContactId | None], sent: tuple[str, ...]
) -> None:
    assert choose(Found(5, found), {"1": first}, unreadable="add").lists == sent


# ---- The register ----


def test_who_says_to_have_left_is_found_by_any_form_of_the_address() -> None:
    made = register(row(7, email=" Ann@Example.com"))
    assert (made.state, len(made), made.find("ann@example.COM "), made.find(BO)) == ("whole", 1, 7, None)


def test_an_empty_answer_is_a_whole_register() -> None:
    assert register().state == "whole"


@pytest.mark.parametrize(("odd", "code"), [(row(2, UNREADABLE), "silent"), (row(2, ACTIVE), "contradicts")])
def test_where_a_row_does_not_say_that_it_left_there_is_no_register_but_who_says_so_is_kept(odd: Row, code: str) -> None:
    made = register(row(1, email=ANN), odd)
    assert (made.state, made.code, made.find(ANN), len(made)) == ("none", code, 1, 1)


def test_who_left_without_an_address_is_nobody_we_write_to() -> None:
    assert (register(Row(1, None, LEFT), Row(2, " ", LEFT)).state, len(register(Row(1, None, LEFT)))) == ("whole", 0)


def test_a_reading_of_the_whole_counts_only_once_it_is_complete() -> None:
    made = register(row(1, email=ANN))
    made.begin()
    made.take([row(2, email=BO)])
    assert (made.find(ANN), made.find(BO)) == (1, None)
    made.complete(read_at=5.0)
    assert (made.find(ANN), made.find(BO), made.read_at) == (None, 2, 5.0)


def test_what_changes_while_the_whole_is_read_is_not_lost() -> None:
    made = register(row(1, email=ANN))
    made.begin()
    made.take([row(1, email=ANN)])
    made.left([row(2, email=BO)])
    made.returned([row(1, ACTIVE, email=ANN)])
    assert (made.find(ANN), made.find(BO)) == (None, 2)
    made.complete(read_at=5.0)
    assert (made.find(ANN), made.find(BO)) == (None, 2)


def test_only_who_states_to_be_active_is_taken_out() -> None:
    made = register(row(1, email=ANN))
    made.returned([row(1, LEFT, email=ANN), row(1, UNREADABLE, email=ANN), Row(1, None, ACTIVE)])
    assert made.find(ANN) == 1
    made.returned([row(1, ACTIVE, email=ANN)])
    assert made.find(ANN) is None


def test_a_later_row_that_does_not_say_ends_the_register() -> None:
    made = register()
    made.left([row(1, UNREADABLE)])
    assert (made.state, made.code) == ("none", "silent")


def test_a_refusal_ends_the_register_and_nobody_in_it_is_forgotten() -> None:
    made = register(row(1, email=ANN))
    made.refuse("http-403")
    assert (made.state, made.code, made.find(ANN)) == ("none", "http-403", 1)


def test_an_entry_takes_at_most_120_bytes() -> None:
    """Of 25,000 as of 100,000: a table grows by doubling."""
    made = Register(b"salt")
    tracemalloc.start()
    try:
        made.begin()
        made.take(row(number) for number in range(100_000, 125_000))
        made.complete(read_at=0.0)
        taken = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert len(made) == 25_000
    assert taken / 25_000 <= 120


def test_neither_address_nor_plain_hash_is_kept() -> None:
    one, other = Register(b"a"), Register(b"b")
    for made in (one, other):
        made.begin()
        made.take([row(1, email=ANN)])
        made.complete(read_at=0.0)
    assert one._left.keys().isdisjoint(other._left)


# ---- The pages ----


@pytest.mark.parametrize(
    ("pages", "asked"),
    [
        ([[]], 1),
        ([[1, 2, 3], []], 2),
        ([[1, 2, 3], [4, 5, 6], [7]], 3),
        ([[1, 2, 3], [3, 4, 5], [5, 6], []], 3),
        ([[1, 2], [3, 4], [3, 4], [5]], 3),
        ([[1], [2, 3], [4, 5], []], 4),
    ],
)
def test_the_pages_end_at_an_empty_a_shorter_or_an_old_one(pages: list[list[int]], asked: int) -> None:
    walk, number = Walk(), 0
    for number, page in enumerate(pages, 1):  # noqa: B007
        if not walk.goes_on([row(one) for one in page]):
            break
    assert (number, walk.stuck) == (asked, False)


def test_a_first_page_that_comes_again_hides_whatever_else_there_is() -> None:
    walk = Walk()
    assert [walk.goes_on([row(1), row(2)]) for _ in range(2)] == [True, False]
    assert walk.stuck


# ---- The account ----


def test_no_write_goes_on_before_each_list_is_known() -> None:
    made = Consent(["1", "2"], salt=b"salt")
    with pytest.raises(Held) as caught:
        made.require(now=0.0)
    assert (caught.value.code, made.asked) == ("register", True)
    made.registers["1"].begin()
    made.registers["1"].complete(read_at=0.0)
    assert not made.ready(now=0.0)
    made.registers["2"].refuse("http-404")
    made.require(now=0.0)


def test_what_was_read_long_ago_is_read_again_before_a_write_but_none_stays_none() -> None:
    made = Consent(["1"], salt=b"salt")
    made.registers["1"].begin()
    made.registers["1"].complete(read_at=0.0)
    assert (made.ready(now=899), made.ready(now=900)) == (True, False)
    made.registers["1"].refuse("http-404")
    assert made.ready(now=9000)


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        ([UNREADABLE] * 19, 0),
        ([UNREADABLE] * 20, 20),
        ([ACTIVE] + [UNREADABLE] * 30, 0),
        ([UNREADABLE] * 30 + [LEFT], 0),
        ([None] * 30, 0),
    ],
)
def test_twenty_contacts_without_a_status_and_none_with_one_are_said(shown: list[Standing | None], said: int) -> None:
    made = Consent(["1"], salt=b"salt")
    for number, one in enumerate(shown):
        made.choose(["1"], f"{number}@example.com", None if one is None else Found(number, one))
    assert made.without_status == said


@pytest.mark.parametrize("unreadable", ["leave", "add"])
def test_an_account_asks_the_register_of_each_list(unreadable: Unreadable) -> None:
    made = Consent(["1", "2"], salt=b"salt", unreadable=unreadable)
    made.registers["1"].begin()
    made.registers["1"].take([row(1, email=ANN)])
    made.registers["1"].complete(read_at=0.0)
    made.registers["2"].refuse("http-404")
    assert made.choose(["1", "2"], ANN, Found(1, UNREADABLE)).lists == (("2",) if unreadable == "add" else ())
    assert made.choose(["1", "2"], BO, Found(2, UNREADABLE)).lists == (("1", "2") if unreadable == "add" else ("1",))


# ---- Who has no id, and who is another vendor's, too ----


def test_who_left_without_an_id_is_kept_off_its_list_all_the_same() -> None:
    """The address is what we send; without an id there is no whole register, since pages can't be told apart."""
    made = register(Row(None, ANN, LEFT), Row(7, BO, LEFT))
    assert (made.state, made.find(ANN), made.find(BO)) == ("none", NAMELESS, 7)
    made.left([Row(None, BO, LEFT)])
    assert made.find(BO) == 7

    assert choose(Found(5, ACTIVE), {"1": (False, NAMELESS), "2": NONE}, unreadable="add") == Choice(("2",), 5, left=True)
    assert choose(None, {"1": (False, NAMELESS), "2": NONE}, unreadable="add") == Choice((), NAMELESS, is_hidden=True, left=True)
    assert choose(None, {"1": (False, NAMELESS), "2": WHOLE_AND_LEFT}, unreadable="add") == Choice((), 7, is_hidden=True, left=True)


def test_a_contact_whom_its_address_hides_is_known_by_the_lists_of_another_vendor_of_the_account() -> None:
    made = Consent(["1", "2"], salt=b"salt")
    for list_id, one in made.registers.items():
        one.begin()
        one.take([Row(7, ANN, LEFT)] if list_id == "2" else [])
        one.complete(read_at=0.0)

    assert made.choose(["1"], ANN, None) == Choice((), 7, is_hidden=True, left=True)
    assert made.choose(["1"], ANN, Found(7, ACTIVE)) == Choice(("1",), 7)
    assert made.choose(["1"], BO, None) == Choice(("1",))


def test_of_lists_that_were_chosen_those_stay_whose_registers_have_heard_nothing_since() -> None:
    made = Consent(["1", "2"], salt=b"salt")
    for one in made.registers.values():
        one.begin()
        one.complete(read_at=0.0)
    assert made.still(("1", "2"), ANN) == ("1", "2")
    made.registers["1"].left([Row(7, ANN.upper(), LEFT)])
    assert made.still(("1", "2"), ANN) == ("2",)


@pytest.mark.parametrize(
    ("states", "held", "hides", "tells"),
    [
        (("whole", "whole"), 1, True, True),
        (("whole", "whole"), 0, True, False),
        (("whole", "none"), 1, True, False),
        (("whole", "unread"), 1, True, False),
        (("none", "none"), 0, False, True),
    ],
)
def test_where_addresses_hide_who_left_only_whole_registers_that_hold_somebody_tell_who_is_new(
    states: Sequence[Literal["unread", "whole", "none"]], held: int, hides: bool, tells: bool
) -> None:
    consent = Consent(["1", "2"], salt=b"s", hides_left=hides)
    registers = [*consent.registers.values()]
    registers[0].left([Row(number, f"left.{number}@example.com", Standing.LEFT) for number in range(held)])
    for register, state in zip(registers, states, strict=True):
        register.state = state

    choice = consent.choose(["1"], "new@example.com", None)
    assert (consent.tells_new, choice.is_unsure, choice.lists) == (tells, not tells, ("1",) if tells else ())
    shown = consent.choose(["1"], "ann@example.com", Found(7, Standing.ACTIVE))
    assert (shown.is_unsure, shown.lists) == (False, ("1",)), "a contact that is shown is written as ever"
