"""What a fence takes, and what it lets pass: foreign exceptions and cancellations stop, our own pass; a client is put down all the same."""

import asyncio
import io
import json
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from aiokafka.errors import KafkaError

from consumer.core.errors import ConsumerError, Denied, Fatal, Held, Refused, Retryable, Torn, weightiest
from consumer.kafka.client.clients import ClientCancelled, Reader
from consumer.telemetry.fences import PartEnded, fenced, for_ever, only_ours, put_down, unfenced
from consumer.telemetry.logs import handler
from tests.clock import virtual


async def cancelled_by_itself() -> None:
    """Await a task that somebody else has cancelled, as a client does when it stops."""
    inner = asyncio.ensure_future(asyncio.sleep(60))
    inner.cancel()
    await inner


async def behind_the_fence(work: Callable[[], Awaitable[object]]) -> None:
    with only_ours(ClientCancelled):
        await work()


async def test_a_cancellation_of_the_clients_own_becomes_an_error() -> None:
    """Its siblings and its task group go on."""
    async with anyio.create_task_group() as tasks:
        with pytest.raises(ClientCancelled):
            await behind_the_fence(cancelled_by_itself)
        assert not tasks.cancel_scope.cancel_called
        await anyio.lowlevel.checkpoint()


async def test_without_a_fence_it_would_end_a_task_group_in_silence() -> None:
    """What the fence is for: every sibling ends, and no error is seen."""
    ended: list[str] = []

    async def sibling() -> None:
        try:
            await anyio.sleep(60)
        finally:
            ended.append("sibling")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(sibling)
        await anyio.lowlevel.checkpoint()
        tasks.start_soon(cancelled_by_itself)

    assert ended == ["sibling"]


async def test_our_own_cancellation_passes() -> None:
    with anyio.move_on_after(0.01) as scope:
        await behind_the_fence(anyio.sleep_forever)
    assert scope.cancelled_caught

    with pytest.raises(TimeoutError), anyio.fail_after(0.01):
        await behind_the_fence(anyio.sleep_forever)

    task = asyncio.ensure_future(behind_the_fence(anyio.sleep_forever))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_fence_knows_the_clients_cancellation_from_ours_that_came_before() -> None:
    """In a `finally` of a cancelled block, behind a shield, only what is new counts."""
    seen: list[str] = []
    with anyio.CancelScope() as outer:
        outer.cancel()
        try:
            await anyio.sleep(1)
        finally:
            with anyio.CancelScope(shield=True):
                try:
                    await behind_the_fence(cancelled_by_itself)
                except ClientCancelled:
                    seen.append("foreign")
    assert seen == ["foreign"]


async def test_the_clients_methods_are_behind_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """One method for all: a poll out of which the client's own cancellation comes."""
    reader = Reader(bootstrap_servers="127.0.0.1:1")
    monkeypatch.setattr(reader._client, "fetch_all_metadata", cancelled_by_itself)
    monkeypatch.setattr(reader._client, "bootstrap", cancelled_by_itself)
    with pytest.raises(ClientCancelled):
        await reader.partitions_now("any")
    with pytest.raises(ClientCancelled):
        await reader.start()
    await reader.stop()


@pytest.mark.parametrize("part", [cancelled_by_itself, lambda: asyncio.sleep(0)])
async def test_what_lives_for_ever_ends_with_an_error(part: Callable[[], Awaitable[object]]) -> None:
    with pytest.raises(PartEnded, match="the part"):
        await for_ever("the part", part)


class Client:
    """What may become of `stop`, and whether the client was taken apart."""

    def __init__(self, stop: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self.stop = stop
        self.task = asyncio.ensure_future(asyncio.sleep(60))
        self.closed = False

    async def close(self) -> None:
        self.closed = True

    async def put_down(self, *, limit_s: float = 10.0) -> bool:
        await put_down(self.stop, lambda: ({self.task}, self.close), limit_s=limit_s)
        return self.task.cancelled() and self.closed


async def refuses() -> None:
    raise KafkaError


async def test_a_client_that_stops_is_left_alone() -> None:
    client = Client(lambda: asyncio.sleep(0))
    assert not await client.put_down()
    client.task.cancel()


@pytest.mark.parametrize("stop", [cancelled_by_itself, refuses])
async def test_a_client_that_does_not_stop_well_is_taken_apart(stop: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Nothing of it is raised here."""
    assert await Client(stop).put_down()


async def test_a_client_that_does_not_end_is_taken_apart_after_its_limit() -> None:
    assert await Client(lambda: asyncio.sleep(60)).put_down(limit_s=0.05)


async def test_a_client_is_put_down_also_where_we_are_cancelled() -> None:
    client = Client(refuses)
    with anyio.CancelScope() as outer:
        outer.cancel()
        try:
            await anyio.sleep(1)
        finally:
            await client.put_down()
    assert client.closed


async def unmoved() -> None:
    """Let one cancellation pass by, as a client may that is busy."""
    try:
        await anyio.sleep(1000)
    except asyncio.CancelledError:
        await anyio.sleep(1000)


@virtual
async def test_a_client_whose_stop_and_tasks_do_not_let_themselves_be_cancelled_holds_up_nothing() -> None:
    """A second for each, beside the limit: the pod has its own end to come to."""
    client, began = Client(unmoved), anyio.current_time()
    client.task.cancel()
    client.task = asyncio.ensure_future(unmoved())
    await anyio.lowlevel.checkpoint()
    await client.put_down(limit_s=5)

    assert (client.closed, client.task.cancelling() > 0) == (True, True)
    assert 5 <= anyio.current_time() - began <= 8


# ---- Exceptions that nobody expected ----


def test_what_nobody_expected_becomes_a_failed_try_without_its_text() -> None:
    with pytest.raises(Retryable) as caught, fenced("fetch"):
        raise KeyError("ann@example.com")

    assert (caught.value.code, str(caught.value), caught.value.__cause__) == ("bug", "fetch: unexpected KeyError", None)


def test_it_is_logged_with_its_place_and_without_its_text() -> None:
    stream = io.StringIO()
    logger, shown = logging.getLogger("consumer.telemetry.fences"), handler(stream, json=True)
    logger.addHandler(shown)
    try:
        with pytest.raises(Retryable), fenced("fetch"):
            raise KeyError("ann@example.com")
    finally:
        logger.removeHandler(shown)

    line = json.loads(stream.getvalue())
    assert (line["level"], line["error"], line["step"]) == ("error", "KeyError", "fetch")
    assert line["where"].startswith("test_fences.py:")
    assert "ann" not in stream.getvalue()


@pytest.mark.parametrize(
    "error", [Denied("x", code="x"), Fatal("x", code="x", status=1), Torn("x"), asyncio.CancelledError(), KeyboardInterrupt()]
)
def test_our_errors_cancellation_and_what_ends_a_process_pass(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught, fenced("fetch"):
        raise error
    assert caught.value is error


def test_a_torn_state_passes_in_a_group_too() -> None:
    with pytest.raises(ExceptionGroup), fenced("fetch"):
        raise ExceptionGroup("both", [Retryable("x", code="x"), ExceptionGroup("inner", [Torn("x")])])


def test_of_a_group_the_error_that_matters_most_is_raised() -> None:
    with pytest.raises(Refused), fenced("fetch"):
        raise ExceptionGroup("all", [Held("x", code="x"), ExceptionGroup("inner", [KeyError("x"), Refused("x", code="x")])])
    with pytest.raises(Retryable, match="unexpected KeyError"), fenced("fetch"):
        raise ExceptionGroup("both", [Held("x", code="x"), KeyError("x")])


def test_errors_are_weighed_by_what_is_to_be_done_next() -> None:
    weighed: list[ConsumerError] = [Held("h", code="h"), Retryable("r", code="r"), Refused("f", code="f"), Denied("d", code="d")]
    for number in range(1, len(weighed) + 1):
        assert weightiest(weighed[:number]) is weighed[number - 1]
    assert weightiest([weighed[1], Retryable("second", code="r")]) is weighed[1]


def test_a_change_of_state_inside_a_fence_is_no_failed_try() -> None:
    with pytest.raises(Torn) as caught, fenced("fetch"), unfenced():
        raise KeyError("x")
    assert isinstance(caught.value.__cause__, KeyError)
