"""A list's rows, read from the stand-in and from made-up answers."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web

from consumer.core.errors import ConsumerError, Denied, Refused, Retryable
from consumer.core.mapping.consent import Row, Standing
from consumer.resync.http import exchange as http
from consumer.resync.registers.list_rows import ListRows
from consumer.sandbox.stand_ins import makeas as stand_in
from consumer.sandbox.stand_ins.faults import Fault
from consumer.sandbox.stand_ins.server import serving
from tests.raising import raising

ANN, BO = "ann@example.com", "bo@example.com"


@asynccontextmanager
async def client(app: web.Application) -> AsyncIterator[ListRows]:
    async with serving(app) as url, http.session(connections=2) as session:
        api = http.Http(session, upstream="1001", base_url=f"{url}/api/public/v2", timeout_s=2)
        yield ListRows(api, user_id="1001", api_key=lambda: "k")


@asynccontextmanager
async def account() -> AsyncIterator[tuple[ListRows, stand_in.Account, stand_in.MakeAs]]:
    made = stand_in.MakeAs()
    there = made.add_account("1001", key="k", lists={"1", "2"})
    async with client(made.app()) as rows:
        yield rows, there, made


def answering(body: object) -> web.Application:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response(body)

    app = web.Application()
    app.router.add_get("/api/public/v2/subscribers/by_list", answer)
    return app


async def test_those_who_left_are_told_with_the_servers_own_time() -> None:
    async with account() as (rows, there, _):
        there.contact(ANN, lists=["1"])
        there.contact(BO, lists=["1"], email_status="bounce", date_updated="2026-01-02T03:04:05.678Z")
        page = await rows.page("1", "bounce", page=1)
        nobody = await rows.page("1", "bounce", page=1, updated_after=datetime.now(UTC).timestamp() - 60)

    assert page.rows == (Row(2, BO, Standing.LEFT, datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC).timestamp()),)
    assert page.server_at is not None
    assert nobody.rows == ()


@pytest.mark.parametrize("wrapped", [lambda rows: rows, lambda rows: {"data": rows}, lambda rows: {"subscribers": rows, "page": 1}])
async def test_rows_are_read_bare_or_under_a_name(wrapped: Callable[[Any], Any]) -> None:
    odd = [{"id": "8", "email": BO, "status": "unsubscribed"}, "what", {"id": True, "email": 7, "email_status": 1, "date_updated": []}]
    async with client(answering(wrapped(odd))) as rows:
        page = await rows.page("1", "unsubscribed", page=1)

    unknown = Row(None, None, Standing.UNREADABLE)
    assert page.rows == (Row(8, BO, Standing.LEFT), unknown, unknown)


@pytest.mark.parametrize("body", [{}, {"error": "later"}, "what", None, 1])
async def test_an_answer_without_rows_is_not_an_empty_list(body: object) -> None:
    async with client(answering(body)) as rows:
        with pytest.raises(Retryable) as caught:
            await rows.page("1", "unsubscribed", page=1)
    assert caught.value.code == "wrong-shape"


@pytest.mark.parametrize(
    ("date", "at"),
    [
        ("2026-01-02T03:04:05", 1767323045.0),
        ("2026-01-02T04:04:05+01:00", 1767323045.0),
        (1767323045, 1767323045.0),
        (1767323045000, 1767323045.0),
        ("yesterday", None),
        (True, None),
        (None, None),
    ],
)
async def test_a_moment_is_read_however_it_is_written(date: object, at: float | None) -> None:
    async with client(answering([{"id": 1, "date_updated": date}])) as rows:
        assert (await rows.page("1", "active", page=1)).rows[0].updated_at == at


@pytest.mark.parametrize("status", [400, 403, 404, 405, 422])
async def test_a_call_that_cant_be_had_is_refused(status: int) -> None:
    async with account() as (rows, there, _):
        there.reads.refuses = status
        with pytest.raises(Refused) as caught:
            await rows.page("1", "unsubscribed", page=1)
    assert caught.value.code == f"http-{status}"


@pytest.mark.parametrize(("status", "kind"), [(401, Denied), (500, Retryable), (429, Retryable)])
async def test_a_refused_key_and_what_passes_say_nothing_of_the_call(status: int, kind: type[ConsumerError]) -> None:
    async with account() as (rows, _, made):
        made.faults.add(Fault(kind="status", status=status))
        with raising(kind, f"http-{status}"):
            await rows.page("1", "unsubscribed", page=1)


async def test_contacts_come_whole_and_what_is_none_is_counted_alone() -> None:
    rows = [{"id": 1, "email": ANN, "external_id": "email|ann", "tags": [{"id": 3, "title": "sesamy_a"}]}, "what"]
    async with client(answering(rows)) as api:
        page = await api.contacts("1", "active", page=1)
    assert ([(one.id, one.email, one.external_id, tuple(one.titles)) for one in page.contacts], page.length) == (
        [(1, ANN, "email|ann", ("sesamy_a",))],
        2,
    )


async def test_a_page_without_a_single_contact_is_no_page() -> None:
    async with client(answering(["what", 1, None, []])) as api:
        with raising(Retryable, "wrong-shape"):
            await api.contacts("1", "active", page=1)
    async with client(answering(["what", 1, None])) as api:  # A few odd rows cost no list.
        assert (await api.contacts("1", "active", page=1)).length == 3


@pytest.mark.parametrize(("said", "count"), [("right", 2), ("absent", None), (7, 7)])
async def test_a_list_is_counted_as_make_says(said: Any, count: int | None) -> None:
    async with account() as (rows, there, _):
        there.contact(ANN, lists=["1"])
        there.contact(BO, lists=["1"])
        there.reads.count = said
        assert await rows.count("1") == count
