"""What a sitting that is cut off says."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from consumer.sandbox.local import _Stop, _tell_errors


@contextmanager
def told() -> Iterator[list[dict[str, Any]]]:
    loop, contexts = asyncio.get_running_loop(), list[dict[str, Any]]()
    loop.default_exception_handler = contexts.append  # type: ignore[assignment,method-assign]
    yield contexts


@pytest.mark.parametrize("is_cut_off", [True, False])
async def test_once_it_is_cut_off_a_connection_that_is_left_open_is_nobodys_business(*, is_cut_off: bool) -> None:
    stop = _Stop()

    async def signals() -> Any:
        for one in (2,) if is_cut_off else ():
            yield one

    with told() as contexts:
        await stop.listen(signals())
        asyncio.get_running_loop().call_exception_handler({"message": "Unclosed AIOKafkaConnection"})

    assert len(contexts) == (0 if is_cut_off else 1)


async def test_an_exception_is_told_all_the_same() -> None:
    with told() as contexts:
        _tell_errors(asyncio.get_running_loop(), {"message": "m", "exception": ValueError()})

    assert len(contexts) == 1
