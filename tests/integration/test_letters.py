"""What was parked, on a real Kafka: listed, shown, tried again when asked, and healed by itself where a gate held it."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest_asyncio
from confluent_kafka.admin import AdminClient, NewPartitions

from consumer.sandbox.brokers.broker import Broker
from consumer.sandbox.brokers.topics import create_topic
from consumer.sandbox.publishers import Message, event, poison
from consumer.sandbox.stand_ins.faults import Fault
from consumer.sandbox.town import PLACES, VENDORS, town
from tests.integration.harness import PARTITIONS, Pod, Stage, staged, until
from tests.terminal import completed

FIRST, SECOND, THIRD = (place.account for place in PLACES)
NUMBERS = "[workers]\nbackoff_s = 0.2\nbackoff_max_s = 1.0\nhold_s = 2.0\nmax_attempts = 3\n"
TYPE = "contract.1#update"


@pytest_asyncio.fixture
async def stage(kafka: Broker, topic: str, tmp_path: Path) -> AsyncIterator[Stage]:
    async with town(tmp_path, readers=30) as here, staged(here, kafka, topic, tmp_path) as made:
        yield made


def somebody(stage: Stage, number: int = 0) -> tuple[str, str]:
    """Return a reader of the first publisher that is to be written, and its address."""
    user = stage.town.reader(VENDORS[0], number)
    return user, stage.town.address(VENDORS[0], user)


async def listed(stage: Stage, *args: str) -> list[dict[str, Any]]:
    said = await stage.command("dead-letters", "list", "--output", "json", *args)
    assert said.status == 0, said
    found: list[dict[str, Any]] = json.loads(said.out)
    return found


async def all_closed(stage: Stage, *, within_s: float = 60.0) -> None:
    async def closed() -> bool:
        return not await listed(stage)

    await until(closed, what=lambda: f"all letters are closed; {[pod.said() for pod in stage.pods]}", within_s=within_s)


async def all_held(stage: Stage, pod: Pod) -> None:
    """Wait until a gate has held every reader that the list of the second place lacks, and there are some."""

    async def held() -> bool:
        return len(await listed(stage, "--code", "held")) >= len(stage.town.wrong(PLACES[1])) > 10

    await until(held, what=lambda: f"all are held; {pod.said()}", within_s=60)


async def test_a_refused_reader_is_tried_again_when_asked(stage: Stage) -> None:
    user, email = somebody(stage)
    refusal = stage.town.makeas.faults.add(Fault(kind="status", upstream=SECOND, user=email, status=422))
    pod = await stage.pod(more=NUMBERS).start()
    await stage.touch_all()
    await stage.agree(accounts=[FIRST, THIRD])
    await stage.idle(pod)

    (letter,) = await listed(stage, "--account", SECOND, "--code", "http-422", "--vendor", VENDORS[0], "--user", user)
    assert await listed(stage, "--account", FIRST) == await listed(stage, "--until", "2020-01-01") == []
    shown = await stage.command("dead-letters", "show", letter["place"])
    for word in (user, "http-422", SECOND, "2001", "makeas", letter["source"], "open"):
        assert word in shown.out
    assert email not in shown.out + shown.err

    again = await stage.command("dead-letters", "requeue", letter["place"], "--yes", "--wait", "--output", "json")
    (ended,) = json.loads(again.out)
    assert (again.status, ended["state"]) == (1, "replaced"), again
    (newer,) = await listed(stage)
    assert (newer["place"], newer["user"], newer["source"]) == (ended["replaced_by"], user, letter["source"])

    stage.town.makeas.faults.remove(refusal)
    calls = stage.town.makeas.calls[FIRST, "upsert"]
    again = await stage.command("dead-letters", "requeue", "--all", "--yes", "--wait")
    assert (again.status, "1 done, 0 refused again" in again.out) == (0, True), again
    assert stage.town.wrong(PLACES[1]) == {}
    assert calls == stage.town.makeas.calls[FIRST, "upsert"], "the other account was owed nothing"
    states = {one["place"]: one["state"] for one in await listed(stage, "--all-states")}
    assert states == {letter["place"]: "replaced", newer["place"]: "done"}
    twice = await stage.command("dead-letters", "requeue", newer["place"], "--yes")
    assert (twice.status, "closed already" in twice.err, "nothing to requeue" in twice.err) == (0, True, True), twice
    await stage.idle(pod)


async def test_a_later_success_closes_a_letter_that_nobody_asked_for(stage: Stage) -> None:
    user, email = somebody(stage)
    refusal = stage.town.makeas.faults.add(Fault(kind="status", upstream=SECOND, user=email, status=422))
    pod = await stage.pod(more=NUMBERS).start()
    await stage.send([event(VENDORS[0], user, TYPE)])
    await stage.letters(1)

    async def knows_of_it() -> bool:
        status = await pod.status()
        return status is not None and status.dead_letters.open == 1

    await until(knows_of_it, what=pod.said, within_s=20)
    stage.town.makeas.faults.remove(refusal)

    await stage.send([event(VENDORS[0], user, TYPE)])

    await all_closed(stage)


async def test_poison_is_shown_and_not_requeued(stage: Stage) -> None:
    pod = await stage.pod().start()
    await stage.send([poison()[0], Message(None, b"{")], partition=1)
    await stage.letters(2)
    await stage.idle(pod)

    letters = await listed(stage)
    assert sorted((one["source"], one["can_be_requeued"], one["user"]) for one in letters) == [("1:0", False, None), ("1:1", False, None)]
    assert "b'1:1'" in {one["key"] for one in await stage.letters(2)}
    begun = letters[0]["place"].partition(":")[0]
    places = {one["place"] for one in letters if one["place"].startswith(f"{begun}:")}
    offered, complaints = await completed(f"dead-letters show --config {stage.config()} {begun}")
    assert ({*offered}, complaints) == (places, "")
    shown = await stage.command("dead-letters", "show", letters[0]["place"])
    assert (shown.status, "no value" in shown.err) == (0, True), shown
    asked = await stage.command("dead-letters", "requeue", "--all", "--yes")
    assert (asked.status, "2 have no value" in asked.err, "nothing to requeue" in asked.err) == (0, True, True), asked
    assert len(await stage.letters(3, within_s=1)) == 2


async def test_a_pod_that_begins_on_a_quiet_topic_heals_what_was_held(stage: Stage) -> None:
    """Nobody is due there, so nothing but the letters asks who left the lists; before that is known, nobody may be written."""
    stage.town.makeas.faults.add(Fault(kind="status", upstream=SECOND, status=503))
    pod = await stage.pod(more=NUMBERS).start()
    await stage.touch_all()
    await stage.agree(accounts=[FIRST, THIRD])

    await all_held(stage, pod)
    await stage.idle(pod)
    assert await pod.stop() == 0
    stage.town.makeas.faults.clear()

    await stage.pod(more=NUMBERS).start()

    await all_closed(stage)
    await stage.agree()


async def test_what_a_gate_held_heals_by_itself_through_kills_and_with_two_pods(stage: Stage) -> None:
    """An outage longer than `hold_s` needs nobody; all the while the pods say that the list is owed, though no user is dirty."""
    outage = stage.town.makeas.faults.add(Fault(kind="status", upstream=SECOND, status=503))
    first, second = await stage.pod(more=NUMBERS).start(), await stage.pod(more=NUMBERS).start()
    await stage.touch_all()
    await stage.agree(accounts=[FIRST, THIRD])

    await all_held(stage, first)
    await stage.idle(first)
    await stage.idle(second)
    wrong = len(stage.town.wrong(PLACES[1]))

    async def still_owed() -> bool:
        rows = [row for pod in (first, second) if (status := await pod.status()) is not None for row in status.lists if row.owed_users]
        return (
            {row.account for row in rows} == {SECOND}
            and sum(row.owed_users for row in rows) >= wrong
            and all(row.oldest_due_s for row in rows)
        )

    await until(still_owed, what=lambda: f"{SECOND} is owed to {wrong}; {first.said()}", within_s=20)
    status = await first.status()
    assert status is not None
    assert {gate.name for gate in status.upstreams if gate.held_users} == {SECOND}
    assert f'list_oldest_due_timestamp_seconds{{account="{SECOND}"' in await first.metrics()
    await first.kill()
    await first.start()
    stage.town.makeas.faults.remove(outage)
    await anyio.sleep(3)
    await second.kill()

    await stage.agree(within_s=90)
    await all_closed(stage)
    await second.start()
    await stage.idle(first)
    status = await first.status()
    assert status is not None
    assert [(row.account, row.owed_users) for row in status.lists if row.owed_users or row.oldest_due_s is not None] == []
    assert stage.town.violations() == []


async def test_letters_heal_after_partitions_were_added(stage: Stage) -> None:
    """By one pod each, whoever has their readers' events now; and what is parked again says so."""
    outage = stage.town.makeas.faults.add(Fault(kind="status", upstream=SECOND, status=503))
    pods = [await stage.pod(more=NUMBERS).start() for _ in range(2)]
    await stage.touch_all()
    await stage.agree(accounts=[FIRST, THIRD])
    for pod in pods:
        await stage.idle(pod)
    letters = [one for one in await stage.letters(10) if "error.code" in one]
    assert {one["source.partitions"] for one in letters} == {str(PARTITIONS)}

    admin = AdminClient({"bootstrap.servers": stage.kafka.bootstrap})
    for future in admin.create_partitions([NewPartitions(stage.topic, PARTITIONS + 3)]).values():
        await anyio.to_thread.run_sync(future.result, 30)
    for pod in pods:
        await pod.kill()
        await pod.start()
    stage.town.makeas.faults.remove(outage)

    await stage.agree(within_s=90)
    await all_closed(stage)
    assert stage.town.violations() == []


async def test_run_does_not_begin_on_a_compacted_topic_and_check_says_why(stage: Stage) -> None:
    """Of a user's letters only the newest would be kept."""
    letters = f"{stage.topic}.dead-letter"
    await create_topic(stage.kafka.bootstrap, letters, partitions=1, config={"cleanup.policy": "compact", "retention.ms": "1209600000"})
    pod = await stage.pod().start(ready=False)
    with anyio.fail_after(30):
        status = await pod.ended()
    command = f"--entity-name {letters} --add-config cleanup.policy=delete"
    assert (status, command in pod.said()) == (78, True), pod.said()

    said = await stage.command("check", "--online", "--output", "json")
    (finding,) = [one for one in json.loads(said.out) if one["level"] == "error"]
    assert (said.status, finding["path"], command in finding["cure"]) == (78, "kafka.dead_letter_topic", True), said


async def test_a_requeue_survives_a_kill(stage: Stage) -> None:
    user, email = somebody(stage)
    refusal = stage.town.makeas.faults.add(Fault(kind="status", upstream=SECOND, user=email, status=422))
    pod = await stage.pod(more=NUMBERS).start()
    await stage.send([event(VENDORS[0], user, TYPE)])
    await stage.letters(1)
    await stage.idle(pod)
    await pod.kill()
    stage.town.makeas.faults.remove(refusal)

    for _ in range(2):
        asked = await stage.command("dead-letters", "requeue", "--user", user, "--yes")
        assert (asked.status, "1 letters requeued" in asked.out) == (0, True), asked
    (letter,) = await listed(stage)
    assert letter["state"] == "requeued"
    await pod.start()

    await all_closed(stage)
    assert stage.town.wrong(PLACES[1], {user}) == {}


async def test_usage(stage: Stage) -> None:
    pod = await stage.pod().start()
    for args, word in (
        (["requeue"], "say which"),
        (["requeue", "--all", "0:1"], "not both"),
        (["requeue", "0:7"], "no letter is at 0:7"),
        (["show", "0:7"], "no letter is there"),
        (["show", "seven"], "write P:N"),
    ):
        said = await stage.command("dead-letters", *args)
        assert (said.status, word in said.err) == (64, True), said
    user, email = somebody(stage)
    stage.town.makeas.faults.add(Fault(kind="status", upstream=SECOND, user=email, status=422))
    await stage.send([event(VENDORS[0], user, TYPE)])
    await stage.letters(1)
    said = await stage.command("dead-letters", "requeue", "--all")
    assert (said.status, "add --yes" in said.err) == (64, True), said
    assert len(await stage.letters(2, within_s=1)) == 1
    await stage.idle(pod)
