"""Prints, in which values are compared without being known."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from consumer.core.drift.prints import NONE, Prints


@given(st.text(), st.text())
def test_equal_values_have_equal_prints_and_others_have_others(one: str, other: str) -> None:
    prints = Prints(b"key")

    assert (prints.of(one) == prints.of(other)) is (one == other)


@given(st.text())
def test_no_value_has_the_print_of_none_and_each_fits_into_64_bits(text: str) -> None:
    assert NONE < Prints(b"key").of(text) < 2**64


def test_without_the_key_a_print_says_nothing() -> None:
    found = [Prints(key).of("ann@example.com") for key in (b"", b"a", b"b", bytes(64))]

    assert all(one != other for one, other in pairwise(sorted(found)))


def test_half_a_letter_has_a_print() -> None:
    assert Prints(b"key").of("\ud83c")
