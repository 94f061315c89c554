"""The brokers a laptop and the tests run on: each takes records and gives them back."""

import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from anyio import to_thread

from consumer.sandbox.brokers import jars
from consumer.sandbox.brokers.broker import Broker, broker
from consumer.sandbox.brokers.topics import MEMORY_PARTITIONS, create_topic
from consumer.sandbox.brokers.unavailable import Unavailable
from consumer.sandbox.children import dies_with_us

from .conftest import lacking

_VALUES = [b"one", b"two", b"three"]


@asynccontextmanager
async def _opened(kind: str) -> AsyncIterator[tuple[Broker, list[str]]]:
    said: list[str] = []
    opened = broker(kind, report=said.append)
    try:
        found = await opened.__aenter__()
    except Unavailable as error:
        lacking(str(error))
    try:
        yield found, said
    finally:
        await opened.__aexit__(None, None, None)


async def _produce(bootstrap: str, topic: str, *, partition: int) -> None:
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all") as producer:
        for value in _VALUES:
            await producer.send_and_wait(topic, value, partition=partition)


async def _consume(bootstrap: str, topic: str, *, partition: int, group: str | None = None) -> list[bytes]:
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False) as consumer:
        if group is None:
            consumer.assign([TopicPartition(topic, partition)])
            await consumer.seek_to_beginning()
        else:
            consumer.subscribe([topic])
        with anyio.fail_after(30):
            found = [(await consumer.getone()).value for _ in _VALUES]
            if group is not None:
                await consumer.commit()
                assert await consumer.committed(TopicPartition(topic, partition)) == len(_VALUES)
    return found


async def test_the_shared_kafka_keeps_order_and_commits(kafka: Broker, topic: str) -> None:
    """A group reads what was written, in order, and its offset is kept."""
    async with AIOKafkaConsumer(topic, bootstrap_servers=kafka.bootstrap, group_id=topic, auto_offset_reset="earliest") as consumer:
        await _produce(kafka.bootstrap, topic, partition=2)
        with anyio.fail_after(30):
            found = [(await consumer.getone()).value for _ in _VALUES]
        await consumer.commit()
        assert await consumer.committed(TopicPartition(topic, 2)) == len(_VALUES)

    assert found == _VALUES


async def test_a_topic_has_the_partitions_and_settings_asked_for(kafka: Broker, topic: str) -> None:
    """Making a topic twice is fine; the second try changes nothing."""
    await create_topic(kafka.bootstrap, topic, partitions=9, config={"retention.ms": "1000"})

    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap) as producer:
        assert await producer.partitions_for(topic) == {0, 1, 2, 3}


async def test_a_refused_topic_is_unavailable(kafka: Broker) -> None:
    """A setting that Kafka refuses is said, not swallowed."""
    with pytest.raises(Unavailable, match="refuses"):
        await create_topic(kafka.bootstrap, "refused", partitions=1, config={"retention.ms": "soon"})


@pytest.mark.kafka
async def test_a_jvm_broker_keeps_its_records_over_kill_and_stop() -> None:
    """SIGKILL, then an orderly stop: the same address has the same records after each."""
    async with _opened("jvm") as (found, said):
        await create_topic(found.bootstrap, "kept", partitions=1)
        await _produce(found.bootstrap, "kept", partition=0)
        first = found.pid
        assert first is not None

        await found.kill()
        assert found.pid is None
        with pytest.raises(ProcessLookupError):
            os.kill(first, 0)
        await found.start()
        assert await _consume(found.bootstrap, "kept", partition=0) == _VALUES

        await found.stop()
        with pytest.raises(Unavailable, match="no Kafka answers"):
            async with broker(found.bootstrap):
                pass
        await found.start()
        assert await _consume(found.bootstrap, "kept", partition=0) == _VALUES

        assert (found.kind, said[-1]) == ("jvm", f"broker: jvm at {found.bootstrap} ({found.why})")
        last = found.pid
    assert last is not None
    with pytest.raises(ProcessLookupError):
        os.kill(last, 0)


@pytest.mark.kafka
async def test_a_jvm_broker_takes_further_settings_and_shows_why_it_fails() -> None:
    """A setting that Kafka can't use ends the start with Kafka's own words."""
    reason = await jars.why_not()
    if reason is not None:
        lacking(reason)

    with pytest.raises(Unavailable, match=r"num\.io\.threads"):
        async with broker("jvm", overrides={"num.io.threads": "0"}):
            pass


@pytest.mark.kafka
async def test_a_jvm_broker_dies_with_its_owner(tmp_path: Path) -> None:
    """Whoever runs it may be killed: no broker stays behind."""
    if await jars.why_not() is not None or not await dies_with_us():
        lacking("no JVM Kafka that dies with its owner")
    program = tmp_path / "owner.py"
    program.write_text(
        "import anyio\n"
        "from consumer.sandbox.brokers.broker import broker\n"
        "async def main():\n"
        "    async with broker('jvm') as found:\n"
        "        print(found.pid, flush=True)\n"
        "        await anyio.sleep_forever()\n"
        "anyio.run(main)\n"
    )
    async with await anyio.open_process([sys.executable, str(program)], stderr=None, env=_environment(tmp_path)) as owner:
        assert owner.stdout is not None
        pid = int(await owner.stdout.receive())
        os.kill(pid, 0)

        owner.send_signal(signal.SIGKILL)
        await owner.wait()

        with anyio.fail_after(15):
            while _runs(pid):
                await anyio.sleep(0.05)


def _runs(pid: int) -> bool:
    try:
        return ") Z" not in Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    except FileNotFoundError:
        return False


def _environment(scratch: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "TMPDIR": str(scratch)}


@pytest.mark.kafka
@pytest.mark.timeout(180)
async def test_a_container_takes_records_and_gives_them_back() -> None:
    """Through testcontainers' KafkaContainer."""
    async with _opened("testcontainers") as (found, _):
        await create_topic(found.bootstrap, "contained", partitions=4)
        await _produce(found.bootstrap, "contained", partition=3)

        assert await _consume(found.bootstrap, "contained", partition=3) == _VALUES
        with pytest.raises(Unavailable, match="use jvm"):
            await found.kill()


async def test_the_in_process_broker_serves_one_member() -> None:
    """It has four partitions a topic, takes records, and a group's only member reads and commits."""
    async with broker("memory") as found:
        await create_topic(found.bootstrap, "memory", partitions=MEMORY_PARTITIONS)
        await _produce(found.bootstrap, "memory", partition=1)

        async with AIOKafkaConsumer("memory", bootstrap_servers=found.bootstrap, group_id="one", auto_offset_reset="earliest") as consumer:
            with anyio.fail_after(30):
                values = [(await consumer.getone()).value for _ in _VALUES]
            await consumer.commit()
            assert await consumer.committed(TopicPartition("memory", 1)) == len(_VALUES)
        assert values == _VALUES

        with pytest.raises(Unavailable, match="gives every topic 4 partitions"):
            await create_topic(found.bootstrap, "wide", partitions=5)


async def test_auto_says_what_it_took_and_why() -> None:
    """Whatever this machine has, auto finds one that works, and names what it lacked."""
    said: list[str] = []
    async with broker("auto", report=said.append) as found:
        assert said[-1] == f"broker: {found.kind} at {found.bootstrap} ({found.why})"
        missing = await jars.why_not()
        assert (found.kind == "jvm") == (missing is None)
        assert missing is None or f"jvm: {missing}" in found.why


async def test_auto_without_java_or_containers_stays_in_the_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A bare machine still has a broker, and the reason tells what would give a better one."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")

    async with broker("auto", report=print) as found:
        assert found.kind == "memory"
        assert found.why.startswith("jvm: no java on the path; testcontainers: no container engine answers; ")


async def test_a_running_broker_is_taken_by_its_address(kafka: Broker) -> None:
    """HOST:PORT of a broker that answers."""
    async with broker(kafka.bootstrap) as found:
        assert (found.kind, found.bootstrap, found.pid) == ("address", kafka.bootstrap, None)


@pytest.mark.parametrize("kind", ["redpanda", "host", "host:port", "a:1,b:2", ""])
async def test_another_kind_is_refused(kind: str) -> None:
    """The message names what there is."""
    with pytest.raises(Unavailable, match="jvm, testcontainers, memory and HOST:PORT"):
        async with broker(kind):
            pass


async def test_failing_to_fetch_kafka_leaves_no_half_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A Maven that fails is quoted, and the next try starts anew."""
    mvn = tmp_path / "mvn"
    mvn.write_text("#!/bin/sh\necho no route to the repository\nexit 1\n")
    mvn.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    with pytest.raises(Unavailable, match="no route to the repository"):
        await jars.jars(report=print)

    assert await to_thread.run_sync(lambda: list((tmp_path / "cache" / "sesamy-makeas").iterdir())) == []
