"""What the dead-letter topic says: for a pod that follows it, and for an operator who reads all of it."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from consumer.events import encode
from consumer.history import History, Selection
from consumer.letterbook import Letterbook, account_of, places
from consumer.model import Event, UserKey
from consumer.settings import Account
from consumer.settings_load import load

ANN, BO = UserKey("v", "ann"), UserKey("v", "bo")
Headers = list[tuple[str, bytes]]


def letter(user: UserKey | None = ANN, code: str = "http-422", account: str = "1", **more: str) -> tuple[Headers, bytes]:
    said = {
        "error.code": code,
        "error.stage": "makeas",
        "source.topic": "t",
        "source.partition": "3",
        "source.offset": "40",
        "parked_at": "2026-11-24T08:00:00.000Z",
        "attempts": "2",
        "makeas.account": account,
        "makeas.lists": "11,12",
        **{name.replace("_", "."): value for name, value in more.items()},
    }
    if not account:
        del said["makeas.account"]
    return [(name, value.encode()) for name, value in said.items()], b"" if user is None else encode(Event(user, "contract.1#update"))


def mark(place: str, state: str) -> tuple[Headers, bytes]:
    return [("letter", place.encode()), ("state", state.encode()), ("marked_at", b"2026-11-24T09:00:00.000Z")], b""


def book(*records: tuple[Headers, bytes]) -> tuple[Letterbook, list[tuple[int, int] | None]]:
    made = Letterbook()
    return made, [made.read((0, offset), headers, value, timestamp_ms=5, now=1.0) for offset, (headers, value) in enumerate(records)]


def test_a_held_letter_may_be_tried_at_once_and_any_other_when_asked() -> None:
    made, wanted = book(letter(), letter(BO, code="held"), mark("0:0", "requeue"))

    assert wanted == [None, (0, 1), (0, 0)]
    one = made[0, 0]
    assert (one.user, one.account, one.partition, one.offset, one.requeued, one.held) == (ANN, "1", 3, 40, True, False)
    assert one.parked_ms == 1_795_507_200_000
    assert made.of_user(ANN) == ((0, 0),)


def test_a_letter_of_an_unknown_type_is_a_readers_too() -> None:
    """Where such events are resynced, they may be parked: what can't be read back would never heal."""
    headers, _ = letter(code="held")
    value = encode(Event(ANN, "userVendor.1#deleted"))
    made, wanted = book((headers, value))
    history = History()
    history.read((0, 0), headers, value)

    assert wanted == [(0, 0)]
    assert (made[0, 0].user, made[0, 0].type) == (ANN, "userVendor.1#deleted")
    (entry,) = history.entries()
    assert (entry.user, entry.type, entry.state, entry.can_be_requeued) == ("ann", "userVendor.1#deleted", "open", True)


def test_done_and_replaced_letters_leave_nothing() -> None:
    made, _ = book(letter(), letter(BO), letter(replaces="0:0"), mark("0:1", "done"), mark("0:1", "done"))

    assert [place for place, _ in made.items()] == [(0, 2)]
    assert (made.of_user(BO), made.of_user(ANN)) == ((), ((0, 2),))


def test_marks_that_come_before_their_letter_count() -> None:
    made = Letterbook()
    made.read((1, 0), *mark("0:1", "done"), timestamp_ms=5, now=1.0)
    made.read((1, 1), *letter(replaces="0:0"), timestamp_ms=5, now=1.0)
    for offset in (0, 1, 2):
        made.read((0, offset), *letter(BO, code="held"), timestamp_ms=5, now=1.0)

    assert [place for place, _ in made.items()] == [(1, 1), (0, 2)]


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
        ([("error.code", b"held"), ("source.partition", b"x")], encode(Event(ANN, "contract.1#update"))),
    ],
)
def test_what_is_no_letter_of_a_user_is_passed_over(record: tuple[Headers, bytes]) -> None:
    made, wanted = book(record)

    assert (len(made), wanted) == (0, [None])


def test_what_retention_took_is_forgotten() -> None:
    made, _ = book(letter(), letter(BO), letter())
    made.forget_before(0, 2)

    assert [place for place, _ in made.items()] == [(0, 2)]


def test_a_partition_made_anew_has_places_of_its_own() -> None:
    """Nothing of the old letters points at the new ones."""
    made, _ = book(letter(), letter(BO), mark("0:7", "done"))
    made.forget(0)
    assert (len(made), made.of_user(ANN), made.oldest_parked_ms()) == (0, (), None)
    for offset in range(8):
        made.read((0, offset), *letter(BO), timestamp_ms=5, now=2.0)
    assert (made.of_user(ANN), len(made.of_user(BO))) == ((), 8)


@pytest.mark.parametrize(
    "headers",
    [[("note", None)], [("letter", b"0:" + b"9" * 5000), ("state", b"done")], [("error.code", None), ("replaces", b"1" * 5000 + b":1")]],
)
def test_headers_of_others_hands_end_nothing(headers: list[tuple[str, bytes | None]]) -> None:
    """Kafka lets a header be without a value, and a number be of any length."""
    made = Letterbook()
    assert made.read((0, 0), headers, b"", timestamp_ms=0, now=0.0) is None
    assert len(made) == 0


def test_the_oldest_letter() -> None:
    made, _ = book(letter(parked_at="2026-11-24T09:00:00.000Z"), letter(BO))
    assert made.oldest_parked_ms() == 1_795_507_200_000 == 1000 * int(datetime(2026, 11, 24, 8, tzinfo=UTC).timestamp())


def test_places() -> None:
    assert places("0:1,2:30, 4:5,x,7") == ((0, 1), (2, 30))


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

    assert [account_of(one, accounts) for _, one in made.items()] == [("1-2",), ("2",), ("1", "1-2", "2"), ()]


# ---- History ----


def history(*records: tuple[Headers, bytes]) -> History:
    made = History()
    for offset, (headers, value) in enumerate(records):
        made.read((0, offset), headers, value)
    return made


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
    one = made.get((0, 2))
    assert one is not None
    assert (one.user, one.source, one.code, one.attempts, one.requeued_at) == ("ann", "3:40", "http-422", "2", "2026-11-24T09:00:00.000Z")


def test_history_does_not_mind_the_order_of_partitions() -> None:
    made = History()
    made.read((1, 0), *mark("0:0", "requeue"))
    made.read((1, 1), *mark("0:0", "done"))
    made.read((0, 0), *letter())

    assert [one.state for one in made.entries()] == ["done"]


@pytest.mark.parametrize(
    ("selection", "found"),
    [
        (Selection(), ["0:0", "0:1"]),
        (Selection(places=((0, 1),)), ["0:1"]),
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
