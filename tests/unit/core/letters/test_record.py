"""A letter as it is read: its key, and whose it is."""

from typing import Any

import pytest

from consumer.core.letters.book import Letterbook
from consumer.core.letters.record import OpenLetter
from consumer.core.model import Place
from consumer.core.partitioner import partition_of, usual_key
from tests.fakes.written import ANN, book, letter, read


def opened(**said: Any) -> OpenLetter:
    return book(letter(**said))[0][Place(0, 0)]


def test_while_the_topic_has_as_many_partitions_the_sources_owner_tries_a_letter_else_the_keys() -> None:
    """Of older letters, which don't say how many there were, the source's as long as there is such a partition."""
    by_key = {of: partition_of(usual_key(ANN), of) for of in (3, 4, 5, 7)}
    assert by_key[4] != 3 != by_key[5], "else the test can't tell"

    assert [opened(source_partitions="4").home(of) for of in (4, 5, 7)] == [3, by_key[5], by_key[7]]
    assert [opened().home(of) for of in (3, 4, 5)] == [by_key[3], 3, 3]
    assert [opened(source_partitions=said).home(4) for said in ("0", "x", "-1", "")] == [3] * 4
    assert [opened(source_partition=said, source_partitions="4").home(4) for said in ("-1", "x", "4", "9" * 30)] == [by_key[4]] * 4


@pytest.mark.parametrize(("key", "counts"), [(b"another", True), (b"", True), (b"k" * 1024, True), (b"k" * 1025, False), (None, False)])
def test_the_key_is_the_letters_own_else_the_usual_one(key: bytes | None, counts: bool) -> None:
    made = Letterbook()
    read(made, Place(0, 0), *letter(source_partitions="2"), key)

    assert (made[Place(0, 0)].key, made[Place(0, 0)].home(7)) == (
        key if counts else None,
        partition_of(key if counts and key is not None else b"v|ann", 7),
    )
