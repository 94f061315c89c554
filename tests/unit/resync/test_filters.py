"""Who asks each vendor whether it heeds whom it is asked for: when, how often, and what follows; on a virtual clock, and over HTTP."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from itertools import pairwise
from typing import Any, cast

import anyio
import pytest

from consumer.commands.batch import Batch
from consumer.core.answers.snapshot import Contract, Entitlement, Profile, Snapshot
from consumer.core.errors import ConsumerError, Denied, Forbidden, Refused, Retryable
from consumer.core.gates.gate import Gate
from consumer.core.gates.gates import SESAMY_CALLS
from consumer.core.model import AccountId, Door, Job, UserKey
from consumer.resync import clients as resync
from consumer.resync.clients import Upstreams, gates
from consumer.resync.filters import Filters
from consumer.resync.sesamy import Sesamy
from consumer.telemetry.metrics import Metrics
from tests.clock import new_loop
from tests.fakes.service import service
from tests.simulation.settings import SETTINGS
from tests.unit.resync.test_sesamy import client, world

ANN, BO = UserKey("v", "ann"), UserKey("v", "bo")
START = 1_764_000_000.0
"""The wall's time at the start (2025-11-24T16:00:00Z)."""
HOLD_S = 900.0
EVERY_S = 3600.0
"""So often is a vendor asked."""


class Vendor:
    """One vendor: what it answers, and every question with its time."""

    def __init__(self) -> None:
        self.ignores: set[str] = set()
        self.error: Exception | None = None
        self.fails = {"contracts", "entitlements"}
        """Where it raises `error`."""
        self.takes_s = 0.0
        self.asked: list[tuple[float, str, str]] = []
        self.renewed = 0

    async def obeys_filter(self, resource: str, user_id: str, *, permit: Callable[[], Awaitable[None]]) -> bool:
        await permit()
        self.asked.append((anyio.current_time(), resource, user_id))
        await anyio.sleep(self.takes_s)
        if self.error is not None and resource in self.fails:
            raise self.error
        return resource not in self.ignores

    def renew(self) -> None:
        self.renewed += 1

    def times(self, resource: str = "contracts") -> list[float]:
        return [round(at) for at, asked, _ in self.asked if asked == resource]


class There:
    """The filters of the vendors `v` and `w`, on a virtual clock; `w` is always well."""

    def __init__(self, *, rate_per_s: float = 100.0) -> None:
        self.vendor, self.other = Vendor(), Vendor()
        self.gate, self.other_gate = (Gate(rate_per_s=rate_per_s, burst=3, run_calls=SESAMY_CALLS, tries=8, hold_s=HOLD_S) for _ in "vw")
        self.rung = 0
        self.filters = Filters(
            cast(dict[str, Sesamy], {"v": self.vendor, "w": self.other}),
            {"v": self.gate, "w": self.other_gate},
            chance=random.Random(1),
            wall=lambda: START + anyio.current_time(),
        )

    def ring(self) -> None:
        self.rung += 1

    @property
    def door(self) -> Door:
        return self.gate.door(now=anyio.current_time(), permits=SESAMY_CALLS)

    @property
    def cause(self) -> str:
        return self.gate.state(now=anyio.current_time()).cause

    async def fetched(self, user: UserKey, *, contract: str = "", entitlement: str = "", names: str = "", since: float = START) -> None:
        """Let a user's rows be seen."""
        snapshot = Snapshot(
            user=user,
            profile=Profile(id=user.user),
            contracts=tuple(Contract(id=one, user_id=names or None) for one in [contract] if one),
            entitlements=tuple(Entitlement(id=one) for one in [entitlement] if one),
        )
        job = Job(user=user, accounts=(A,), started_at=anyio.current_time(), since_ms={A: int(since * 1000)})
        await self.filters.heed(job, snapshot)

    def fails(self, error: ConsumerError, *, users: int = 5) -> None:
        """Let users fail."""
        for number in range(users):
            self.gate.failed(UserKey("v", f"u{number}"), error, now=anyio.current_time())


def play(story: Callable[[There], Coroutine[Any, Any, None]], *, rate_per_s: float = 100.0) -> None:
    """Tell a story on a virtual clock that begins at 0, while the filters are asked about."""

    async def life() -> None:
        there = There(rate_per_s=rate_per_s)
        there.filters.await_verdicts(now=anyio.current_time())
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(there.filters.run, there.ring)
            await story(there)
            tasks.cancel_scope.cancel()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(life())


A = AccountId("1001")
DOWN = Retryable("no", code="http-503")
WAIT = Retryable("wait", code="http-429", retry_after_s=100.0)


# ---- When it is asked ----


def test_nobody_is_let_in_before_the_first_verdict_and_all_are_woken_by_it() -> None:
    async def story(there: There) -> None:
        there.vendor.takes_s = 3.0
        assert (there.door, there.cause, there.gate.closed(now=0)) == (Door.SHUT, "unproven", False)
        await anyio.sleep(5)
        assert (there.door, there.rung) == (Door.SHUT, 1), "one answer of two: only the other vendor is proven"
        await anyio.sleep(2)
        assert (there.door, there.cause, there.rung) == (Door.OPEN, "", 2)

    play(story)


def test_it_is_asked_for_both_kinds_of_rows_at_the_start_and_hourly_with_an_id_that_nobody_has() -> None:
    async def story(there: There) -> None:
        await anyio.sleep(10 * EVERY_S)
        for resource in ("contracts", "entitlements"):
            times = there.vendor.times(resource)
            assert times[0] == 0
            assert all(0.9 * EVERY_S <= b - a <= EVERY_S for a, b in pairwise(times))
            assert times != there.other.times(resource), "not all at one moment"
        ids = [user_id for _, _, user_id in there.vendor.asked]
        assert len(set(ids)) == len(ids) >= 20
        assert all(user_id.startswith("email|") and len(bytes.fromhex(user_id[6:])) == 16 for user_id in ids)

    play(story)


def test_its_calls_take_permits_as_all_do() -> None:
    async def story(there: There) -> None:
        there.gate.pace.reserve(5, now=anyio.current_time())  # Three were there: the third from now is the first of ours.
        await anyio.sleep(60)
        assert [round(at) for at, _, _ in there.vendor.asked] == [30, 40]

    play(story, rate_per_s=0.1)


# ---- A filter that is ignored ----


@pytest.mark.parametrize("resource", ["contracts", "entitlements"])
def test_rows_shut_the_vendors_gate_until_there_are_none_asked_for_at_the_breakers_pace(resource: str) -> None:
    async def story(there: There) -> None:
        there.vendor.ignores = {resource}
        await anyio.sleep(300)
        assert there.vendor.times(resource) == [0, 5, 15, 35, 75, 135, 195, 255]
        assert (there.door, there.cause, there.rung) == (Door.SHUT, "filter", 1)
        assert there.other_gate.door(now=anyio.current_time()) is Door.OPEN
        there.vendor.ignores = set()
        await anyio.sleep(20)
        assert (there.door, there.cause, there.rung) == (Door.OPEN, "", 2)
        there.vendor.ignores = {resource}
        await anyio.sleep(EVERY_S + 7)
        assert there.cause == "filter"
        assert there.vendor.times(resource)[10] - there.vendor.times(resource)[9] == 5

    play(story)


def test_rows_of_one_kind_are_enough_though_the_other_gives_no_answer() -> None:
    async def story(there: There) -> None:
        there.vendor.error, there.vendor.fails, there.vendor.ignores = DOWN, {"contracts"}, {"entitlements"}
        await anyio.sleep(1)
        assert there.cause == "filter"
        there.vendor.ignores = set()
        await anyio.sleep(300)
        assert there.cause == "filter", "both must be well"

    play(story)


def test_what_was_written_since_the_last_good_verdict_is_to_be_replayed() -> None:
    async def story(there: There) -> None:
        await anyio.sleep(2 * EVERY_S)
        last_good = there.vendor.asked[-2][0]
        there.vendor.ignores = {"entitlements"}
        assert there.filters.findings() == ()
        await anyio.sleep(EVERY_S)
        there.vendor.ignores = set()
        await anyio.sleep(120)
        (found,) = there.filters.findings()
        assert (found.vendor, found.resource) == ("v", "entitlements")
        assert found.since == START + last_good < found.found_at < (found.obeyed_at or 0) <= START + anyio.current_time()
        assert found.replay.startswith("sesamy-makeas replay --vendor v --from-time 2025-11-24T17:")

    play(story)


def test_an_event_that_is_older_than_the_last_good_verdict_and_was_resynced_after_it_is_replayed_too() -> None:
    async def story(there: There) -> None:
        await there.fetched(ANN, since=START - 5000)
        await anyio.sleep(EVERY_S)  # A verdict: that one was well.
        await there.fetched(ANN, since=START - 200)
        there.vendor.ignores = {"contracts"}
        await anyio.sleep(EVERY_S)
        assert [found.since for found in there.filters.findings()] == [START - 200]

    play(story)


def test_without_any_verdict_of_ours_it_is_an_hour_before_the_start() -> None:
    async def story(there: There) -> None:
        there.vendor.ignores = {"contracts"}
        await anyio.sleep(1)
        (found,) = there.filters.findings()
        assert (found.since, found.obeyed_at) == (START - EVERY_S, None)

    play(story)


def test_users_are_held_for_no_longer_than_by_any_shut_gate() -> None:
    async def story(there: There) -> None:
        there.vendor.ignores = {"contracts"}
        await anyio.sleep(HOLD_S - 10)
        assert not there.gate.expired(now=anyio.current_time())
        await anyio.sleep(20)
        assert there.gate.expired(now=anyio.current_time())

    play(story)


# ---- No answer ----


@pytest.mark.parametrize("error", [DOWN, Refused("no", code="http-413"), KeyError("a bug")], ids=["503", "413", "bug"])
def test_no_answer_is_asked_again_and_holds_nothing_that_had_a_verdict(error: Exception) -> None:
    async def story(there: There) -> None:
        await anyio.sleep(60)
        there.vendor.error = error
        await anyio.sleep(EVERY_S + 300)
        times = there.vendor.times()[1:]
        assert [b - a for a, b in pairwise(times)][:6] == [5, 10, 20, 40, 60, 60]
        assert (there.door, there.filters.findings()) == (Door.OPEN, ())

    play(story)


def test_what_was_answered_is_not_asked_again_while_the_other_gives_no_answer() -> None:
    async def story(there: There) -> None:
        there.vendor.error, there.vendor.fails = DOWN, {"entitlements"}
        await anyio.sleep(100)
        assert (there.vendor.times(), there.vendor.times("entitlements")) == ([0], [0, 5, 15, 35, 75])

    play(story)


def test_a_vendor_that_is_down_from_the_start_is_held_to_be_out_and_holds_users_as_long_as_any() -> None:
    """Nobody else may ask, so our failures are those that count."""

    async def story(there: There) -> None:
        there.vendor.error = DOWN
        await anyio.sleep(60)
        assert (there.cause, there.gate.closed(now=60), there.gate.expired(now=60)) == ("breaker", True, False)
        await anyio.sleep(HOLD_S)
        assert all(there.gate.expired(now=anyio.current_time() + at) for at in range(60)), "whether we ask at that moment or not"
        there.vendor.error = None
        await anyio.sleep(61)
        # What we have asked says nothing of the profiles: one user shows that all is well.
        assert (there.door, there.gate.expired(now=anyio.current_time())) == (Door.PROBE, False)
        now = anyio.current_time()
        there.gate.enter(ANN, now=now, permits=SESAMY_CALLS)
        assert not there.gate.expired(now=now), "nobody could be the probe before"
        there.gate.succeeded(ANN, now=now)
        assert there.cause == ""

    play(story)


def test_a_key_that_is_refused_from_the_start_is_said_and_waited_for() -> None:
    async def story(there: There) -> None:
        there.vendor.error = Denied("no", code="http-401")
        await anyio.sleep(200)
        assert (there.cause, there.gate.refuses_key) == ("denied", True)
        assert there.vendor.times() == [0, 5, 15, 35, 75, 135, 195]
        assert there.vendor.times("entitlements") == [], "the key is that of both"

    play(story)


def test_a_right_that_is_lacking_from_the_start_has_a_new_token_asked_for() -> None:
    async def story(there: There) -> None:
        there.vendor.error = Forbidden("no", code="http-403")
        await anyio.sleep(20)
        assert there.cause == "denied"
        assert there.vendor.renewed > 0

    play(story)


@pytest.mark.parametrize("proven", [False, True])
def test_nothing_is_asked_while_the_vendor_has_us_wait(*, proven: bool) -> None:
    async def story(there: There) -> None:
        if proven:
            await anyio.sleep(10)
        there.vendor.asked.clear()
        there.vendor.error = WAIT
        while not there.vendor.asked:
            await anyio.sleep(0.5)
        at = there.vendor.asked[0][0]
        await anyio.sleep(99)
        assert len(there.vendor.asked) == 1
        assert (there.door, there.cause) == (Door.SHUT, "retry-after")
        there.vendor.error = None
        await anyio.sleep(20)
        assert [round(asked - at) for asked, _, _ in there.vendor.asked] == [0, 100, 105]
        assert there.door is Door.OPEN

    play(story)


@pytest.mark.parametrize(("error", "cause"), [(DOWN, "breaker"), (Denied("no", code="http-401"), "denied")])
def test_behind_a_gate_that_users_have_shut_it_waits_as_all_do(error: ConsumerError, cause: str) -> None:
    async def story(there: There) -> None:
        await anyio.sleep(60)
        there.fails(error)
        there.vendor.asked.clear()
        await anyio.sleep(2 * EVERY_S)
        assert (there.vendor.asked, there.cause) == ([], cause)
        there.gate.forget()
        await anyio.sleep(2)
        assert (len(there.vendor.asked), there.door) == (2, Door.OPEN)

    play(story)


def test_a_refused_key_shuts_the_gate_at_any_time() -> None:
    async def story(there: There) -> None:
        await anyio.sleep(60)
        there.vendor.error = Denied("no", code="http-401")
        await anyio.sleep(EVERY_S)
        assert there.cause == "denied"

    play(story)


def test_a_good_verdict_says_nothing_of_what_users_met() -> None:
    """Rows of nobody prove no profile: neither a row of failures nor one of unknown users ends by them."""

    async def story(there: There) -> None:
        await anyio.sleep(60)
        there.fails(DOWN, users=4)
        for number in range(19):
            there.gate.absent(UserKey("v", f"u{number}"), now=anyio.current_time())
        await anyio.sleep(EVERY_S)
        assert len(there.vendor.asked) == 4
        assert not there.gate.absent(UserKey("v", "u19"), now=anyio.current_time())
        there.vendor.ignores = {"contracts"}
        there.gate.stop("filter", now=anyio.current_time())
        there.gate.release("filter", now=anyio.current_time())
        assert there.cause == "absent"

    play(story)


def test_a_stop_that_ends_leaves_a_vendor_shut_at_which_nobody_was_known() -> None:
    async def story(there: There) -> None:
        there.vendor.ignores = {"contracts"}
        await anyio.sleep(30)
        for number in range(20):
            there.gate.absent(UserKey("v", f"u{number}"), now=anyio.current_time())
        there.vendor.ignores = set()
        await anyio.sleep(60)
        assert (there.cause, there.door) == ("absent", Door.PROBE)

    play(story)


# ---- One id for two users ----


@pytest.mark.parametrize("shared", ["contract", "entitlement"])
def test_one_id_for_two_users_has_it_asked_at_once_and_the_answer_is_waited_for(shared: str) -> None:
    async def story(there: There) -> None:
        await anyio.sleep(100)
        await there.fetched(ANN, **{shared: "x"})  # type: ignore[arg-type]
        there.vendor.ignores, there.vendor.takes_s = {"entitlements"}, 1.0
        assert len(there.vendor.asked) == 2
        await there.fetched(BO, **{shared: "x"})  # type: ignore[arg-type]
        assert (there.vendor.times(), there.cause) == ([0, 100], "filter")
        assert anyio.current_time() == pytest.approx(102)

    play(story)


def test_a_row_that_names_another_has_it_asked_at_once() -> None:
    async def story(there: There) -> None:
        await anyio.sleep(100)
        there.vendor.ignores = {"contracts"}
        await there.fetched(ANN, contract="x", names="ann")
        assert len(there.vendor.asked) == 2
        await there.fetched(ANN, contract="x", names="bo")
        assert (there.vendor.times(), there.cause) == ([0, 100], "filter")

    play(story)


def test_ids_that_are_shared_for_a_good_reason_have_it_asked_once_a_minute_at_most() -> None:
    async def story(there: There) -> None:
        await anyio.sleep(100)
        for second in range(300):
            await there.fetched(BO if second % 2 else ANN, entitlement="family")
            await anyio.sleep(1)
        assert [round(at / 60) for at in there.vendor.times()[1:]] == [2, 3, 4, 5, 6]
        assert there.door is Door.OPEN

    play(story)


def test_all_who_come_while_it_is_asked_wait_for_the_answer_but_not_for_long() -> None:
    async def story(there: There) -> None:
        await anyio.sleep(100)
        there.vendor.takes_s = 60.0
        began = anyio.current_time()
        await there.fetched(ANN, entitlement="x")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(there.fetched, BO)
            for number in range(3):
                await anyio.sleep(1)
                tasks.start_soon(lambda n: there.fetched(UserKey("v", f"u{n}"), entitlement="x"), number)
        assert anyio.current_time() == pytest.approx(began + 13)
        assert there.door is Door.OPEN

    play(story)


def test_another_vendors_ids_are_no_sign() -> None:
    async def story(there: There) -> None:
        await anyio.sleep(100)
        await there.fetched(ANN, entitlement="x")
        await there.fetched(UserKey("w", "ann"), entitlement="x")
        await there.fetched(UserKey("nobody", "ann"), entitlement="x")
        assert len(there.vendor.asked) + len(there.other.asked) == 4

    play(story)


# ---- Over HTTP ----


@pytest.mark.parametrize("resource", ["contracts", "entitlements"])
async def test_a_vendor_that_gives_everybodys_rows_is_shut_and_opens_when_it_does_not(
    resource: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("consumer.resync.filters._WAIT_FIRST_S", 0.05)
    made = world()
    made.users["v"]["email|ann"]["entitlements"] = [{"id": "e1"}]
    made.unfiltered = {f"v/{resource}"}
    gate = Gate(rate_per_s=100, burst=10, run_calls=SESAMY_CALLS)
    rung = anyio.Event()
    async with client(made.app()) as sesamy, anyio.create_task_group() as tasks:
        filters = Filters({"v": sesamy}, {"v": gate})
        filters.await_verdicts(now=anyio.current_time())
        tasks.start_soon(filters.run, rung.set)
        with anyio.fail_after(15):
            while not filters.findings():
                await anyio.sleep(0.01)
            assert (gate.state(now=anyio.current_time()).cause, rung.is_set()) == ("filter", False)
            made.unfiltered.clear()
            await rung.wait()
        assert gate.door(now=anyio.current_time()) is Door.OPEN
        assert [found.obeyed_at is None for found in filters.findings()] == [False]
        tasks.cancel_scope.cancel()


# ---- Who waits for it ----


async def test_a_pod_and_a_batch_let_nobody_in_before_the_first_verdict() -> None:
    """From the moment they are made, whichever of their parts runs first."""
    for make in (service, partial(Batch, SETTINGS, metrics=Metrics(SETTINGS), report=lambda _: None)):
        limits = gates(SETTINGS)
        vendors: Any = {vendor: resync.Vendor(cast(Sesamy, Vendor()), {}) for vendor in limits.vendors}
        filters = Filters({vendor: one.sesamy for vendor, one in vendors.items()}, limits.vendors)
        make(up=Upstreams(vendors, limits, filters=filters))
        assert [gate.state(now=anyio.current_time()).cause for gate in limits.vendors.values()] == ["unproven"] * 2
