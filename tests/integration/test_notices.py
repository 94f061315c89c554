"""What a pod says of what begins and ends: one line of the log each, and a POST to the operator's own address."""

import html
import json
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest_asyncio
from aiohttp import web

from consumer.sandbox.brokers.broker import Broker
from consumer.sandbox.publishers import event
from consumer.sandbox.stand_ins.faults import Fault
from consumer.sandbox.stand_ins.server import serving
from consumer.sandbox.town import PLACES, town
from tests.integration.harness import Pod, Stage, staged, until

FIRST, SECOND, THIRD = (place.account for place in PLACES)
_TOKEN: Final = "T0KEN-of-the-hook"
_QUICK: Final = "[workers]\nbackoff_s = 0.2\nbackoff_max_s = 2.0\n"


@pytest_asyncio.fixture
async def stage(kafka: Broker, topic: str, tmp_path: Path) -> AsyncIterator[Stage]:
    async with town(tmp_path, readers=30) as here, staged(here, kafka, topic, tmp_path) as made:
        yield made


def lines(pod: Pod) -> list[dict[str, Any]]:
    return [json.loads(line) for line in pod.log.read_text(encoding="utf-8").splitlines() if line.startswith("{")]


async def test_a_refused_key_is_told_once_and_its_end_once_in_the_log_and_at_the_operators_address(stage: Stage) -> None:
    """No 97 seconds of 401 without a warning; and the address shows nowhere."""
    came: list[dict[str, Any]] = []

    async def hook(request: web.Request) -> web.Response:
        assert request.query["token"] == _TOKEN
        came.append(await request.json())
        return web.Response(status=204)

    app = web.Application()
    app.router.add_post("/hooks/T1", hook)
    async with serving(app) as url:
        pod = stage.pod(more=f'{_QUICK}\n[notify]\nurl = "{url}/hooks/T1?token={_TOKEN}"\n')
        pod.config.chmod(0o600)  # It holds a secret now; else that is the first line.
        await pod.start()
        stage.town.account(PLACES[1]).key = "new"
        await stage.touch_all()
        await until(lambda: _is(len(came) == 1), what=lambda: f"the beginning is sent: {pod.said()}", within_s=30)
        await stage.agree(accounts=[FIRST, THIRD], within_s=30)
        stage.town.key_file(SECOND).write_text("new\n", encoding="utf-8")
        await until(lambda: _is(len(came) == 2), what=lambda: f"the end is sent: {pod.said()}", within_s=60)
        await stage.agree(within_s=60)
        assert await pod.stop() == 0

    begins, ends = came
    assert [(one["event"], one["begins"], one["cause"]) for one in came] == [
        ("list-stopped", True, "denied"),
        ("list-runs", False, "denied"),
    ]
    assert [one["list"] for one in begins["lists"]] == [one["list"] for one in ends["lists"]]
    assert "refuses the key" in begins["summary"]
    assert begins["cure"] in begins["text"]
    assert begins["since"] == ends["since"]
    assert ends["lasted_s"] > 0
    assert ends["users"] > 0
    said = lines(pod)
    (shut,) = [line for line in said if line["event"] == "gate shut"]
    (opened,) = [line for line in said if line["event"] == "gate open again"]
    assert (shut["level"], shut["upstream"], shut["cause"]) == ("warning", SECOND, "denied")
    assert shut["lists"]
    assert shut["cure"]
    assert (opened["level"], opened["upstream"]) == ("info", SECOND)
    assert opened["closed_s"] > 0
    assert opened["users"] > 0
    assert said[0]["event"] == "starting"
    assert said[0]["topic"] == stage.topic
    text = pod.log.read_text(encoding="utf-8") + json.dumps(came)
    assert _TOKEN not in text
    assert "@" not in json.dumps(came)


async def test_letters_that_need_a_person_are_told_by_the_next_pod_where_the_first_is_gone(stage: Stage) -> None:
    """Both have seen them long ago; the one that holds partition 0 tells, and it may be gone before it could."""
    came: list[tuple[str, dict[str, Any]]] = []

    async def hook(request: web.Request) -> web.Response:
        came.append((request.path, await request.json()))
        return web.Response(status=204)

    app = web.Application()
    app.router.add_post("/{pod}", hook)
    async with serving(app) as url:
        pods = {f"/{number}": stage.pod(more=f'{_QUICK}\n[notify]\nurl = "{url}/{number}"\n') for number in range(2)}
        for pod in pods.values():
            await pod.start()
        await until(lambda: _share(pods.values()), what=lambda: "both have partitions", within_s=60)
        stage.town.account(PLACES[0]).refuses |= {"1466": 422, "1467": 422}
        await stage.send(event(PLACES[0].vendor, one, "contract.1#update") for one in stage.town.writable(PLACES[0].vendor)[:1])
        await until(lambda: _is(bool(came)), what=lambda: "one of them tells", within_s=30)
        first = came[0][0]
        (second,) = pods.keys() - {first}
        await until(
            lambda: _is("letters need a person" in pods[second].log.read_text(encoding="utf-8")), what=pods[second].said, within_s=30
        )
        assert await pods[first].stop() == 0
        await until(lambda: _is(len(came) > 1), what=lambda: f"the other tells: {pods[second].said()}", within_s=60)
        assert await pods[second].stop() == 0

    assert [(path, one["event"], one["users"]) for path, one in came] == [
        (first, "letters-need-a-person", 1),
        (second, "letters-need-a-person", 1),
    ]
    assert [line["event"] for line in lines(pods[second])].count("letters need a person") == 1


async def test_no_name_and_no_address_shows_in_a_notice_a_lookup_or_what_a_remote_says_of_them(stage: Stage) -> None:
    """Make.as quotes the reader in its refusal; who looks the reader up, or is notified, sees ids and codes."""
    came: list[str] = []
    place, user = PLACES[0], stage.town.writable(PLACES[0].vendor)[0]
    profile = stage.town.sesamy.users[place.vendor][user]["profile"]
    profile |= {"firstName": "Canaria", "lastName": "Piepmatz", "email": f"canary+{profile['email']}"}
    message = f"Canaria Piepmatz <{profile['email']}> can't be subscribed: canaria piepmatz is no valid name"

    async def hook(request: web.Request) -> web.Response:
        came.append(request.path_qs + str(dict(request.headers)) + await request.text())
        return web.Response(status=204)

    app = web.Application()
    app.router.add_post("/hook", hook)
    async with serving(app) as url:
        pod = stage.pod(more=f'{_QUICK}max_attempts = 2\n\n[notify]\nurl = "{url}/hook"\n')
        pod.environ = {"ADMIN_READER_LOOKUP": "true"}
        await pod.start()
        quoting = Fault(kind="status", status=422, upstream=place.account, user=profile["email"], body={"message": message})
        stage.town.makeas.faults.add(quoting)
        await stage.send([event(place.vendor, user, "contract.1#update")])
        await until(lambda: _is(any("letters-need-a-person" in one for one in came)), what=pod.said, within_s=60)
        base, answers = f"http://127.0.0.1:{pod.port}", list[str]()
        async with aiohttp.ClientSession() as session:
            for asked in (profile["email"], user):
                for how in ("here", "online"):
                    async with session.post(f"{base}/reader", data={"vendor": place.vendor, "reader": asked, "how": how}) as answer:
                        assert (answer.status, str(answer.url)) == (200, f"{base}/reader")
                        answers.append((await answer.text()).replace(html.escape(asked), ""))
        pages = [(await pod._get(path) or b"").decode() for path in ("/", "/status.json", "/metrics")]
        told = await stage.command("explain", "--url", base, place.vendor, user)
        letters = await stage.letters(1)
        assert await pod.stop() == 0

    assert all(pages)
    assert [letter["key"] for letter in letters]
    assert "subscribed" in pages[1], "what it said is shown, without the reader"
    for text in (*came, *answers, *pages, str(letters), told.out + told.err, pod.log.read_text(encoding="utf-8")):
        assert [one for one in ("canary", "canaria", "piepmatz", "@example") if one in text.casefold()] == []


async def _share(pods: Iterable[Pod]) -> bool:
    statuses = [await pod.status() for pod in pods]
    return all(one is not None and one.partitions for one in statuses)


async def _is(found: bool) -> bool:
    return found
