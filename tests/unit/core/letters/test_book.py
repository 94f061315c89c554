"""What the dead-letter topic says: for a pod that follows it, and for an operator who reads all of it."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from consumer.core.events import encode
from consumer.core.letters.book import Change, Letterbook, account_of
from consumer.core.letters.headers import Named
from consumer.core.letters.history import History
from consumer.core.model import Event, Place
from consumer.settings.account import Account
from consumer.settings.load import load
from tests.fakes.written import ANN, BO, Headers, book, history, letter, mark, read


def test_a_held_letter_may_be_tried_at_once_and_any_other_when_asked() -> None:
    made, wanted = book(letter(), letter(BO, code="held"), mark("0:0", "requeue"))

    assert wanted == [None, Place(0, 1), Place(0, 0)]
    one = made[Place(0, 0)]
    assert (one.user, one.account, one.partition, one.offset, one.requeued, one.held) == (ANN, "1", 3, 40, True, False)
    assert one.parked_ms == 1_795_507_200_000
    assert made.of_user(ANN) == (Place(0, 0),)


def test_a_letter_of_an_unknown_type_is_a_readers_too() -> None:
    """Where such events are resynced, they may be parked: what can't be read back would never heal."""
    headers, _ = letter(code="held")
    value = encode(Event(ANN, "userVendor.1#deleted"))
    made, wanted = book((headers, value))
    history = History()
    history.read(Place(0, 0), headers, value)

    assert wanted == [Place(0, 0)]
    assert (made[Place(0, 0)].user, made[Place(0, 0)].type) == (ANN, "userVendor.1#deleted")
    (entry,) = history.entries()
    assert (entry.user, entry.type, entry.state, entry.can_be_requeued) == ("ann", "userVendor.1#deleted", "open", True)


def test_done_and_replaced_letters_leave_nothing() -> None:
    made, _ = book(letter(), letter(BO), letter(replaces="0:0"), mark("0:1", "done"), mark("0:1", "done"))

    assert [place for place, _ in made.items()] == [Place(0, 2)]
    assert (made.of_user(BO), made.of_user(ANN)) == ((), (Place(0, 2),))


def test_marks_that_come_before_their_letter_count() -> None:
    made = Letterbook()
    read(made, Place(1, 0), *mark("0:1", "done"))
    read(made, Place(1, 1), *letter(replaces="0:0"))
    for offset in (0, 1, 2):
        read(made, Place(0, offset), *letter(BO, code="held"))

    assert [place for place, _ in made.items()] == [Place(1, 1), Place(0, 2)]


def test_a_requeue_of_what_is_closed_or_unknown_is_let_go() -> None:
    made, wanted = book(letter(), mark("0:0", "done"), mark("0:0", "requeue"), mark("9:9", "requeue"), mark("x", "requeue"))

    assert (len(made), wanted) == (0, [None] * 5)


@pytest.mark.parametrize(
    "record",
    [
        letter(None),
        ([("error.code", b"held")], b"\xff"),
        ([("error.code", b"held")], b'{"eventType":"strange","vendorId":"v"}'),
        ([], encode(Event(ANN, "contract.1#update"))),
    ],
)
def test_what_is_no_letter_of_a_user_is_passed_over(record: tuple[Headers, bytes]) -> None:
    made, wanted = book(record)

    assert (len(made), wanted) == (0, [None])


def test_what_retention_took_is_forgotten() -> None:
    made, _ = book(letter(), letter(BO), letter())
    made.forget_before(0, 2)

    assert [place for place, _ in made.items()] == [Place(0, 2)]


def test_a_partition_made_anew_has_places_of_its_own() -> None:
    """Nothing of the old letters points at the new ones."""
    made, _ = book(letter(), letter(BO), mark("0:7", "done"))
    made.forget(0)
    assert (len(made), made.of_user(ANN), made.oldest_parked_ms()) == (0, (), None)
    for offset in range(8):
        read(made, Place(0, offset), *letter(BO))
    assert (made.of_user(ANN), len(made.of_user(BO))) == ((), 8)


@pytest.mark.parametrize(
    "headers",
    [[("note", None)], [("letter", b"0:" + b"9" * 5000), ("state", b"done")], [("error.code", None), ("replaces", b"1" * 5000 + b":1")]],
)
def test_headers_of_others_hands_end_nothing(headers: list[tuple[str, bytes | None]]) -> None:
    """Kafka lets a header be without a value, and a number be of any length."""
    made = Letterbook()
    assert read(made, Place(0, 0), headers, b"") == Change()
    assert len(made) == 0


def test_the_oldest_letter() -> None:
    made, _ = book(letter(parked_at="2026-11-24T09:00:00.000Z"), letter(BO))
    assert made.oldest_parked_ms() == 1_795_507_200_000 == 1000 * int(datetime(2026, 11, 24, 8, tzinfo=UTC).timestamp())


def test_an_account_is_found_by_its_user_id_and_where_that_has_two_keys_by_its_lists(tmp_path: Path) -> None:
    config = tmp_path / "consumer.toml"
    config.write_text(
        """
[[vendors]]
id = "v"
sesamy = { client_id = "c", client_secret = "s" }
makeas = [
  { userId = "1", apiKey = "k", listId = "11" },
  { userId = "1", apiKey = "another", listId = "12" },
  { userId = "2", apiKey = "k", listId = "13" },
]
"""
    )
    accounts: tuple[Account, ...] = load(config, {}).accounts_of("v")
    made, _ = book(letter(account="1", makeas_lists="12"), letter(account="2"), letter(account=""), letter(account="7"))

    assert [account_of(accounts, one.account, one.lists) for _, one in made.items()] == [("1-2",), ("2",), ("1", "1-2", "2"), ()]


# ---- Which letter a record means ----

ORIGIN = ("3", "40", "2026-11-24T08:00:00.000Z")
ANOTHER = ("3", "40", "2026-11-24T08:00:00.001Z")


@pytest.mark.parametrize(
    ("origin", "is_closed"),
    [(ORIGIN, True), (None, True), (ANOTHER, False), (("3", "41", ORIGIN[2]), False), (("2", *ORIGIN[1:]), False)],
)
def test_done_closes_the_letter_that_it_repeats_and_no_other(origin: tuple[str, str, str] | None, is_closed: bool) -> None:
    """An older topic's mark may come into the new one, before or behind a letter at the same place; one that repeats nothing counts."""
    behind, _ = book(letter(), mark("0:0", "done", origin))
    before = Letterbook()
    read(before, Place(1, 0), *mark("0:0", "done", origin))
    read(before, Place(0, 0), *letter())

    assert (len(behind), len(before)) == (Place(0, 0) if is_closed else Place(1, 1))
    assert history(letter(), mark("0:0", "done", origin)).entries()[0].state == ("done" if is_closed else "open")
    early = History()
    early.read(Place(1, 0), *mark("0:0", "done", origin))
    early.read(Place(0, 0), *letter())
    assert early.entries()[0].state == ("done" if is_closed else "open")


@pytest.mark.parametrize(("origin", "wanted"), [(ORIGIN, Place(0, 0)), (None, Place(0, 0)), (ANOTHER, None)])
def test_a_requeue_asks_for_the_letter_that_it_repeats(origin: tuple[str, str, str] | None, wanted: Place | None) -> None:
    made, asked = book(letter(), mark("0:0", "requeue", origin))

    assert (asked[1], made[Place(0, 0)].requeued) == (wanted, wanted is not None)
    assert history(letter(), mark("0:0", "requeue", origin)).entries()[0].state == ("requeued" if wanted else "open")


@pytest.mark.parametrize(
    ("origins", "closed"),
    [
        ("3:40@2026-11-24T08:00:00.000Z,", {Place(0, 0), Place(0, 1)}),
        ("3:40@2026-11-24T08:00:00.001Z,3:40@2026-11-24T08:00:00.000Z", {Place(0, 1)}),
        ("3:40@2026-11-24T08:00:00.001Z", {Place(0, 0), Place(0, 1)}),
        (None, {Place(0, 0), Place(0, 1)}),
    ],
)
def test_a_letter_takes_the_place_of_those_that_it_repeats(origins: str | None, closed: set[Place]) -> None:
    """Where what it repeats does not fit the places, they alone count, as in letters of older versions."""
    newer, value = letter(replaces="0:0,0:1")
    newer += [("replaces.origins", origins.encode())] if origins is not None else []
    made, _ = book(letter(), letter(BO), (newer, value))

    assert {place for place, _ in made.items()} == {Place(0, 0), Place(0, 1), Place(0, 2)} - closed
    states = {one.place: one.state for one in history(letter(), letter(BO), (newer, value)).entries()}
    assert states == {f"0:{at}": "replaced" if (0, at) in closed else "open" for at in range(3)}


@pytest.mark.parametrize(
    "headers",
    [
        {"source_partition": "x"},
        {"parked_at": ""},
        {"parked_at": "yesterday"},
        {"source_offset": "9" * 5000},
    ],
)
def test_marks_of_a_letter_that_says_only_part_of_its_origin_close_it(headers: Any) -> None:
    """Whatever a pod or an operator reads of it, they write what closes it."""
    made, _ = book(letter(**headers), letter(BO, code="held"))
    entry = history(letter(**headers), letter(BO)).get(Place(0, 0))
    assert entry is not None
    for named in (Named(Place(0, 0), made[Place(0, 0)].origin), entry.named):
        again, _ = book(letter(**headers))
        said = {"letter": "0:0", "state": "done"} | (named.origin.headers() if named.origin else {})
        read(again, Place(0, 1), [(name, text.encode()) for name, text in said.items()], b"")
        assert (named.place, len(again)) == (Place(0, 0), 0)


# ---- What it costs ----


def test_the_oldest_letter_is_found_whatever_was_closed() -> None:
    """And what was closed is not kept for it."""
    made = Letterbook()
    for offset in range(3000):
        read(made, Place(offset % 2, offset), *letter(parked_at=""), timestamp_ms=10_000 - offset)
    for offset in range(2999, 0, -1):
        assert made.oldest_parked_ms() == 10_000 - offset
        read(made, Place(2, 3000 - offset), *mark(f"{offset % 2}:{offset}", "done"))

    assert (made.oldest_parked_ms(), len(made)) == (10_000, 1)
    for offset in range(3000, 10_000):
        read(made, Place(0, offset), *letter(replaces=f"0:{offset - 1}", parked_at=""), timestamp_ms=20_000)
    assert (len(made), len(made._by_age) < 1500) == (2, True)


def test_marks_of_what_is_not_known_are_let_go() -> None:
    made = Letterbook()
    read(made, Place(0, 9), *letter())
    for offset in range(8):
        read(made, Place(0, 10 + offset), *mark(f"0:{offset}", "done"))

    assert made._closed_ahead == {}


def test_a_partition_made_anew_begins_at_its_first_offset() -> None:
    """A mark that comes before its letter counts there as anywhere."""
    made, _ = book(*[letter()] * 9)
    made.forget(0)
    read(made, Place(1, 0), *mark("0:3", "done"))
    read(made, Place(0, 3), *letter())

    assert len(made) == 0
