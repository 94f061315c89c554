"""Every letter that was ever written, and what became of it."""

import pytest

from consumer.core.letters.history import Entry, History, Selection, State
from consumer.core.model import Place
from tests.fakes.written import BO, history, letter, mark


def test_every_letter_and_what_became_of_it() -> None:
    made = history(
        letter(), letter(BO), letter(replaces="0:0"), mark("0:2", "requeue"), mark("0:1", "done"), letter(None), mark("0:1", "requeue")
    )

    assert [(one.place, one.state, one.replaced_by, one.can_be_requeued) for one in made.entries()] == [
        ("0:0", "replaced", "0:2", True),
        ("0:1", "done", "", True),
        ("0:2", "requeued", "", True),
        ("0:5", "unreadable", "", False),
    ]
    one = made.get(Place(0, 2))
    assert one is not None
    assert (one.user, one.source, one.code, one.attempts, one.requeued_at) == ("ann", "3:40", "http-422", "2", "2026-11-24T09:00:00.000Z")


def test_history_does_not_mind_the_order_of_partitions() -> None:
    made = History()
    made.read(Place(1, 0), *mark("0:0", "requeue"))
    made.read(Place(1, 1), *mark("0:0", "done"))
    made.read(Place(0, 0), *letter())

    assert [one.state for one in made.entries()] == ["done"]
    made.read(Place(0, 1), *letter(replaces="0:0"))
    assert [(one.state, one.replaced_by) for one in made.entries()] == [("done", ""), ("open", "")]


@pytest.mark.parametrize(
    ("selection", "found"),
    [
        (Selection(), ["0:0", "0:1"]),
        (Selection(places=(Place(0, 1),)), ["0:1"]),
        (Selection(vendor="v", user="ann"), ["0:0"]),
        (Selection(vendor="w"), []),
        (Selection(account="2"), ["0:1"]),
        (Selection(code="held"), ["0:1"]),
        (Selection(since="2026-11-24T08:00:00.000Z"), ["0:0", "0:1"]),
        (Selection(until="2026-11-24T08:00:00.000Z"), []),
    ],
)
def test_selections(selection: Selection, found: list[str]) -> None:
    made = history(letter(), letter(BO, code="held", account="2"))

    assert [one.place for one in made.entries() if selection.takes(one)] == found
    assert selection.is_everything == (selection == Selection())


@pytest.mark.parametrize(
    ("state", "is_open"), [("open", True), ("requeued", True), ("unreadable", True), ("done", False), ("replaced", False)]
)
def test_a_letter_is_open_until_it_is_done_or_replaced(state: State, is_open: bool) -> None:
    """Of a record that can't be read as well: nothing can close it, so an operator must see it."""
    assert Entry(place="0:0", state=state).is_open == is_open
