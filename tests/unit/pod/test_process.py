"""A process: it starts, it answers, it ends by signals."""

import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import anyio
import pytest
from aiokafka.errors import KafkaConnectionError
from msgspec import structs
from msgspec.structs import replace

from consumer.kafka import start
from consumer.pod import process as pod
from consumer.pod.status.report import Report
from consumer.sandbox.ports import free_port
from consumer.settings.model import AdminSettings, NotifySettings
from consumer.settings.secret import Secret
from consumer.telemetry.metrics import Metrics
from tests.clock import virtual
from tests.simulation.settings import SETTINGS
from tests.unit.pod.status.test_report import well


class _Module:
    """A module, one of whose names may stand for something else for a while."""

    def __init__(self, module: Any) -> None:
        self._module = module

    @contextmanager
    def replaced(self, name: str, other: object) -> Iterator[None]:
        before = getattr(self._module, name)
        setattr(self._module, name, other)
        try:
            yield
        finally:
            setattr(self._module, name, before)


async def _start(*, dry_run: bool) -> tuple[list[str], list[float]]:
    """Start a pod whose group can't be pinned at first; return what it did, and when each step was tried."""
    did: list[str] = []
    alive: list[float] = []
    fails = [KafkaConnectionError()]

    def step(name: str) -> Callable[..., Any]:
        async def call(*_: object) -> None:
            did.append(name)
            alive.append(service.membership.tried_at)
            if fails and name == "pin":
                raise fails.pop()

        return call

    class Stand:
        settings = SETTINGS
        up = SimpleNamespace(dry_run=dry_run)
        membership = SimpleNamespace(tried_at=0.0)
        live = staticmethod(step("live"))

    service: Any = Stand()
    began = anyio.current_time()
    rights = _Module(pod).replaced("permitted", step("rights"))
    with rights, _Module(start).replaced("pin_group", step("pin")), _Module(start).replaced("ensure_letters", step("letters")):
        await pod._live(service)
    return did, [at - began for at in alive]


@virtual
async def test_the_start_goes_through_its_steps_in_order_and_each_try_is_a_sign_of_life() -> None:
    """The group is pinned before it is joined: else its first members would begin somewhere."""
    assert await _start(dry_run=False) == (["rights", "pin", "pin", "letters", "live"], [0, 0, 0.5, 0.5, 0.5])


@virtual
async def test_a_dry_run_creates_no_topic() -> None:
    assert await _start(dry_run=True) == (["rights", "pin", "pin", "live"], [0, 0, 0.5, 0.5])


def test_a_dry_run_has_a_group_of_its_own_and_all_else_as_it_is() -> None:
    dry = pod.dry(SETTINGS)

    assert dry.kafka.group_id == f"{SETTINGS.kafka.group_id}-dry-run"
    assert pod.dry(SETTINGS) == replace(SETTINGS, kafka=replace(SETTINGS.kafka, group_id=dry.kafka.group_id))


class Stopped:
    """A pod whose drain takes so long and ends so."""

    def __init__(self, *, takes_s: float, is_clean: bool) -> None:
        self._takes_s, self._is_clean = takes_s, is_clean
        self.leave_limit_s = 5.0
        self.membership = self

    async def drain(self) -> bool:
        await anyio.sleep(self._takes_s)
        return self._is_clean


async def signals(*at_s: float) -> AsyncIterator[signal.Signals]:
    for wait_s in at_s:
        await anyio.sleep(wait_s)
        yield signal.SIGTERM
    await anyio.sleep_forever()


@virtual
async def test_a_drain_ends_it_with_0_where_it_was_clean_and_with_75_where_it_was_cut() -> None:
    for is_clean, status in ((True, 0), (False, 75)):
        stopped: Any = Stopped(takes_s=3, is_clean=is_clean)
        began = anyio.current_time()

        assert await pod._until_stopped(stopped, signals(1)) == status
        assert (anyio.current_time() - began, stopped.leave_limit_s) == (4, 5.0)


@virtual
async def test_a_second_signal_ends_it_at_once_with_75_and_it_leaves_in_half_a_second() -> None:
    stopped: Any = Stopped(takes_s=30, is_clean=True)
    began = anyio.current_time()

    assert await pod._until_stopped(stopped, signals(1, 2)) == 75
    assert (anyio.current_time() - began, stopped.leave_limit_s) == (3, 0.5)


@virtual
async def test_what_begins_is_watched_from_the_start_and_pushed_where_an_address_is_set() -> None:
    """Without one nothing opens a connection, nor in a dry run, which is no news for those that look after the pods."""
    hooks = Secret("text", "https://hooks.example/", text="https://hooks.example/")
    for url, dry_run, wanted in ((None, False, ["watch"]), (hooks, False, ["push", "watch"]), (hooks, True, ["watch"])):
        started: list[str] = []
        tasks: Any = SimpleNamespace(start_soon=lambda _, name, __, to=started: to.append(name))
        settings = structs.replace(SETTINGS, notify=NotifySettings(url=url))
        watched: Any = SimpleNamespace(settings=settings, metrics=Metrics(SETTINGS), up=SimpleNamespace(dry_run=dry_run))

        pod._watching(tasks, watched, cast("Any", SimpleNamespace(status=None)))

        assert started == wanted


@pytest.mark.parametrize("is_on", [True, False])
async def test_the_page_links_to_the_lookup_of_readers_where_the_settings_turn_it_on(*, is_on: bool) -> None:
    made = well()
    made.settings = replace(SETTINGS, admin=AdminSettings(host="127.0.0.1", port=free_port(), reader_lookup=is_on))
    report = Report(made, started_at=0.0, host="pod-a")
    url = f"http://127.0.0.1:{made.settings.admin.port}"
    async with pod._answering(made, report), aiohttp.ClientSession() as session:
        async with session.get(f"{url}/") as answer:
            assert ('<a href="reader">' in await answer.text()) == is_on
        async with session.get(f"{url}/reader") as answer:
            assert answer.status == (200 if is_on else 404)
