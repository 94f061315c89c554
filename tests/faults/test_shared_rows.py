"""Calls that carry the rows of many readers: one row is bad, every third call fails, a pod ends while one is under way."""

import random
import time
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, cast

import anyio

from consumer.core.sharing.apart import MOST_CALLS
from consumer.sandbox.brokers.broker import Broker
from consumer.sandbox.publishers import crowd, event
from consumer.sandbox.stand_ins.faults import Fault, Faults
from consumer.sandbox.town import PLACES, VENDORS, town
from tests.faults.matrix import play, row
from tests.faults.scene import Scene, ScenePod
from tests.faults.scene import scene as setting
from tests.faults.told import counted, failed, open_everywhere, parked
from tests.history.operations import Called, Wrote
from tests.integration.harness import until

FIRST, SECOND = (place.account for place in PLACES[:2])
VENDOR: Final = VENDORS[0]
_DRAIN_S: Final = 20.0
_WIDE: Final = f"[workers]\nconcurrency = 800\nbackoff_s = 0.2\nbackoff_max_s = 2.0\ndrain_s = {_DRAIN_S}\n"
"""So many runs at once that all readers may wait for one call."""
_QUIET: Final = 0.01
"""Readers that change a second by themselves: hardly any, so that calls may be counted."""


class Door(Faults):
    """Holds the calls that write subscriptions, until it is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.held = 0
        self._account = ""
        self._opened = anyio.Event()

    def shut(self, account: str) -> None:
        """Hold those of an account from now on."""
        self.held, self._account, self._opened = 0, account, anyio.Event()

    def open(self) -> None:
        """Let all that are held go on."""
        self._account = ""
        self._opened.set()

    async def around(self, request: Any, upstream: str, op: str, *more: Any) -> Any:
        """Wait before the door, then answer as ever."""
        if op == "subscriptions" and upstream == self._account:
            self.held += 1
            await self._opened.wait()
        return await super().around(request, upstream, op, *more)


class Crowd:
    """A scene of many readers of the first vendor, each of whom has rows, which are to be written as its contact is."""

    def __init__(self, scene: Scene) -> None:
        self.scene, self.door = scene, Door()
        scene.town.makeas.faults = self.door
        scene.parts = ("contact", "subscriptions")
        self.place = 0
        """Where the story began, in what was recorded."""
        self.names = frozenset(f"{VENDOR}|{user}" for user in scene.town.readers(VENDOR))

    async def pod(self) -> ScenePod:
        """Start a pod that waits long for an answer."""
        pod = cast(ScenePod, self.scene.pod(more=_WIDE))
        text = pod.config.read_text(encoding="utf-8")
        pod.config.write_text(text.replace("\ntimeout_s = 5.0", "\ntimeout_s = 60.0"), encoding="utf-8")
        await pod.start()
        return pod

    def calls(self, account: str, *ops: str) -> list[Called]:
        """Return an account's calls of some kinds since the story began."""
        new = self.scene.recorder.operations[self.place :]
        return [op for op in new if isinstance(op, Called) and op.upstream == account and op.op in ops]

    def written(self, account: str, part: str = "subscriptions", *, pods: Collection[str] = ()) -> set[str]:
        """Return those of whom an account took a part since the story began, from any pod or some."""
        new = self.scene.recorder.operations[self.place :]
        return {
            op.user for op in new if isinstance(op, Wrote) and (op.account, op.part) == (account, part) and (not pods or op.pod in pods)
        }

    async def change(self, users: Collection[str]) -> None:
        """Let readers change, all at once."""
        async with anyio.create_task_group() as tasks:
            for name in sorted(users):
                vendor, _, user = name.partition("|")
                tasks.start_soon(self.scene.change, vendor, user)

    async def renew(self, users: Collection[str]) -> None:
        """Let readers' subscriptions change, and nothing else of them, all at once."""
        async with anyio.create_task_group() as tasks:
            for name in sorted(users):
                vendor, _, user = name.partition("|")
                for contract in self.scene.town.sesamy.users[vendor][user]["contracts"]:
                    contract["startDate"] = contract["startDate"].replace("T00:00:00", "T09:00:00")
                message = event(vendor, user, "contract.1#update")
                tasks.start_soon(self.scene._put, message.key, message.value, name)

    async def once(self, holds: Callable[[], object], *, within_s: float = 60.0) -> None:
        """Wait until something holds."""

        async def so() -> object:
            return holds()

        await until(so, what=lambda: str([pod.said() for pod in self.scene.alive]), within_s=within_s)

    async def gather(self, account: str, *, only_rows: Collection[str] = ()) -> None:
        """Begin a story: an account's call for one reader is held, and the rows of all others wait for it."""
        await self.once(lambda: self.written(account) >= self.names - {user for at, user in self.scene.hopeless if at == account})
        self.place = len(self.scene.recorder.operations)
        opener, *others = sorted(self.names)
        self.door.shut(account)
        await self.change([opener])
        await self.once(lambda: self.door.held == 1)
        changed = frozenset(others) - frozenset(only_rows)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.renew, only_rows)
            tasks.start_soon(self.change, changed)

        def all_wait() -> bool:
            return {op.user for op in self.calls(account, "contact")} >= self.names and self.written(account, "contact") >= changed

        await self.once(all_wait)
        await anyio.sleep(0.5)  # From the contact's answer to where the rows wait.
        assert self.door.held == 1, "nothing of the others was sent"


def riders(call: Called) -> set[str]:
    """Return whose rows a call has."""
    return {call.user, *call.others}


@asynccontextmanager
async def crowded(kafka: Broker, topic: str, folder: Path, readers: int, *, session_s: float) -> AsyncIterator[Crowd]:
    """Set such a scene."""
    chance = random.Random(5)
    async with town(folder, readers=0) as here:
        for vendor, users in zip(VENDORS, (readers, 12), strict=True):
            crowd(here.sesamy, vendor, users, chance)
        async with setting(here, kafka, topic, folder) as scene:
            scene.session_s = session_s
            yield Crowd(scene)


@row(
    "X11",
    "one bad row among 500 readers",
    "422 to each call that has the row of one reader, at one account; 200 with `errors` that name one of another, at another; to the end",
)
async def test_one_bad_row_among_many_readers(kafka: Broker, topic: str, tmp_path: Path) -> None:
    """These two alone are parked, after few calls, and hold nobody up from then on."""
    async with crowded(kafka, topic, tmp_path, 500, session_s=30.0) as here:
        scene = here.scene
        refused, named = (scene.town.reader(VENDOR, number) for number in (211, 345))
        bad = {FIRST: f"{VENDOR}|{refused}", SECOND: f"{VENDOR}|{named}"}
        scene.hopeless, scene.spared = set(bad.items()), {(VENDOR, refused), (VENDOR, named)}

        async def trouble() -> None:
            address = scene.town.address(VENDOR, refused)
            for account, user in bad.items():  # In turn: a run goes to one account after the other.
                await here.gather(account, only_rows=sorted(here.names - {user})[50:])
                if account == FIRST:
                    here.door.add(Fault(kind="status", status=422, upstream=FIRST, op="subscriptions", user=address))
                else:
                    scene.town.makeas.accounts[SECOND].bad_rows = {f"{named}-c{number}" for number in range(20)}
                here.door.open()
                await here.once(lambda account=account, user=user: here.written(account) >= here.names - {user})  # type: ignore[misc]
                await _is_parked(scene, account, user)
                made, apart = here.calls(account, "subscriptions"), await counted(scene, "shared_calls_taken_apart", account=account)
                assert max(len(riders(one)) for one in made) > len(here.names) * 0.9
                # A refused call is asked again in at most so many; beside it there was the one that all waited for, and stragglers.
                assert apart >= 1
                assert len(made) <= (1 + MOST_CALLS) * (apart + 1), (len(made), apart)
            await _again(here, bad)

        await here.pod()
        await play(scene, "X11", trouble, pods=0, per_s=_QUIET)
        assert {(one.account, one.user, one.code) for one in await parked(scene)} == {
            (FIRST, bad[FIRST], "http-422"),
            (SECOND, bad[SECOND], "rows"),
        }
        await open_everywhere(scene)


async def _is_parked(scene: Scene, account: str, user: str) -> None:
    with anyio.fail_after(30):
        while not any((one.account, one.user) == (account, user) for one in await parked(scene)):
            await anyio.sleep(0.2)


async def _again(here: Crowd, bad: dict[str, str]) -> None:
    """Let everybody change once more: who is known to be bad goes alone, and no call is taken apart for it."""
    here.place = len(here.scene.recorder.operations)
    before = await counted(here.scene, "shared_calls_taken_apart")
    await here.change(here.names)
    await here.once(lambda: all(here.written(one) >= here.names - {bad[one]} for one in bad))
    await here.once(lambda: all(any(bad[one] in riders(call) for call in here.calls(one, "subscriptions")) for one in bad))
    assert await counted(here.scene, "shared_calls_taken_apart") == before
    for account, user in bad.items():
        assert all(riders(one) == {user} for one in here.calls(account, "subscriptions") if user in riders(one))


@row(
    "X12",
    "every third shared call fails",
    "500 to each third call of one account that has the rows of several readers, under much load; one pod more comes, one stops; 20 s",
)
async def test_every_third_shared_call_fails(kafka: Broker, topic: str, tmp_path: Path) -> None:
    """It is made once more with all that ride in it: no run fails."""
    async with crowded(kafka, topic, tmp_path, 150, session_s=6.0) as here:
        scene = here.scene

        async def trouble() -> None:
            fault = here.door.add(Fault(kind="status", status=500, upstream=FIRST, op="subscriptions", least=2, every=3))
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_waves, here, 10)
                await anyio.sleep(3)
                await here.pod()
                assert await scene.alive[0].stop() == 0
            await here.once(lambda: here.door.seen >= 10)
            here.door.remove(fault)
            assert await counted(scene, "retries", upstream=FIRST, code="http-500") > 0

        for _ in range(2):
            await here.pod()
        await play(scene, "X12", trouble, pods=0, per_s=20.0)
        assert await failed(scene, FIRST) == {"500"}
        assert await parked(scene) == []
        await open_everywhere(scene)


async def _waves(here: Crowd, count: int) -> None:
    """Let everybody change so often, every other second."""
    for _ in range(count):
        await here.change(here.names)
        await anyio.sleep(2)


@row(
    "X13",
    "a pod is killed with a shared call in flight",
    "SIGKILL while a call with the rows of 120 readers is held, all of whom have changed by then: before its work, and once after it",
)
async def test_a_pod_is_killed_with_a_shared_call_in_flight(kafka: Broker, topic: str, tmp_path: Path) -> None:
    """The next pod writes all of them, as they are by then."""
    async with crowded(kafka, topic, tmp_path, 120, session_s=12.0) as here:
        scene = here.scene

        async def trouble() -> None:
            for kind in ("hang", "hang-after"):
                here.place = 0
                await here.gather(FIRST)
                fault = here.door.add(Fault(kind=kind, upstream=FIRST, op="subscriptions", least=60))
                met = here.door.seen
                here.door.open()
                await here.once(lambda met=met: here.door.seen > met)  # type: ignore[misc]
                last = here.calls(FIRST, "subscriptions")[-1]
                assert len(riders(last)) >= 60
                await here.change(riders(last))
                await scene.alive[0].kill()
                assert bool(here.written(FIRST, pods=[last.pod]) & riders(last)) == (kind == "hang-after")
                here.door.remove(fault)
                here.place = len(scene.recorder.operations)
                await here.pod()
                await here.once(lambda last=last: here.written(FIRST) >= riders(last))  # type: ignore[misc]

        await here.pod()
        await play(scene, "X13", trouble, pods=0, per_s=_QUIET)
        assert await parked(scene) == []


@row(
    "X14",
    "a pod is told to stop with 300 rows waiting",
    "SIGTERM while an account holds a call for 3 s more and the rows of 300 readers wait; of half of them nothing else has changed",
)
async def test_a_pod_is_told_to_stop_with_rows_waiting(kafka: Broker, topic: str, tmp_path: Path) -> None:
    """It ends in time with those written that it had begun, and the next pod writes all others."""
    async with crowded(kafka, topic, tmp_path, 300, session_s=30.0) as here:
        scene = here.scene

        async def trouble() -> None:
            await here.gather(FIRST, only_rows=sorted(here.names)[150:])
            sent = set[str]().union(*map(riders, here.calls(FIRST, "subscriptions")))
            users = scene.town.sesamy.users[VENDOR]
            assert sum(len(users[name.partition("|")[2]]["contracts"]) for name in here.names - sent) >= 300
            leaver, asked_at = scene.alive[0], time.monotonic()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_open_later, here.door)
                assert await leaver.stop() == 0, leaver.said()
            assert time.monotonic() - asked_at < _DRAIN_S + 5
            begun = here.written(FIRST, "contact", pods=[leaver.name])
            assert begun <= here.written(FIRST, pods=[leaver.name]), "somebody was left half-written"
            await here.pod()

        await here.pod()
        await play(scene, "X14", trouble, pods=0, per_s=_QUIET)
        assert await parked(scene) == []


async def _open_later(door: Door) -> None:
    await anyio.sleep(3)
    door.open()
