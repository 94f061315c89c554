"""One scene of the fault matrix: a town under load, something goes wrong and is mended, and the referee reads what happened."""

import copy
import json
import os
import random
import signal
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import anyio
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from anyio.abc import Process
from msgspec import Struct, to_builtins

from consumer.sandbox.brokers.broker import Broker
from consumer.sandbox.publishers import happen, poison
from consumer.sandbox.town import PLACES, VENDORS, Town
from tests.faults.owners import owned
from tests.faults.recorder import PODS, Recorder, name_of
from tests.faults.topics import read_all
from tests.history.checker import Violation, check
from tests.history.invariants import (
    HELD,
    AllAgreesInTheEnd,
    ConsentKept,
    HeldOnesHeal,
    NoOlderStateOverANewerOne,
    NothingLost,
    TroubleStaysWhereItIs,
    percentile,
)
from tests.history.operations import (
    Bounded,
    Closed,
    Finished,
    Healed,
    Leaked,
    Operation,
    Outcome,
    Parked,
    Place,
    Said,
    Sent,
    Stopping,
    Wrote,
    write,
)
from tests.history.operations import Town as Bounds
from tests.history.seen import Seen
from tests.integration.harness import PARTITIONS, Pod, Stage

RESULTS: Final = "FAULTS_RESULTS"
"""The variable that names the folder to which each scene writes its figures."""
_CANARIES: Final = ("Canaryname", "canary+", "@example.com", "key-of-", "secret-of-")
_RSS_LIMIT_MIB, _FILES_LIMIT = 300, 300
_LOST = frozenset({NothingLost.name, AllAgreesInTheEnd.name, HeldOnesHeal.name})
_STALE = frozenset({NoOlderStateOverANewerOne.name, ConsentKept.name})


class Figures(Struct, frozen=True, kw_only=True):
    """What came of a scene."""

    events: int
    lost: int
    """Events (or letters) that were neither written nor parked where they were committed, or in the end."""
    stale: int
    """Writes of an older state over a newer one, or of somebody who had left."""
    duplicates: int
    """Contacts written again with the state that they had."""
    converge_s: float
    """From the heal till all lists agree and all is committed."""


class ScenePod(Pod):
    """A pod that says when it ends."""

    def __init__(self, name: str, recorder: Recorder, *place: Any, **options: Any) -> None:
        super().__init__(*place, **options)
        self.name, self._recorder = name, recorder

    @property
    def lives(self) -> bool:
        """Say whether its process is there."""
        return self._process is not None and self._process.returncode is None

    async def kill(self) -> None:
        was_there = self.lives
        await super().kill()
        if was_there:
            self._recorder.record(Outcome(at=time.time(), pod=self.name))

    async def ended(self) -> int:
        status = await super().ended()
        self._recorder.record(Outcome(at=time.time(), pod=self.name, status=status))
        return status

    async def stop(self) -> int:
        self._recorder.record(Stopping(at=time.time(), pod=self.name))
        return await super().stop()


class Scene(Stage):
    """A stage on which everything is recorded."""

    def __init__(self, *place: Any) -> None:
        super().__init__(*place)
        self.recorder = Recorder(self.town)
        self.chance = random.Random(11)
        self._urls, self._count = ("", ""), 0
        self.hopeless: set[tuple[str, str]] = set()
        """Account and user of those that can't be written."""
        self.parks_only_hopeless = True
        self.may_end = False
        """Whether pods may end by themselves."""
        self.converge_s = 90.0
        self.environ: dict[str, str] = {}
        """More variables for the pods' processes."""
        self.outside: set[str] = set()
        """The commands that have run beside the pods."""
        self.touched: set[str] = set()
        """The upstreams that have trouble; with `calm_s`, the others are to be as fresh as without."""
        self.calm_s: float | None = None
        self.logs_tell = True
        """Whether each pod can log, and has the right time."""
        self.parts: tuple[str, ...] = ("contact",)
        """What every reader has: all of it is to be written before an event is committed."""
        self.spared: set[tuple[str, str]] = set()
        """Vendor and user of those that the load leaves alone."""

    def _pod(self, *, rate_per_minute: int, more: str) -> ScenePod:
        name, self._count = name_of(self._count), self._count + 1
        assert self._count <= PODS
        view = copy.copy(self.town)
        view.sesamy_url, view.makeas_url = (f"{url}/{name}" for url in self._urls)
        options = {"rate_per_minute": rate_per_minute, "session_s": self.session_s, "more": more}
        pod = ScenePod(name, self.recorder, view, self.kafka, self.topic, self.folder, **options)
        pod.environ.update(self.environ)
        return pod

    async def begin(self, *args: str, more: str = "", rate_per_minute: int = 60_000) -> Process:
        self.outside.add(name_of(self._count))
        return await super().begin(*args, more=more, rate_per_minute=rate_per_minute)

    @property
    def alive(self) -> list[ScenePod]:
        """The pods whose processes are there."""
        return [pod for pod in self.pods if isinstance(pod, ScenePod) and pod.lives]

    # ---- Load ----

    async def change(self, vendor: str, user: str) -> None:
        """Let something happen to a user, and say so on the topic."""
        messages = happen(self.town.sesamy, vendor, user, self.chance)
        self.recorder.change(vendor, user)
        for message in messages:
            await self._put(message.key, message.value, f"{vendor}|{user}")

    async def touch_all(self, *, times: int = 1) -> None:
        """Let every user change."""
        for vendor in VENDORS:
            for user in sorted(self.town.readers(vendor)) * times:
                await self.change(vendor, user)

    async def spoil(self) -> None:
        """Put what nobody can read on the topic."""
        for message in poison():
            await self._put(message.key, message.value, "")

    async def _put(self, key: bytes | None, value: bytes | None, name: str) -> None:
        while True:
            at = time.time()
            try:
                put = await self._producer.send_and_wait(self.topic, value=value, key=key)
            except KafkaError:
                await anyio.sleep(0.5)  # A publisher tries again, as ours would.
            else:
                self.recorder.sent(at, put.partition, put.offset, name)
                return

    async def load(self, *, per_s: float = 10.0) -> None:
        """Let users change for ever, by chance."""
        while True:
            vendor = self.chance.choice(VENDORS)
            spared = {user for of, user in self.spared if of == vendor}
            await self.change(vendor, self.chance.choice(sorted(self.town.readers(vendor) - spared)))
            await anyio.sleep(self.chance.expovariate(per_s))

    async def watch(self) -> None:
        """Take down, every second and for ever, how much memory and how many files each pod has."""
        while True:
            for pod in self.alive:
                for name, value, limit in _resources(pod.process.pid):
                    self.recorder.record(Bounded(at=time.time(), pod=pod.name, name=name, value=value, limit=limit))
            await anyio.sleep(1)

    def trouble(self, *upstreams: str) -> None:
        """Say which upstreams are to have trouble from now on; how fresh the others were so far is what they are measured by."""
        self.touched, one = set(upstreams), TroubleStaysWhereItIs()
        seen = Seen(self._bounds(), self.parts)
        for op in sorted(self.recorder.operations, key=lambda op: op.at):
            for _ in one.see(op, seen):
                pass
        assert one.ages_s, "nothing was written before the trouble"
        self.calm_s = percentile(one.ages_s, 0.99)

    # ---- The end ----

    def heal(self) -> None:
        """Note that all trouble is over."""
        self.recorder.record(Healed(at=time.time()))

    def judge_ends(self) -> None:
        """See that whoever is not there was ended by the scene."""
        ended = {op.pod for op in self.recorder.operations if isinstance(op, Outcome)}
        for pod in self.pods:
            if isinstance(pod, ScenePod) and pod._process is not None and not pod.lives and not self.may_end:
                assert pod.name in ended, f"{pod.name} ended by itself, with {pod.process.returncode}: {pod.said()}"

    async def settle(self) -> None:
        """Wait until all lists agree and all is committed, and take down what the pods say then."""
        await self.agree_but_hopeless(within_s=self.converge_s)
        with anyio.fail_after(self.converge_s):
            while await self._held():
                await anyio.sleep(0.5)
        for pod in self.alive:
            await self.idle(pod, within_s=self.converge_s)
            status = await pod.status()
            assert status is not None
            for one in status.partitions:
                self.recorder.record(
                    Said(at=time.time(), pod=pod.name, name=f"lag of {one.partition}", value=-1 if one.lag is None else one.lag, truth=0)
                )
        self.recorder.record(Finished(at=time.time()))

    async def history(self) -> list[Operation]:
        """Return all that happened so far, with commits and letters."""
        group, letters = f"readers-of-{self.topic}", f"{self.topic}.dead-letter"
        found = await self.recorder.read_topics(self.kafka.bootstrap, topic=self.topic, group=group, letters=letters)
        logs = {pod.name: pod.log for pod in self.pods if isinstance(pod, ScenePod)}
        return sorted([*found, *(owned(logs) if self.logs_tell else ())], key=lambda op: op.at)

    async def _held(self) -> set[int]:
        """Return the open letters that heal by themselves."""
        open_ = dict[int, Parked]()
        for op in await self.history():
            if isinstance(op, Closed):
                open_.pop(op.letter, None)
            elif isinstance(op, Parked):
                open_[op.letter] = op
                for number in op.replaces:
                    open_.pop(number, None)
        unhealable = {user for _, user in self.hopeless}
        return {number for number, op in open_.items() if op.code == HELD and op.user not in unhealable}

    async def agree_but_hopeless(self, *, within_s: float) -> None:
        """Wait until every list agrees with Sesamy, but for those that can't be written."""
        if not self.hopeless:
            await self.agree(within_s=within_s)
            return
        with anyio.fail_after(within_s):
            while any(
                f"{place.vendor}|{user}" not in self._hopeless_at(place.account) for place in PLACES for user in self.town.wrong(place)
            ):
                await anyio.sleep(0.2)
        assert self.town.violations() == []

    def _hopeless_at(self, account: str) -> set[str]:
        return {user for where, user in self.hopeless if where == account}

    async def verdict(self) -> tuple[list[Violation], Figures]:
        """Return where a promise did not hold, and the figures; the history goes to `history.jsonl` in the scene's folder."""
        await self._listen()
        history = await self.history()
        bounds = self._bounds()
        write(self.folder / "history.jsonl", bounds, history)
        violations = check(bounds, history, parts=self.parts)
        return violations, _figures(history, violations)

    def _bounds(self) -> Bounds:
        skipped = {f"{v}|{user}" for v in VENDORS for user in self.town.readers(v) if self.town.is_skipped(v, user)}
        return Bounds(
            places=tuple(Place(place.vendor, place.account, place.lists) for place in PLACES),
            skipped=frozenset(skipped),
            hopeless=frozenset(self.hopeless),
            parks_only_hopeless=self.parks_only_hopeless,
            outside=frozenset(self.outside),
            converge_s=self.converge_s,
            touched=frozenset(self.touched),
            calm_s=self.calm_s,
        )

    async def _listen(self) -> None:
        """Look for names, addresses and keys in all that is said."""
        texts = {pod.log.name: pod.log.read_text(encoding="utf-8", errors="replace") for pod in self.pods if pod.log.exists()}
        for pod in self.alive:
            for path in ("/", "/status.json", "/metrics"):
                texts[f"{pod.name}{path}"] = (await pod._get(path) or b"").decode()
        letters = await read_all(self.kafka.bootstrap, f"{self.topic}.dead-letter")
        texts["letters"] = str([(one.key, one.value, one.headers) for one in letters])
        for where, text in texts.items():
            for _ in (canary for canary in _CANARIES if canary in text):
                self.recorder.record(Leaked(at=time.time(), where=where))


def _figures(history: list[Operation], violations: list[Violation]) -> Figures:
    written: dict[tuple[str, str], int] = {}
    duplicates = 0
    for op in history:
        if isinstance(op, Wrote) and op.part == "contact":
            duplicates += written.get((op.account, op.user)) == op.version
            written[op.account, op.user] = op.version
    healed_at = next((op.at for op in history if isinstance(op, Healed)), 0.0)
    finished_at = next((op.at for op in history if isinstance(op, Finished)), 0.0)
    return Figures(
        events=sum(isinstance(op, Sent) for op in history),
        lost=sum(one.invariant in _LOST for one in violations),
        stale=sum(one.invariant in _STALE for one in violations),
        duplicates=duplicates,
        converge_s=round(finished_at - healed_at, 1),
    )


def publish(fault: str, figures: Figures | None) -> None:
    """Write a scene's figures to where they are gathered, if they are; None: those of an earlier run are no longer so."""
    folder = os.environ.get(RESULTS)
    path = Path(folder or ".") / f"{fault}.json"
    if folder and figures is not None:
        path.write_text(json.dumps(to_builtins(figures)), encoding="utf-8")
    elif folder:
        path.unlink(missing_ok=True)


def _resources(pid: int) -> Iterable[tuple[str, float, float]]:
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
        files = sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return
    kib = next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:")), 0)
    yield "MiB", kib / 1024, _RSS_LIMIT_MIB
    yield "files", files, _FILES_LIMIT


def _plant(town: Town) -> None:
    """Let every user have a name and an address that are found again wherever they are."""
    for users in town.sesamy.users.values():
        for user in users.values():
            user["profile"]["firstName"] = "Canaryname"


@asynccontextmanager
async def scene(town: Town, kafka: Broker, topic: str, folder: Path, *, publish_to: str | None = None) -> AsyncIterator[Scene]:
    """
    Set a scene; all pods are gone at the end.

    Args:
        publish_to: where publishers reach the broker; None: where the pods do.
    """
    _plant(town)
    producer = AIOKafkaProducer(bootstrap_servers=publish_to or kafka.bootstrap, acks="all", request_timeout_ms=10_000)
    await producer.start()
    made = Scene(town, kafka, topic, folder, producer)
    try:
        async with made.recorder.serving() as made._urls:
            try:
                yield made
            finally:
                for pod in made.alive:
                    os.kill(pod.process.pid, signal.SIGCONT)
                    await pod.kill()
    finally:
        with anyio.move_on_after(5, shield=True):
            await producer.stop()


__all__ = ["PARTITIONS", "Figures", "Scene", "ScenePod", "publish", "scene"]
