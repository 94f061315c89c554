"""Sesamy's forwarder: an event is posted until it is taken, or refused for good."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from aiohttp import web

from consumer.sandbox.forwarding.forwarder import Forwarder
from consumer.sandbox.ports import free_port
from consumer.sandbox.stand_ins.server import serving


@asynccontextmanager
async def webhook(*answers: int) -> AsyncIterator[tuple[str, list[tuple[bytes, str | None]]]]:
    """Answer one after the other with these statuses, and then with 202; give the address and what came."""
    came, left = list[tuple[bytes, str | None]](), list(answers)

    async def answer(request: web.Request) -> web.Response:
        came.append((await request.read(), request.headers.get("X-Secret")))
        return web.Response(status=left.pop(0) if left else 202, text="no")

    app = web.Application()
    app.router.add_post("/events", answer)
    async with serving(app) as url:
        yield f"{url}/events", came


async def test_each_event_is_posted_with_the_endpoints_headers() -> None:
    async with webhook() as (url, came):
        forwarder = Forwarder(url, {"X-Secret": "s"})
        forwarder.send([b"1", b"2"])
        async with forwarder.running():
            await forwarder.all_taken()

    assert sorted(came) == [(b"1", "s"), (b"2", "s")]
    assert (forwarder.taken, forwarder.again, forwarder.refused) == (2, 0, [])


async def test_what_may_work_later_is_posted_again() -> None:
    async with webhook(503, 429, 500) as (url, came):
        forwarder = Forwarder(url, {})
        forwarder.send([b"1"])
        async with forwarder.running():
            await forwarder.all_taken()

    assert [body for body, _ in came] == [b"1"] * 4
    assert (forwarder.taken, forwarder.again) == (1, 3)


async def test_what_is_refused_for_good_is_not_and_is_said() -> None:
    async with webhook(400) as (url, came):
        forwarder = Forwarder(url, {})
        forwarder.send([b"1"])
        async with forwarder.running():
            await forwarder.all_taken()

    assert len(came) == 1
    assert (forwarder.taken, forwarder.refused) == (0, ["400 no"])


async def test_where_nobody_answers_it_is_posted_until_somebody_does() -> None:
    port = free_port()
    forwarder = Forwarder(f"http://127.0.0.1:{port}/events", {})
    forwarder.send([b"1"])
    async with forwarder.running():
        with anyio.fail_after(20):
            while not forwarder.again:
                await anyio.sleep(0.01)
        assert forwarder.taken == 0


async def test_events_are_posted_beside_each_other_also_after_a_silence() -> None:
    """Else one that has to come again would hold up all others, and no two ever meet at the receiver."""
    at_once, both = 0, anyio.Event()

    async def answer(_: web.Request) -> web.Response:
        nonlocal at_once
        at_once += 1
        if at_once == 2:
            both.set()
        await both.wait()
        return web.Response(status=202)

    app = web.Application()
    app.router.add_post("/", answer)
    async with serving(app) as url:
        forwarder = Forwarder(url, {})
        async with forwarder.running():
            await anyio.wait_all_tasks_blocked()
            forwarder.send([b"1", b"2"])
            with anyio.fail_after(5):
                await forwarder.all_taken()
