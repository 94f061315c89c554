"""What a list is asked for its rows, and the server's own time."""

from typing import Any

import pytest
from aiohttp import web

from consumer.core.errors import ConsumerError, Denied, Refused, Retryable
from consumer.core.mapping.consent import Row, Standing
from consumer.resync.http.answers import Answer
from consumer.resync.registers.list_rows import ListRows, Page, ServerClock, is_before
from tests.clock import zone
from tests.unit.resync.registers.test_list_rows import client

AT = 1_767_323_045.0
"""2026-01-02T03:04:05Z."""


class Asked:
    """The API, without any rows; keeps what it is asked."""

    def __init__(self) -> None:
        self.queries: list[list[tuple[str, str]]] = []

    async def exchange(self, op: str, method: str, path: str, *, query: list[tuple[str, str]], **_: object) -> Answer:
        assert (op, method, path) == ("leavers", "GET", "/subscribers/by_list")
        self.queries.append(query)
        return Answer(200, b"[]", "Fri, 02 Jan 2026 03:04:05 GMT")


async def test_a_page_is_asked_for_by_list_status_and_the_servers_time_in_utc_wherever_the_pod_is() -> None:
    asked = Asked()
    api: Any = asked
    rows = ListRows(api, user_id="1001", api_key=lambda: "k")
    with zone("Europe/Oslo"):
        page = await rows.page("12", "bounce", page=3, updated_after=AT + 0.9)
        await rows.page("12", "active", page=1)

    assert page == Page((), AT)
    assert asked.queries == [
        [("list_id", "12"), ("page", "3"), ("per_page", "1000"), ("status", "bounce"), ("updated_after", "2026-01-02T03:04:05Z")],
        [("list_id", "12"), ("page", "1"), ("per_page", "1000"), ("status", "active")],
    ]


@pytest.mark.parametrize(("mib", "fits"), [(3, True), (17, False)])
async def test_a_page_of_a_thousand_rows_may_be_larger_than_other_answers(mib: int, *, fits: bool) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=b'[{"id": 1}' + b" " * (mib << 20) + b"]", content_type="application/json")

    app = web.Application()
    app.router.add_get("/api/public/v2/subscribers/by_list", answer)
    async with client(app) as rows:
        if fits:
            assert len((await rows.page("1", "active", page=1)).rows) == 1
            return
        with pytest.raises(Retryable) as caught:
            await rows.page("1", "active", page=1)
    assert caught.value.code == "too-large"


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        *((status, Refused, f"http-{status}") for status in (400, 403, 404, 405, 422)),
        *((status, Retryable, f"http-{status}") for status in (402, 408, 409, 410, 413, 425, 429, 500, 503)),
        (401, Denied, "http-401"),
    ],
)
async def test_what_each_status_says_of_the_call(status: int, kind: type[ConsumerError], code: str) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response([], status=status)

    app = web.Application()
    app.router.add_get("/api/public/v2/subscribers/by_list", answer)
    async with client(app) as rows:
        with pytest.raises(ConsumerError) as caught:
            await rows.page("1", "active", page=1)
    assert (type(caught.value), caught.value.code) == (kind, code)


# ---- The server's time ----


def row(at: float | None) -> Row:
    return Row(1, "ann@example.com", Standing.LEFT, at)


def test_a_reading_begins_when_its_first_page_says_and_a_later_one_changes_nothing() -> None:
    clock = ServerClock()
    for page in (Page((row(900.0),), 100.0), Page((row(950.0),), 160.0), Page((), 220.0)):
        assert clock.noted(page) is page
    assert (clock.later_than(None), clock.later_than(50.0), clock.later_than(130.0)) == (100.0, 100.0, 130.0)


def test_without_the_servers_word_the_newest_row_tells_and_nothing_where_there_is_none() -> None:
    clock = ServerClock()
    clock.noted(Page((row(None),), None))
    assert (clock.later_than(None), clock.later_than(7.0)) == (None, 7.0)
    clock.noted(Page((row(70.0), row(90.0), row(None), row(80.0)), None))
    clock.noted(Page((row(60.0),), None))
    assert (clock.later_than(None), clock.later_than(95.0)) == (90.0, 95.0)


@pytest.mark.parametrize(("at", "before"), [(98.9, True), (99.0, False), (100.0, False), (None, False)])
def test_a_row_that_changed_before_it_was_asked_for_is_one_by_whole_seconds(at: float | None, *, before: bool) -> None:
    assert is_before(row(at), 100.0) is before
