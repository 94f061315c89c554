"""diff and explain: what would change, and why a user is not synced yet, asked of real parts; nothing is written by either."""

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import anyio
import pytest
import pytest_asyncio
from aiohttp import web
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from consumer.sandbox.brokers.broker import Broker
from consumer.sandbox.publishers import event
from consumer.sandbox.stand_ins.faults import Fault
from consumer.sandbox.town import PLACES, VENDORS, town
from tests.integration.harness import Pod, Stage, staged, until

FIRST, SECOND, THIRD = (place.account for place in PLACES)
TYPE = "contract.1#update"
WRITES = ("upsert", "update", "products", "subscriptions")


@pytest_asyncio.fixture
async def stage(kafka: Broker, topic: str, tmp_path: Path) -> AsyncIterator[Stage]:
    async with town(tmp_path, readers=30) as here, staged(here, kafka, topic, tmp_path) as made:
        yield made


async def diffed(stage: Stage, *args: str) -> tuple[int, list[dict[str, Any]]]:
    said = await stage.command("diff", "--output", "json", VENDORS[0], *args)
    assert said.out, said
    return said.status, json.loads(said.out)


# ---- diff ----


async def test_diff_says_what_a_sync_then_changes_and_nothing_after_it(stage: Stage) -> None:
    users = stage.town.writable(VENDORS[0])
    status, before = await diffed(stage, *users)
    assert status == 1
    assert {one["outcome"] for one in before} == {"drift"}
    assert not any(stage.town.makeas.calls[account, op] for account in (FIRST, SECOND) for op in WRITES)

    assert (await stage.command("sync", VENDORS[0], *users)).status == 0
    status, after = await diffed(stage, *users)

    changes = [change for one in after for of in one["accounts"] for change in of["changes"]]
    assert (status, {one["outcome"] for one in after}) == (0, {"same"})
    assert not {"add", "change", "remove"} & {change["action"] for change in changes}
    unknown = {change["field"].split()[0] for change in changes if change["action"] == "unknown"}
    assert unknown == {"product", "subscription"}


async def test_diff_sees_each_field(stage: Stage) -> None:
    user = stage.town.reader(VENDORS[0])
    profile = stage.town.sesamy.users[VENDORS[0]][user]["profile"]
    stage.town.sesamy.users[VENDORS[0]][user]["profile"] = profile | {"firstName": "Kari", "lastName": "Nordmann", "company": "Fjord AS"}
    assert (await stage.command("sync", VENDORS[0], user)).status == 0
    contact = stage.town.account(PLACES[0]).contacts[profile["email"].lower()]
    contact["tags"] += ["sesamy_tag_stale", "Quiz"]
    for field, value, action in (
        ("firstname", "Other", "change"),
        ("lastname", "", "add"),
        ("company", "Other", "change"),
        ("external_id", "other", "change"),
        ("tag", None, "remove"),
        ("list", None, "add"),
    ):
        kept = {name: list(value) if isinstance(value, list) else value for name, value in contact.items()}
        if field == "list":
            contact["lists"] = []
        elif field != "tag":
            contact[field] = value
        status, (found,) = await diffed(stage, user)
        changes = {(change["field"], change["action"]) for change in found["accounts"][0]["changes"]}
        assert status == 1
        assert (field, action) in changes
        assert ("tag", "keep") in changes
        contact.update(kept)
    contact["email_status"] = "unsubscribed"
    contact["tags"].remove("sesamy_tag_stale")
    status, (found,) = await diffed(stage, user)
    assert status == 0
    assert ("list", "keep") in {(change["field"], change["action"]) for change in found["accounts"][0]["changes"]}


async def test_diff_hides_what_is_personal_where_asked_and_names_who_can_not_be_asked(stage: Stage) -> None:
    user = stage.town.reader(VENDORS[0])
    profile = stage.town.sesamy.users[VENDORS[0]][user]["profile"]

    clear = await stage.command("diff", VENDORS[0], user)
    masked = await stage.command("diff", "--mask", VENDORS[0], user)
    assert profile["email"].lower() in clear.out.lower()
    assert profile["email"].lower() not in (masked.out + masked.err + clear.err).lower()

    skipped = next(one for one in sorted(stage.town.readers(VENDORS[0])) if stage.town.is_skipped(VENDORS[0], one))
    status, (found,) = await diffed(stage, skipped)
    assert (status, found["outcome"]) == (0, "skipped")
    stage.town.makeas.faults.add(Fault(kind="status", upstream=SECOND, status=503))
    status, (found,) = await diffed(stage, user)
    assert (status, found["outcome"], found["accounts"][1]["failed"]) == (69, "failed", "http-503")
    assert (await stage.command("diff", "nobody", user)).status == 64


# ---- explain ----


async def explained(stage: Stage, pod: Pod, user: str, *more: str, vendor: str = VENDORS[0]) -> dict[str, Any]:
    said = await stage.command("explain", "--output", "json", "--url", f"http://127.0.0.1:{pod.port}", *more, vendor, user)
    assert said.status == (64 if vendor == "nobody" else 0), said
    found: dict[str, Any] = json.loads(said.out)
    return found


async def becomes(stage: Stage, pod: Pod, user: str, state: str) -> dict[str, Any]:
    found: dict[str, Any] = {}

    async def is_so() -> bool:
        found.update(await explained(stage, pod, user))
        return bool(found["state"] == state)

    await until(is_so, what=lambda: f"{state}, but {found}", within_s=30)
    return found


async def test_explain_names_each_state(stage: Stage) -> None:
    ann, bo = stage.town.writable(VENDORS[0])[:2]
    numbers = "[debounce]\nquiet_s = 6.0\nmax_wait_s = 9.0\n[workers]\nhold_s = 3.0\nbackoff_s = 0.2\nbackoff_max_s = 1.0\n"
    pod = Pod(stage.town, stage.kafka, stage.topic, stage.folder, rate_per_minute=60_000, session_s=6.0, more="")
    pod.config.write_text(
        pod.config.read_text()
        .replace("[debounce]\nquiet_s = 0.3\nmax_wait_s = 2.0\n", "")
        .replace("[workers]\nbackoff_s = 0.2\nbackoff_max_s = 2.0\n", numbers)
    )
    stage.pods.append(pod)
    await pod.start()

    before = await explained(stage, pod, ann)
    assert (before["state"], before["is_ours"]) == ("unknown", True)
    stranger = await explained(stage, pod, ann, vendor="nobody")
    assert (stranger["state"], stranger["vendors"]) == ("unknown-vendor", list(VENDORS))

    hang = stage.town.makeas.faults.add(Fault(kind="delay", op="upsert", upstream=FIRST, delay_s=3.0))
    down = stage.town.makeas.faults.add(Fault(kind="status", op="upsert", upstream=SECOND, status=503))
    await stage.send([event(VENDORS[0], ann, TYPE)])
    waiting = await becomes(stage, pod, ann, "waiting")
    assert 0 < waiting["due_s"] <= 6
    assert waiting["tokens"] == [f"{before['partition']}:0"]
    running = await becomes(stage, pod, ann, "running")
    assert running["since_s"] >= 0
    owed = await becomes(stage, pod, ann, "owed")
    assert [(one["account"], one["code"]) for one in owed["owed"]] == [(SECOND, "http-503")]
    assert owed["owed"][0]["attempts"] >= 1
    stage.town.makeas.faults.remove(hang)

    email = stage.town.address(VENDORS[0], bo)
    stage.town.makeas.faults.remove(down)
    stage.town.makeas.faults.add(Fault(kind="status", upstream=SECOND, user=email, status=422))
    await stage.send([event(VENDORS[0], bo, TYPE)])
    parked = await becomes(stage, pod, bo, "parked")
    assert [(one["account"], one["heals"]) for one in parked["letters"]] == [(SECOND, False)]
    told = await stage.command("explain", "--url", f"http://127.0.0.1:{pod.port}", VENDORS[0], bo)
    assert f"dead-letters requeue {parked['letters'][0]['place']}" in told.out
    assert email not in told.out + json.dumps(parked)


async def test_explain_asks_the_pod_that_knows(stage: Stage) -> None:
    first, second = await stage.pod().start(), await stage.pod().start()

    async def shared() -> bool:
        held = [await pod.status() for pod in (first, second)]
        return all(status is not None and len(status.partitions) == 2 and status.ready for status in held)

    await until(shared, what=lambda: "each has half of the partitions", within_s=40)
    user = stage.town.reader(VENDORS[0])
    states = {pod.port: (await explained(stage, pod, user))["state"] for pod in (first, second)}
    assert sorted(states.values()) == ["elsewhere", "unknown"]
    other = next(pod for pod in (first, second) if states[pod.port] == "elsewhere")
    both = await explained(stage, other, user, "--url", f"http://127.0.0.1:{(second if other is first else first).port}")
    assert (both["state"], both["is_ours"]) == ("unknown", True)
    gone = await stage.command("explain", "--url", "http://127.0.0.1:1", VENDORS[0], user)
    assert (gone.status, "is a pod running there" in gone.err) == (69, True), gone


async def test_explain_is_one_request_of_a_pod_with_many_dirty_users(stage: Stage) -> None:
    """Beside 50,000 others the answer costs no more than beside none."""
    pod = await stage.pod(more="[workers]\nconcurrency = 1\n").start()
    stage.town.sesamy.faults.add(Fault(kind="hang"))

    async def asked_s() -> float:
        async with aiohttp.ClientSession() as session:
            started = time.perf_counter()
            for _ in range(50):
                async with session.get(f"http://127.0.0.1:{pod.port}/explain.json?vendor={VENDORS[0]}&user=u") as answer:
                    assert answer.status == 200
            return (time.perf_counter() - started) / 50

    await asked_s()
    alone_s = await asked_s()
    await stage.send(event(VENDORS[0], f"u{number}", TYPE) for number in range(50_000))

    async def many() -> bool:
        status = await pod.status()
        return status is not None and status.users.dirty >= 50_000

    await until(many, what=lambda: "all are dirty", within_s=60)
    await anyio.sleep(3)
    print(f"explain: {alone_s * 1000:.2f} ms alone, {await asked_s() * 1000:.2f} ms beside 50,000 dirty users")
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{pod.port}/explain.json?vendor=&user=u") as answer:
        assert answer.status == 400


async def test_explain_names_who_waits_for_a_worker_and_who_is_not_read(stage: Stage) -> None:
    first, second, third = stage.town.writable(VENDORS[0])[:3]
    stage.town.sesamy.faults.add(Fault(kind="hang", op="user"))
    pod = await stage.pod(more="[workers]\nconcurrency = 1\nmax_dirty_users = 1\n").start()
    await stage.send([event(VENDORS[0], first, TYPE), event(VENDORS[0], second, TYPE)])

    running = await becomes(stage, pod, first, "running")
    due = await becomes(stage, pod, second, "due")
    await stage.send([event(VENDORS[0], third, TYPE)])
    paused = await becomes(stage, pod, third, "paused")
    assert (running["is_ours"], due["due_s"], paused["tokens"]) == (True, 0, [])


@pytest.mark.timeout(240)
async def test_without_a_dead_letter_topic_others_go_on_and_the_pod_says_so(stage: Stage) -> None:
    """Letters wait, nothing is committed past them, readiness turns red; with the topic there again all ends well."""
    ann, bo = stage.town.writable(VENDORS[0])[:2]
    email = stage.town.address(VENDORS[0], ann)
    stage.town.makeas.faults.add(Fault(kind="status", upstream=SECOND, user=email, status=422))
    pod = await stage.pod().start()
    letters = f"{stage.topic}.dead-letter"
    admin = AIOKafkaAdminClient(bootstrap_servers=stage.kafka.bootstrap)
    await admin.start()
    await admin.delete_topics([letters])
    await stage.send([event(VENDORS[0], ann, TYPE)], partition=0)

    parking = await becomes(stage, pod, ann, "parking")
    assert parking["tokens"] == ["0:0"]
    await stage.send([event(VENDORS[0], bo, TYPE)], partition=0)
    await until(partial(_written, stage, bo), what=lambda: "the other is written", within_s=20)
    await until(partial(_is_red, pod), what=lambda: "it is red", within_s=60)
    assert (await stage.committed())[0] in {0, None}

    await admin.create_topics([NewTopic(letters, 1, 1)])
    await admin.close()
    await stage.idle(pod, within_s=90)
    parked = await becomes(stage, pod, ann, "parked")
    assert [one["account"] for one in parked["letters"]] == [SECOND]
    assert (await stage.committed())[0] == 2


async def _written(stage: Stage, user: str) -> bool:
    return not stage.town.wrong(PLACES[0], {user})


async def _is_red(pod: Pod) -> bool:
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{pod.port}/readyz") as answer:
        return answer.status == 503 and "dead-letter" in await answer.text()


# ---- A reader, by its address ----


@asynccontextmanager
async def recording() -> AsyncIterator[tuple[str, list[str]]]:
    """Give the address of something that a command takes for a pod, and what it is asked for."""
    asked: list[str] = []

    async def keep(request: web.Request) -> web.Response:
        asked.append(request.path_qs + (await request.text()))
        return web.json_response({"vendor": "v", "user": "u", "state": "clean", "why": "so it is"})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", keep)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", asked
    finally:
        await runner.cleanup()


async def test_a_reader_is_found_by_its_address_and_the_address_goes_nowhere_else(stage: Stage) -> None:
    """An address and a name are in the answer of the one that asked only: in no log, no metric, no address of a request, no letter."""
    pod = stage.pod()
    pod.environ = {"ADMIN_READER_LOOKUP": "true"}
    await pod.start()
    user, base = stage.town.writable(VENDORS[0])[0], f"http://127.0.0.1:{pod.port}"
    profile = stage.town.sesamy.users[VENDORS[0]][user]["profile"]
    profile |= {"firstName": "Canaria", "lastName": "Piepmatz"}
    email = profile["email"]
    assert (await stage.command("sync", VENDORS[0], user)).status == 0

    async with recording() as (url, asked):
        told = await stage.command("explain", "--online", "--url", url, VENDORS[0], email)
        data = await stage.command("explain", "--online", "--output", "json", "--url", url, VENDORS[0], user)
        refused = await stage.command("explain", "--url", url, VENDORS[0], email)
    assert told.status == 0, told
    assert f"knows the address as user {user}. Written, all as Sesamy says" in told.out
    assert "ask with --online" not in told.out, "what was asked just now is the answer, and the pod adds what it remembers"
    assert (json.loads(data.out)["online"]["outcome"], json.loads(data.out)["pod"]["state"]) == ("well", "clean")
    assert (refused.status, "--online only" in refused.err, len(asked)) == (64, True, 2)

    stage.town.makeas.faults.add(Fault(kind="status", upstream=SECOND, user=email, status=422))
    await stage.send([event(VENDORS[0], user, TYPE)])
    parked = await becomes(stage, pod, user, "parked")
    place = parked["letters"][0]["place"]
    assert f"(http-422) at {place}: `sesamy-makeas dead-letters requeue {place}`" in parked["sentence"]
    assert [one["what"] for one in parked["history"]] == ["event", "written", "failed", "parked"]
    everywhere = told.out + told.err + data.out + data.err + refused.err + json.dumps([asked, parked, await stage.letters(1)])
    async with aiohttp.ClientSession() as session:
        for how, answer_says in (("here", "A pod knows ids only"), ("online", f"as user {user}")):
            async with session.post(f"{base}/reader", data={"vendor": VENDORS[0], "reader": email, "how": how}) as answer:
                page = (await answer.text()).replace("&#39;", "'")
                assert (answer.status, email in page, answer_says in page) == (200, True, True), page
                assert "Canaria" not in page
        for path in ("/metrics", "/status.json", "/"):
            async with session.get(base + path) as answer:
                everywhere += await answer.text()
    assert await pod.stop() == 0
    everywhere = (everywhere + pod.log.read_text("utf-8")).casefold()
    assert user.casefold() in everywhere
    assert [one for one in (email, "Canaria", "Piepmatz") if one.casefold() in everywhere] == []
