"""The answers of probes, and the headers of all answers."""

import pytest
from aiohttp import web

from consumer.telemetry.serving.probes import harden, probe


@pytest.mark.parametrize(
    ("good", "why_not", "status", "text"),
    [(True, (), 200, "ready\n"), (True, ("x",), 200, "ready\n"), (False, ("no topic", "draining"), 503, "no topic\ndraining\n")],
)
def test_a_probe_says_the_word_or_why_not(good: bool, why_not: tuple[str, ...], status: int, text: str) -> None:
    answer = probe(good=good, word="ready", why_not=why_not)
    assert (answer.status, answer.text) == (status, text)


async def test_every_answer_is_hardened_and_may_say_its_own_where_that_is_allowed() -> None:
    prepare = harden({"X-More": "1"}, its_own=("Referrer-Policy",))
    answer = web.Response(headers={"Referrer-Policy": "same-origin", "Server": "aiohttp", "Cache-Control": "public"})
    await prepare(None, answer)  # type: ignore[arg-type]

    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert (answer.headers["Server"], answer.headers["Cache-Control"], answer.headers["X-More"]) == ("sesamy-makeas", "no-store", "1")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
