"""The loop that commands run on: uvloop's with a fine clock, or asyncio's where there is none."""

import asyncio
import gc
import sys
import time
import weakref
from typing import Any

import anyio
import anyio.lowlevel
import pytest
import uvloop

from consumer.telemetry import loop


@pytest.fixture(autouse=True)
def chosen_anew() -> None:
    loop._kind.cache_clear()


async def kind() -> type[asyncio.AbstractEventLoop]:
    return type(asyncio.get_running_loop())


def test_it_is_uvloops_where_that_is_installed() -> None:
    assert issubclass(loop.run(kind), uvloop.Loop)


def test_it_is_asyncios_where_that_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)

    assert not issubclass(loop.run(kind), uvloop.Loop)


def test_work_is_given_its_arguments_and_what_it_returns_or_raises_comes_out() -> None:
    async def divided(one: int, other: int) -> float:
        await anyio.lowlevel.checkpoint()
        return one / other

    assert loop.run(divided, 3, 2) == 1.5
    with pytest.raises(ZeroDivisionError):
        loop.run(divided, 1, 0)


def test_the_collector_leaves_out_what_is_loaded_and_still_finds_what_hangs_together() -> None:
    class Node:
        pass

    async def collected() -> tuple[int, bool]:
        await anyio.lowlevel.checkpoint()
        node: Any = Node()
        node.itself, there = node, weakref.ref(node)
        del node
        for _ in range(3 * gc.get_threshold()[0]):
            _ = [{}]
        kept: list[object] = [[] for _ in range(2 * gc.get_threshold()[0])]
        return len(kept), there() is None

    before, frozen = gc.get_threshold(), gc.get_freeze_count()
    try:
        assert loop.run(collected)[1]
        assert gc.get_freeze_count() > max(10_000, frozen)
        assert gc.isenabled()
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)


def test_its_time_is_the_systems_to_less_than_a_millisecond() -> None:
    async def fractions() -> set[float]:
        clock = asyncio.get_running_loop().time
        before, now, after = time.monotonic(), clock(), time.monotonic()
        assert before <= now <= after
        return {clock() * 1000 % 1 for _ in range(100)}

    assert len(loop.run(fractions)) > 1


def test_a_wait_for_less_than_its_smallest_step_is_a_wait() -> None:
    async def called_at_once() -> list[bool]:
        running = asyncio.get_running_loop()
        handles = [running.call_later(wait_s, print) for wait_s in (0, 0.0001, 0.0004)]
        for one in handles:
            one.cancel()
        return [not isinstance(one, asyncio.TimerHandle) and not hasattr(one, "when") for one in handles]

    assert loop.run(called_at_once) == [True, False, False]
