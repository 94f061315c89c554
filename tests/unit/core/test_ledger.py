"""What may be committed."""

import pytest

from consumer.core.ledger import Ledger


def read(ledger: Ledger, offsets: list[int]) -> None:
    for offset in offsets:
        ledger.open(0, offset, since_ms=offset * 10)
    ledger.read(0, offsets[-1] + 1)


def test_the_oldest_open_offset_is_the_watermark_in_whatever_order_others_close() -> None:
    ledger = Ledger()
    ledger.begin(0, 5)
    read(ledger, [5, 7, 8])
    marks = []
    for offset in (8, 5, 7):
        marks.append(ledger.watermarks()[0])
        ledger.close(0, offset)

    assert marks == [5, 5, 7]
    assert ledger.watermarks() == {0: 9}


def test_with_nothing_open_it_is_the_next_offset() -> None:
    ledger = Ledger()
    ledger.begin(0, 5)
    ledger.read(0, 40)
    assert ledger.watermarks() == {0: 40}


def test_closing_what_is_not_open_is_our_bug() -> None:
    ledger = Ledger()
    ledger.begin(0, 0)
    with pytest.raises(KeyError):
        ledger.close(0, 1)


def test_a_page_comes_back_as_it_was() -> None:
    ledger = Ledger()
    ledger.begin(0, 0)
    read(ledger, [0, 1])
    page = ledger.end(0)
    assert (ledger.watermarks(), ledger.end(0)) == ({}, None)
    assert page is not None
    ledger.begin(0, page)
    assert (ledger.watermarks(), ledger.next_offset(0), ledger.open_count(0), ledger.oldest_since_ms(0)) == ({0: 0}, 2, 2, 0)
