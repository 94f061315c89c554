"""Whose rows go alone."""

from consumer.core.model import UserKey
from consumer.core.sharing.alone import Alone

ANN, BO = (UserKey("v", name) for name in ("ann", "bo"))


def test_a_reader_goes_alone_with_one_kind_of_rows_until_those_are_taken() -> None:
    alone = Alone()
    alone.add([(ANN, "products")])
    assert alone.has((ANN, "products"), now=0)
    assert not alone.has((ANN, "subscriptions"), now=0)
    assert not alone.has((BO, "products"), now=0)
    alone.remove((ANN, "products"))
    alone.remove((BO, "products"))
    assert not alone.has((ANN, "products"), now=0)


def test_the_last_thousand_are_kept() -> None:
    alone = Alone()
    alone.add((UserKey("v", str(number)), "products") for number in range(2000))
    assert len(alone) == 1024
    assert alone.has((UserKey("v", "1999"), "products"), now=0)
    assert not alone.has((UserKey("v", "0"), "products"), now=0)


def test_where_two_calls_in_a_row_are_taken_in_parts_alone_nobody_shares_for_ten_minutes() -> None:
    alone = Alone()
    assert not alone.refused_whole(now=0)
    assert not alone.has((ANN, "products"), now=0)
    assert alone.refused_whole(now=10)
    assert alone.has((ANN, "products"), now=609)
    assert not alone.has((ANN, "products"), now=610)
    assert not alone.refused_whole(now=620), "it is tried twice again"


def test_a_call_that_is_taken_between_them_says_that_sharing_is_well() -> None:
    alone = Alone()
    alone.refused_whole(now=0)
    alone.taken_together()
    assert not alone.refused_whole(now=1)
