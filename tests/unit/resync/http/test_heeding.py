"""What answers say of the upstream's limits reaches its gate, over a real connection, whatever else they say."""

import logging
from collections.abc import Mapping
from email.utils import formatdate

import anyio
import pytest
from aiohttp import web

from consumer.core.errors import Retryable
from consumer.core.gates.gate import Gate
from consumer.core.model import Door, UserKey
from consumer.resync.http import exchange as http
from consumer.resync.http.answers import Answer
from consumer.resync.http.heeding import heeding
from consumer.resync.http.token import Token
from consumer.resync.sesamy import REFUSES, Sesamy
from consumer.sandbox.stand_ins.server import serving

ANN = UserKey("v", "ann")
WALL = 1_700_000_000.0


def gate(*, uses_told_limit: bool = False) -> Gate:
    return Gate(rate_per_s=100 / 60, burst=200, run_calls=3, uses_told_limit=uses_told_limit)


def answer(*rate: str | None, date: str | None = None) -> Answer:
    limit, remaining, reset = rate
    return Answer(200, b"", date=date, rate=(limit, remaining, reset))


class Limited:
    """An API that says with each answer what the next of `said` is; the last for ever."""

    def __init__(self, *said: tuple[int, Mapping[str, str]]) -> None:
        self.said, self.calls = [*said], 0

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/token", self._token)
        app.router.add_get("/{path:.*}", self._answer)
        return app

    async def _token(self, _: web.Request) -> web.Response:
        return web.json_response({"access_token": "t", "expires_in": 3600}, headers=rate(100, 0, WALL + 60))

    async def _answer(self, request: web.Request) -> web.Response:
        self.calls += 1
        status, headers = self.said.pop(0) if len(self.said) > 1 else self.said[0]
        body: object = {"userId": "ann", "email": "ann@example.com"} if "users" in request.path else []
        return web.json_response(body if status == 200 else {}, status=status, headers=headers)


def rate(limit: int, remaining: int, reset: float) -> dict[str, str]:
    said = {"X-RateLimit-Limit": str(limit), "X-RateLimit-Remaining": str(remaining), "X-RateLimit-Reset": str(int(reset))}
    return said | {"Date": formatdate(WALL, usegmt=True)}


async def permit() -> None:
    """Take what the test allows."""


async def asked(made: Gate, api: Limited, *, times: int = 1) -> list[str]:
    """Have a client of `api` fetch a user so often; return the codes of what failed."""
    codes = []
    async with serving(api.app()) as url, http.session(connections=8) as session:
        # Our own clock is an hour wrong: the answers have theirs.
        heed = heeding("sesamy:v", made, wall_clock=lambda: WALL + 3600)
        calls = http.Http(session, upstream="sesamy:v", base_url=url, timeout_s=30, refuses=REFUSES, heed=heed)
        tokens = http.Http(session, upstream="sesamy:v", base_url=f"{url}/token", timeout_s=30)
        client = Sesamy(calls, Token(tokens, client_id="c", client_secret=lambda: "s"))
        for _ in range(times):
            try:
                await client.snapshot(ANN, permit=permit)
            except Retryable as error:
                codes.append(error.code)
    return codes


async def test_the_last_answer_of_a_window_shuts_the_gate_and_nothing_failed() -> None:
    made = gate()
    headers = [(200, rate(100, left, WALL + 60)) for left in (2, 1, 0)]
    assert await asked(made, Limited(*headers)) == []
    now = anyio.current_time()
    assert 55 < made.away_s(now=now) <= 60
    assert made.door(now=now, permits=3) is Door.SHUT
    assert (made.closed(now=now), made.state(now=now).state) == (False, "open")


async def test_an_answer_that_refuses_is_heeded_too() -> None:
    made = gate()
    assert await asked(made, Limited((429, rate(100, 0, WALL + 30)))) == ["http-429"]
    assert 25 < made.away_s(now=anyio.current_time()) <= 30


async def test_a_token_says_nothing_of_the_apis_limit() -> None:
    made = gate()
    assert await asked(made, Limited((200, {}))) == []
    assert made.away_s(now=anyio.current_time()) == 0
    assert made.heed.said is None


async def test_a_higher_limit_is_used_once_two_windows_have_shown_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    made, minute = gate(uses_told_limit=True), Limited(*[(200, rate(300, 200, WALL + 50))] * 3, (200, rate(300, 250, WALL + 110)))
    assert await asked(made, minute, times=1) == []
    assert made.heed.per_minute == pytest.approx(100)
    minute.said = [(200, rate(300, 250, WALL + 110))]
    await asked(made, minute)
    assert made.heed.per_minute == pytest.approx(300)
    assert caplog.text.count("another number of requests a minute is in use") == 1


@pytest.mark.parametrize("reset", ["60", f"{WALL + 300}", "soon", "nan", "-1", "1e30", ""])
async def test_an_absurd_reset_is_ignored_and_said_once(reset: str, caplog: pytest.LogCaptureFixture) -> None:
    made = gate()
    heed = heeding("sesamy:v", made, wall_clock=lambda: WALL)
    for _ in range(3):
        heed(answer("100", "0", reset), 0)
    assert made.away_s(now=anyio.current_time()) == 0
    assert caplog.text.count("a rate limit's reset is not heeded") == 1
    assert caplog.text.count("sesamy:v") == 1


@pytest.mark.parametrize("rate", [(None, None, None), ("100", "0", None), ("x", "y", f"{WALL + 60}"), ("", "-1", f"{WALL + 60}")])
async def test_what_says_nothing_is_no_matter(rate: tuple[str | None, ...], caplog: pytest.LogCaptureFixture) -> None:
    made = gate()
    heeding("sesamy:v", made, wall_clock=lambda: WALL)(answer(*rate), 0)
    assert made.away_s(now=anyio.current_time()) == 0
    assert not caplog.records


async def test_our_own_clock_counts_where_the_answer_has_none() -> None:
    made = gate()
    heeding("sesamy:v", made, wall_clock=lambda: WALL + 20)(answer("100", "0", f"{WALL + 60}"), 0)
    assert made.away_s(now=anyio.current_time()) == pytest.approx(40, abs=1)
