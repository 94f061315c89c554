"""How a reconcile ended, as a record: both ways, and as the release before it reads the same bytes."""

import json
from typing import Any

import pytest
from msgspec import structs

from consumer.core.letters.book import Letterbook
from consumer.core.letters.history import History
from consumer.core.letters.reconciled import Reconciled, Reconciles
from consumer.core.letters.record import parse, reconciled
from consumer.core.model import Place
from tests.fakes.written import ANN, Headers, letter, read

ONE = Reconciled(vendor="v", account="1001", list="11", at_ms=1_795_507_200_000, ended="agreed", readers=98_212, repaired=12, left=0)
HEADERS: Headers = [("kind", b"reconcile")]
VALUE = b'{"vendor":"v","account":"1001","list":"11","at_ms":1795507200000,"ended":"agreed","readers":98212,"repaired":12,"left":0}'


def said(value: bytes | None, headers: Headers = HEADERS, timestamp_ms: int = ONE.at_ms) -> Reconciled | None:
    return parse(headers, value, b"k", timestamp_ms=timestamp_ms, now=1.0).reconciled


def changed(**fields: Any) -> bytes:
    return json.dumps({**json.loads(VALUE), **fields}).encode()


def test_the_bytes_are_these_for_a_later_and_an_earlier_release_reads_them() -> None:
    written = reconciled(ONE)

    assert (written.key, written.value, list(written.headers)) == (b"reconcile/v/1001/11", VALUE, HEADERS)
    assert said(VALUE) == ONE
    assert said(changed(more="of a later release", ended="new-word")) == structs.replace(ONE, ended="new-word")


def test_the_release_before_it_passes_it_by() -> None:
    """
    Its rule, of its `parse` and its `History`, word for word.

    A record with a header `letter` is a mark. One without the header `error.code` is no letter, whatever its value, and counts as none
    that can't be read. The header `replaces` closes letters.
    """
    names = {name for name, _ in reconciled(ONE).headers}

    assert names.isdisjoint({"letter", "error.code", "replaces", "replaces.origins"})
    assert reconciled(ONE).value, "nor is it a tombstone, which Kafka may refuse or compact away"


def test_it_is_neither_a_letter_nor_one_that_cannot_be_read() -> None:
    book, history = Letterbook(), History()
    for offset, (headers, value) in enumerate([letter(), (HEADERS, VALUE), (HEADERS, b"<html>"), (HEADERS, b"")]):
        read(book, Place(0, offset), headers, value, timestamp_ms=ONE.at_ms)
        history.read(Place(0, offset), headers, value)

    assert (len(book), len(book.unreadable), len(book.kinds)) == (1, 0, 1)
    assert [one.user for one in history.entries()] == ["ann"]
    assert book.reconciles.get("v", "1001", "11") == ONE
    assert book.reconciles.get("v", "1001", "12") is None


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"[]",
        changed(left=-1),
        changed(vendor=""),
        changed(list="x" * 257),
        changed(readers="many"),
        changed(more="x" * 4096),
        changed(at_ms=None),
    ],
)
def test_what_cannot_be_made_out_says_nothing(value: bytes | None) -> None:
    record = parse(HEADERS, value, b"k", timestamp_ms=5, now=1.0)

    assert (record.reconciled, record.letter, record.unreadable, record.mark) == (None, None, "", None)


def test_a_letter_stays_a_letter_whatever_kind_it_claims() -> None:
    headers, value = letter()
    record = parse([*headers, *HEADERS], value, None, timestamp_ms=5, now=1.0)

    assert record.letter is not None
    assert (record.letter.user, record.reconciled) == (ANN, None)
    assert said(VALUE, [("kind", b"something else")]) is None


def test_a_time_to_come_is_not_believed() -> None:
    assert said(changed(at_ms=ONE.at_ms + 10**12)) == ONE


def test_the_last_of_a_list_counts_in_whichever_order_they_are_read() -> None:
    old, new = structs.replace(ONE, at_ms=1, left=3), structs.replace(ONE, at_ms=2)
    for order in ((old, new), (new, old)):
        kept = Reconciles()
        for one in order:
            kept.read(one)
        assert kept.get("v", "1001", "11") == new


def test_of_more_than_a_thousand_lists_the_oldest_go() -> None:
    kept = Reconciles()
    for number in range(1200):
        kept.read(structs.replace(ONE, list=str(number), at_ms=number))

    assert len(kept) == 1000
    assert kept.get("v", "1001", "199") is None
    assert kept.get("v", "1001", "200") is not None
