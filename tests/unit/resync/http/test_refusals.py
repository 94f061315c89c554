"""An answer that is no success: which of our errors it is, and how long it asks us to wait."""

from datetime import UTC, datetime

import pytest
from aiohttp import web

from consumer.core.errors import ConsumerError, Denied, Forbidden, Refused, Retryable
from consumer.resync.http.refusals import retry_after
from tests.clock import zone
from tests.unit.resync.http.test_exchange import fails


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (400, Refused, "http-400"),
        (401, Denied, "http-401"),
        (403, Forbidden, "http-403"),
        (404, Retryable, "http-404"),
        (405, Retryable, "http-405"),
        (408, Retryable, "http-408"),
        (422, Refused, "http-422"),
        (425, Retryable, "http-425"),
        (429, Retryable, "http-429"),
        (500, Retryable, "http-500"),
        (503, Retryable, "http-503"),
        (301, Retryable, "redirect"),
    ],
)
async def test_each_status_is_one_of_our_errors(status: int, kind: type[ConsumerError], code: str) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=status, text="canary", headers={"Location": "/y"} if status == 301 else None)

    error = await fails(handler)

    assert (kind, code) == (type(error), error.code)


@pytest.mark.parametrize("status", [401, 403, 422, 429, 500])
async def test_what_it_says_is_kept_without_a_value_of_the_exchange(status: int) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.json_response({"message": "canary@example.com can't be: canary 12"}, status=status)

    error = await fails(handler)

    assert (error.said, "can't" in str(error)) == ("… can't be: …", False)


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("30", 30.0),
        ("0", 1.0),
        ("-1", None),
        ("1000000000", 3600.0),
        ("Thu, 01 Jan 1970 00:02:00 GMT", 20.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 1.0),
        ("soon", None),
        ("", None),
    ],
)
async def test_a_retry_after_is_seconds_or_a_date_and_clamped(said: str, seconds: float | None) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=429, headers={"Retry-After": said, "Date": "unreadable"})

    error = await fails(handler, wall=100.0)

    assert isinstance(error, Retryable)
    assert seconds == error.retry_after_s


@pytest.mark.parametrize("wall", [0.0, 3_600.0 + 100.0, 7_200.0 + 100.0])
async def test_a_retry_after_that_is_a_date_goes_by_the_clock_of_the_answer(wall: float) -> None:
    """Ours may be wrong by hours: it would wait for as long, or not at all."""

    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=429, headers={"Retry-After": "Thu, 01 Jan 1970 00:02:00 GMT", "Date": "Thu, 01 Jan 1970 00:01:40 GMT"})

    error = await fails(handler, wall=wall)

    assert isinstance(error, Retryable)
    assert error.retry_after_s == 20.0


@pytest.mark.parametrize(
    "said",
    [
        "Thu, 26 Nov 2026 15:00:00 GMT",
        "Thursday, 26-Nov-26 15:00:00 GMT",
        "Thu Nov 26 15:00:00 2026",
        "Thu, 26 Nov 2026 15:00:00",
        "Thu, 26 Nov 2026 15:00:00 -0000",
        "Thu, 26 Nov 2026 16:00:00 +0100",
    ],
)
def test_a_date_without_a_zone_is_in_utc_wherever_the_pod_is(said: str) -> None:
    with zone("Europe/Oslo"):
        assert retry_after(said, now=datetime(2026, 11, 26, 14, 59, tzinfo=UTC).timestamp()) == 60.0


@pytest.mark.parametrize("status", [429, 503])
async def test_a_429_and_a_503_ask_everybody_to_wait(status: int) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=status, headers={"Retry-After": "30"})

    error = await fails(handler)

    assert isinstance(error, Retryable)
    assert (error.retry_after_s, error.delay_s) == (30.0, None)


@pytest.mark.parametrize("status", [408, 425, 500, 502, 504])
async def test_any_other_passing_failure_asks_this_user_alone(status: int) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=status, headers={"Retry-After": "30"})

    error = await fails(handler)

    assert isinstance(error, Retryable)
    assert (error.retry_after_s, error.delay_s) == (None, 30.0)


@pytest.mark.parametrize(("said", "seconds"), [(1e9, 3600.0), (0, 1.0), (-5, 1.0), (60, 60.0), ("60", 60.0), (None, None)])
async def test_the_bodys_wait_is_clamped_too(said: object, seconds: float | None) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.json_response({"error": {"retry_after": said}}, status=503)

    error = await fails(handler)

    assert isinstance(error, Retryable)
    assert seconds == error.retry_after_s


async def test_the_header_goes_before_the_body() -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.json_response({"error": {"retry_after": 60}}, status=429, headers={"Retry-After": "7"})

    error = await fails(handler)

    assert isinstance(error, Retryable)
    assert error.retry_after_s == 7.0


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("60", 60.0),
        ('"60"', 60.0),
        ("-5", 1.0),
        ("1e9", 3600.0),
        ("9" * 401, None),
        ("true", None),
        ('"nan"', None),
        ("[60]", None),
        ("null", None),
    ],
)
async def test_sesamys_body_says_how_long_to_wait_where_no_header_does(said: str, seconds: float | None) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=429, body=b'{"error": {"code": "rate_limit_exceeded", "retry_after": %s}}' % said.encode())

    error = await fails(handler)

    assert isinstance(error, Retryable)
    assert seconds == error.retry_after_s
