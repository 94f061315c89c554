"""Ctrl-C, as a terminal sends it: to every process that stands in the foreground."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio

from consumer.sandbox.brokers.broker import Broker
from consumer.sandbox.publishers import event
from consumer.sandbox.stand_ins.faults import Fault
from consumer.sandbox.town import PLACES, VENDORS, town
from tests.integration.harness import staged
from tests.terminal import Terminal


@contextmanager
def on_a_terminal(*args: str, within_s: float = 20) -> Iterator[Terminal]:
    terminal = Terminal(*args, within_s=within_s)
    try:
        yield terminal
    finally:
        terminal.close()


def ctrl_c(terminal: Terminal) -> None:
    os.killpg(terminal.process.pid, signal.SIGINT)


def sleeps(terminal: Terminal) -> bool:
    """Say whether it waits for an answer: a signal just before it does so is seen by Python with the next key only."""
    return ") S" in Path(f"/proc/{terminal.process.pid}/stat").read_text(encoding="ascii")


async def test_local_that_serves_drains_while_there_is_traffic() -> None:
    with on_a_terminal("local", "--broker", "memory", "--serve", within_s=120) as terminal:
        await terminal.until(lambda shown: "dead-letters list" in shown)
        ctrl_c(terminal)
        status = await terminal.ended()

    assert status == 0, terminal.shown[-2000:]
    assert terminal.shown.splitlines()[-2:] == [
        "stopping: what is being written is written to its end",
        "receiver and consumer drained in order",
    ]


async def test_a_question_is_ended_by_the_first_ctrl_c(kafka: Broker, topic: str, tmp_path: Path) -> None:
    async with town(tmp_path, readers=30) as here, staged(here, kafka, topic, tmp_path) as stage:
        users = here.writable(VENDORS[0])[:3]
        await stage.send((event(VENDORS[0], user, "contract.1#update") for user in users), partition=0)
        with on_a_terminal("replay", "--from-offset", "0:0", "--config", str(stage.config())) as terminal:
            await terminal.until(lambda shown: "[y/N]" in shown)
            while not sleeps(terminal):
                await anyio.sleep(0.01)
            ctrl_c(terminal)
            status = await terminal.ended()

        assert (status, terminal.shown.splitlines()[-1]) == (75, "sesamy-makeas: interrupted")
        assert not here.sesamy.calls


async def test_a_sync_before_a_shut_gate_is_ended_by_the_first_ctrl_c(kafka: Broker, topic: str, tmp_path: Path) -> None:
    async with town(tmp_path, readers=30) as here, staged(here, kafka, topic, tmp_path) as stage:
        here.makeas.faults.add(Fault(kind="status", upstream=PLACES[0].account, status=401))
        user = here.writable(VENDORS[0])[0]
        with on_a_terminal("sync", "--config", str(stage.config()), VENDORS[0], user) as terminal:
            await terminal.until(lambda shown: "is shut (denied)" in shown)
            ctrl_c(terminal)
            status = await terminal.ended()

        assert (status, terminal.shown.splitlines()[-1]) == (75, "sesamy-makeas: interrupted"), terminal.shown
