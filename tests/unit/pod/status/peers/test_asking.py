"""The rounds: everybody who asks within five seconds is told the same, and a silent pod is said."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry

from consumer.pod.status.peers import asking
from consumer.pod.status.peers.addresses import Peer
from consumer.pod.status.peers.asking import Rounds
from consumer.pod.status.server import serving
from consumer.pod.status.tree import Status


def peer(port: int) -> Peer:
    return Peer(url=f"http://127.0.0.1:{port}", name=f"127.0.0.1:{port}")


@asynccontextmanager
async def answering(answer: web.Response | None) -> AsyncIterator[int]:
    """Serve one answer to all; None: never any."""

    async def handle(_: web.Request) -> web.Response:
        if answer is None:
            await anyio.sleep_forever()
        assert answer is not None
        return answer

    app = web.Application()
    app.router.add_get("/status.json", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def test_what_a_pod_says_is_read_and_why_others_say_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "LIMIT_S", 0.3)
    status = Status(host="pod-a", state="consuming", ready=True)
    async with (
        serving("127.0.0.1", 0, lambda: status, CollectorRegistry()) as well,
        answering(web.Response(status=502)) as broken,
        answering(web.Response(text="[]")) as foreign,
        answering(None) as mute,
    ):
        peers = [peer(port) for port in (well, broken, foreign, mute, 9)]
        found = await Rounds().answers(peers)

    said = [found[one] for one in peers]
    assert said[0] == status
    assert said[1:] == [
        "it answers 502",
        "what it says can't be read: it seems to be of another version",
        "no usable answer (no answer in time)",
        "no usable answer (could not connect)",
    ]


async def test_many_that_ask_at_once_make_one_round_and_later_ones_another() -> None:
    asked = 0

    def status() -> Status:
        nonlocal asked
        asked += 1
        return Status(host=f"answer {asked}")

    rounds, told = Rounds(), list[asking.Answers]()
    async with serving("127.0.0.1", 0, status, CollectorRegistry()) as port:

        async def ask() -> None:
            told.append(await rounds.answers([peer(port)]))

        async with anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(ask)
        assert (asked, len({str(one) for one in told})) == (1, 1)

        rounds._asked_at -= asking.ROUND_S
        await ask()
        assert asked == 2

        async with serving("127.0.0.1", 0, status, CollectorRegistry()) as other:
            found = await rounds.answers([peer(port), peer(other)])
        assert len(found) == 2
