"""`local --serve` as its operator sees it: each command that it prints works as printed, and each button does what it says."""

import asyncio
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp
import anyio
import pytest

from consumer.sandbox.brokers.broker import Broker
from tests.terminal import Terminal, environment

ROOT: Final = Path(__file__).parents[2]
WITHIN_S: Final = 120
STOPPED: Final = [
    "stopping: what is being written is written to its end",
    "receiver and consumer drained in order",
]
Tree = dict[str, Any]


class Sitting:
    """One that serves: what it printed, and its two pages."""

    def __init__(self, terminal: Terminal, session: aiohttp.ClientSession) -> None:
        self.terminal, self._session = terminal, session
        self.printed = terminal.shown.replace("\r\n", "\n")
        (self.admin_url,) = re.findall(r"^running until interrupted: (\S+)/$", self.printed, re.MULTILINE)
        (self.panel_url,) = re.findall(r"^troubles at the press of a button: (\S+)$", self.printed, re.MULTILINE)

    @property
    def commands(self) -> list[str]:
        return [line.strip() for line in self.printed.splitlines() if line.startswith("  ") and "--config" in line]

    async def press(self, do: str, key: str = "", **headers: str) -> int:
        form = {"do": do, "key": key}
        async with self._session.post(self.panel_url, data=form, headers=headers, allow_redirects=False) as answer:
            return answer.status

    async def page(self) -> str:
        async with self._session.get(self.panel_url) as answer:
            assert answer.status == 200
            return await answer.text()

    async def until(self, holds: Callable[[Tree], bool]) -> Tree:
        """Wait until the consumer says so in its status."""
        tree: Tree = {}
        try:
            with anyio.fail_after(WITHIN_S):
                while True:
                    try:
                        async with self._session.get(f"{self.admin_url}/status.json") as answer:
                            tree = json.loads(await answer.read())
                    except aiohttp.ClientError:
                        tree = {}
                    if tree and holds(tree):
                        return tree
                    await anyio.sleep(0.2)
        except TimeoutError:
            pytest.fail(f"the consumer did not say so; it said {tree}")

    async def interrupted(self) -> tuple[int, list[str]]:
        """Press Ctrl-C; return how it ended, with its last lines."""
        os.killpg(self.terminal.process.pid, signal.SIGINT)
        status = await self.terminal.ended()
        return status, self.terminal.shown.splitlines()[-len(STOPPED) :]


@asynccontextmanager
async def serving(kind: str, *more: str) -> AsyncIterator[Sitting]:
    # The script may be another copy's: what it imports is this one.
    terminal = Terminal("local", "--broker", kind, "--serve", *more, columns=200, within_s=WITHIN_S)
    try:
        await terminal.until(lambda shown: "dead-letters requeue" in shown and shown.endswith("\r\n"))
        async with aiohttp.ClientSession() as session:
            yield Sitting(terminal, session)
    finally:
        terminal.close()


async def tried(command: str) -> tuple[int, str]:
    """Type a command as it stands; one that goes on for ever is interrupted once it has said something."""
    if "--watch" not in command:
        done = await anyio.run_process(["sh", "-c", command], cwd=ROOT, env=environment({}), check=False, stderr=subprocess.STDOUT)
        return done.returncode, done.stdout.decode()
    process = await anyio.open_process(["sh", "-c", f"exec {command}"], cwd=ROOT, env=environment({}), stderr=subprocess.STDOUT)
    assert process.stdout is not None
    said = (await process.stdout.receive()).decode()
    process.send_signal(signal.SIGTERM)
    async for part in process.stdout:
        said += part.decode()
    status = await process.wait()
    await process.aclose()
    return status, said


def names(sitting: Sitting) -> set[str]:
    found = set()
    for line in sitting.commands:
        words = [one for one in shlex.split(line.partition(" --config ")[0])[1:] if one not in {"-m", "consumer"}]
        found.add(" ".join(words))
    return found


async def all_work(sitting: Sitting) -> None:
    for line in sitting.commands:
        status, said = await tried(line)
        differs = status == 1 and any(f" {word} " in line for word in ("diff", "reconcile"))  # For a moment.
        assert status == 0 or differs, f"{line}\n{said[-2000:]}"


ALWAYS: Final = {"status", "explain", "diff", "sync", "replay", "reconcile", "verify", "dead-letters list", "dead-letters requeue"}


def gates(tree: Tree) -> dict[str, str]:
    return {one["name"]: one["cause"] for one in tree["upstreams"]}


def doors(tree: Tree) -> dict[str, str]:
    return {one["list"]: one["door"] for one in tree["lists"]}


def codes(tree: Tree) -> set[str]:
    return {one["code"] for one in tree["recent_failures"]}


def is_well(tree: Tree) -> bool:
    return bool(tree["ready"]) and not any(gates(tree).values()) and set(doors(tree).values()) == {"open"}


@pytest.mark.timeout(400)
async def test_with_the_broker_in_process_all_that_is_printed_works_and_each_button_does_what_it_says() -> None:
    async with serving("memory") as sitting:
        assert names(sitting) == ALWAYS
        assert "they need a real Kafka" in sitting.printed
        (log,) = re.findall(r"^its log: (\S+)$", sitting.printed, re.MULTILINE)
        assert "consuming" in await anyio.Path(log).read_text(encoding="utf-8")
        await all_work(sitting)

        page = await sitting.page()
        assert "Nothing: all is well." in page
        assert "The broker can&#39;t go away" in page
        assert await sitting.press("begin", "broker@") == 400
        assert await sitting.press("begin", "kill@", Origin="http://evil.example") == 403
        assert await sitting.press("begin", "kill@", **{"Sec-Fetch-Site": "cross-site"}) == 403

        for key in ("429@1002", "slow@1003", "refuses@1001/1466", "poison@"):
            assert await sitting.press("begin", key) == 303
        ill = await sitting.until(
            lambda tree: (
                gates(tree)["1002"] in {"retry-after", "breaker"}
                and gates(tree)["1003"] == "breaker"
                and doors(tree)["1466"] == "left-out"
                and tree["dead_letters"]["written"] > 0
            )
        )
        assert {"http-429", "http-422"} <= codes(ill)
        assert (await sitting.page()).count('value="heal">') == 3
        assert await sitting.press("heal-all") == 303
        await sitting.until(is_well)

        for key in ("500@1002", "key@1003", "key@sesamy:morgenposten"):
            assert await sitting.press("begin", key) == 303
        before = await sitting.until(lambda tree: gates(tree)["sesamy:morgenposten"] == "denied" and gates(tree)["1003"] == "denied")
        assert await sitting.press("begin", "kill@") == 303
        assert "The consumer is down" in await sitting.page()
        await sitting.until(lambda tree: tree["started_at"] > before["started_at"])
        assert await sitting.press("heal-all") == 303
        await sitting.until(is_well)
        assert "Nothing: all is well." in await sitting.page()

        assert await sitting.press("begin", "slow@1001") == 303
        assert await sitting.press("begin", "kill@") == 303
        status, last = await sitting.interrupted()

    assert (status, last) == (0, STOPPED)


@pytest.mark.timeout(400)
async def test_with_a_real_kafka_all_that_is_printed_works_and_the_broker_can_go_away(kafka: Broker) -> None:
    assert kafka.kind in {"jvm", "testcontainers"}
    async with serving(kafka.kind, "--chaos") as sitting:
        assert names(sitting) == {*ALWAYS, "check", "dead-letters show"}
        assert any("--from-time" in line for line in sitting.commands)
        assert any("--online" in line for line in sitting.commands)
        await all_work(sitting)

        if kafka.kind == "jvm":
            assert await sitting.press("begin", "broker@") == 303
            assert await sitting.press("begin", "poison@") == 409
            assert "broker away, 20 s" in await sitting.page()
            assert await sitting.press("heal", "broker@") == 303
            letters = (await sitting.until(is_well))["dead_letters"]["written"]
            assert await sitting.press("begin", "poison@") == 303
            await sitting.until(lambda tree: tree["dead_letters"]["written"] > letters)
        status, last = await sitting.interrupted()

    assert (status, last) == (0, STOPPED)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("after", ["broker: memory", "status page: "])
async def test_one_that_is_cut_off_before_the_end_state_says_so_in_one_line(number: signal.Signals, after: str) -> None:
    # As people start it: the Kafka client warns of a connection whose start was cut off, which only developers are shown.
    command = [sys.executable, "-m", "consumer", "local", "--broker", "memory", "--serve"]
    process = await asyncio.create_subprocess_exec(
        *command, env=environment({}), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )
    assert process.stdout is not None
    with anyio.fail_after(WITHIN_S):
        while after.encode() not in (line := await process.stdout.readline()):
            assert line, "it ended before"
        process.send_signal(number)
        rest = (await process.stdout.read()).decode()
        status = await process.wait()

    said = [line for line in rest.splitlines() if not line.startswith(("status page: ", "webhook: "))]
    assert (status, said) == (75, ["sesamy-makeas: interrupted before the lists were compared"])
