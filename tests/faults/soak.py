"""`python -m tests.faults.soak`: a town under load, every few seconds another handful of troubles, and the referee in the end."""

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import anyio

from consumer.sandbox.brokers.broker import Broker, broker
from consumer.sandbox.brokers.topics import create_topic
from consumer.sandbox.stand_ins.faults import Fault, Faults
from consumer.sandbox.town import PLACES, town
from tests.faults.matrix import end
from tests.faults.scene import PARTITIONS, Figures, Scene, ScenePod
from tests.faults.scene import scene as setting
from tests.history.operations import Bounded

_HOLD_S: Final = (2.0, 8.0)
"""How long a handful lasts: now and then for longer than a pod's session."""
_AT_ONCE: Final = (0, 1, 1, 2, 2, 3)
_ELDERS, _PODS_MAX = 2, 4
_GROWTH_MIB, _GROWTH_MIB_H = 16.0, 60.0
"""A pod that has grown by more than the one, and that fast, leaks."""
_SETTLED_S: Final = 10.0
"""So long a pod takes up memory because it begins."""
Trouble = Callable[[], AbstractAsyncContextManager[object]]


class Nemesis:
    """
    What may go wrong; each trouble lasts as long as its block.

    The first pods are only suspended: what grows with time shows in them.
    """

    def __init__(self, scene: Scene, chance: random.Random, own: Broker | None = None) -> None:
        """Take a broker that may be broken, if any."""
        self._scene, self._chance, self._own = scene, chance, own
        self._makeas, self._sesamy = scene.town.makeas.faults, scene.town.sesamy.faults
        self._asleep: set[str] = set()

    @property
    def troubles(self) -> dict[str, Trouble]:
        """All there is here, by name."""
        found: dict[str, Trouble] = {
            "a pod is killed": self._kill,
            "a pod stops": self._stop,
            "a pod sleeps": self._sleep,
            "a pod comes": self._come,
            "500": lambda: self._account(Fault(kind="status", status=500)),
            "429": lambda: self._account(Fault(kind="status", status=429, retry_after="2")),
            "hang": lambda: self._account(Fault(kind="hang")),
            "cut": lambda: self._account(Fault(kind="cut-after")),
            "Sesamy is down": lambda: self._switched_on(self._sesamy, Fault(kind="status", status=503)),
            "Sesamy is slow": lambda: self._switched_on(self._sesamy, Fault(kind="delay", delay_s=0.7)),
            "some leave": self._leave,
            "poison": self._spoil,
        }
        if self._own is not None:
            found |= {"the broker is killed": self._broker_killed, "the broker is frozen": self._broker_frozen}
        return found

    @property
    def _mortal(self) -> list[ScenePod]:
        elders = {pod.name for pod in self._scene.pods[:_ELDERS] if isinstance(pod, ScenePod)}
        return [pod for pod in self._scene.alive if pod.name not in elders | self._asleep]

    async def _another(self) -> None:
        if len(self._scene.alive) < _PODS_MAX:
            await self._scene.pod().start(ready=False)

    @asynccontextmanager
    async def _kill(self) -> AsyncIterator[None]:
        if self._mortal:
            await self._chance.choice(self._mortal).kill()
        yield
        await self._another()

    @asynccontextmanager
    async def _stop(self) -> AsyncIterator[None]:
        await self._stop_one()
        yield
        await self._another()

    async def _stop_one(self) -> None:
        # Who has not begun yet ends by the signal as any process does.
        ready = [pod for pod in self._mortal if await pod.is_live()]
        if ready:
            await self._chance.choice(ready).stop()

    @asynccontextmanager
    async def _sleep(self) -> AsyncIterator[None]:
        pod = self._chance.choice([pod for pod in self._scene.alive if pod.name not in self._asleep])
        self._asleep.add(pod.name)
        pod.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            pod.signal(signal.SIGCONT)
            self._asleep.discard(pod.name)

    @asynccontextmanager
    async def _come(self) -> AsyncIterator[None]:
        await self._another()
        yield
        if len(self._scene.alive) == _PODS_MAX:
            await self._stop_one()

    def _account(self, fault: Fault) -> AbstractAsyncContextManager[object]:
        fault.upstream = self._chance.choice(PLACES).account
        return self._switched_on(self._makeas, fault)

    @asynccontextmanager
    async def _switched_on(self, faults: Faults, fault: Fault) -> AsyncIterator[None]:
        faults.add(fault)
        yield
        faults.remove(fault)

    @asynccontextmanager
    async def _leave(self) -> AsyncIterator[None]:
        place = self._chance.choice(PLACES)
        contacts = self._scene.town.account(place).contacts
        of_place = {user: email for (vendor, email), user in self._scene.recorder.by_email.items() if vendor == place.vendor}
        there = sorted(user for user, email in of_place.items() if email in contacts and contacts[email]["email_status"] == "active")
        # Nobody comes back: that is seen up to a minute later, and the referee knows of no such time.
        for user in self._chance.sample(there, 2 if len(there) > len(of_place) / 2 else 0):
            self._scene.recorder.leave(place.account, user)
        yield

    @asynccontextmanager
    async def _spoil(self) -> AsyncIterator[None]:
        await self._scene.spoil()
        yield

    @asynccontextmanager
    async def _broker_killed(self) -> AsyncIterator[None]:
        assert self._own is not None
        if self._own.pid is None:
            yield
            return
        await self._own.kill()
        yield
        await self._own.start()

    @asynccontextmanager
    async def _broker_frozen(self) -> AsyncIterator[None]:
        pid = None if self._own is None else self._own.pid
        if pid is None:
            yield
            return
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            with suppress(ProcessLookupError):  # Another trouble may have killed it meanwhile.
                os.kill(pid, signal.SIGCONT)


def say(text: str) -> None:
    """Tell people."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


async def soak(scene: Scene, *, minutes: float, seed: int, own: Broker | None = None) -> Figures:
    """
    Let random troubles come and go for so long, then heal, and judge it all.

    Raises:
        AssertionError: A promise did not hold, or a pod's memory grows.
    """
    chance, began_at = random.Random(seed), time.time()
    nemesis = Nemesis(scene, chance, own)
    say(f"seed {seed}, {minutes:g} minutes")
    for _ in range(_ELDERS + 1):
        await scene.pod().start()
    await scene.touch_all()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(scene.load)
        tasks.start_soon(scene.watch)
        while time.time() < began_at + minutes * 60:
            names = chance.sample(sorted(nemesis.troubles), chance.choice(_AT_ONCE))
            # A broker that is frozen can't be killed in peace, and one that is down can't take poison.
            names = [name for name in names if name != "poison" or not any("broker" in other for other in names)]
            hold_s = chance.uniform(*_HOLD_S)
            say(f"{time.time() - began_at:7.1f} s  {len(scene.alive)} pods  {hold_s:.1f} s of {', '.join(sorted(names)) or 'nothing'}")
            async with AsyncExitStack() as stack:
                for name in names:
                    await stack.enter_async_context(nemesis.troubles[name]())
                await anyio.sleep(hold_s)
        scene.heal()
        await anyio.sleep(2)
        tasks.cancel_scope.cancel()
    figures = await end(scene, "F40")
    _judge_memory(scene, began_at)
    say(f"{figures}")
    return figures


def _judge_memory(scene: Scene, began_at: float) -> None:
    half = began_at + (time.time() - began_at) / 2
    for pod in scene.alive:
        seen = [op for op in scene.recorder.operations if isinstance(op, Bounded) and (op.pod, op.name) == (pod.name, "MiB")]
        points = [(op.at, op.value) for op in seen if op.at >= half]
        if seen[0].at > half - _SETTLED_S or len(points) < 10:
            continue
        slope = _slope([at / 3600 for at, _ in points], [value for _, value in points])
        hours = (points[-1][0] - points[0][0]) / 3600
        say(f"memory of {pod.name}: {points[-1][1]:.0f} MiB, {slope:+.1f} MiB an hour over {hours * 60:.1f} minutes")
        assert slope < _GROWTH_MIB_H or slope * hours < _GROWTH_MIB, f"{pod.name} grows by {slope:.0f} MiB an hour"


def _slope(xs: list[float], ys: list[float]) -> float:
    """Return by how much ys grow with xs, by least squares."""
    x, y = sum(xs) / len(xs), sum(ys) / len(ys)
    return sum((a - x) * (b - y) for a, b in zip(xs, ys, strict=True)) / sum((a - x) ** 2 for a in xs)


async def _main(minutes: float, seed: int, folder: Path) -> None:
    topic = "soak"
    async with broker("jvm") as kafka, town(folder, readers=30) as here:
        await create_topic(kafka.bootstrap, topic, partitions=PARTITIONS)
        async with setting(here, kafka, topic, folder) as scene:
            await soak(scene, minutes=minutes, seed=seed, own=kafka)


def main() -> int:
    """Soak; the history and what the pods said stay in a folder of their own."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=None, help="the same troubles in the same order; by default another each time")
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    say(f"history and logs: {folder}")
    try:
        anyio.run(_main, asked.minutes, random.SystemRandom().randrange(1 << 32) if asked.seed is None else asked.seed, folder)
    except AssertionError as error:
        say(f"{error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
