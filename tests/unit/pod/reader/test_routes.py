"""The page that finds a reader, asked over HTTP."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import aiohttp
import anyio
import pytest

from consumer.pod.reader.allowance import PER_MINUTE
from consumer.pod.reader.facts import Explanation
from consumer.pod.reader.lookup import Lookup
from consumer.pod.reader.routes import Readers, add_routes, is_address
from consumer.pod.status.server import serving
from consumer.pod.status.tree import (
    Status,
)
from consumer.telemetry.metrics import Metrics
from tests.fakes.sides import Sides

ANN = "ann@x.no"


class Desk:
    """A pod with the page."""

    def __init__(self) -> None:
        self.sides, self.explained = Sides(), list[tuple[str, str]]()
        self.sides.morning.add(ANN, "ann", lists=["1466", "1467"], firstname="Canaria")
        self.sides.evening.add(ANN, "ann", lists=["2466"], firstname="Canaria")
        self.metrics = Metrics(self.sides.settings)
        self.base = ""

    def explain(self, vendor: str, user: str) -> Explanation:
        self.explained.append((vendor, user))
        return Explanation(vendor=vendor, user=user, state="clean", why="", sentence="So it is")

    @asynccontextmanager
    async def open(self, *, on: bool = True) -> AsyncIterator["Desk"]:
        readers = Readers(["v"], self.explain, Lookup(self.sides.up())) if on else None
        hook = lambda app: add_routes(app, readers)  # noqa: E731 - as the process gives it
        async with serving("127.0.0.1", 0, lambda: Status(ready=True), self.metrics.registry, add_routes=hook) as port:
            self.base = f"http://127.0.0.1:{port}"
            yield self

    async def ask(
        self, method: str = "GET", *, headers: Mapping[str, str] | None = None, data: object = None
    ) -> tuple[int, str, aiohttp.ClientResponse]:
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, f"{self.base}/reader", headers=headers, data=data) as answer,
        ):
            return answer.status, await answer.text(), answer

    async def post(self, reader: str, *, how: str = "online", vendor: str = "v") -> tuple[int, str]:
        return (await self.ask("POST", data={"vendor": vendor, "reader": reader, "how": how}))[:2]


async def test_it_is_off_and_says_what_turns_it_on() -> None:
    async with Desk().open(on=False) as desk:
        for method in ("GET", "POST"):
            status, text, _ = await desk.ask(method)
            assert (status, "set admin.reader_lookup = true" in text) == (404, True)


async def test_the_empty_form_may_send_itself_and_is_kept_nowhere() -> None:
    async with Desk().open() as desk:
        status, text, answer = await desk.ask()
        assert (status, answer.content_type, "<form" in text) == (200, "text/html", True)
        assert "form-action 'self'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Referrer-Policy"] == "same-origin"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        async with aiohttp.ClientSession() as session, session.get(f"{desk.base}/") as other:
            assert "form-action 'none'" in other.headers["Content-Security-Policy"]
            assert other.headers["Referrer-Policy"] == "no-referrer"


async def test_it_is_answered_here_or_by_sesamy_and_make() -> None:
    async with Desk().open() as desk:
        status, text = await desk.post("ann", how="here")
        assert (status, "So it is" in text, desk.explained) == (200, True, [("v", "ann")])
        assert desk.sides.asked == []

        status, text = await desk.post("ann")
        assert (status, "Written, all as Sesamy says" in text, desk.sides.asked) == (200, True, ["ann"])
        assert len(desk.explained) == 1


async def test_an_address_is_found_online_only() -> None:
    async with Desk().open() as desk:
        assert "A pod knows ids only" in (await desk.post(ANN, how="here"))[1]
        assert (desk.explained, desk.sides.morning.asked) == ([], [])

        status, text = await desk.post(ANN)
        assert (status, "Account 1001 knows the address as user ann" in text) == (200, True)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "https://elsewhere.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://["}, 403),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "https://behind-a-proxy.example"}, 200),
        ({"Origin": "http://pod.example:8080", "Host": "pod.example:8080"}, 200),
        ({}, 200),
    ],
)
async def test_a_form_of_another_site_is_refused(headers: Mapping[str, str], status: int) -> None:
    async with Desk().open() as desk:
        code, _, _ = await desk.ask("POST", headers=headers, data={"vendor": "v", "reader": "ann", "how": "online"})
        assert (code, bool(desk.sides.asked)) == (status, status == 200)


async def test_a_form_that_is_none_is_refused_and_nobody_is_asked() -> None:
    async with Desk().open() as desk:
        assert (await desk.ask("POST", data=b"reader=" + b"a" * 5000))[0] == 413
        assert (await desk.ask("POST", data=b"&".join([b"a=1"] * 9)))[0] == 400
        assert (await desk.ask("POST", data=b"\xff"))[0] == 400
        assert (await desk.post("ann", vendor="other"))[0] == 400
        assert (await desk.post(""))[0] == 400
        assert (await desk.post("a" * 257))[0] == 400
        assert (desk.explained, desk.sides.asked) == ([], [])


async def test_only_so_many_are_looked_up_in_a_minute_and_the_next_is_told_when() -> None:
    typed = {"vendor": "v", "reader": "nobody@x.no"}
    async with Desk().open() as desk, aiohttp.ClientSession() as session:

        async def ask(how: str) -> tuple[int, str, str]:
            async with session.post(f"{desk.base}/reader", data={**typed, "how": how}) as answer:
                return answer.status, answer.headers.get("Retry-After", ""), await answer.text()

        assert [(await ask("online"))[0] for _ in range(PER_MINUTE)] == [200] * PER_MINUTE
        status, after_s, text = await ask("online")
        assert (status, 0 < int(after_s) <= 60) == (429, True)
        assert f"ask again in {after_s} s" in text
        assert (await ask("here"))[0] == 200, "what the pod remembers costs no call"


async def test_a_second_lookup_is_told_to_wait() -> None:
    async with Desk().open() as desk:
        desk.sides.takes_s = 0.5
        told = []

        async def one() -> None:
            told.append((await desk.post("ann"))[1])

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(one)
            while not desk.sides.asked:
                await anyio.sleep(0.01)
            await one()
        assert ["Another reader is being looked up" in text for text in told] == [True, False]


async def test_what_was_typed_is_in_the_answer_and_nowhere_else(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(0)
    async with Desk().open() as desk:
        for reader in (ANN, "gone@canary.example"):
            assert reader in (await desk.post(reader))[1]
            assert reader in (await desk.post(reader, how="here"))[1]
        async with aiohttp.ClientSession() as session, session.get(f"{desk.base}/metrics") as answer:
            metrics = await answer.text()
    logged = caplog.text + "".join(capfd.readouterr())
    seen = [text for text in (logged, metrics) if any(one in text.casefold() for one in ("canary.example", "canaria", ANN))]
    assert seen == []


@pytest.mark.parametrize(
    ("text", "is_one"),
    [("ann@x.no", True), ("auth0|ann@x.no", False), ("auth0|5f7c", False), ("ann@local", False), ("@x.no", False), ("a b@x.no", False)],
)
def test_an_address_is_told_from_an_id(text: str, is_one: bool) -> None:
    assert is_address(text) is is_one
