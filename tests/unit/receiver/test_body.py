"""A request's body over real HTTP: in time, and within its size."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import anyio
import pytest

from consumer.receiver import body as body_module
from consumer.receiver.body import MAX_BYTES
from tests.unit.receiver.test_webhook import SECRET, Receiver, event, packed, receiver


@pytest.fixture
async def here() -> AsyncIterator[Receiver]:
    async with receiver() as made:
        yield made


async def test_one_of_the_largest_size_is_read_whole_and_one_byte_more_is_not(here: Receiver) -> None:
    one = packed(event())
    whole = b"[" + one + b" " * (MAX_BYTES - len(one) - 2) + b"]"
    assert len(whole) == MAX_BYTES
    assert (await here.ask(whole))[0] == 202
    assert (await here.ask(whole + b" "))[0] == 413


async def test_a_body_without_a_length_is_not_read_beyond_its_limit(here: Receiver) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 65_536
            yield b" " * 65_536

    more: Any = endless()
    with anyio.fail_after(20):
        try:
            assert (await here.ask(more))[0] == 413
        except aiohttp.ClientError:
            assert here.count("receive_requests_total", code="413") == 1
    # And what the buffers on the way take.
    assert MAX_BYTES < sent < 20 * MAX_BYTES


async def test_a_body_that_comes_too_slowly_is_given_up(here: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_module, "BODY_S", 0.2)

    async def slowly() -> AsyncIterator[bytes]:
        for byte in packed(event()):
            await anyio.sleep(0.05)
            yield bytes([byte])

    more: Any = slowly()
    with anyio.fail_after(20):
        try:
            assert (await here.ask(more))[0] == 408
        except aiohttp.ClientError:
            assert here.count("receive_requests_total", code="408") == 1
    assert (here.topic.records, here.door.inside) == ([], 0)


async def test_a_sender_that_goes_in_the_middle_leaves_room(here: Receiver) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", here.port)
    head = f"POST /events HTTP/1.1\r\nHost: x\r\nX-Sesamy-Secret: {SECRET}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"
    writer.write(head.encode() + b"{")
    with anyio.fail_after(10):
        while not here.door.inside:
            await anyio.sleep(0.01)
        writer.close()
        while here.door.inside:
            await anyio.sleep(0.01)
    assert here.topic.records == []
