"""What values of others are read as."""

from typing import Any

import msgspec
import pytest
from msgspec import Struct

from consumer.core.answers.shapes import Json, Kind, Odd, Shape, date, decoded, each, flag, number, text, word
from consumer.core.errors import Retryable

ODD: Any = Odd
SURROGATE = "\ud83c"


def read(kind: Kind, value: object, *, plain: bool = True) -> object:
    try:
        return kind(value, Json(None, plain=plain))
    except Odd:
        return ODD


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (60, 60.0),
        (1.5, 1.5),
        (-1, -1.0),
        ("60", 60.0),
        (" 60.5 ", 60.5),
        (10**400, None),
        (-(10**400), None),
        ("9" * 400, None),
        (float("inf"), None),
        (float("nan"), None),
        ("nan", None),
        ("1_000", None),
        ("\u0662", None),
        ("\u00b2", None),
        (".", None),
        ("", None),
        (True, None),
        (None, None),
        ([1], None),
    ],
)
def test_a_number_is_one_that_a_clock_can_take(value: object, found: float | None) -> None:
    assert found == number(value)


@pytest.mark.parametrize(
    ("value", "as_text", "as_word"),
    [
        ("Bok", "Bok", "Bok"),
        ("", "", ""),
        ("b\u00f8k \U0001f389", "b\u00f8k \U0001f389", "b\u00f8k \U0001f389"),
        (9788202000001, "9788202000001", "9788202000001"),
        (42.0, "42", "42"),
        (1.5, "1.5", "1.5"),
        (1e300, "1e+300", "1e+300"),
        (-0.0, "0", "0"),
        (float("inf"), ODD, ODD),
        (float("nan"), ODD, ODD),
        (True, ODD, ODD),
        ({}, ODD, ODD),
        (["Bok"], ODD, ODD),
        (f"Bok {SURROGATE}", "Bok \ufffd", ODD),
    ],
)
def test_numbers_are_text_and_booleans_are_not(value: object, as_text: object, as_word: object) -> None:
    assert as_text == read(text, value)
    assert as_word == read(word, value)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("2026-03-01", "2026-03-01"),
        ("2024-01-01T00:00:00.000Z", "2024-01-01T00:00:00.000Z"),
        ("1. mars 2026", "1. mars 2026"),
        ("", ""),
        (1735689600, "2025-01-01T00:00:00Z"),
        ("1735689600", "2025-01-01T00:00:00Z"),
        (1735689600.0, "2025-01-01T00:00:00Z"),
        (1735689600000, "2025-01-01T00:00:00Z"),
        ("1735689600000", "2025-01-01T00:00:00Z"),
        (1735689600123, "2025-01-01T00:00:00.123Z"),
        (1735689600.5, "2025-01-01T00:00:00.500Z"),
        (946684800000, "2000-01-01T00:00:00Z"),
        (4102444800, "2100-01-01T00:00:00Z"),
        ("20260301", "20260301"),
        ("20260301120000", "20260301120000"),
        ("2026", "2026"),
        (20260301, ODD),
        (0, ODD),
        (-1735689600, ODD),
        (10**400, ODD),
        (float("inf"), ODD),
        (True, ODD),
        ({"seconds": 1735689600}, ODD),
    ],
)
def test_seconds_and_milliseconds_are_dates(value: object, found: object) -> None:
    assert found == read(date, value)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (True, True),
        (False, False),
        (1, True),
        (0, False),
        (1.0, True),
        ("true", True),
        (" FALSE ", False),
        ("1", True),
        ("0", False),
        ("yes", ODD),
        ("", ODD),
        (2, ODD),
        (float("nan"), ODD),
        ([], ODD),
        ({}, ODD),
    ],
)
def test_a_flag_is_true_false_1_or_0(value: object, found: object) -> None:
    assert read(flag, value) is found


@pytest.mark.parametrize(
    ("value", "found", "noted"),
    [
        (["vip", None, 2024], ["vip", "2024"], []),
        (["vip", {}, True], ["vip"], ["user.tags", "user.tags"]),
        ([], [], []),
        ([None], [], []),
        ({}, [], []),
        ("", [], []),
        ([{}], ODD, ["user.tags"]),
        ({"0": "vip"}, ODD, []),
        ("vip", ODD, []),
        (False, ODD, []),
    ],
)
def test_an_entry_of_a_list_that_cant_be_read_leaves_the_others(value: object, found: object, noted: list[str]) -> None:
    said = Json(None)
    try:
        assert found == each(text, "user.tags")(value, said)
    except Odd:
        assert found is ODD
    assert noted == said.odd


@pytest.mark.parametrize(
    ("body", "tree", "plain"),
    [
        (b'[1, "a"]', [1, "a"], True),
        (b"\xef\xbb\xbf[1]", [1], True),
        (b'"\\ud83c\\udf89"', "\U0001f389", True),
        (b'["a\\ud83c", "b"]', [f"a{SURROGATE}", "b"], False),
        (b'"\xff"', "\udcff", False),
        (b'\xef\xbb\xbf"\xff"', "\udcff", False),
        (b'"a\nb"', "a\nb", False),
        (b"[1e999, -1e999]", [float("inf"), float("-inf")], False),
        (b"9" * 5000, float("inf"), False),
        (b"9" * 401, 10**401 - 1, True),
    ],
)
def test_what_is_odd_in_one_place_does_not_spoil_a_body(body: bytes, tree: object, plain: bool) -> None:
    assert Json(tree, plain=plain) == decoded(body)


@pytest.mark.parametrize(
    "body", [b"", b" ", b"<html>", b'{"a": [', b"[1,]", b"\xff\xfe[\x00]\x00", b"[" * 100_000, b'"\xff' + b" " * 1024 * 1024 + b'"']
)
def test_what_is_not_json_stays_that(body: bytes) -> None:
    with pytest.raises((ValueError, RecursionError)):
        decoded(body)


class Row(Struct, rename="camel"):
    id: str
    a_date: str | None = None
    is_on: bool | None = None
    names: list[str] | None = None


ROWS = Shape(Row, "rows", {"id": word, "aDate": date, "isOn": flag, "names": each(text, "rows.names")}, identifies="id", decides={"isOn"})


def test_a_row_without_an_id_is_left_out_and_the_others_count() -> None:
    trees: list[object] = [{"id": "1"}, {}, {"id": None}, {"id": " "}, {"id": {}}, "row", None, {"id": 2, "aDate": {}}]
    said = Json(trees)
    assert ROWS.rows(trees, said) == [Row("1"), Row("2")]
    assert sorted(said.odd) == ["rows"] * 6 + ["rows.aDate", "rows.id"]


def test_where_no_row_can_be_used_none_is() -> None:
    assert ROWS.rows([], Json([])) == []
    with pytest.raises(Retryable) as caught:
        ROWS.rows([{"aDate": "2026-03-01"}], Json([]))
    assert caught.value.code == "wrong-shape"


def test_what_decides_is_never_absent_for_its_type() -> None:
    said = Json(None)
    with pytest.raises(Retryable) as caught:
        ROWS.rows([{"id": "1", "isOn": True}, {"id": "2", "isOn": []}], said)
    assert (caught.value.code, said.odd) == ("wrong-shape", ["rows.isOn"])
    assert ROWS.rows([{"id": "1", "isOn": None}], said) == [Row("1")]


def test_an_odd_value_is_in_no_error() -> None:
    for kind in (text, word, date, flag):
        with pytest.raises(Odd) as caught:
            kind({"email": "ann@example.com"}, Json(None))
        assert "ann" not in repr(caught.value)
    with pytest.raises(Retryable) as refused:
        ROWS.rows([{"id": "1", "isOn": "ann@example.com"}], Json(None))
    assert "ann" not in str(refused.value)


def test_half_a_character_leaves_out_its_row_where_it_is_in_the_id() -> None:
    said = decoded(b'[{"id": "a\\ud83c"}, {"id": "b", "aDate": "x\\ud83c"}]')
    assert isinstance(said.tree, list)
    assert ROWS.rows(said.tree, said) == [Row("b", "x\ufffd")]
    assert msgspec.json.encode(ROWS.rows(said.tree, said))


@pytest.mark.parametrize(
    "trees",
    [
        [{}] * 20_000,
        [None] * 20_000,
        [{"id": "1", "aDate": {}} for _ in range(3_000)],
        [{"id": "1", "names": [""] * 20_000, "aDate": 1735689600}],
        [{"id": "1", "names": [7] * 3_000 + [{}] * 1_500}],
    ],
)
def test_no_more_is_mended_than_the_loop_can_wait_for(trees: list[object]) -> None:
    said = Json(trees)
    with pytest.raises(Retryable) as caught:
        ROWS.rows(trees, said)
    assert caught.value.code == "wrong-shape"
    assert len(said.odd) <= 5_001


def test_what_is_well_typed_may_be_much() -> None:
    trees: list[object] = [{"id": "1"}] * 20_000
    assert len(ROWS.rows(trees, Json(trees))) == 20_000
