"""A token is kept for as long as it is said to be good, and one refresh goes at a time, whatever becomes of it."""

from typing import Any

import anyio
import pytest

from consumer.core.errors import ConsumerError, Denied, Forbidden, Refused, Retryable
from consumer.resync.http.answers import Answer
from consumer.resync.http.token import Token
from tests.clock import virtual
from tests.raising import raising


class Endpoint:
    """A token endpoint, on a virtual clock: each call takes 15 s, and then ends as told, the last way again and again."""

    def __init__(self, *outcomes: Exception | Answer) -> None:
        self.outcomes, self.calls, self.going = list(outcomes), 0, 0

    async def exchange(self, *_: object, **__: object) -> Answer:
        self.calls, self.going = self.calls + 1, self.going + 1
        assert self.going == 1
        try:
            await anyio.sleep(15)
        finally:
            self.going -= 1
        outcome = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


GOOD = Answer(200, b'{"access_token":"t","expires_in":3600}')
HANGS = Retryable("token: timeout", code="timeout")


def token_of(endpoint: Endpoint) -> Token:
    api: Any = endpoint
    return Token(api, client_id="c", client_secret=lambda: "s")


async def ask(token: Token, said: list[tuple[float, str]]) -> None:
    try:
        code = await token.get()
    except ConsumerError as error:
        code = error.code
    said.append((anyio.current_time(), code))


LIVES = (
    ("3600", 3540),
    ('"3600"', 3540),
    ("3600.5", 3540.5),
    ("100", 50),
    ("null", 240),
    ("9" * 401, 60),
    ("-" + "9" * 401, 60),
    ('"' + "9" * 401 + '"', 60),
    ("9" * 300, 60),
    ("1e308", 60),
    ("0", 60),
    ("-3600", 60),
    ("1e-300", 60),
    ("true", 60),
    ("false", 60),
    ('"soon"', 60),
    ('"nan"', 60),
    ('"\u00b2"', 60),
    ("[3600]", 60),
    ("{}", 60),
)


@pytest.mark.parametrize(("said", "used_s"), LIVES)
def test_a_token_is_used_for_as_long_as_is_said_where_that_can_be(said: str, used_s: float) -> None:
    @virtual
    async def uses() -> None:
        endpoint = Endpoint(Answer(200, b'{"access_token":"t","expires_in":%s}' % said.encode()))
        token = token_of(endpoint)
        assert await token.get() == "t"
        await anyio.sleep(used_s - 0.1)
        assert (await token.get(), endpoint.calls) == ("t", 1)
        await anyio.sleep(0.2)
        assert (await token.get(), endpoint.calls) == ("t", 2)

    uses()


@virtual
async def test_who_waited_for_a_refresh_that_failed_shares_its_error() -> None:
    """A token endpoint that hangs costs 32 runs one time limit, not 32 of them in a row."""
    endpoint, said = Endpoint(HANGS), list[tuple[float, str]]()
    token, started = token_of(endpoint), anyio.current_time()
    async with anyio.create_task_group() as tasks:
        for _ in range(32):
            tasks.start_soon(ask, token, said)
            await anyio.sleep(0.1)

    assert (1, 32, {(started + 15, "timeout")}) == (endpoint.calls, len(said), set(said))


@virtual
async def test_who_comes_after_a_failed_refresh_tries_anew() -> None:
    endpoint, said = Endpoint(HANGS, GOOD), list[tuple[float, str]]()
    token = token_of(endpoint)
    for _ in range(3):
        await ask(token, said)

    assert [code for _, code in said] == ["timeout", "t", "t"]
    assert endpoint.calls == 2


@virtual
async def test_whatever_the_token_endpoint_refuses_is_about_the_key() -> None:
    for refusal in (Denied, Forbidden, Refused):
        with raising(Denied, "http-4xx"):
            await token_of(Endpoint(refusal("no", code="http-4xx"))).get()


@virtual
async def test_refused_credentials_are_denied_to_all_who_waited_and_expire_once() -> None:
    endpoint, said, expired = Endpoint(Denied("no", code="http-401")), list[tuple[float, str]](), list[int]()
    api: Any = endpoint
    token = Token(api, client_id="c", client_secret=lambda: "s", expire_secret=lambda: expired.append(1))
    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(ask, token, said)

    assert [code for _, code in said] == ["http-401"] * 3
    assert (endpoint.calls, expired) == (1, [1])


@virtual
async def test_a_cancelled_refresh_is_taken_over_by_one_who_waited() -> None:
    endpoint, said = Endpoint(GOOD), list[tuple[float, str]]()
    token = token_of(endpoint)
    async with anyio.create_task_group() as tasks:
        with anyio.move_on_after(5):
            for _ in range(4):
                tasks.start_soon(ask, token, said)
            await token.get()
        assert said == []

    assert [code for _, code in said] == ["t"] * 4
    assert endpoint.calls == 2
