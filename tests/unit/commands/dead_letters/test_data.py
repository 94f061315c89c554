"""Letters as data, and those that say again what another says."""

import msgspec

from consumer.commands.dead_letters.data import as_data, repeated
from consumer.core.letters.history import Entry

LETTER = Entry(
    place="3:17",
    vendor="v",
    user="ann",
    account="1001",
    lists="1466,1467",
    code="http-422",
    attempts="8",
    source="2:40",
    source_topic="events",
    parked_at="2026-11-24T08:00:00.250Z",
    can_be_requeued=True,
)


def test_numbers_are_numbers_lists_are_lists_and_what_is_not_known_is_null() -> None:
    said = as_data(LETTER)

    assert set(msgspec.to_builtins(LETTER)) <= set(said), "each name is still there"
    assert (said["attempts"], said["lists"]) == (8, ["1466", "1467"])
    assert [said[name] for name in ("place", "partition", "offset", "source", "source_partition", "source_offset")] == [
        "3:17", 3, 17, "2:40", 2, 40,
    ]  # fmt: skip
    assert (said["parked_at"], said["parked_ms"]) == ("2026-11-24T08:00:00.250Z", 1_795_507_200_250)
    assert [said[name] for name in ("closed_at", "closed_ms", "requeued_ms", "replaced_by", "type", "repeats")] == [None] * 6
    assert said["can_be_requeued"] is True


def test_what_a_foreign_letter_says_wrongly_is_null() -> None:
    said = as_data(Entry(place="0:1", source="?:x", attempts="many", parked_at="yesterday"))

    assert [said[name] for name in ("attempts", "source_partition", "source_offset", "parked_ms")] == [None] * 4
    assert (said["lists"], said["source"], said["parked_at"]) == ([], "?:x", "yesterday")


def _again(place: str, **changed: object) -> Entry:
    return msgspec.structs.replace(LETTER, place=place, **changed)


def test_a_letter_that_was_written_again_after_a_crash_names_the_first() -> None:
    letters = [_again("3:18", parked_at="2026-11-24T08:01:00.000Z"), LETTER, _again("3:19", parked_at="2026-11-24T08:02:00.000Z")]

    assert repeated(letters) == {"3:18": "3:17", "3:19": "3:17"}


def test_letters_of_other_lists_codes_and_records_repeat_nothing() -> None:
    others = [_again("3:18", lists="1"), _again("3:19", code="held"), _again("3:20", source="2:41"), _again("3:21", account="2")]
    closed = _again("3:5", state="replaced", parked_at="2026-11-24T07:00:00.000Z")
    unsaid = [_again("3:22", source="?:?"), _again("3:23", source="?:?")]

    assert repeated([closed, LETTER, *others, *unsaid]) == {}
