"""Make.as fails as a whole, for an account, for one list or for one user."""

import time
from email.utils import formatdate

import anyio
import pytest

from consumer.sandbox.stand_ins.faults import Fault
from consumer.sandbox.town import PLACES, VENDORS
from tests.faults.matrix import play, row
from tests.faults.scene import Scene
from tests.faults.told import failed, gates, lists, once, open_everywhere, parked, shut
from tests.history.operations import Turned

FIRST, SECOND, THIRD = (place.account for place in PLACES)
CALM_S = 6.0
_IN_FLIGHT = 16
"""Of one pod at one account."""


async def seen(scene: Scene, count: int, *, within_s: float = 30.0) -> None:
    """Wait until Make.as' faults were met so often."""
    with anyio.fail_after(within_s):
        while scene.town.makeas.faults.seen < count:
            await anyio.sleep(0.05)


@row("F18", "one account fails", "500 to all calls of one account for 12 s; the others are compared with the time before")
async def test_one_account_fails(scene: Scene) -> None:
    """Its gate shuts, and only probes go there; the others are as fresh as ever."""

    async def trouble() -> None:
        scene.trouble(FIRST)
        scene.town.makeas.faults.add(Fault(kind="status", upstream=FIRST, status=500))
        await shut(scene, FIRST, "breaker")
        await anyio.sleep(2)
        met = scene.town.makeas.faults.seen
        await anyio.sleep(8)
        probes = scene.town.makeas.faults.seen - met
        # After 5 s and then twice as long, of each of two pods, and each with what a run asks at once.
        assert probes <= 2 * 2 * 2 * 2, probes
        await open_everywhere(scene, but=FIRST)
        scene.town.makeas.faults.clear()

    await play(scene, "F18", trouble, before_s=CALM_S)
    assert scene.town.makeas.faults.seen > 0
    assert await failed(scene, FIRST) == {"500"}
    assert await parked(scene) == []


@row("F19", "one account answers nothing", "all calls of one account hang for 10 s, a call's limit being 2 s; the others are compared")
async def test_one_account_answers_nothing(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call ends in time, and no more of them wait than one account may have."""
    monkeypatch.setenv("MAKEAS_TIMEOUT_S", "2")

    async def trouble() -> None:
        # A user has one run at all its accounts: whoever hangs at one of them, until that is shut, is late at the other.
        scene.trouble(FIRST, SECOND)
        scene.town.makeas.faults.add(Fault(kind="hang", upstream=FIRST))
        await shut(scene, FIRST, "breaker")
        await anyio.sleep(6)
        await open_everywhere(scene, but=FIRST)
        scene.town.makeas.faults.clear()

    await play(scene, "F19", trouble, before_s=CALM_S)
    assert scene.town.makeas.faults.seen > 0
    assert await failed(scene, FIRST) == {"timeout"}
    # A run has at most two calls under way at once.
    assert scene.town.makeas.accounts[FIRST].most_in_flight <= 2 * 2 * _IN_FLIGHT
    assert await parked(scene) == []


_HOUR_S = 3600.0
_SENSELESS = ("-1", "1e9", "soon", "", "\u0663", "Thu, 99 Foo 2026 99:99:99 GMT")


@row(
    "F20",
    "429 in all forms",
    "429 of one account, with Retry-After in seconds, as a date, of no kind, absent, then 1000000000; pods are replaced after the last",
)
async def test_429_in_all_forms(scene: Scene) -> None:
    """What can be read is heeded, for an hour at most; what can't be read is as if it were not there."""

    async def meets(wait: str | None, *, times: int = 1) -> None:
        fault = scene.town.makeas.faults.add(Fault(kind="status", upstream=FIRST, status=429, retry_after=wait, times=times))
        with anyio.fail_after(30):
            while fault in scene.town.makeas.faults.active:
                await anyio.sleep(0.05)

    async def trouble() -> None:
        scene.trouble(FIRST)
        for wait in ("2", formatdate(time.time() + 4, usegmt=True), None, *_SENSELESS):
            await meets(wait)
            assert all(one.next_try_s <= 8 for one in await gates(scene, FIRST))
        await meets("1000000000", times=2)
        await once(scene, FIRST, lambda one: one.cause == "retry-after" and _HOUR_S - 60 < one.next_try_s <= _HOUR_S)
        await open_everywhere(scene, but=FIRST)
        for pod in scene.alive:
            assert await pod.stop() == 0
        scene.calm_s = None  # While there is no pod at all nobody is fresh.
        for _ in range(2):
            await scene.pod().start()

    await play(scene, "F20", trouble, before_s=CALM_S)
    turned = [op for op in scene.recorder.operations if isinstance(op, Turned)]
    assert len(turned) >= 3
    assert await parked(scene) == []


@row(
    "F25",
    "a key is refused",
    "401 at one account for everybody, until the new key stands in its file; 403 at another account for everybody, for 10 s",
)
async def test_a_key_is_refused(scene: Scene) -> None:
    """Only these two stop, and the first goes on by itself with the new key."""
    account, file = scene.town.makeas.accounts[FIRST], scene.town.key_file(FIRST)

    async def trouble() -> None:
        scene.trouble(FIRST, THIRD)
        account.key = "key-of-1001-anew"
        scene.town.makeas.faults.add(Fault(kind="status", upstream=THIRD, status=403))
        await shut(scene, FIRST, "denied")
        await shut(scene, THIRD, "denied")
        await anyio.sleep(4)
        assert await open_but(scene, FIRST, THIRD) == {}
        file.write_text("key-of-1001-anew\n", encoding="utf-8")
        scene.town.makeas.faults.clear()

    await play(scene, "F25", trouble, before_s=CALM_S)
    assert (await failed(scene, FIRST), await failed(scene, THIRD)) == ({"401"}, {"403"})
    assert scene.town.makeas.calls[FIRST, "401"] > 0
    assert await parked(scene) == []
    await open_everywhere(scene)


async def open_but(scene: Scene, *names: str) -> dict[str, str]:
    said = [await pod.status() for pod in scene.alive]
    return {one.name: one.cause for status in said if status is not None for one in status.upstreams if one.cause and one.name not in names}


@row("F27", "one user is always refused", "422 to all calls about one user of one account, 400 to all about one of another, to the end")
async def test_one_user_is_always_refused(scene: Scene) -> None:
    """It is parked at the first try, and nobody else notices."""
    at_first, at_third = scene.town.reader(VENDORS[0], 2), scene.town.reader(VENDORS[1], 2)
    scene.hopeless = {(FIRST, f"{VENDORS[0]}|{at_first}"), (THIRD, f"{VENDORS[1]}|{at_third}")}
    for account, vendor, user, status in ((FIRST, VENDORS[0], at_first, 422), (THIRD, VENDORS[1], at_third, 400)):
        scene.town.makeas.faults.add(Fault(kind="status", upstream=account, user=scene.town.address(vendor, user), status=status))

    async def trouble() -> None:
        for _ in range(3):
            await scene.change(VENDORS[0], at_first)
            await scene.change(VENDORS[1], at_third)
            await anyio.sleep(3)
        await open_everywhere(scene)

    await play(scene, "F27", trouble)
    assert scene.town.makeas.faults.seen > 0
    found = await parked(scene)
    assert {(one.account, one.user, one.code) for one in found} == {
        (FIRST, f"{VENDORS[0]}|{at_first}", "http-422"),
        (THIRD, f"{VENDORS[1]}|{at_third}", "http-400"),
    }
    letters = await scene.letters(len(found), within_s=10)
    assert {one["attempts"] for one in letters if one["value"]} == {"1"}
    await open_everywhere(scene)


@row("X05", "one user is forbidden", "403 to all calls about one user at one account, and about one at Sesamy, to the end")
async def test_one_user_is_forbidden(scene: Scene) -> None:
    """It is parked after its tries; no gate takes it for the key."""
    at_first, at_sesamy = scene.town.reader(VENDORS[0], 2), scene.town.reader(VENDORS[1], 2)
    scene.hopeless = {(FIRST, f"{VENDORS[0]}|{at_first}"), (THIRD, f"{VENDORS[1]}|{at_sesamy}")}
    scene.town.makeas.faults.add(Fault(kind="status", upstream=FIRST, user=scene.town.address(VENDORS[0], at_first), status=403))
    scene.town.sesamy.faults.add(Fault(kind="status", upstream=VENDORS[1], op="user", user=at_sesamy, status=403))

    async def trouble() -> None:
        with anyio.fail_after(60):
            while len({one.user for one in await parked(scene)}) < 2:
                await open_everywhere(scene)
                await anyio.sleep(0.5)

    await play(scene, "X05", trouble)
    assert {(one.user, one.code) for one in await parked(scene)} == {
        (f"{VENDORS[0]}|{at_first}", "http-403"),
        (f"{VENDORS[1]}|{at_sesamy}", "http-403"),
    }
    await open_everywhere(scene)


@row("X06", "a list is gone", "one of two lists of an account answers 404, then 422, then 403, each for 3 s")
async def test_a_list_is_gone(scene: Scene) -> None:
    """Its sibling goes on, it is left out alone, and comes back by itself."""
    account, (_, gone) = scene.town.makeas.accounts[FIRST], PLACES[0].lists

    async def trouble() -> None:
        scene.trouble(FIRST)
        for status in (404, 422, 403):
            account.refuses[gone] = status
            await anyio.sleep(3)
        assert any(one.door != "open" for one in await lists(scene, gone))
        await open_everywhere(scene)
        account.refuses.clear()
        await scene.touch_all()  # Who was refused there has a letter, which its next run closes.

    await play(scene, "X06", trouble, before_s=CALM_S)
    assert {(one.account, one.lists) for one in await parked(scene)} <= {(FIRST, (gone,))}
    assert await failed(scene, FIRST) & {"404", "422", "403"}
    await open_everywhere(scene)
