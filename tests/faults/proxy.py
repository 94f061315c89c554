"""A network that misbehaves on demand: a TCP proxy, steered while it runs, and a Kafka whose clients all come through it."""

import random
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from math import inf
from typing import Final, Literal, NamedTuple

import anyio
from anyio.abc import SocketAttribute, SocketStream, TaskGroup
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from consumer.sandbox.brokers.broker import Broker, broker
from consumer.sandbox.ports import free_port

_HOST: Final = "127.0.0.1"
_CHUNK_BYTES: Final = 16 * 1024
_CHUNKS: Final = 64
_PIECE_S: Final = 0.05
"""What a limited flow sends at once lasts so long, so that a change bites soon."""
_RESET: Final = struct.pack("ii", 1, 0)
_GONE: Final = (anyio.BrokenResourceError, anyio.ClosedResourceError, OSError)


class _Parcel(NamedTuple):
    due: float
    body: bytes


class Flow:
    """
    One direction of all connections; change it while it runs.

    It promises: bytes come in order, and none sooner than `latency_s` after it was sent, and up to `jitter_s` later by chance; all
    connections together have `bytes_per_s`. A connection that lost bytes is reset once its next ones could pass: no TCP delivers a
    stream with a gap.
    """

    def __init__(self, chance: random.Random) -> None:
        self.mode: Literal["pass", "stall", "black-hole"] = "pass"
        self.latency_s = self.jitter_s = 0.0
        self.bytes_per_s = inf
        self.passed = self.lost = 0
        """Bytes so far."""
        self.reset_after: int | None = None
        """After so many bytes more, of all connections together, all of these are reset, once."""
        self.meddle: Callable[[bytes], bytes] | None = None
        """Is shown what is about to pass, as it was read, and returns what passes in its place."""
        self._chance = chance
        self._free_at = 0.0
        self._moving = anyio.Event()

    def go(self) -> None:
        """Let all pass again, at once."""
        self.latency_s = self.jitter_s = 0.0
        self.bytes_per_s, self.reset_after, self._free_at = inf, None, 0.0
        self.meddle = None
        self.mode = "pass"
        self._moving.set()

    def stall(self) -> None:
        """Hold all bytes until `go`; then they come, as after a short break of the network."""
        self.mode = "stall"
        self._moving = anyio.Event()

    def black_hole(self) -> None:
        """Let all bytes vanish; connections stay."""
        self.mode = "black-hole"
        self._moving.set()

    def due(self) -> float:
        """Return when what is sent now is to arrive, but for what went before."""
        return anyio.current_time() + self.latency_s + self._chance.uniform(0.0, self.jitter_s)

    async def moves(self) -> None:
        """Return once nothing is held."""
        while self.mode == "stall":
            await self._moving.wait()

    def piece(self, body: bytes) -> int:
        """Return how many bytes of `body` are to be sent at once."""
        at_once = len(body) if self.bytes_per_s == inf else max(1, int(self.bytes_per_s * _PIECE_S))
        return min(len(body), at_once, self.reset_after or len(body))

    async def pace(self, count: int) -> None:
        """Wait for as long as `count` bytes take on the wire."""
        if self.bytes_per_s < inf:
            self._free_at = max(self._free_at, anyio.current_time()) + count / self.bytes_per_s
            await anyio.sleep_until(self._free_at)

    def count(self, count: int) -> bool:
        """Note that so many bytes were passed; return whether that was the last before the reset."""
        self.passed += count
        if self.reset_after is None:
            return False
        self.reset_after = max(0, self.reset_after - count) or None
        return self.reset_after is None


class Proxy:
    """
    Listens at `address` and passes everything to `target` and back; its port stays the same for its life.

    `up` is the way to the target, `down` the way back.
    """

    def __init__(self, target: str, tasks: TaskGroup, *, seed: int = 1) -> None:
        """Pass everything to `target`, HOST:PORT; tasks are begun in `tasks`."""
        self.target, self.port = target, free_port()
        self.up, self.down = Flow(random.Random(seed)), Flow(random.Random(seed + 1))
        self.accepted = self.resets = 0
        """Connections so far: taken, and cut by a reset."""
        self._tasks = tasks
        self._open: dict[SocketStream, SocketStream] = {}
        self._serving: anyio.CancelScope | None = None
        self._refused = anyio.Event()

    @property
    def address(self) -> str:
        """Where clients reach it, `host:port`."""
        return f"{_HOST}:{self.port}"

    @property
    def connections(self) -> int:
        """Return how many connections it keeps."""
        return len(self._open)

    async def accept(self) -> None:
        """Take connections, from the start or again."""
        if self._serving is None:
            self._serving, self._refused = anyio.CancelScope(), anyio.Event()
            await self._tasks.start(self._serve, self._serving)

    async def refuse(self) -> None:
        """Refuse new connections; those that are there stay."""
        if self._serving is not None:
            self._serving.cancel()
            self._serving = None
            await self._refused.wait()

    async def heal(self) -> None:
        """Let everything pass again."""
        self.up.go()
        self.down.go()
        await self.accept()

    def reset(self) -> None:
        """Cut all connections, both ends of them, by a RST."""
        for client in list(self._open):
            self._reset_one(client)

    async def _serve(self, scope: anyio.CancelScope, *, task_status: anyio.abc.TaskStatus[None]) -> None:
        try:
            with scope:
                async with await anyio.create_tcp_listener(local_host=_HOST, local_port=self.port) as listener:
                    task_status.started()
                    await listener.serve(self._connected, self._tasks)
        finally:
            self._refused.set()

    async def _connected(self, client: SocketStream) -> None:
        self.accepted += 1
        host, _, port = self.target.rpartition(":")
        async with client:
            try:
                server = await anyio.connect_tcp(host, int(port))
            except OSError:
                _will_reset(client)
                return
            self._open[client] = server
            try:
                async with server, anyio.create_task_group() as both:
                    both.start_soon(self._pass, client, server, self.up, client)
                    both.start_soon(self._pass, server, client, self.down, client)
            finally:
                self._open.pop(client, None)

    async def _pass(self, source: SocketStream, sink: SocketStream, flow: Flow, client: SocketStream) -> None:
        send, receive = anyio.create_memory_object_stream[_Parcel](_CHUNKS)
        async with anyio.create_task_group() as both:
            both.start_soon(_read, source, send, flow)
            both.start_soon(self._deliver, receive, sink, flow, client)

    async def _deliver(self, parcels: MemoryObjectReceiveStream[_Parcel], sink: SocketStream, flow: Flow, client: SocketStream) -> None:
        lost = False
        async with parcels:
            with suppress(*_GONE):
                async for due, body in parcels:
                    await anyio.sleep_until(due)
                    await flow.moves()
                    if flow.mode == "black-hole":
                        flow.lost += len(body)
                        lost = True
                    elif lost:
                        self._reset_one(client)
                        return
                    else:
                        await self._send(body if flow.meddle is None else flow.meddle(body), sink, flow)
                await sink.send_eof()

    async def _send(self, body: bytes, sink: SocketStream, flow: Flow) -> None:
        while body:
            size = flow.piece(body)
            await flow.pace(size)
            await sink.send(body[:size])
            body = body[size:]
            if flow.count(size):
                self.reset()
                return

    def _reset_one(self, client: SocketStream) -> None:
        server = self._open.pop(client, None)
        if server is None:
            return
        self.resets += 1
        for end in (client, server):
            _will_reset(end)
            self._tasks.start_soon(end.aclose)


async def _read(source: SocketStream, parcels: MemoryObjectSendStream[_Parcel], flow: Flow) -> None:
    due = 0.0
    async with parcels:
        with suppress(anyio.EndOfStream, *_GONE):
            while True:
                body = await source.receive(_CHUNK_BYTES)
                due = max(due, flow.due())
                await parcels.send(_Parcel(due, body))


def _will_reset(stream: SocketStream) -> None:
    """Let the closing of a connection be a RST, which drops what is under way."""
    with suppress(OSError):
        stream.extra(SocketAttribute.raw_socket).setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)


@asynccontextmanager
async def proxied(target: str, *, seed: int = 1) -> AsyncIterator[Proxy]:
    """Run a proxy before `target`, HOST:PORT; all of its connections end with it."""
    error: Exception | None = None
    async with anyio.create_task_group() as tasks:
        proxy = Proxy(target, tasks, seed=seed)
        await proxy.accept()
        try:
            yield proxy
        except Exception as raised:  # noqa: BLE001 - it is raised below, where no group wraps it
            error = raised
        tasks.cancel_scope.cancel()
    if error is not None:
        raise error


class Behind(NamedTuple):
    """A broker behind a proxy."""

    kafka: Broker
    """Its `bootstrap` is the proxy's address, and the only one that its clients are told."""
    proxy: Proxy
    direct: str
    """Where a test reaches it past the proxy."""


@asynccontextmanager
async def broker_behind_proxy(*, seed: int = 1) -> AsyncIterator[Behind]:
    """
    Run a broker on the JVM whose advertised address is a proxy's.

    Raises:
        Unavailable: It can't be had here.
    """
    inner, direct, controller = (f"{_HOST}:{free_port()}" for _ in range(3))
    async with proxied(inner, seed=seed) as proxy:
        overrides = {
            "listeners": f"PLAINTEXT://{inner},DIRECT://{direct},CONTROLLER://{controller}",
            "advertised.listeners": f"PLAINTEXT://{proxy.address},DIRECT://{direct},CONTROLLER://{controller}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,DIRECT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "DIRECT",
            "controller.quorum.bootstrap.servers": controller,
        }
        async with broker("jvm", overrides=overrides, report=lambda _: None) as kafka:
            kafka.bootstrap = proxy.address
            yield Behind(kafka, proxy, direct)
