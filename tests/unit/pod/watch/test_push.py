"""The push, against real servers: what is sent, how often it is tried, and what shows of the address."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from aiohttp import web

from consumer import __version__
from consumer.pod.watch import push as module
from consumer.pod.watch.conditions import Notice
from consumer.pod.watch.outbox import AGAIN_S, Parcel
from consumer.pod.watch.push import Push, body
from consumer.pod.watch.standing import ListName
from consumer.sandbox.ports import free_port
from consumer.sandbox.stand_ins.server import serving
from consumer.settings.secret import Secret
from consumer.telemetry.metrics import NOTIFICATION_OUTCOMES, Metrics
from tests.simulation.settings import SETTINGS
from tests.unit.telemetry.test_logs import Lines

MORNING = ListName(vendor="v1", list="10", name="Morgenbrev")


def notice(subject: str = "1", **more: Any) -> Notice:
    fields = {
        "event": "list-stopped",
        "begins": True,
        "kind": "gate",
        "cause": "denied",
        "text": "it refuses",
        "cure": "mend it",
        "runbook": "r",
    }
    return Notice(**{**fields, "subject": subject, "since": 1_700_000_000.0, "lists": (MORNING,), "users": 5, **more})


Came = list[tuple[str, dict[str, Any]]]


@asynccontextmanager
async def hook(
    *answers: int, stays: Callable[[], Awaitable[object]] | None = None, well: anyio.Event | None = None
) -> AsyncIterator[tuple[str, Came]]:
    """Serve an address that answers so, the last one for ever; `well`: once it is set, all is taken, and only that is given."""
    came: Came = []

    async def taken(request: web.Request) -> web.Response:
        if well is not None and not well.is_set():
            return web.Response(status=answers[0])
        came.append((request.path_qs, await request.json()))
        if well is not None:
            return web.Response()
        if stays is not None:
            await stays()
        status = answers[min(len(came), len(answers)) - 1]
        return web.Response(status=status, headers={"Location": "/elsewhere"} if status == 302 else {})

    app = web.Application()
    app.router.add_post("/{tail:.*}", taken)
    async with serving(app) as url:
        yield url, came


class Sent:
    """A push that runs, and what became of its notices."""

    def __init__(self, url: Secret, *, again_s: float) -> None:
        self.metrics = Metrics(SETTINGS)
        # No wait between tries.
        self.push = Push(url, self.metrics, host="pod-0", uniform=lambda: -1.0, again_s=again_s)

    def outcomes(self) -> dict[str, float]:
        found = {one: self.metrics.notifications.labels(one)._value.get() for one in NOTIFICATION_OUTCOMES}
        return {one: number for one, number in found.items() if number}

    async def until(self, **wanted: float) -> None:
        with anyio.fail_after(15):
            while self.outcomes() != wanted:
                await anyio.sleep(0.01)

    async def has(self, outcome: str, number: float) -> None:
        """Wait until so many had that outcome, or more."""
        with anyio.fail_after(15):
            while self.outcomes().get(outcome, 0) < number:
                await anyio.sleep(0.01)


@asynccontextmanager
async def pushing(url: Secret | str, *, again_s: float = AGAIN_S) -> AsyncIterator[Sent]:
    made = Sent(Secret("text", url, text=url) if isinstance(url, str) else url, again_s=again_s)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(made.push.run)
        yield made
        tasks.cancel_scope.cancel()


async def test_a_notice_arrives_whole_at_the_very_address() -> None:
    async with hook(204) as (url, came), pushing(f"{url}/a/b/?token=k%20y") as sent:
        sent.push.put(notice())
        await sent.until(sent=1)

    ((path, told),) = came
    assert path == "/a/b/?token=k%20y"
    assert told == {
        "event": "list-stopped",
        "begins": True,
        "summary": "it refuses",
        "text": "it refuses. What to do: mend it",
        "cause": "denied",
        "cure": "mend it",
        "runbook": "deploy/RUNBOOK.md#r",
        "lists": [{"vendor": "v1", "list": "10", "name": "Morgenbrev"}],
        "users": 5,
        "since": "2023-11-14T22:13:20Z",
        "lasted_s": 0.0,
        "held_back": 0,
        "host": "pod-0",
        "version": __version__,
    }


@pytest.mark.parametrize("status", [500, 429, 404, 401, 302])
async def test_what_is_not_taken_is_tried_three_times_and_waits_with_one_warning_that_hides_the_address(status: int) -> None:
    async with hook(status) as (url, came), pushing(f"{url}/CANARY?token=CANARY") as sent:
        with Lines(as_json=True) as lines:
            sent.push.put(notice())
            await sent.until(failed=1)

    assert len(came) == 3
    (said,) = lines.json()
    assert (said["level"], said["kind"], said["code"], said["attempts"]) == (
        "warning",
        "list-stopped",
        "redirect" if status == 302 else f"http-{status}",
        3,
    )
    assert "CANARY" not in lines.text
    assert url not in lines.text


async def test_a_second_try_that_is_taken_is_enough() -> None:
    async with hook(503, 200) as (url, came), pushing(url) as sent:
        sent.push.put(notice())
        await sent.until(sent=1)

    assert len(came) == 2


async def test_a_receiver_that_fails_and_recovers_is_told_what_is_so_by_then() -> None:
    """Of what began and ended meanwhile it hears nothing; the log has one warning, and one line when it takes notices again."""
    async with hook(*[503] * 3, *[404] * 3, 204) as (url, came), pushing(url, again_s=0.01) as sent:
        with Lines(as_json=True) as lines:
            sent.push.put(notice("1"))
            await sent.until(failed=4, sent=1)
            sent.push.put(notice("1", begins=False, event="list-runs", cure=""))
            await sent.until(failed=4, sent=2)

    assert [told["event"] for _, told in came] == ["list-stopped"] * 7 + ["list-runs"]
    assert [(line["level"], line.get("code"), line.get("attempts")) for line in lines.json()] == [
        ("warning", "http-503", 3),
        ("warning", "http-404", 1),
        ("info", None, None),
    ]


@pytest.mark.parametrize(("status", "wanted"), [(404, ["2"]), (503, ["1 runs", "2"])])
async def test_an_end_is_told_only_where_its_beginning_may_have_arrived(status: int, wanted: list[str]) -> None:
    """A gateway's 503 may hide that the receiver was told."""
    well = anyio.Event()
    async with hook(status, well=well) as (url, came), pushing(url, again_s=0.1) as sent:
        sent.push.put(notice("1"))
        await sent.has("failed", 1)
        sent.push.put(notice("1", begins=False, event="list-runs", text="1 runs"))
        sent.push.put(notice("2", text="2"))
        well.set()
        await sent.has("sent", len(wanted))

    assert sorted(told["summary"] for _, told in came) == wanted


@pytest.mark.parametrize("answer", [{"body": b"x" * 3_000_000}, {"body": b"?", "headers": {"Content-Encoding": "gzip"}}])
async def test_whatever_a_receiver_says_beside_its_success_it_has_taken_the_notice(answer: dict[str, Any]) -> None:
    app, came = web.Application(), []

    async def taken(request: web.Request) -> web.Response:
        came.append(await request.json())
        return web.Response(status=200, **answer)

    app.router.add_post("/", taken)
    async with serving(app) as url, pushing(url) as sent:
        sent.push.put(notice())
        await sent.until(sent=1)

    assert len(came) == 1


async def test_nobody_there_is_a_failure_and_all_is_sent_once_somebody_is() -> None:
    port = free_port()
    async with pushing(f"http://127.0.0.1:{port}/CANARY", again_s=0.01) as sent:
        with Lines(as_json=True) as lines:
            sent.push.put(notice("1"))
            await sent.has("failed", 2)
            sent.push.put(notice("2", cause="other"))
            came: Came = []

            async def taken(request: web.Request) -> web.Response:
                came.append((request.path_qs, await request.json()))
                return web.Response()

            app = web.Application()
            app.router.add_post("/{tail:.*}", taken)
            async with serving(app, port=port):
                await sent.has("sent", 2)

    assert sorted(told["cause"] for _, told in came) == ["denied", "other"]
    assert [line["code"] for line in lines.json() if line["level"] == "warning"] == ["connect"]
    assert "CANARY" not in lines.text


@pytest.mark.parametrize(
    "address", ["http://[bad/CANARY", "ftp://host/CANARY", "CANARY", "http://host:99999/CANARY", "http://ho st/CANARY"]
)
async def test_an_address_that_is_none_is_a_warning_with_the_cure_and_no_bug(address: str) -> None:
    async with pushing(address) as sent:
        with Lines(as_json=True) as lines:
            sent.push.put(notice("1"))
            await sent.until(failed=1)

    (line,) = lines.json()
    assert (line["level"], line["code"]) == ("warning", "bad-address")
    assert line["cure"].startswith("write it as https://host/path")
    assert "CANARY" not in lines.text


async def test_the_address_is_read_anew_for_each_try(tmp_path: Path) -> None:
    """It is rotated as any other secret; while there is none, nothing is sent and nothing breaks."""
    path = tmp_path / "url"
    async with hook(204) as (url, came), pushing(Secret("file", str(path)), again_s=0.1) as sent:
        with Lines(as_json=True) as lines:
            sent.push.put(notice("1"))
            await sent.has("failed", 1)
        assert [line["code"] for line in lines.json()] == ["no-address"]
        path.write_text(f"{url}/first", encoding="utf-8")
        await sent.has("sent", 1)
        path.write_text(f"{url}/second-one", encoding="utf-8")
        sent.push.put(notice("3"))
        await sent.has("sent", 2)

    assert [one for one, _ in came] == ["/first", "/second-one"]


async def test_a_receiver_that_hangs_is_in_nobodys_way() -> None:
    """Notices are taken at once, one POST is under way, and a stop waits for none."""
    async with hook(204, stays=anyio.sleep_forever) as (url, came), pushing(url) as sent:
        for number in range(300):
            sent.push.put(notice(str(number), cause=str(number)))
            if not number:
                while not came:
                    await anyio.sleep(0.01)
        assert sent.outcomes() == {"dropped": 199}
        assert len(came) == 1


async def test_a_fault_of_ours_costs_a_try_and_neither_the_notice_nor_the_push(monkeypatch: pytest.MonkeyPatch) -> None:
    faults = [ZeroDivisionError()]

    def broken(parcel: Parcel, *, host: str) -> dict[str, object]:
        if faults:
            raise faults.pop()
        return body(parcel, host=host)

    monkeypatch.setattr(module, "body", broken)
    async with hook(204) as (url, came), pushing(url, again_s=0.01) as sent:
        sent.push.put(notice("1"))
        sent.push.put(notice("2", cause="other"))
        await sent.until(failed=1, sent=2)
    assert sorted(told["cause"] for _, told in came) == ["denied", "other"]


def test_notices_that_say_the_same_are_told_together() -> None:
    parcel = Parcel(
        tuple(notice(str(number), text=f"{number} refuses", lists=(ListName(vendor="v", list=str(number)),)) for number in range(7)), 3
    )
    told = body(parcel, host="pod-0")

    assert told["summary"] == "0 refuses; 1 refuses; 2 refuses; 3 refuses; 4 refuses; and 2 more of the kind"
    assert (told["users"], told["held_back"]) == (35, 3)
    assert json.dumps(told["lists"]).count('"vendor"') == 7
