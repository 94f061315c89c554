"""What a success says in its body: shapes seen in public and made up, by table."""

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.core.answers.makeas import Reading, UnknownShapes, read

CONTACT = {
    "id": 1,
    "email": "ann@example.com",
    "email_status": "unsubscribed",
    "phone_status": "bounce",
    "status": "unsubscribed",
    "tags": ["error", "failed"],
    "lists": [{"id": 7, "title": "Failed"}],
    "EXTRA1": "invalid",
    "zip": "4040",
}

DONE: list[Any] = [
    {},
    [],
    None,
    "OK",
    {"status": "200 Success"},
    {"id": 1, "status": "200 Success"},
    {"status": 201},
    {"status": "success"},
    {"message": "ok"},
    {"message": "OK"},
    {"success": True},
    {"success": 1, "message": "whatever it says"},
    {"success": [{"id": 1}], "failed": []},
    {"errors": [], "failed": []},
    {"error": None, "data": {"id": 1}},
    {"error": "", "status": 200},
    {"error": False},
    {"errors": 0, "inserted": 1},
    {"errors": "0"},
    {"inserted": 1, "updated": 0, "invalid": [], "rejected": 0, "not_found": []},
    {"data": [{"id": 1}, {"id": 2, "errors": []}]},
    {"data": {"subscriber": CONTACT}},
    {"results": []},
    {"data": None},
    [{"id": 1, "status": "active"}, {"external_id": "c1", "status": "cancelled"}],
    [1, 2, None],
    {"data": [1, 2]},
    CONTACT,
]

REFUSED: list[Any] = [
    False,
    "error",
    {"error": "Email is invalid"},
    {"error": {"code": "validation_error", "message": "no"}},
    {"error": True},
    {"error": 3},
    {"errors": [{"row": 0, "message": "refused"}]},
    {"errors": {"email": ["is invalid"]}},
    {"errors": "Email is invalid"},
    {"errors": 1, "inserted": 0},
    {"failed": [{"email": "ann@example.com"}]},
    {"failed": 1},
    {"failures": [0]},
    {"success": False, "message": "no"},
    {"success": "false"},
    {"success": 0},
    {"ok": False},
    {"status": 422},
    {"status": 422.0},
    {"status": "422"},
    {"status": "422 Unprocessable"},
    {"status": " 500"},
    {"statusCode": 400},
    {"code": "404"},
    {"status": "error", "message": "no"},
    {"status": "Failed"},
    {"result": "error"},
    {"result": False},
    {"inserted": 0, "invalid": [{"email": "ann@example.com"}]},
    {"rejected": ["c1"]},
    {"not_found": ["ann@example.com"]},
    {"notFound": 1},
    {"data": [{"errors": ["no"]}]},
    {"data": [{"id": 1}, {"id": 2, "error": "bad"}]},
    {"data": {"results": [{"success": False}]}},
    {"data": {"status": 409}},
    {"results": [{"status": 200}, {"status": 422}]},
    {"summary": {"inserted": 0, "failed": 1}},
    {"status": "200 Success", "errors": ["no"]},
    {"message": "ok", "data": {"rejected": [7]}},
    [{"id": 1}, {"error": "bad"}],
    [[{"error": "bad"}]],
    [True, False],
    {"c1": {"error": "bad"}, "c2": {"id": 2}},
]

UNKNOWN: list[tuple[Any, str]] = [
    ({"message": "Email is invalid"}, "message"),
    ({"took": 3, "took_by": "ann"}, "took,took_by"),
    ({"ann@example.com": "ok", "email|84cccf": 1, "took": 1}, "*,took"),
    ({"x" * 100_000: 1}, "*"),
    ({f"{letter}": 1 for letter in "abcdefghijk"}, "a,b,c,d,e,f,g,h,..."),
    ("what", "str"),
    (7, "int"),
    (["Email is invalid"], "[str]"),
    ([{"took": 1}], "[took]"),
    ({"data": [{"id": 1}, {"took": 1}]}, "data"),
    ({"data": "what"}, "data"),
    ({"status": "active"}, "status"),
    ({"status": True}, "status"),
]


@pytest.mark.parametrize("tree", DONE, ids=json.dumps)
def test_a_success_is_done(tree: object) -> None:
    assert read(tree) == Reading("done")


@pytest.mark.parametrize("tree", REFUSED, ids=json.dumps)
def test_a_success_that_refuses_rows_is_refused(tree: object) -> None:
    assert read(tree) == Reading("refused")


@pytest.mark.parametrize(("tree", "shape"), UNKNOWN, ids=[shape for _, shape in UNKNOWN])
def test_an_unknown_shape_is_told_by_the_names_of_its_fields_alone(tree: object, shape: str) -> None:
    assert read(tree) == Reading("unknown", shape)


def test_every_row_of_the_largest_call_is_looked_at() -> None:
    rows: list[Any] = [{"id": number, "status": "active"} for number in range(1000)]
    assert read({"data": rows}) == Reading("done")
    for place in (0, 999):
        assert read({"data": [*rows[:place], {"errors": ["no"]}, *rows[place:]]}) == Reading("refused")


class Counted(list[Any]):
    """An array that counts what is taken from it."""

    taken = 0

    def __iter__(self) -> Any:
        for one in super().__iter__():
            self.taken += 1
            yield one


@pytest.mark.parametrize("row", [1, "x", {"id": 1}, {"took": 1}, {"data": [{"id": 1}]}, [1], {"a": {"b": {"c": {}}}}], ids=json.dumps)
def test_no_more_is_looked_at_than_the_limit(row: object) -> None:
    rows = Counted(itertools.repeat(row, 100_000))
    assert read({"data": rows}).says == "unknown"
    assert rows.taken <= 2 * 4096 + 2


def test_what_is_nested_too_deep_is_of_an_unknown_shape() -> None:
    tree: Any = {"errors": ["no"]}
    for _ in range(100):
        tree = {"data": tree}
    assert read(tree) == Reading("unknown", "data")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["data", "status", "error", "success", "id", "results", "took"]), inner, max_size=4)
    ),
)


@given(JSON)
def test_any_tree_is_read_and_a_refusal_stays_one_beside_it(tree: object) -> None:
    assert read(tree).says in {"done", "refused", "unknown"}
    assert read([{"errors": ["no"]}, tree]).says == "refused"
    assert read({"data": {"data": [tree, {"rejected": 1}]}}).says == "refused"


def test_each_shape_is_new_once_and_counted() -> None:
    shapes = UnknownShapes()
    assert [shapes.note("1001", "upsert", "took"), shapes.note("1001", "upsert", "took"), shapes.note("1001", "update", "took")] == [
        True,
        False,
        True,
    ]
    assert [(one.op, one.shape, one.count) for one in shapes.seen()] == [("upsert", "took", 2), ("update", "took", 1)]


def test_shapes_are_bounded() -> None:
    shapes = UnknownShapes()
    news = [shapes.note("1001", "upsert", f"shape{number}") for number in range(1000)]
    assert (sum(news), len(shapes.seen())) == (64, 64)
