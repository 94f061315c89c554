"""The words of the calls that write: each switch changes its own, and no other."""

from typing import Any

import pytest
from msgspec import structs

from consumer.core.mapping.documents import Documents, Product, Subscriber, Subscription
from consumer.resync.ways.words import Ways, date_time
from consumer.settings.model import MakeAsSettings

ROW = Subscription(
    external_id="c1", product_external_id="p1", start_date="2025-01-01T12:30:00Z", end_date="2025-02-01", name="P", status="cancelled"
)
WANTED = Documents(
    subscriber=Subscriber(email="Ann@example.com", external_id="auth0|1"),
    tags=("sesamy_a",),
    products=(Product("p1", "P"),),
    subscriptions=(ROW, structs.replace(ROW, external_id="c2", end_date=None)),
)


def said(ways: Ways) -> tuple[Any, ...]:
    """Return all that a switch may change."""
    products, rows = ways.rows(ways.dated(WANTED))
    row = {name: value for name, value in rows["c1"].items() if name not in {"external_id", "product_external_id", "name", "status"}}  # type: ignore[attr-defined]
    return ways.path("subscriptions"), ways.body("products", [*products.values()]), row, ways.lists(["1", "2"]), ways.one_list_a_call


_PATH = "/subscribers/subscriptions/bulkinsert"
_ROW = {"email": "Ann@example.com", "start_date": "2025-01-01T12:30:00Z", "end_date": "2025-02-01"}
_PRODUCT = {"external_id": "p1", "name": "P"}
_LISTS = [("subscriber_list_id[]", "1"), ("subscriber_list_id[]", "2")]
AS_ASSUMED = (_PATH, [_PRODUCT], _ROW, _LISTS, False)


def _with(place: int, value: object, *more: tuple[int, object]) -> tuple[Any, ...]:
    made: list[Any] = [*AS_ASSUMED]
    for at, one in ((place, value), *more):
        made[at] = one
    return tuple(made)


_DATES = {name: _ROW[name] for name in ("start_date", "end_date")}


@pytest.mark.parametrize(
    ("ways", "becomes"),
    [
        ({}, AS_ASSUMED),
        ({"subscriber_key": "subscriber_email"}, _with(2, {"subscriber_email": "Ann@example.com", **_DATES})),
        (
            {"subscriber_key": "subscriber_external_id"},
            _with(0, f"{_PATH}_by_external_id", (2, {"subscriber_external_id": "auth0|1", **_DATES})),
        ),
        ({"bulk_body": "wrapper"}, _with(1, {"products": [_PRODUCT]})),
        ({"list_parameter": "subscriber_list_id"}, _with(3, [("subscriber_list_id", "1"), ("subscriber_list_id", "2")], (4, True))),
        ({"dates": "date_time"}, _with(2, {**_ROW, "start_date": "2025-01-01 12:30:00", "end_date": "2025-02-01 00:00:00"})),
        ({"tags": "ids"}, AS_ASSUMED),
    ],
)
def test_each_switch_changes_its_own_words(ways: dict[str, Any], becomes: tuple[Any, ...]) -> None:
    assert said(Ways.of(structs.replace(MakeAsSettings(), **ways))) == becomes


def test_what_is_not_there_gets_no_date() -> None:
    rows = Ways(dates="date_time").rows(Ways(dates="date_time").dated(WANTED))[1]
    assert "end_date" not in rows["c2"]  # type: ignore[operator]
    assert Ways(bulk_body="wrapper").body("subscriptions", [1]) == {"subscriptions": [1]}


def test_the_words_are_the_settings_own() -> None:
    """A switch that is in the settings alone would change nothing."""
    assert Ways.of(MakeAsSettings()) == Ways()
    assert {*Ways.__struct_fields__} <= {*MakeAsSettings.__struct_fields__}


@pytest.mark.parametrize(
    ("date", "becomes"),
    [
        ("2025-01-01T12:30:00Z", "2025-01-01 12:30:00"),
        ("2025-01-01T12:30:00.987Z", "2025-01-01 12:30:00"),
        ("2025-01-01T00:30:00+02:00", "2024-12-31 22:30:00"),
        ("2025-01-01T12:30", "2025-01-01 12:30:00"),
        ("2025-01-01 12:30:00", "2025-01-01 12:30:00"),
        ("2025-01-01", "2025-01-01 00:00:00"),
        (" 2025-01-01 ", "2025-01-01 00:00:00"),
        ("1735689600", "2025-01-01 00:00:00"),
        ("1735689600123", "2025-01-01 00:00:00"),
        # What can't be read goes as it is: the other side says no, where we don't know.
        ("soon", "soon"),
        ("2025-02-30", "2025-02-30"),
        ("0001-01-01T00:00:00+02:00", "0001-01-01T00:00:00+02:00"),
    ],
)
def test_a_date_is_written_in_utc_without_parts_of_a_second(date: str, becomes: str) -> None:
    assert date_time(date) == becomes
