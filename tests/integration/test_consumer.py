"""The whole walk on a real Kafka and real HTTP, against a referee that shares no code with the consumer."""

import random
import shlex
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Final

import anyio
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from consumer.pod.status.tree import Status
from consumer.sandbox.brokers.broker import Broker, broker
from consumer.sandbox.brokers.topics import create_topic
from consumer.sandbox.publishers import Message, event, happen, poison
from consumer.sandbox.stand_ins.faults import Fault, Kind
from consumer.sandbox.town import PLACES, VENDORS, Place, town
from tests.integration.conftest import lacking
from tests.integration.harness import PARTITIONS, Pod, Stage, staged, until

FIRST, SECOND, THIRD = (place.account for place in PLACES)


@pytest_asyncio.fixture
async def stage(kafka: Broker, topic: str, tmp_path: Path) -> AsyncIterator[Stage]:
    async with town(tmp_path, readers=30) as here, staged(here, kafka, topic, tmp_path) as made:
        yield made


async def test_a_burst_of_every_shape_of_reader_ends_in_agreement(stage: Stage) -> None:
    """60 readers of all shapes over two vendors, three accounts, four lists: bursts and a hot user, few resyncs."""
    chance = random.Random(3)
    pod = await stage.pod().start()
    await stage.touch_all(times=3)
    hot = min(stage.town.readers(VENDORS[0]))
    for _ in range(40):
        vendor = chance.choice(VENDORS)
        user = chance.choice(sorted(stage.town.readers(vendor)))
        await stage.send([*happen(stage.town.sesamy, vendor, user, chance), event(VENDORS[0], hot, "contract.1#update")])

    await stage.agree()
    await stage.idle(pod)

    assert await pod.stop() == 0
    assert stage.town.sesamy.calls[VENDORS[0], "user"] < 3 * 30
    resumed = await stage.committed()
    assert None not in resumed.values()


async def test_nothing_is_lost_by_five_kills_under_load(stage: Stage) -> None:
    """Each life ends after a commit, while some are read and not written and others are being written; no event comes after the last."""
    chance = random.Random(5)
    pod = stage.pod()
    await stage.touch_all()
    for _ in range(5):
        await _live_and_be_killed(stage, pod, chance)
    assert any(stage.town.wrong(place) for place in PLACES), "there is something to lose"

    await pod.start()
    await stage.agree()
    await stage.idle(pod)


async def _live_and_be_killed(stage: Stage, pod: Pod, chance: random.Random) -> None:
    faults = stage.town.makeas.faults
    stuck = faults.add(Fault(kind="hang", op="contact", times=chance.randint(3, 8)))
    await pod.start(ready=False)
    await stage.send(_happenings(stage, chance, count=30))
    await until(_holds(lambda: stuck not in faults.active), what=pod.said, within_s=30)
    await _has_committed_again(pod)
    goal = _writes(stage) + chance.randint(1, 4)
    await stage.send(_happenings(stage, chance, count=20))
    await until(_holds(lambda: _writes(stage) >= goal), what=pod.said, within_s=30)
    await pod.kill()


def _happenings(stage: Stage, chance: random.Random, *, count: int) -> list[Message]:
    vendors = [chance.choice(VENDORS) for _ in range(count)]
    return [
        message
        for vendor in vendors
        for message in happen(stage.town.sesamy, vendor, chance.choice(sorted(stage.town.readers(vendor))), chance)
    ]


def _writes(stage: Stage) -> int:
    return sum(count for (_, op), count in stage.town.makeas.calls.items() if op in {"upsert", "update"})


def _holds(question: Callable[[], bool]) -> Callable[[], Awaitable[bool]]:
    async def holds() -> bool:
        return question()

    return holds


async def _counted(pod: Pod, name: str) -> float:
    """Return a counter of a pod, summed over what follows in its labels."""
    return sum(float(line.rpartition(" ")[2]) for line in (await pod.metrics()).splitlines() if line.startswith(name))


async def _has_committed_again(pod: Pod) -> None:
    name = 'sesamy_makeas_commits_total{result="ok"}'
    before = await _counted(pod, name)

    async def has_committed() -> bool:
        return await _counted(pod, name) > before

    await until(has_committed, what=pod.said, within_s=30)


async def _more_than(stage: Stage, seen: int) -> bool:
    return stage.town.makeas.faults.seen > seen


async def _has_said(pod: Pod, text: str) -> bool:
    return text in pod.log.read_text(encoding="utf-8")


async def test_sigterm_under_load_drains_twice(stage: Stage) -> None:
    stage.town.makeas.faults.add(Fault(kind="delay", upstream="*", delay_s=0.2))
    pod = stage.pod()
    for _ in range(2):
        await pod.start()
        seen = stage.town.makeas.faults.seen
        await stage.touch_all()
        await until(partial(_more_than, stage, seen + 5), what=pod.said, within_s=30)
        assert await pod.stop() == 0, pod.said()
    stage.town.makeas.faults.clear()

    await pod.start()
    await stage.agree()


async def test_sigterm_between_fetch_and_write_leaves_out_nobody_who_was_fetched(stage: Stage) -> None:
    vendor, calls = VENDORS[0], stage.town.makeas.calls
    writable = stage.town.writable(vendor)
    stage.town.makeas.faults.add(Fault(kind="delay", op="contact", delay_s=1.5))
    pod = await stage.pod().start()
    await stage.send(event(vendor, user, "contract.1#update") for user in writable[:5])

    async def all_are_looked_up() -> bool:
        return stage.town.makeas.faults.seen >= 10

    await until(all_are_looked_up, what=pod.said, within_s=30)

    assert await pod.stop() == 0, pod.said()
    assert [calls[account, "upsert"] + calls[account, "update"] for account in (FIRST, SECOND)] == [5, 5]
    assert '"outcome":"failed"' not in pod.said()


async def test_a_second_signal_ends_at_once(stage: Stage) -> None:
    stage.town.makeas.faults.add(Fault(kind="hang", op="upsert"))
    pod = await stage.pod().start()
    await stage.touch_all()

    async def somebody_is_being_written() -> bool:
        return stage.town.makeas.faults.seen > 0

    await until(somebody_is_being_written, what=pod.said, within_s=30)
    pod.signal(signal.SIGTERM)
    await until(partial(_has_said, pod, '"draining"'), what=pod.said, within_s=10)
    pod.signal(signal.SIGTERM)

    with anyio.fail_after(5):
        assert await pod.ended() == 75


@pytest.mark.parametrize(
    "fault",
    [
        Fault(kind="status", upstream=SECOND, status=503),
        Fault(kind="status", upstream=SECOND, status=429, retry_after="1"),
        Fault(kind="hang", upstream=SECOND),
        Fault(kind="html", upstream=SECOND),
    ],
    ids=["down", "429", "hanging", "html"],
)
async def test_one_account_out_leaves_the_others_alone(stage: Stage, fault: Fault) -> None:
    stage.town.makeas.faults.add(fault)
    pod = await stage.pod().start()
    await stage.touch_all()

    await stage.agree(accounts=[FIRST, THIRD], within_s=30)
    assert stage.town.wrong(PLACES[1])
    stage.town.makeas.faults.clear()
    await stage.agree(within_s=90)
    await stage.idle(pod)


async def test_a_rotated_key_stops_one_account_until_the_file_has_the_new_one(stage: Stage) -> None:
    pod = await stage.pod().start()
    stage.town.account(PLACES[1]).key = "new"
    await stage.touch_all()

    await stage.agree(accounts=[FIRST, THIRD], within_s=30)
    refused = stage.town.makeas.calls[SECOND, "401"]
    assert 0 < refused < 40
    stage.town.key_file(SECOND).write_text("new\n", encoding="utf-8")
    await stage.agree(within_s=60)
    await stage.idle(pod)


@pytest.mark.parametrize("place", ["start", "middle", "end"])
async def test_poison_is_parked_and_its_neighbours_delivered(stage: Stage, place: str) -> None:
    neighbours = [event(VENDORS[1], user, "contract.1#update") for user in sorted(stage.town.readers(VENDORS[1]))]
    cut = {"start": 0, "middle": len(neighbours) // 2, "end": len(neighbours)}[place]
    await stage.send([*neighbours[:cut], *poison(), *neighbours[cut:]], partition=2)

    pod = await stage.pod().start()
    await stage.agree(accounts=[THIRD])
    await stage.idle(pod)

    letters = await stage.letters(len(poison()))
    assert len(poison()) == len(letters)
    assert {str(cut + number) for number in range(len(poison()))} == {one["source.offset"] for one in letters}
    assert {("intake", "2", stage.topic, "b'poison'", "")} == {
        (one["error.stage"], one["source.partition"], one["source.topic"], one["key"], one["value"]) for one in letters
    }
    assert len(neighbours) + len(poison()) == (await stage.committed())[2]


async def test_a_key_of_any_length_can_be_parked(stage: Stage) -> None:
    """Two records of the size that Kafka just takes, nearly all of it key: one can't be read, of one the reader is refused."""
    user = stage.town.reader(VENDORS[0])
    email = stage.town.address(VENDORS[0], user)
    stage.town.makeas.faults.add(Fault(kind="status", upstream=FIRST, user=email, status=422))
    async with AIOKafkaProducer(bootstrap_servers=stage.kafka.bootstrap) as producer:
        value = event(VENDORS[0], user, "contract.1#update").value
        await producer.send_and_wait(stage.topic, value=b"{", key=b"k" * 1_048_400, partition=0)
        await producer.send_and_wait(stage.topic, value=value, key=b"k" * 1_048_250, partition=1)

    pod = await stage.pod().start()
    letters = await stage.letters(2)
    await stage.idle(pod)

    assert [("http-422", repr(f"{VENDORS[0]}|{user}".encode())), ("not-json", repr(b"0:0"))] == sorted(
        (one["error.code"], one["key"]) for one in letters
    )
    assert max(len(str(one)) for one in letters) < 2000
    committed = await stage.committed()
    assert (committed[0], committed[1]) == (1, 1)


async def test_every_compression_is_read(stage: Stage) -> None:
    """Publishers choose how to compress: each partition is full of batches of another kind."""
    messages = [event(vendor, user, "contract.1#update") for vendor in VENDORS for user in sorted(stage.town.readers(vendor))]
    for partition, kind in enumerate(("gzip", "lz4", "snappy", "zstd")):
        async with AIOKafkaProducer(bootstrap_servers=stage.kafka.bootstrap, compression_type=kind, linger_ms=100) as producer:
            for one in messages[partition::PARTITIONS]:
                await producer.send(stage.topic, value=one.value, key=one.key, partition=partition)

    pod = await stage.pod().start()
    await stage.agree()
    await stage.idle(pod)

    assert {p: len(messages[p::PARTITIONS]) for p in range(PARTITIONS)} == await stage.committed()
    assert "consumer lost" not in pod.said()


async def test_a_refused_reader_is_parked_for_that_account_alone(stage: Stage) -> None:
    user = stage.town.reader(VENDORS[0])
    email = stage.town.address(VENDORS[0], user)
    stage.town.makeas.faults.add(Fault(kind="status", upstream=SECOND, user=email, status=422))
    pod = await stage.pod().start()
    await stage.touch_all()

    await stage.agree(accounts=[FIRST, THIRD])
    (letter,) = await stage.letters(1)
    assert tuple(letter[name] for name in ("error.code", "error.stage", "makeas.account", "makeas.lists", "attempts")) == (
        "http-422",
        "makeas",
        SECOND,
        "2001",
        "1",
    )
    assert user in letter["value"]
    assert email not in str(letter)
    assert [user] == list(stage.town.wrong(PLACES[1]))
    await stage.idle(pod)


async def test_offsets_deleted_under_a_stopped_consumer_are_told(stage: Stage) -> None:
    pod = await stage.pod().start()
    await stage.touch_all()
    await stage.agree()
    await stage.idle(pod)
    assert await pod.stop() == 0
    await stage.touch_all(times=3)
    admin = AIOKafkaAdminClient(bootstrap_servers=stage.kafka.bootstrap)
    await admin.start()
    await admin.delete_records({TopicPartition(stage.topic, p): RecordsToDelete(before_offset=-1) for p in range(PARTITIONS)})
    await admin.close()

    await pod.start()
    await stage.touch_all()
    await stage.idle(pod)

    assert "offset out of range" in pod.log.read_text(encoding="utf-8")
    gap = next(line for line in (await pod.metrics()).splitlines() if line.startswith("sesamy_makeas_offset_gap_records_total"))
    assert float(gap.split()[1]) == 180.0


async def test_partitions_without_an_offset_are_read_from_their_start(stage: Stage) -> None:
    """The topic has grown since the group began: the client itself finds no position for the new partitions."""
    group = AIOKafkaConsumer(bootstrap_servers=stage.kafka.bootstrap, group_id=f"readers-of-{stage.topic}", enable_auto_commit=False)
    async with group:
        group.assign([TopicPartition(stage.topic, 0)])
        await group.commit({TopicPartition(stage.topic, 0): 0})
    await stage.touch_all()

    for pod in (stage.pod(), stage.pod()):
        await pod.start(ready=False)
    await stage.agree()

    assert ["consumer lost" in pod.log.read_text("utf-8") for pod in stage.pods] == [False, False]


def due(status: Status) -> int:
    return sum(one.users for one in status.users.causes if one.cause in {"ready", "held"})


async def test_a_vendor_at_its_rate_limit_does_not_hold_up_another(kafka: Broker, topic: str, tmp_path: Path) -> None:
    async with town(tmp_path, readers=1000) as here, staged(here, kafka, topic, tmp_path) as stage:
        pod = await stage.pod(rate_per_minute=600).start()
        readers = sorted(here.readers(VENDORS[0]))
        await stage.send(event(VENDORS[0], user, "contract.1#update") for user in readers)

        async def many_due() -> bool:
            status = await pod.status()
            return status is not None and due(status) > 800

        await until(many_due, what=pod.said, within_s=30)
        lucky = here.reader(VENDORS[1])
        await stage.send([event(VENDORS[1], lucky, "contract.1#update")])

        async def written() -> bool:
            return not here.wrong(PLACES[2], {lucky})

        await until(written, what=pod.said, within_s=5)
        status = await pod.status()
        assert status is not None
        assert due(status) > 700


async def test_the_broker_is_killed_and_started_again(
    own_broker: "Callable[[], AbstractAsyncContextManager[Broker]]", tmp_path: Path
) -> None:
    async with own_broker() as kafka, town(tmp_path, readers=20) as here:
        await create_topic(kafka.bootstrap, "events", partitions=PARTITIONS)
        async with staged(here, kafka, "events", tmp_path) as stage:
            pod = await stage.pod().start()
            await stage.touch_all()
            await stage.agree()
            await kafka.kill()
            await anyio.sleep(8)
            await kafka.start()
            chance = random.Random(1)
            for vendor in VENDORS:
                for user in sorted(here.readers(vendor)):
                    await stage.send(happen(here.sesamy, vendor, user, chance))
            await stage.agree(within_s=90)
            await stage.idle(pod)


@pytest.fixture
def own_broker(kafka: Broker) -> "Callable[[], AbstractAsyncContextManager[Broker]]":
    """Give brokers to break; where there is a session's broker on the JVM there may be another."""
    if kafka.kind != "jvm":
        lacking("killing a broker needs one on the JVM")
    return lambda: broker("jvm", report=lambda _: None)


async def test_no_canary_anywhere(stage: Stage) -> None:
    """A name, an address and a key go through everything, failures too, and show up in no log, metric, page or letter."""
    sesamy, makeas = stage.town.sesamy, stage.town.makeas
    for vendor in VENDORS:
        for one in sesamy.users[vendor].values():
            one["profile"]["firstName"] = "Canaryname"
            if "email" in one["profile"]:
                one["profile"]["email"] = "canary+" + one["profile"]["email"]
    pod = await stage.pod(more="[workers]\nmax_attempts = 2\nbackoff_s = 0.1\n").start()
    await stage.touch_all()
    await stage.agree()
    for place in PLACES:
        names = [row.get("firstname") for row in stage.town.account(place).contacts.values() if row["email"].startswith("canary+")]
        assert len(names) > 20
        assert set(names) == {"Canaryname"}

    for vendor in VENDORS:  # What is so already is not written.
        for one in sesamy.users[vendor].values():
            one["profile"]["lastName"] = "Annerledes"
    often = 1000
    for kind, user in _each_of(_ODD, stage, PLACES[2]):
        sesamy.faults.add(Fault(kind=kind, upstream=VENDORS[1], user=user, times=often))
    for place in PLACES[:2]:
        for kind, user in _each_of((*_ODD, "rows", "status"), stage, place):
            op, email = "upsert" if kind in {"rows", "cut-after"} else "contact", stage.town.address(place.vendor, user)
            makeas.faults.add(Fault(kind=kind, upstream=place.account, op=op, user=email, status=422, times=often))
    faults = [*sesamy.faults.active, *makeas.faults.active]
    assert len(faults) == 8 + 2 * 10
    await stage.send(poison())
    await stage.touch_all()

    def unmet() -> list[Fault]:
        return [one for one in faults if one.times == often]

    await until(_holds(lambda: not unmet()), what=lambda: f"every fault is met, but {unmet()}; {pod.said()}", within_s=60)
    sesamy.faults.clear()
    makeas.faults.clear()
    await stage.idle(pod)

    pages = [(await pod._get(path) or b"").decode() for path in ("/", "/status.json", "/metrics")]
    parked = int(await _counted(pod, "sesamy_makeas_dead_letters_total{"))
    assert parked > len(poison())
    letters = await stage.letters(parked)
    assert len(letters) >= parked
    assert all(pages)
    for text in (*pages, str(letters), pod.log.read_text(encoding="utf-8")):
        for canary in ("Canaryname", "canary+", "@example.com", "key-of-", "secret-of-"):
            assert canary not in text


_ODD: Final[tuple[Kind, ...]] = ("html", "half-json", "shape", "cut", "gzip", "redirect", "cut-after", "huge")


def _each_of(kinds: Iterable[Kind], stage: Stage, place: Place) -> list[tuple[Kind, str]]:
    """Give each kind of fault a reader of its own, who gets mail."""
    contacts = stage.town.account(place).contacts
    users = stage.town.writable(place.vendor)
    getting_mail = (one for one in users if contacts[stage.town.address(place.vendor, one)]["email_status"] == "active")
    return list(zip(kinds, getting_mail, strict=False))


@pytest.mark.parametrize("resource", ["contracts", "entitlements"])
async def test_a_filter_that_is_ignored_stops_its_vendor_alone_until_it_is_obeyed(stage: Stage, resource: str) -> None:
    """Nothing of it is written, be it so when the pod starts or found later by an id that two readers have."""
    ignored = f"{VENDORS[0]}/{resource}"
    stage.town.sesamy.unfiltered.add(ignored)
    pod = await stage.pod().start()
    await stage.touch_all()

    await stage.agree(accounts=[THIRD], within_s=30)
    assert [stage.town.makeas.calls[account, op] for account in (FIRST, SECOND) for op in ("upsert", "update")] == [0] * 4
    status = await pod.status()
    assert status is not None
    assert [(one.name, one.cause) for one in status.upstreams if one.state != "open"] == [(f"sesamy:{VENDORS[0]}", "filter")]
    (found,) = status.ignored_filters
    assert (found.vendor, found.resource, found.obeyed_at) == (VENDORS[0], resource, None)
    assert found.replay.startswith(f"sesamy-makeas replay --vendor {VENDORS[0]} --from-time 20")

    stage.town.sesamy.unfiltered.clear()
    await stage.agree(within_s=90)
    await stage.idle(pod)
    status = await pod.status()
    assert status is not None
    assert [one.obeyed_at is None for one in status.ignored_filters] == [False]


async def test_what_was_written_since_the_last_good_verdict_is_made_good_by_the_command_that_is_shown(stage: Stage) -> None:
    vendor = VENDORS[0]
    users = stage.town.writable(vendor)
    pod = await stage.pod().start()
    await stage.touch_all()
    await stage.agree()
    await stage.idle(pod)
    stage.town.sesamy.unfiltered.add(f"{vendor}/entitlements")
    await stage.send(event(vendor, user, "contract.1#update") for user in users)

    async def is_found() -> bool:
        status = await pod.status()
        return status is not None and bool(status.ignored_filters)

    await until(is_found, what=pod.said, within_s=30)
    stage.town.sesamy.unfiltered.clear()
    await stage.idle(pod, within_s=90)
    for user in users:  # As if what was written of them were wrong.
        stage.town.sesamy.users[vendor][user]["profile"] |= {"firstName": "Newer"}
    assert set(stage.town.wrong(PLACES[0])) == set(users)
    status = await pod.status()
    assert status is not None
    (found,) = status.ignored_filters
    said = await stage.command(*shlex.split(found.replay)[1:], "--yes")

    assert said.status == 0, said
    await stage.agree()
