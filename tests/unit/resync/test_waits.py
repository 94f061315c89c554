"""What is done together: the first error ends the others, and the gravest is raised."""

import asyncio

import anyio
import anyio.lowlevel
import pytest

from consumer.core.errors import ConsumerError, Denied, Refused, Retryable, Torn
from consumer.resync.waits import Bell, together
from tests.clock import virtual


async def fail(error: ConsumerError, *, after_s: float | None = None) -> None:
    if after_s is not None:
        await anyio.sleep(after_s)
    raise error


@virtual
async def test_of_several_errors_at_once_the_gravest_is_raised() -> None:
    """A refused key is more than what passes, whoever says it first."""
    key, later, no = Denied("key", code="http-401"), Retryable("later", code="http-500"), Refused("no", code="http-422")
    for errors in ((key, later), (later, key), (no, key), (key, no), (later, no, key)):
        with pytest.raises(Denied) as caught:
            await together(*(lambda error=error: fail(error) for error in errors))
        assert caught.value is key


@virtual
async def test_the_first_error_ends_what_goes_on_beside_it() -> None:
    ended: list[float] = []

    async def goes_on() -> None:
        try:
            await anyio.sleep(100)
        finally:
            ended.append(anyio.current_time())

    began = anyio.current_time()
    with pytest.raises(Retryable) as caught:
        await together(goes_on, lambda: fail(Retryable("later", code="http-500"), after_s=1.0), goes_on)

    assert (caught.value.code, ended) == ("http-500", [began + 1.0] * 2)


@virtual
async def test_all_are_done_before_it_returns_and_at_once() -> None:
    done: list[int] = []

    async def takes(seconds: int) -> None:
        await anyio.sleep(seconds)
        done.append(seconds)

    began = anyio.current_time()
    await together(lambda: takes(3), lambda: takes(2), lambda: takes(1))

    assert (done, anyio.current_time() - began) == ([1, 2, 3], 3.0)


async def test_of_jobs_done_together_one_that_breaks_ends_the_others_and_hides_no_error_of_ours() -> None:
    async def deny() -> None:
        raise Denied("401", code="http-401")

    async def break_() -> None:
        raise KeyError("x")

    with pytest.raises(Denied):
        await together(deny, break_)
    with pytest.raises(Retryable, match="unexpected KeyError"):
        await together(anyio.sleep_forever, break_)


@virtual
async def test_where_it_is_cancelled_all_have_ended_before_it_does() -> None:
    ended: list[float] = []

    async def takes_its_leave() -> None:
        try:
            await anyio.sleep(100)
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.lowlevel.checkpoint()
            ended.append(anyio.current_time())

    began = anyio.current_time()
    with anyio.move_on_after(2) as scope:
        await together(takes_its_leave, takes_its_leave)

    assert (scope.cancelled_caught, ended) == (True, [began + 2] * 2)
    await anyio.sleep(1)  # Nothing is left of the cancellation.


@virtual
async def test_one_that_is_cancelled_and_not_by_us_is_an_error_and_ends_the_others() -> None:
    """Else what it was to fetch would be taken for nothing."""

    async def cancels_itself() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await anyio.sleep(1)

    with pytest.raises(Retryable) as caught:
        await together(anyio.sleep_forever, cancels_itself)

    assert caught.value.code == "bug"


@virtual
async def test_a_torn_state_is_more_than_any_error() -> None:
    async def tear() -> None:
        raise Torn("half-way")

    with pytest.raises(Torn):
        await together(lambda: fail(Denied("key", code="http-401")), tear)


@virtual
async def test_a_ring_before_the_wait_counts_and_only_once() -> None:
    bell = Bell()
    bell.ring()
    await bell.wait(until=5)
    assert anyio.current_time() == 0
    await bell.wait(until=5)
    assert anyio.current_time() == 5
