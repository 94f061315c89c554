"""What the tests break Kafka with does break it: each way of the proxy bites, and a cluster outlives its brokers one by one."""

import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import anyio
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError, KafkaTimeoutError, NotEnoughReplicasError, RequestTimedOutError
from anyio.abc import SocketAttribute, SocketStream

from consumer.sandbox.brokers.broker import Broker
from consumer.sandbox.brokers.topics import create_topic
from tests.faults.cluster import NODES, Cluster, cluster
from tests.faults.proxy import Proxy, broker_behind_proxy, proxied
from tests.integration.conftest import lacking
from tests.integration.harness import until

_BIG = 64 * 1024


class Echo:
    """A server that says whatever it hears, and remembers it."""

    def __init__(self) -> None:
        self.heard = b""

    async def serve(self, stream: SocketStream) -> None:
        async with stream:
            try:
                async for body in stream:
                    self.heard += body
                    await stream.send(body)
            except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                return


@asynccontextmanager
async def behind_proxy() -> AsyncIterator[tuple[Proxy, Echo]]:
    """Run a proxy before an echo."""
    echo = Echo()
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, echo.serve)
        async with proxied(f"127.0.0.1:{listener.extra(SocketAttribute.local_port)}") as proxy:
            yield proxy, echo
        tasks.cancel_scope.cancel()


@asynccontextmanager
async def client_of(proxy: Proxy) -> AsyncIterator[SocketStream]:
    async with await anyio.connect_tcp("127.0.0.1", proxy.port) as stream:
        yield stream


async def exactly(stream: SocketStream, count: int) -> bytes:
    found = b""
    while len(found) < count:
        found += await stream.receive(count - len(found))
    return found


async def comes_true(question: Callable[[], bool]) -> None:
    async def holds() -> bool:
        return question()

    await until(holds, what=lambda: "what was to come true", within_s=10)


async def test_what_goes_in_comes_out_in_order_both_ways() -> None:
    async with behind_proxy() as (proxy, echo):
        sent = bytes(range(256)) * 4096
        proxy.up.latency_s, proxy.up.jitter_s = 0.01, 0.05
        async with client_of(proxy) as stream, anyio.create_task_group() as tasks:
            tasks.start_soon(stream.send, sent)
            assert await exactly(stream, len(sent)) == sent

        assert echo.heard == sent
        assert (proxy.up.passed, proxy.down.passed, proxy.accepted) == (len(sent), len(sent), 1)


async def test_who_hangs_up_is_heard_at_the_other_end() -> None:
    async with behind_proxy() as (proxy, _):
        async with client_of(proxy) as stream:
            await stream.send(b"last words")
            await stream.send_eof()
            assert await exactly(stream, 10) == b"last words"
            with pytest.raises(anyio.EndOfStream):
                await stream.receive()
        await comes_true(lambda: proxy.connections == 0)


@pytest.mark.parametrize("way", ["up", "down"])
async def test_latency_and_jitter_delay_one_way(way: str) -> None:
    async with behind_proxy() as (proxy, _):
        flow = proxy.up if way == "up" else proxy.down
        async with client_of(proxy) as stream:
            flow.latency_s, flow.jitter_s = 0.3, 0.2
            took: list[float] = []
            for _ in range(3):
                began = anyio.current_time()
                await stream.send(b"x")
                await exactly(stream, 1)
                took.append(anyio.current_time() - began)

        assert min(took) >= 0.3
        assert len({round(one, 2) for one in took}) > 1


async def test_bandwidth_is_shared_by_all_connections() -> None:
    async with behind_proxy() as (proxy, _):
        proxy.down.bytes_per_s = _BIG
        async with client_of(proxy) as first, client_of(proxy) as second:
            began = anyio.current_time()
            async with anyio.create_task_group() as tasks:
                for stream in (first, second):
                    await stream.send(b"x" * (_BIG // 2))
                    tasks.start_soon(exactly, stream, _BIG // 2)

        assert anyio.current_time() - began >= 0.9
        assert proxy.down.passed == _BIG


@pytest.mark.parametrize("way", ["up", "down"])
async def test_a_black_hole_swallows_one_way_and_keeps_the_connection(way: str) -> None:
    async with behind_proxy() as (proxy, echo):
        flow = proxy.up if way == "up" else proxy.down
        async with client_of(proxy) as stream:
            flow.black_hole()
            await stream.send(b"lost")
            await comes_true(lambda: flow.lost == 4)
            assert echo.heard == (b"" if way == "up" else b"lost")
            assert (proxy.down.passed, proxy.connections, proxy.resets) == (0, 1, 0)

            flow.go()
            await stream.send(b"next")
            with pytest.raises(anyio.BrokenResourceError):  # No stream goes on after a gap.
                await stream.receive()
        async with client_of(proxy) as stream:
            await stream.send(b"new")
            assert await exactly(stream, 3) == b"new"


async def test_what_stalls_comes_once_it_goes_again() -> None:
    async with behind_proxy() as (proxy, echo):
        async with client_of(proxy) as stream:
            proxy.down.stall()
            await stream.send(b"late")
            await comes_true(lambda: echo.heard == b"late")
            with anyio.move_on_after(0.2) as waiting:
                await stream.receive()
            assert waiting.cancelled_caught
            proxy.down.go()
            assert await exactly(stream, 4) == b"late"
        assert proxy.resets == 0


async def test_a_reset_cuts_every_connection_and_lets_new_ones_in() -> None:
    async with behind_proxy() as (proxy, _):
        async with client_of(proxy) as first, client_of(proxy) as second:
            for stream in (first, second):
                await stream.send(b"x")
                await exactly(stream, 1)
            proxy.reset()
            for stream in (first, second):
                with pytest.raises(anyio.BrokenResourceError) as caught:
                    await stream.receive()
                assert isinstance(caught.value.__cause__, ConnectionResetError)
        assert (proxy.resets, proxy.connections) == (2, 0)
        async with client_of(proxy) as stream:
            await stream.send(b"x")
            assert await exactly(stream, 1) == b"x"


async def test_a_reset_in_the_middle_of_an_answer() -> None:
    async with behind_proxy() as (proxy, echo):
        async with client_of(proxy) as stream:
            proxy.down.reset_after = 7
            await stream.send(b"half of this")
            assert await exactly(stream, 7) == b"half of"
            with pytest.raises(anyio.BrokenResourceError):
                await stream.receive()
        assert (echo.heard, proxy.down.passed, proxy.resets) == (b"half of this", 7, 1)


async def test_what_passes_can_be_changed_until_it_is_healed() -> None:
    async with behind_proxy() as (proxy, echo), client_of(proxy) as stream:
        proxy.up.meddle = bytes.upper
        await stream.send(b"changed")
        assert await exactly(stream, 7) == b"CHANGED"
        await proxy.heal()
        await stream.send(b"as it is")
        assert await exactly(stream, 8) == b"as it is"
        assert echo.heard == b"CHANGEDas it is"


async def test_new_connections_are_refused_and_old_ones_stay() -> None:
    async with behind_proxy() as (proxy, _), client_of(proxy) as stream:
        await stream.send(b"x")
        await exactly(stream, 1)
        await proxy.refuse()
        with pytest.raises(OSError, match="All connection attempts failed") as caught:
            await anyio.connect_tcp("127.0.0.1", proxy.port)
        assert isinstance(caught.value.__cause__, ConnectionRefusedError)
        await stream.send(b"y")
        assert await exactly(stream, 1) == b"y"
        await proxy.heal()
        async with client_of(proxy) as other:
            await other.send(b"z")
            assert await exactly(other, 1) == b"z"


async def test_where_nobody_listens_behind_it_the_client_is_reset() -> None:
    async with proxied("127.0.0.1:1") as proxy, client_of(proxy) as stream:
        with pytest.raises(anyio.BrokenResourceError):
            await stream.receive()
        assert (proxy.accepted, proxy.connections) == (1, 0)


@pytest.fixture
def jvm(kafka: Broker) -> None:
    """Ask for a JVM: where the session's broker is on one there may be others."""
    if kafka.kind != "jvm":
        lacking("brokers to break need a JVM")


async def sent(bootstrap: str, topic: str, value: bytes, *, limit_ms: int = 40_000) -> None:
    """Send a record to partition 0."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", request_timeout_ms=limit_ms)
    async with producer:
        await producer.send_and_wait(topic, value=value, partition=0)


async def read(bootstrap: str, topic: str, count: int) -> list[bytes]:
    """Read partition 0 from its beginning."""
    reader = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest", enable_auto_commit=False)
    async with reader:
        reader.assign([TopicPartition(topic, 0)])
        with anyio.fail_after(60):
            return [(await reader.getone()).value for _ in range(count)]


@pytest.mark.usefixtures("jvm")
async def test_clients_of_a_broker_behind_a_proxy_know_no_other_way() -> None:
    async with broker_behind_proxy() as (kafka, proxy, direct):
        await create_topic(kafka.bootstrap, "events", partitions=1)
        assert kafka.bootstrap == proxy.address
        async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap, acks="all", request_timeout_ms=2000) as producer:
            await producer.send_and_wait("events", value=b"1", partition=0)
            proxy.down.black_hole()
            with pytest.raises((KafkaTimeoutError, RequestTimedOutError)):
                await producer.send_and_wait("events", value=b"2", partition=0)
            assert proxy.down.lost > 0
            await sent(direct, "events", b"3")
            await proxy.heal()
            proxy.reset()
            await producer.send_and_wait("events", value=b"4", partition=0)

        assert proxy.resets > 0
        found = await read(kafka.bootstrap, "events", 3)
        assert [one for one in found if one != b"2"][:2] == [b"1", b"3"]
        assert b"4" in await read(direct, "events", await count_of(direct, "events"))


async def count_of(bootstrap: str, topic: str) -> int:
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False) as reader:
        partition = TopicPartition(topic, 0)
        return int((await reader.end_offsets([partition]))[partition])


async def offset_of(bootstrap: str, group: str, topic: str, *, commit: int | None = None) -> int | None:
    """Return what a group has committed of partition 0, after committing `commit`."""
    reader = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False)
    async with reader:
        partition = TopicPartition(topic, 0)
        reader.assign([partition])
        if commit is not None:
            await reader.commit({partition: commit})
        found = await reader.committed(partition)
        return None if found is None else int(found)


@pytest.mark.timeout(600)
@pytest.mark.usefixtures("jvm")
async def test_a_cluster_keeps_topic_and_group_through_a_rolling_bounce() -> None:
    group, values = f"group-{uuid.uuid4().hex[:8]}", [b"before"]
    async with cluster() as found:
        await found.create_topic("events", partitions=1)
        await sent(found.bootstrap, "events", b"before")
        assert await offset_of(found.bootstrap, group, "events", commit=1) == 1
        await found.in_sync("events")
        for number in NODES:
            await found.stop(number)
            assert found.running == [one for one in NODES if one != number]
            values.append(f"without {number}".encode())
            await sent(found.bootstrap, "events", values[-1])
            assert number not in {await found.leader_of("events", 0), await found.coordinator_of(group)}
            await found.start(number)
            await found.in_sync("events")

        assert await read(found.bootstrap, "events", 4) == values
        assert await offset_of(found.bootstrap, group, "events") == 1
        await _lose_two(found, values)


async def _lose_two(found: Cluster, values: list[bytes]) -> None:
    """With a killed leader it goes on; with one broker alone nothing is taken, and nothing that was is lost."""
    leader = await found.leader_of("events", 0)
    await found.kill(leader)
    with anyio.fail_after(90):
        while True:  # The two that are left may not be in step for a moment; what is refused so is not written.
            with suppress(NotEnoughReplicasError):
                await sent(found.bootstrap, "events", b"after a kill")
                break
    second = found.running[0]
    await found.kill(second)
    with pytest.raises(KafkaError):  # Of whatever kind: that nothing was taken is read below.
        await sent(found.bootstrap, "events", b"by one alone", limit_ms=3000)
    async with anyio.create_task_group() as tasks:
        for number in (leader, second):
            tasks.start_soon(found.start, number)
    await found.in_sync("events")
    assert (await read(found.bootstrap, "events", 5)) == [*values, b"after a kill"]
