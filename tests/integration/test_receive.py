"""The receiver as a process, on a real Kafka: what it has answered with 202 is on the topic, whatever befalls the two."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import anyio
import pytest

from consumer.core.partitioner import partition_of
from consumer.receiver.words import WORDS
from consumer.sandbox.brokers.broker import Broker, broker
from consumer.sandbox.brokers.topics import create_topic
from consumer.sandbox.children import Program
from consumer.sandbox.forwarding.endpoint import Endpoint
from consumer.sandbox.forwarding.forwarder import Forwarder
from consumer.sandbox.ports import free_port
from tests.faults.cluster import cluster
from tests.faults.topics import read_all

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]
PARTITIONS = 4


class Receiving:
    """A receiver before a topic."""

    def __init__(self, kafka: Broker, topic: str, folder: Path, more: str) -> None:
        self.kafka, self.topic = kafka, topic
        admin = free_port()
        self.endpoint = Endpoint(free_port(), folder / "secret")
        config = folder / "receiver.toml"
        config.write_text(f"""
[kafka]
bootstrap_servers = {json.dumps(kafka.bootstrap.split(","))}
topic = "{topic}"
[admin]
host = "127.0.0.1"
port = {admin}
{self.endpoint.settings()}{more}
[[vendors]]
id = "v"
sesamy = {{ client_id = "c", client_secret = {{ env = "NOT_SET_FOR_A_RECEIVER" }} }}
makeas = {{ userId = "1", apiKey = {{ file = "/not/there" }}, listId = "7" }}
""")
        arguments = ["receive", "--config", str(config)]
        self.program = Program("receiver", arguments, log=folder / "receiver.log", admin_url=f"http://127.0.0.1:{admin}")

    async def post(self, events: Any, **headers: str) -> tuple[int, Any]:
        async with aiohttp.ClientSession(headers=self.endpoint.headers | headers) as session:
            answer = await session.post(self.endpoint.url, json=events)
            return answer.status, await answer.json()

    async def written(self) -> list[Any]:
        return await read_all(self.kafka.bootstrap, self.topic)


@asynccontextmanager
async def receiving(kafka: Broker, topic: str, folder: Path, more: str = "", *, starts: bool = True) -> AsyncIterator[Receiving]:
    made = Receiving(kafka, topic, folder, more)
    try:
        if starts:
            await made.program.start()
        yield made
    finally:
        await made.program.bury()


def event(user: str, vendor: str = "v") -> dict[str, str]:
    return {"eventType": "contract.1#update", "vendorId": vendor, "userId": user, "occured_at": "2025-11-10T12:00:00Z"}


def users_of(records: list[Any]) -> set[str]:
    return {json.loads(record.value)["userId"] for record in records}


async def test_what_is_answered_with_202_is_on_the_partition_that_other_publishers_would_choose(
    kafka: Broker, topic: str, tmp_path: Path
) -> None:
    users = [f"auth0|æ-{number}" for number in range(200)]
    async with receiving(kafka, topic, tmp_path) as here:
        assert await here.post([event(user) for user in users] + [{"x": 1}, event("stranger", vendor="other")]) == (
            202,
            {"accepted": 201, "refused": [{"position": 200, "code": "no-ids"}]},
        )
        assert (await here.post(event("a"), **{"X-Sesamy-Secret": "wrong"}))[0] == 401
        records = await here.written()
        assert await here.program.stop() == 0

    assert users_of(records) == {*users, "stranger"}
    assert set(json.loads(records[0].value)) == {"eventType", "vendorId", "userId"}
    by_key = {record.key.decode(): record.partition for record in records}
    assert by_key["v|auth0|æ-7"] == partition_of("v|auth0|æ-7".encode(), PARTITIONS)
    assert by_key == {key: partition_of(key.encode(), PARTITIONS) for key in by_key}
    assert len(set(by_key.values())) == PARTITIONS
    said = here.program.log.read_text()
    assert "a vendor that the settings don't know" in said
    assert "auth0" not in said


async def test_on_sigterm_what_is_in_flight_is_answered_and_the_rest_is_sent_away(kafka: Broker, topic: str, tmp_path: Path) -> None:
    answers: dict[str, int] = {}
    async with receiving(kafka, topic, tmp_path) as here, anyio.create_task_group() as tasks:

        async def post(worker: int) -> None:
            for number in range(10_000):
                user = f"{worker}-{number}"
                try:
                    answers[user] = (await here.post(event(user)))[0]
                except aiohttp.ClientError:
                    return  # It has ended.

        for worker in range(8):
            tasks.start_soon(post, worker)
        while len(answers) < 100:
            await anyio.sleep(0.01)
        assert await here.program.stop() == 0
        written = users_of(await here.written())

    assert set(answers.values()) <= {202, 503}
    assert {user for user, status in answers.items() if status == 202} <= written


async def test_without_a_broker_webhooks_are_to_come_again_and_with_one_they_are_taken(tmp_path: Path) -> None:
    async with broker("jvm") as kafka:
        await create_topic(kafka.bootstrap, "events", partitions=PARTITIONS)
        async with receiving(kafka, "events", tmp_path, "timeout_s = 1.0\n") as here:
            assert (await here.post(event("before")))[0] == 202
            await kafka.kill()
            assert await here.post(event("meanwhile")) == (503, {"error": "kafka", "text": WORDS["kafka"]})
            await kafka.start()
            with anyio.fail_after(60):
                while (await here.post(event("after")))[0] != 202:
                    await anyio.sleep(0.2)
            assert users_of(await here.written()) >= {"before", "after"}
            assert await here.program.stop() == 0


async def test_a_topic_that_is_not_there_is_not_made_by_asking_for_it(tmp_path: Path) -> None:
    """A broker makes topics by itself where it is left as it comes, with one partition: the group's users would lie elsewhere."""
    makes = broker("jvm", overrides={"auto.create.topics.enable": "true"})
    async with makes as kafka, receiving(kafka, "events", tmp_path, "timeout_s = 2.0\n", starts=False) as here:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(here.program.start)
            await anyio.sleep(6)
            await create_topic(kafka.bootstrap, "events", partitions=PARTITIONS)
        assert await here.post([event(str(number)) for number in range(50)]) == (202, {"accepted": 50, "refused": []})
        assert {record.partition for record in await here.written()} == set(range(PARTITIONS))


HEAD = b"POST /events HTTP/1.1\r\nHost: x\r\n"
BODY = HEAD + b"Content-Length: 100\r\nContent-Type: application/json\r\nX-Sesamy-Secret: %s\r\n\r\n{"


async def drip(port: int, first: bytes, byte: bytes) -> None:
    """Send something, and then a byte each half second, until the receiver hangs up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(first)
        while not reader.at_eof():
            with anyio.move_on_after(0.5):
                await reader.read(65_536)
            writer.write(byte)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


async def test_slow_senders_hold_up_nobody_and_are_hung_up_on(kafka: Broker, topic: str, tmp_path: Path) -> None:
    """Four hundred at once: heads byte by byte, and bodies byte by byte, of those that know the secret and those that don't."""
    async with receiving(kafka, topic, tmp_path) as here, anyio.create_task_group() as tasks:
        (secret,) = here.endpoint.headers.values()
        kinds = ((HEAD, b"X"), (BODY % b"wrong", b" "), (BODY % secret.encode(), b" "), (HEAD, b"X"))
        for number in range(400):
            # Not so many of those that know it: each takes one of the places for work that is going on.
            tasks.start_soon(drip, here.endpoint.port, *kinds[number % 4 if number % 4 != 2 or number < 100 else 0])
        with anyio.fail_after(40):
            for number in range(100):
                assert (await here.post(event(str(number))))[0] == 202


@pytest.mark.parametrize("kills", [3, pytest.param(10, marks=pytest.mark.long)])
async def test_nothing_is_lost_while_broker_and_receiver_are_killed_again_and_again(kills: int, tmp_path: Path) -> None:
    """Sesamy posts again what was not answered with 2xx; all that was ever posted is on the topic in the end."""
    chance = random.Random(kills)
    async with broker("jvm") as kafka:
        await create_topic(kafka.bootstrap, "events", partitions=PARTITIONS)
        async with receiving(kafka, "events", tmp_path, "timeout_s = 2.0\n") as here:
            forwarder = Forwarder(here.endpoint.url, here.endpoint.headers)
            sent = 0

            async def send() -> None:
                nonlocal sent
                while True:
                    forwarder.send([json.dumps(event(str(sent + number))).encode() for number in range(20)])
                    sent += 20
                    await anyio.sleep(0.1)

            async with forwarder.running():
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(send)
                    for number in range(kills):
                        await anyio.sleep(chance.uniform(0.3, 1.5))
                        await _kill_one(here, kafka, away_s=chance.uniform(0.0, 2.0), is_broker=bool(number % 2))
                    tasks.cancel_scope.cancel()
                with anyio.fail_after(90):
                    await forwarder.all_taken()
            written = await here.written()
            assert await here.program.stop() == 0

    assert users_of(written) == {str(number) for number in range(sent)}
    assert (forwarder.refused, forwarder.taken) == ([], sent)
    assert forwarder.again > 0


async def _kill_one(here: Receiving, kafka: Broker, *, away_s: float, is_broker: bool) -> None:
    if not is_broker:
        await here.program.kill()
        await here.program.start()
        return
    await kafka.kill()
    await anyio.sleep(away_s)
    await kafka.start()


async def test_a_topic_whose_copies_are_away_takes_nothing_and_leaders_that_change_lose_nothing(tmp_path: Path) -> None:
    """Three brokers, and a topic that wants two copies of each record: one may be away, two may not."""
    async with cluster() as kafkas:
        config = {"min.insync.replicas": "2"}
        await create_topic(kafkas.bootstrap.partition(",")[0], "events", partitions=PARTITIONS, replicas=3, config=config)
        three = Broker(kind="jvm", bootstrap=kafkas.bootstrap, why="three of them")
        async with receiving(three, "events", tmp_path, "timeout_s = 3.0\n") as here:
            taken = {"first"}
            assert (await here.post(event("first")))[0] == 202
            one, two, _ = kafkas.running

            await kafkas.kill(one)
            with anyio.fail_after(60):
                while (await here.post(event("with two")))[0] != 202:
                    await anyio.sleep(0.2)
            await kafkas.kill(two)
            answers = [(await here.post([event(f"{number}-{part}") for part in range(20)]))[0] for number in range(4)]
            assert answers == [503] * 4

            await kafkas.start(one)
            await kafkas.start(two)
            with anyio.fail_after(90):
                while (await here.post([event(f"after-{part}") for part in range(20)]))[0] != 202:
                    await anyio.sleep(0.5)
            taken |= {"with two"} | {f"after-{part}" for part in range(20)}
            assert taken <= users_of(await here.written())
            assert await here.program.stop() == 0
