"""Replay and sync on a real Kafka and real HTTP: what is resynced, what stays untouched, and who wins a race."""

import json
import random
import shlex
import signal
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import anyio
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from consumer.sandbox.brokers.broker import Broker
from consumer.sandbox.publishers import event, happen, poison
from consumer.sandbox.stand_ins.faults import Fault
from consumer.sandbox.town import PLACES, VENDORS, town
from tests.integration.harness import Stage, staged, until

FIRST, SECOND, THIRD = (place.account for place in PLACES)
TYPE = "contract.1#update"
SLOW = Fault(kind="delay", delay_s=0.15)


@pytest_asyncio.fixture
async def stage(kafka: Broker, topic: str, tmp_path: Path) -> AsyncIterator[Stage]:
    async with town(tmp_path, readers=30) as here, staged(here, kafka, topic, tmp_path) as made:
        yield made


def resynced(stage: Stage) -> set[str]:
    """Return the first publisher's readers whose profile was fetched."""
    return {user for (vendor, user), times in stage.town.sesamy.fetched.items() if vendor == VENDORS[0] and times}


def iso(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).isoformat()


async def test_a_dry_run_plans_and_calls_nobody(stage: Stage) -> None:
    users = stage.town.writable(VENDORS[0])[:10]
    await stage.send((event(VENDORS[0], user, TYPE) for user in users for _ in range(5)), partition=1)
    await stage.send(poison(), partition=1)

    said = await stage.command("replay", "--from-offset", "1:10", "--dry-run", "--report", str(stage.folder / "report.json"))

    assert said.status == 0, said
    assert "8 users" in said.out
    assert f"sesamy:{VENDORS[0]}: 24 calls" in said.out
    assert f"{SECOND}: 16 calls" in said.out  # The contact is read and written; rows are shared.
    assert f"{len(poison())} unreadable" in said.out
    assert stage.town.sesamy.calls.total() == stage.town.makeas.calls.total() == 0


async def test_offsets_pick_who_is_resynced_and_the_group_stays_as_it_is(stage: Stage) -> None:
    """Inclusive start, exclusive end; partitions not named are left out; one resync each; poison and a refusal inside."""
    users = stage.town.writable(VENDORS[0])
    await stage.send((event(VENDORS[0], user, TYPE) for user in users[:9]), partition=0)
    await stage.send(poison()[:3], partition=2)
    await stage.send((event(VENDORS[0], user, TYPE) for user in users[9:18] for _ in range(4)), partition=2)
    await stage.send((event(VENDORS[0], user, TYPE) for user in users[18:]), partition=3)
    email = stage.town.address(VENDORS[0], users[10])
    stage.town.makeas.faults.add(Fault(kind="status", upstream=SECOND, user=email, status=422))
    before = await stage.committed()
    report = stage.folder / "report.json"

    said = await stage.command(
        *("replay", "--from-offset", "0:2", "--to-offset", "0:5", "--from-offset", "2:0", "--to-offset", "2:23", "--yes"),
        *("--report", str(report)),
    )

    told = json.loads(report.read_bytes())
    assert said.status == 1, said
    assert resynced(stage) == {*users[2:5], *users[9:14]}
    assert max(stage.town.sesamy.fetched.values()) == 1
    assert (told["users"], told["synced"], told["failed"], told["complete"]) == (8, 7, 1, True)
    assert [(one["user"], one["failed"]) for one in told["failures"]] == [(users[10], {SECOND: "http-422"})]
    assert report.stat().st_mode & 0o777 == 0o600
    assert email not in report.read_text() + said.out + said.err
    assert before == await stage.committed()

    stage.town.makeas.faults.clear()
    again = await stage.command("replay", "--retry-report", str(report), "--yes")
    assert (again.status, "1 synced" in again.out) == (0, True), again
    assert not stage.town.wrong(PLACES[1], {*users[2:5], *users[9:14]})
    assert stage.town.violations() == []


async def test_times_users_and_vendors_pick(stage: Stage) -> None:
    """Partitions of unlike ages: what counts is each record's time."""
    users = stage.town.writable(VENDORS[0])
    await stage.send((event(VENDORS[0], user, TYPE) for user in users[:4]), partition=0)
    await anyio.sleep(0.05)
    middle = time.time()
    await anyio.sleep(0.05)
    await stage.send((event(VENDORS[0], user, TYPE) for user in users[4:8]), partition=0)
    await stage.send((event(VENDORS[0], user, TYPE) for user in users[8:12]), partition=3)
    await anyio.sleep(0.05)
    late = time.time()
    await anyio.sleep(0.05)
    await stage.send((event(VENDORS[0], user, TYPE) for user in users[12:14]), partition=3)
    await stage.send((event(VENDORS[1], user, TYPE) for user in sorted(stage.town.readers(VENDORS[1]))), partition=2)

    said = await stage.command("replay", "--from-time", iso(middle), "--to-time", iso(late), "--yes")
    assert said.status == 0, said
    assert resynced(stage) == {*users[4:12]}

    stage.town.sesamy.fetched.clear()
    said = await stage.command("replay", "--from-time", iso(middle), "--vendor", VENDORS[0], "--user", users[13], "--yes")
    assert resynced(stage) == {users[13]}
    assert len(stage.town.sesamy.fetched) == 1

    said = await stage.command("replay", "--from-time", iso(time.time() + 3600), "--yes")
    assert (said.status, "in the future" in said.err) == (64, True), said


async def test_it_ends_behind_control_records_and_says_what_retention_took(stage: Stage) -> None:
    users = stage.town.writable(VENDORS[0])
    producer = AIOKafkaProducer(bootstrap_servers=stage.kafka.bootstrap, transactional_id=f"t-{stage.topic}")
    await producer.start()
    for user in users[:5]:
        async with producer.transaction():
            message = event(VENDORS[0], user, TYPE)
            await producer.send(stage.topic, value=message.value, key=message.key, partition=1)
    await producer.stop()
    admin = AIOKafkaAdminClient(bootstrap_servers=stage.kafka.bootstrap)
    await admin.start()
    await admin.delete_records({TopicPartition(stage.topic, 1): RecordsToDelete(before_offset=4)})
    await admin.close()

    said = await stage.command("replay", "--from-offset", "1:1", "--yes")

    assert said.status == 0, said
    assert "3 offsets are gone" in said.out
    assert resynced(stage) == {*users[2:5]}


async def test_bad_ranges_and_files_are_usage(stage: Stage) -> None:
    await stage.send((event(VENDORS[0], user, TYPE) for user in stage.town.writable(VENDORS[0])[:3]), partition=0)
    state = stage.folder / "state"
    state.write_text('{"topic": "another", "asked": {"from_offsets": {"0": 0}}, "spans": []}')
    for args, word in (
        (["--from-offset", "9:0"], "9: no such partition"),
        (["--from-offset", "0:7"], "behind the end of the partition, 3"),
        (["--from-offset", "0:0", "--state", str(state)], "another topic"),
        (["--from-offset", "0:0", "--retry-report", str(state)], "name no range"),
        (["--retry-report", str(state)], "not a file that replay wrote"),
        (["--retry-report", str(stage.folder / "none")], "no such file"),
    ):
        said = await stage.command("replay", *args, "--yes")
        assert (said.status, word in said.err) == (64, True), said
    said = await stage.command("replay", "--from-offset", "0:0")
    assert (said.status, "--yes" in said.err) == (64, True), said
    assert stage.town.sesamy.calls.total() == 0


async def test_killed_it_goes_on_where_it_was(stage: Stage) -> None:
    """Nobody is lost, and no more than `concurrency` are done twice."""
    stage.town.sesamy.faults.add(SLOW)
    concurrency = 4
    more = f"[workers]\nconcurrency = {concurrency}\n"
    await stage.touch_all(times=2)
    state = stage.folder / "replay.state"
    args = ("replay", "--from-time", "2020-01-01", "--yes", "--rate-share", "1", "--state", str(state))
    kills = 4
    for number in range(kills):
        process = await stage.begin(*args, more=more)
        await until(partial(_fetched_more, stage, 5 + 10 * number), what=lambda: "it works", within_s=40)
        process.kill()
        await process.wait()
        await process.aclose()
    assert state.stat().st_mode & 0o777 == 0o600
    assert "@" not in state.read_text()

    stage.town.sesamy.faults.clear()
    said = await stage.command(*args, more=more)

    assert said.status == 0, said
    assert "done already" in said.out
    await stage.agree(within_s=1)
    twice = sum(times - 1 for times in stage.town.sesamy.fetched.values())
    assert 0 < twice <= kills * concurrency
    assert not state.exists()


async def _fetched_more(stage: Stage, count: int) -> bool:
    return sum(1 for times in stage.town.sesamy.fetched.values() if times) > count


async def test_beside_live_pods_no_older_state_is_left(stage: Stage) -> None:
    """The source changes all the time while a replay and a pod write for the same readers."""
    chance = random.Random(11)
    stage.town.makeas.faults.add(Fault(kind="delay", delay_s=0.1))
    pod = await stage.pod().start()
    await stage.touch_all()
    users = stage.town.writable(VENDORS[0])[:6]

    async def change() -> None:
        while True:
            await stage.send(happen(stage.town.sesamy, VENDORS[0], chance.choice(users), chance))
            await anyio.sleep(chance.uniform(0.01, 0.25))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(change)
        for _ in range(4):
            said = await stage.command("replay", "--from-time", "2020-01-01", "--vendor", VENDORS[0], "--yes", "--rate-share", "1")
            assert said.status == 0, said
            said = await stage.command("sync", VENDORS[0], *users)
            assert said.status == 0, said
        tasks.cancel_scope.cancel()

    await stage.agree()
    await stage.idle(pod)


async def _looks_up(stage: Stage) -> bool:
    return stage.town.makeas.faults.seen > 0


@pytest.mark.parametrize("command", ["sync", "replay"])
async def test_an_older_state_written_late_does_not_stay(stage: Stage, command: str) -> None:
    """Asleep between its fetch and its write, it wakes after a pod has written what came meanwhile."""
    user = stage.town.reader(VENDORS[0])
    pod = await stage.pod().start()
    await stage.touch_all()
    await stage.agree()
    await stage.idle(pod)
    stage.town.makeas.faults.add(Fault(kind="delay", op="contact", delay_s=1.0))
    stage.town.sesamy.fetched.clear()
    args = (VENDORS[0], user) if command == "sync" else ("--from-time", "2020-01-01", "--user", user, "--yes")
    process = await stage.begin(command, *args)
    await until(partial(_fetched_more, stage, 0), what=lambda: "it has fetched", within_s=20)
    await until(partial(_looks_up, stage), what=lambda: "it looks the user up", within_s=20)
    process.send_signal(signal.SIGSTOP)

    profile = stage.town.sesamy.users[VENDORS[0]][user]["profile"]
    stage.town.sesamy.users[VENDORS[0]][user]["profile"] = profile | {"firstName": "Newer", "lastName": "Name"}
    await stage.send([event(VENDORS[0], user, "userVendor.1#update")])
    await stage.agree(within_s=20)
    await stage.idle(pod)
    process.send_signal(signal.SIGCONT)

    assert await process.wait() == 0
    await process.aclose()
    assert stage.town.wrong(PLACES[0], {user}) == stage.town.wrong(PLACES[1], {user}) == {}


async def test_sync_writes_at_once_and_says_who_was_skipped(stage: Stage) -> None:
    users = stage.town.writable(VENDORS[0])[:3]
    skipped = next(user for user in sorted(stage.town.readers(VENDORS[0])) if stage.town.is_skipped(VENDORS[0], user))

    said = await stage.command("sync", "--output", "json", VENDORS[0], *users, skipped)

    ended = {one["user"]: one["outcome"] for one in json.loads(said.out)}
    assert (said.status, ended) == (0, {**dict.fromkeys(users, "synced"), skipped: "skipped"}), said
    for place in PLACES[:2]:
        assert not stage.town.wrong(place, set(users))


async def test_sync_says_what_it_waits_for(stage: Stage) -> None:
    """A refused key holds the reader for as long as the settings say; nobody has to guess."""
    stage.town.account(PLACES[1]).key = "new"

    said = await stage.command("sync", "--output", "json", VENDORS[0], stage.town.reader(VENDORS[0]), more="[workers]\nhold_s = 8.0\n")

    (ended,) = json.loads(said.out)
    assert (said.status, ended["outcome"], ended["failed"]) == (77, "failed", {SECOND: "held"}), said
    assert f"1 of the users left: {SECOND} is shut (denied), next try in" in said.err


async def test_sync_writes_nothing_of_a_vendor_that_gives_others_rows_and_ends(stage: Stage) -> None:
    stage.town.sesamy.unfiltered.add(f"{VENDORS[0]}/contracts")

    said = await stage.command(
        "sync", "--output", "json", VENDORS[0], *stage.town.writable(VENDORS[0])[:3], more="[workers]\nhold_s = 8.0\n"
    )

    ended = [(one["outcome"], one["failed"]) for one in json.loads(said.out)]
    assert (said.status, ended) == (1, [("failed", {"sesamy": "held"})] * 3), said
    assert f"3 of the users left: sesamy:{VENDORS[0]} is shut (filter)\n" in said.err
    assert stage.town.sesamy.calls[VENDORS[0], "user"] == 0
    assert [stage.town.makeas.calls[account, op] for account in (FIRST, SECOND) for op in ("upsert", "update")] == [0] * 4


async def test_without_a_broker_nothing_is_written(stage: Stage) -> None:
    """A pod's newer write could be overwritten, unseen."""
    wrong = "[workers]\nconcurrency = 2\n"
    stage.kafka = Broker(kind="address", bootstrap="127.0.0.1:1", why="there is none")
    for args in (("sync", VENDORS[0], "anybody"), ("replay", "--from-time", "2020-01-01", "--yes")):
        said = await stage.command(*args, more=wrong)
        assert (said.status, "does not answer" in said.err) == (69, True), said
    assert stage.town.sesamy.calls.total() == 0


async def test_what_a_pod_passed_over_is_made_good_by_the_command_it_shows(stage: Stage) -> None:
    """Events of a vendor that the settings lack, on every partition; then it is there, and the command finds all its readers."""
    pod = stage.pod()
    text = pod.config.read_text(encoding="utf-8")
    others = text.index(f'[[vendors]]\nid = "{VENDORS[1]}"')
    pod.config.write_text(text[:others], encoding="utf-8")
    await pod.start()
    users = sorted(stage.town.readers(VENDORS[1]))
    await stage.touch_all()

    async def counted() -> bool:
        status = await pod.status()
        return status is not None and [one.events for one in status.unknown_vendors] == [len(users)]

    await until(counted, what=pod.said, within_s=30)
    status = await pod.status()
    assert status is not None
    (stranger,) = status.unknown_vendors
    program, *words = shlex.split(stranger.replay)
    said = await stage.command(*words, "--dry-run")
    assert (program, said.status, f"{len(users)} users" in said.out) == ("sesamy-makeas", 0, True), (stranger, said)
