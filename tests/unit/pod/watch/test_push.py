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
from consumer.pod.watch.outbox import Parcel
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
async def hook(*answers: int, stays: Callable[[], Awaitable[object]] | None = None) -> AsyncIterator[tuple[str, Came]]:
    """Serve an address that answers so, the last one for ever."""
    came: Came = []

    async def taken(request: web.Request) -> web.Response:
        came.append((request.path_qs, await request.json()))
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

    def __init__(self, url: Secret) -> None:
        self.metrics = Metrics(SETTINGS)
        # No wait between tries.
        self.push = Push(url, self.metrics, host="pod-0", uniform=lambda: -1.0)

    def outcomes(self) -> dict[str, float]:
        found = {one: self.metrics.notifications.labels(one)._value.get() for one in NOTIFICATION_OUTCOMES}
        return {one: number for one, number in found.items() if number}

    async def until(self, **wanted: float) -> None:
        with anyio.fail_after(15):
            while self.outcomes() != wanted:
                await anyio.sleep(0.01)


@asynccontextmanager
async def pushing(url: Secret | str) -> AsyncIterator[Sent]:
    made = Sent(Secret("text", url, text=url) if isinstance(url, str) else url)
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
async def test_what_is_not_taken_is_tried_three_times_and_given_up_with_one_warning_that_hides_the_address(status: int) -> None:
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


async def test_nobody_there_is_a_failure_and_the_next_notice_is_sent() -> None:
    port = free_port()
    async with pushing(f"http://127.0.0.1:{port}/CANARY") as sent:
        with Lines(as_json=True) as lines:
            sent.push.put(notice("1"))
            await sent.until(failed=1)
            sent.push.put(notice("2"))
            await sent.until(failed=2)

    assert [line["code"] for line in lines.json()] == ["connect", "connect"]
    assert "CANARY" not in lines.text


async def test_the_address_is_read_anew_for_each_try(tmp_path: Path) -> None:
    """It is rotated as any other secret; while there is none, nothing is sent and nothing breaks."""
    path = tmp_path / "url"
    async with hook(204) as (url, came), pushing(Secret("file", str(path))) as sent:
        with Lines(as_json=True) as lines:
            sent.push.put(notice("1"))
            await sent.until(failed=1)
        assert [line["code"] for line in lines.json()] == ["no-address"]
        path.write_text(f"{url}/first", encoding="utf-8")
        sent.push.put(notice("2"))
        await sent.until(failed=1, sent=1)
        path.write_text(f"{url}/second-one", encoding="utf-8")
        sent.push.put(notice("3"))
        await sent.until(failed=1, sent=2)

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


async def test_a_fault_of_ours_loses_one_notice_and_not_the_push(monkeypatch: pytest.MonkeyPatch) -> None:
    faults = [ZeroDivisionError()]

    def broken(parcel: Parcel, *, host: str) -> dict[str, object]:
        if faults:
            raise faults.pop()
        return body(parcel, host=host)

    monkeypatch.setattr(module, "body", broken)
    async with hook(204) as (url, came), pushing(url) as sent:
        sent.push.put(notice("1"))
        sent.push.put(notice("2", cause="other"))
        await sent.until(sent=1)
    assert len(came) == 1


def test_notices_that_say_the_same_are_told_together() -> None:
    parcel = Parcel(
        tuple(notice(str(number), text=f"{number} refuses", lists=(ListName(vendor="v", list=str(number)),)) for number in range(7)), 3
    )
    told = body(parcel, host="pod-0")

    assert told["summary"] == "0 refuses; 1 refuses; 2 refuses; 3 refuses; 4 refuses; and 2 more of the kind"
    assert (told["users"], told["held_back"]) == (35, 3)
    assert json.dumps(told["lists"]).count('"vendor"') == 7
