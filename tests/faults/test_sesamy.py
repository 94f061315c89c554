"""Sesamy does not know a user yet, knows nobody, gives others' rows, or is at its limit; a user leaves while it is written."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest_asyncio
from aiohttp import web

from consumer.sandbox.brokers.broker import Broker
from consumer.sandbox.stand_ins.faults import Faults
from consumer.sandbox.town import PLACES, VENDORS, town
from tests.faults.matrix import play, row
from tests.faults.rude import Handle
from tests.faults.scene import Scene
from tests.faults.scene import scene as setting
from tests.faults.told import failed, gates, open_everywhere, parked, shut
from tests.history.operations import Called, Fetched, Turned, Wrote

CALM_S = 6.0
_SECOND_LOOK_S = 30.0


@row("F34", "a new user is not known yet", "four users are not there for 20 s from their only event on, as in a replica that lags")
async def test_a_new_user_is_not_known_yet(scene: Scene) -> None:
    """It is looked at once more half a minute later, and written then; its event is not committed meanwhile."""
    new = [(vendor, user) for vendor in VENDORS for user in scene.town.writable(vendor)[:2]]
    scene.spared = set(new)

    async def trouble() -> None:
        began_at = time.time()
        rows = []
        for vendor, user in new:
            await scene.change(vendor, user)
            rows.append(scene.town.sesamy.users[vendor].pop(user))
        await anyio.sleep(20)
        for (vendor, user), one in zip(new, rows, strict=True):
            scene.town.sesamy.users[vendor][user] = one
        with anyio.fail_after(_SECOND_LOOK_S):
            while len(_written(scene, began_at) & {f"{vendor}|{user}" for vendor, user in new}) < len(new):
                await anyio.sleep(0.2)
        for vendor, user in new:
            name = f"{vendor}|{user}"
            looks = [op for op in scene.recorder.operations if isinstance(op, Fetched) and op.user == name and op.at >= began_at]
            assert [op.version > 0 for op in looks] == [False, True], looks
            assert looks[1].at - looks[0].at >= _SECOND_LOOK_S - 0.5

    await play(scene, "F34", trouble, before_s=CALM_S)
    await open_everywhere(scene)


def _written(scene: Scene, since: float) -> set[str]:
    return {op.user for op in scene.recorder.operations if isinstance(op, Wrote) and op.began_at >= since}


@pytest_asyncio.fixture
async def wide(kafka: Broker, topic: str, tmp_path: Path) -> AsyncIterator[Scene]:
    """Give a scene of forty readers a vendor."""
    async with town(tmp_path, readers=40) as here, setting(here, kafka, topic, tmp_path) as made:
        yield made


@row(
    "X07",
    "Sesamy knows nobody",
    "404 for every user of both vendors, of whom some have rows and some have none; mended once both gates are shut",
)
async def test_sesamy_knows_nobody(wide: Scene) -> None:
    """Nobody is skipped for it: the twentieth unknown user shuts the gate, and all are written once the path is right."""
    scene = wide
    for vendor in VENDORS:
        for user in scene.town.writable(vendor)[::2]:
            scene.town.sesamy.users[vendor][user] |= {"contracts": [], "entitlements": []}

    async def trouble() -> None:
        scene.town.sesamy.knows_nobody = True
        await scene.touch_all()
        for vendor in VENDORS:
            with anyio.fail_after(30):
                while not any(one.cause in {"absent", "breaker"} for one in await gates(scene, f"sesamy:{vendor}")):
                    await anyio.sleep(0.1)
        scene.town.sesamy.knows_nobody = False

    await play(scene, "X07", trouble, before_s=CALM_S)
    assert any(op.version == 0 for op in scene.recorder.operations if isinstance(op, Fetched))
    assert await parked(scene) == []
    await open_everywhere(scene)


@row("X08", "Sesamy gives everybody's rows", "one vendor's contracts whoever is asked for, until its gate is shut and 5 s more")
async def test_sesamy_gives_everybodys_rows(scene: Scene) -> None:
    """None of it is written, that vendor alone is shut, and it opens by itself once the filter is heeded."""
    vendor = VENDORS[0]

    async def trouble() -> None:
        scene.trouble(f"sesamy:{vendor}")
        scene.town.sesamy.unfiltered.add(f"{vendor}/contracts")
        await shut(scene, f"sesamy:{vendor}", "filter")
        since = time.time() + 0.5
        await anyio.sleep(5)
        assert not {one for one in _written(scene, since) if one.startswith(f"{vendor}|")}
        assert not any(one.cause for one in await gates(scene, f"sesamy:{VENDORS[1]}"))
        scene.town.sesamy.unfiltered.clear()

    await play(scene, "X08", trouble, before_s=CALM_S)
    said = [await pod.status() for pod in scene.alive]
    assert any(status is not None and status.ignored_filters for status in said)
    await open_everywhere(scene)


_PER_MINUTE = 600


@row(
    "X10",
    "a vendor at its limit",
    "more users than the limit lets fetch; then Sesamy allows half of what the settings say, with 429 and 2 s, for 12 s",
)
async def test_a_vendor_at_its_limit(scene: Scene) -> None:
    """What the settings allow is never overstepped; where they are wrong, each 429 is heeded, and nobody is parked."""
    vendor, rate = VENDORS[0], _PER_MINUTE / 60
    for one in VENDORS:
        # The stand-in begins with what a pod may ask at once, and so much more as two may.
        scene.town.sesamy.limit(one, requests_per_minute=_PER_MINUTE, burst=4 * rate)
    for _ in range(2):
        await scene.pod(rate_per_minute=_PER_MINUTE).start()

    async def trouble() -> None:
        began, since = _fetches(scene, vendor), time.time()
        await anyio.sleep(8)
        share = (_fetches(scene, vendor) - began) / (time.time() - since) / rate
        assert scene.town.sesamy.calls[vendor, "429"] == 0
        assert share > 0.5, share
        scene.town.sesamy.limit(vendor, requests_per_minute=_PER_MINUTE / 2, burst=rate / 2)
        await shut(scene, f"sesamy:{vendor}", "retry-after")
        await anyio.sleep(12)
        scene.town.sesamy.limit(vendor, requests_per_minute=60_000, burst=1000)

    await play(scene, "X10", trouble, pods=0, per_s=20.0)
    assert scene.town.sesamy.calls[vendor, "429"] > 0
    assert scene.town.sesamy.calls[VENDORS[1], "429"] == 0
    assert any(isinstance(op, Turned) for op in scene.recorder.operations)
    assert await parked(scene) == []
    assert "429" in await failed(scene, f"sesamy:{vendor}")


def _fetches(scene: Scene, vendor: str) -> int:
    return sum(isinstance(op, Called) and op.upstream == f"sesamy:{vendor}" for op in scene.recorder.operations)


# ---- Who leaves ----


class Leavers(Faults):
    """Lets contacts leave mail just before or after a look at them, or just before a write of them, and come back a while later."""

    def __init__(self, scene: Scene) -> None:
        super().__init__()
        self._scene = scene
        self.active_now = False
        self.left = 0
        self._gone: dict[tuple[str, str], float] = {}

    async def around(self, request: web.Request, upstream: str, op: str, user: str, handle: Handle) -> web.StreamResponse:
        chance = self._scene.chance.random()
        if self.active_now and op == "contact" and chance < 0.2:
            await self._leave(upstream, user)  # Before the look: it must be heeded.
        if self.active_now and op == "upsert" and chance < 0.3:
            await self._leave(upstream, user)  # After it: that can't be known.
        answer = await super().around(request, upstream, op, user, handle)
        if self.active_now and op == "contact" and 0.2 < chance < 0.5:
            await self._leave(upstream, user)
        return answer

    async def _leave(self, account: str, email: str) -> None:
        contact = self._scene.town.makeas.accounts[account].contacts.get(email)
        vendor = next(place.vendor for place in PLACES if place.account == account)
        name = self._scene.recorder.name_of(vendor, email)
        if contact is not None and contact["email_status"] == "active" and name:
            self._scene.recorder.leave(account, name)
            self._gone[account, name] = time.monotonic()
            self.left += 1

    def come_back(self, *, after_s: float) -> None:
        """Let those come back who left so long ago."""
        for (account, name), at in list(self._gone.items()):
            if time.monotonic() - at >= after_s:
                del self._gone[account, name]
                self._scene.recorder.leave(account, name, back=True)


@row(
    "F30",
    "a user leaves while it is written",
    "contacts leave just before and after the look and just before the write, by chance, and come back 3 s later; 20 s",
)
async def test_a_user_leaves_while_it_is_written(scene: Scene) -> None:
    """Who had left before the look is put on no list; who leaves after it can't be known of, and is counted."""
    scene.town.makeas.faults = leavers = Leavers(scene)
    raced = 0

    async def trouble() -> None:
        nonlocal raced
        leavers.active_now = True
        for _ in range(40):
            await anyio.sleep(0.5)
            leavers.come_back(after_s=3.0)
        leavers.active_now = False
        await anyio.sleep(2)  # What was looked at before is written by now.
        for place in PLACES:
            account = scene.town.account(place)
            assert all("had left and was put on lists" in one for one in account.violations)
            raced += len(account.violations)
            account.violations.clear()

    await play(scene, "F30", trouble, per_s=30.0)
    assert leavers.left > 100
    assert raced > 20
    kept = [op for op in scene.recorder.operations if isinstance(op, Wrote) and op.part == "contact" and not op.lists]
    assert len(kept) > 20
