"""What a sitting says that is cut off, or comes to its end."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from consumer.sandbox.local import _drained, _Stop, _tell_errors


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


class Program:
    """One that ends with a status once it is stopped."""

    def __init__(self, name: str, status: int, stopped: list[str]) -> None:
        self._name, self._status, self._stopped = name, status, stopped

    async def stop(self) -> int:
        self._stopped.append(self._name)
        return self._status

    def tail(self) -> str:
        return f"last words of {self._name}"


@pytest.mark.parametrize(
    ("statuses", "serves", "expected"),
    [
        ((0, 0), True, "receiver and consumer drained in order\n"),
        ((0, 0), False, ""),
        ((0, 75), True, "receiver drained in order, consumer ended with 75\nthe consumer said:\nlast words of consumer\n"),
        ((69, 0), False, "receiver ended with 69, consumer drained in order\nthe receiver said:\nlast words of receiver\n"),
    ],
    ids=["both", "unasked", "consumer", "receiver"],
)
async def test_one_line_says_how_receiver_and_consumer_ended(
    statuses: tuple[int, int], expected: str, capsys: pytest.CaptureFixture[str], *, serves: bool
) -> None:
    stopped: list[str] = []
    programs = {name: Program(name, status, stopped) for name, status in zip(("receiver", "consumer"), statuses, strict=True)}
    sitting: Any = SimpleNamespace(**programs, options=SimpleNamespace(serve=serves))

    assert await _drained(sitting) is (statuses == (0, 0))
    assert (capsys.readouterr().err, stopped) == (expected, ["receiver", "consumer"])
