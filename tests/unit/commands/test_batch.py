"""Each promise of a set of users resynced beside the pods: stand-ins for both sides and for the topic, a virtual clock."""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from msgspec import structs

from consumer.commands.batch import Batch, Synced
from consumer.core.answers.snapshot import Contract, Item
from consumer.core.errors import Denied, Fatal, Refused, Retryable
from consumer.core.mapping.kept import CURE, Asked, Kept
from consumer.core.model import AccountId, UserKey
from consumer.core.users.settling import Settling
from consumer.resync.clients import Target, Upstreams, Vendor, gates
from consumer.resync.filters import Filters
from consumer.settings.model import WorkerSettings
from consumer.telemetry.fences import PartEnded
from consumer.telemetry.metrics import Metrics
from tests.clock import virtual
from tests.fakes.upstreams import Make, Sesamy
from tests.simulation.settings import MANY_LISTS, SETTINGS
from tests.unit.telemetry.test_logs import Lines

A, B = AccountId("1"), AccountId("2")
ANN, BO, CAT, DAN = (UserKey("v1", name) for name in ("ann", "bo", "cat", "dan"))
SMALL = structs.replace(
    SETTINGS,
    workers=WorkerSettings(concurrency=4, max_attempts=2, backoff_s=0.5, backoff_max_s=1.0, hold_s=20.0),
    vendors=SETTINGS.vendors[:1],
)


class House:
    """A vendor and its two accounts."""

    def __init__(self) -> None:
        self.sesamy, self.make = Sesamy(), {A: Make(), B: Make()}
        self.sesamy.contracts_of = lambda user: (Contract(id=f"c {user.user}", status="ACTIVE", items=[Item(sku="s", name="n")]),)

    @property
    def written(self) -> list[tuple[AccountId, UserKey]]:
        return [(account, UserKey("v1", user)) for account, make in self.make.items() for user in make.users]

    def write_takes(self, seconds: float) -> None:
        """Let each call of a write take so long."""
        for make in self.make.values():
            make.takes_s = seconds


class Ears:
    """What follows the topic: it is ready, and has read up to its end, when a test says so."""

    def __init__(self) -> None:
        self.settling = Settling()
        self.is_ready = anyio.Event()
        self.is_ready.set()
        self.end = 10
        self.reads_on = True
        self.fails: Exception | None = None

    async def run(self) -> None:
        while self.fails is None:
            if users := self.settling.to_ask():
                self.settling.end_is(users, {0: self.end})
            if self.reads_on:
                self.settling.read(0, self.end)
            await anyio.sleep(0.02)
        raise self.fails

    async def ready(self) -> None:
        await self.is_ready.wait()

    def hear(self, user: UserKey) -> None:
        """Hear an event that stands before the end of now."""
        self.settling.seen(user, 0, self.end)
        self.end += 1


class Crew:
    """A batch in its house."""

    def __init__(self, house: House | None = None, *, settings: Any = SMALL, unsaved: Callable[[], int] | None = None) -> None:
        self.house, self.ears = house or House(), Ears()
        self.told: list[Synced] = []
        sesamy: Any = self.house.sesamy
        accounts = {one.id: Target(one, self.house.make[one.id]) for one in settings.accounts_of("v1")}  # type: ignore[arg-type]
        limits = gates(settings)
        asked = {} if settings.vendors[0].paused else {"v1": sesamy}
        self.kept = Kept(A)
        up = Upstreams({"v1": Vendor(sesamy, accounts)}, limits, filters=Filters(asked, limits.vendors), kept={A: self.kept})
        self.batch = Batch(settings, up, Metrics(settings), report=self.told.append, unsaved=unsaved, tail=self._tail)

    def _tail(self, _: object, settling: Settling) -> Ears:
        self.ears.settling = settling
        return self.ears

    async def run(self, *users: UserKey, limit_s: float = 600) -> list[Synced]:
        with anyio.fail_after(limit_s):
            await self.batch.run(users)
        return self.told

    @asynccontextmanager
    async def running(self, users: Iterable[UserKey]) -> AsyncIterator[None]:
        """Run beside the block; at its end the batch has ended."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.batch.run, users)
            yield


def synced(user: UserKey) -> Synced:
    return Synced(vendor="v1", user=user.user, outcome="synced")


# ---- Beside the pods ----


@virtual
async def test_nobody_is_fetched_or_written_before_the_topic_is_followed() -> None:
    """An event that a pod answers meanwhile would be heard by nobody, and its newer write overwritten."""
    crew = Crew()
    crew.ears.is_ready = anyio.Event()
    async with crew.running([ANN]):
        await anyio.sleep(30)
        assert (crew.house.sesamy.asked, crew.house.written) == ([], [])
        crew.ears.is_ready.set()

    assert crew.told == [synced(ANN)]


@virtual
async def test_nobody_is_told_before_the_topic_is_read_up_to_the_last_write() -> None:
    crew = Crew()
    crew.ears.reads_on = False
    async with crew.running([ANN]):
        await anyio.sleep(10)
        assert set(crew.house.written) == {(A, ANN), (B, ANN)}
        assert (crew.told, crew.batch.left) == ([], 1)
        crew.ears.reads_on = True

    assert (crew.told, crew.batch.left) == ([synced(ANN)], 0)


@virtual
async def test_an_event_during_the_run_means_one_more_run() -> None:
    """A pod may have written the newer state before ours: only a run that begins later is as new."""
    crew = Crew()
    crew.house.write_takes(2.0)
    async with crew.running([ANN, BO]):
        await anyio.sleep(1)
        assert crew.house.sesamy.asked == [ANN, BO]
        crew.ears.hear(ANN)

    assert crew.house.sesamy.asked == [ANN, BO, ANN]
    assert Counter(crew.house.written) == {(A, ANN): 2, (B, ANN): 2, (A, BO): 1, (B, BO): 1}
    assert (sorted(one.user for one in crew.told), crew.batch.resyncs) == (["ann", "bo"], 3)


@virtual
async def test_a_user_is_asked_about_only_after_the_run_has_ended() -> None:
    """An end of the topic that is asked for while the run still writes lies before its last write."""
    crew = Crew()
    crew.house.write_takes(4.0)
    async with crew.running([ANN]):
        await anyio.sleep(3)
        crew.ears.end = 50
        crew.ears.hear(ANN)

    assert crew.house.sesamy.asked == [ANN, ANN]


@virtual
async def test_what_the_one_more_run_brings_counts() -> None:
    house = House()
    house.make[A].fails_for["ann"] = [Refused("no", code="http-422")]
    house.write_takes(2.0)
    crew = Crew(house)
    async with crew.running([ANN]):
        await anyio.sleep(1)
        crew.ears.hear(ANN)

    assert crew.told == [synced(ANN)]


@virtual
async def test_without_the_topic_it_ends() -> None:
    crew = Crew()
    crew.ears.fails = Fatal("no", code="no-broker", status=69)
    with pytest.raises(ExceptionGroup) as raised:
        await crew.run(ANN)

    assert [type(one) for one in raised.value.exceptions] == [Fatal]
    assert crew.told == []


@virtual
async def test_what_ends_it_before_its_time_is_no_end() -> None:
    """A part that returns must not look like work that is done."""
    crew = Crew()

    async def returns() -> None:
        await anyio.sleep(0.05)

    crew.ears.run = returns  # type: ignore[method-assign]
    crew.house.write_takes(5)
    with pytest.raises(ExceptionGroup) as raised:
        await crew.run(ANN)
    assert [type(one) for one in raised.value.exceptions] == [PartEnded]
    assert crew.told == []


# ---- What becomes of each ----


@virtual
async def test_each_user_is_told_once_however_often_it_is_named() -> None:
    crew = Crew()
    told = await crew.run(ANN, BO, ANN, ANN)

    assert sorted(one.user for one in told) == ["ann", "bo"]
    assert Counter(crew.house.sesamy.asked) == {ANN: 1, BO: 1}


@virtual
async def test_what_can_not_be_delivered_stands_by_account_and_nothing_is_parked() -> None:
    house = House()
    house.make[A].fails_for["ann"] = [Refused("no", code="http-422")]
    house.make[B].fails_for["cat"] = [Retryable("no", code="http-500")] * 9
    house.sesamy.fails_for = {BO: [Refused("no", code="http-400")]}
    told = {one.user: one for one in await Crew(house).run(ANN, BO, CAT, DAN)}

    assert {user: (one.outcome, one.failed) for user, one in told.items()} == {
        "ann": ("failed", {"1": "http-422"}),
        "bo": ("failed", {"sesamy": "http-400"}),
        "cat": ("failed", {"2": "http-500"}),
        "dan": ("synced", {}),
    }


@virtual
async def test_both_accounts_that_failed_are_named() -> None:
    house = House()
    for one, make in house.make.items():
        make.fails_for["ann"] = [Refused("no", code=f"http-42{one}")]

    assert [one.failed for one in await Crew(house).run(ANN)] == [{"1": "http-421", "2": "http-422"}]


@virtual
async def test_who_is_skipped_is_told_with_the_reason_after_a_second_look() -> None:
    house = House()
    house.sesamy.absent = Counter({ANN: 9, BO: 1})
    house.sesamy.emails[CAT] = ""
    guest = UserKey("v1", "guest|7")
    told = {one.user: (one.outcome, one.reason) for one in await Crew(house).run(ANN, BO, CAT, guest)}

    assert told == {"ann": ("skipped", "absent"), "bo": ("synced", ""), "cat": ("skipped", "no-email"), "guest|7": ("skipped", "guest")}
    assert Counter(house.sesamy.asked) == {ANN: 2, BO: 2, CAT: 1}


@virtual
async def test_a_transient_failure_is_tried_again() -> None:
    house = House()
    house.make[A].fails_for["ann"] = [Retryable("no", code="http-500")] * 2

    assert await Crew(house).run(ANN) == [synced(ANN)]


@virtual
async def test_a_vendor_that_gives_others_rows_is_written_for_nobody() -> None:
    house = House()
    house.sesamy.heeds_filters = False
    (one,) = await Crew(house).run(ANN, limit_s=3600)

    assert (one.outcome, one.failed, house.written) == ("failed", {"sesamy": "held"}, [])


@virtual
async def test_nobody_is_fetched_before_the_vendor_has_shown_that_it_heeds_its_filters() -> None:
    house = House()
    house.sesamy.filter_s = 7.0
    crew = Crew(house)
    async with crew.running([ANN]):
        await anyio.sleep(6)
        assert house.sesamy.asked == []

    assert crew.told == [synced(ANN)]


@virtual
async def test_an_account_that_refuses_us_all_is_held_and_then_given_up() -> None:
    house = House()
    house.make[A].fails = [Denied("no", code="http-401")] * 99
    told = await Crew(house).run(*(UserKey("v1", f"u{number}") for number in range(8)), limit_s=3600)

    assert {one.outcome for one in told} == {"failed"}
    assert all(list(one.failed) == ["1"] for one in told)


# ---- Limits ----


@virtual
async def test_a_crash_makes_no_more_than_concurrency_users_be_written_again() -> None:
    """Ends that are not kept yet, runs, and runs whose end is not settled count together."""
    unsaved = 0
    crew = Crew(unsaved=lambda: unsaved + len(crew.told))
    crew.ears.reads_on = False
    users = [UserKey("v1", f"u{number}") for number in range(12)]
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(crew.batch.run, users)
        await anyio.sleep(20)
        assert len(set(crew.house.sesamy.asked)) == 4, "runs that are not settled don't count"
        crew.ears.reads_on = True
        await anyio.sleep(20)
        assert (len(set(crew.house.sesamy.asked)), len(crew.told)) == (4, 4), "ends that are not kept don't count"
        unsaved = -8
        await anyio.sleep(20)
        assert len(crew.told) == 12
        tasks.cancel_scope.cancel()


@virtual
async def test_runs_that_fail_at_one_account_are_as_many_after_a_crash_as_any() -> None:
    house = House()
    house.write_takes(0.11 / 3)  # A read and two writes, which end between two looks at what has ended.
    users = [UserKey("v1", f"u{number}") for number in range(12)]
    house.make[A].fails_for = {user.user: [Refused("no", code="http-422")] for user in users}
    crew = Crew(house, unsaved=lambda: len(crew.told))
    crew.ears.reads_on = False
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(crew.batch.run, users)
        await anyio.sleep(20)
        assert len({user for _, user in house.written}) == 4
        tasks.cancel_scope.cancel()


@virtual
async def test_where_nobody_keeps_ends_unsettled_runs_hold_nobody_up() -> None:
    crew = Crew()
    crew.ears.reads_on = False
    users = [UserKey("v1", f"u{number}") for number in range(12)]
    async with crew.running(users):
        await anyio.sleep(20)
        assert len(set(crew.house.sesamy.asked)) == 12
        crew.ears.reads_on = True

    assert len(crew.told) == 12


@virtual
async def test_no_more_than_two_thousand_users_are_owed_at_once_and_all_come_to_their_end() -> None:
    crew = Crew()
    crew.ears.reads_on = False
    async with crew.running(UserKey("v1", f"guest|{number}") for number in range(2100)):
        await anyio.sleep(5)
        assert crew.batch.left == 2000
        crew.ears.reads_on = True

    assert (len({one.user for one in crew.told}), len(crew.told)) == (2100, 2100)


# ---- What is paused ----


def pausing(*paused: str, whole: bool = False) -> Any:
    (vendor,) = SMALL.vendors
    rows = tuple(structs.replace(one, paused=one.list_id in paused) for one in vendor.makeas)
    return structs.replace(SMALL, vendors=(structs.replace(vendor, makeas=rows, paused=whole),))


@virtual
async def test_what_is_paused_is_said_at_once_and_the_rest_is_written() -> None:
    """No gate opens while a command waits, so it waits for none."""
    house = House()
    told = await Crew(house, settings=pausing("20")).run(ANN, BO, limit_s=10.0)

    assert told == [Synced(vendor="v1", user=user.user, outcome="failed", failed={"2": "paused"}) for user in (ANN, BO)]
    assert {account for account, _ in house.written} == {A}


@virtual
async def test_nobody_of_a_paused_vendor_is_fetched_and_each_is_told_to_be_paused() -> None:
    house = House()
    told = await Crew(house, settings=pausing(whole=True)).run(ANN, BO, limit_s=10.0)

    assert told == [Synced(vendor="v1", user=user.user, outcome="failed", failed={"sesamy": "paused"}) for user in (ANN, BO)]
    assert (house.written, house.sesamy.asked) == ([], [])


@virtual
async def test_a_paused_list_of_an_account_is_told_though_its_siblings_are_written() -> None:
    house = House()
    house.make[A] = Make("11", "12", "13")
    settings = structs.replace(SMALL, vendors=(MANY_LISTS.vendors[0],))
    (vendor,) = settings.vendors
    rows = tuple(structs.replace(one, paused=one.list_id == "12") for one in vendor.makeas)
    settings = structs.replace(settings, vendors=(structs.replace(vendor, makeas=rows),))

    assert await Crew(house, settings=settings).run(ANN, limit_s=10.0) == [
        Synced(vendor="v1", user="ann", outcome="failed", failed={"1": "paused"})
    ]
    assert house.make[A].asked == [("11", "13")]


@virtual
async def test_a_failure_of_the_account_is_told_though_a_list_of_it_is_paused() -> None:
    """What is paused waits for somebody's word, what fails for a cure: it must not be hidden."""
    for paused in ("11", "13"):
        house = House()
        house.make[A] = Make("11", "12", "13")
        house.make[A].fails_for[ANN.user] = [Retryable("", code="http-500") for _ in range(20)]
        (vendor,) = MANY_LISTS.vendors[:1]
        rows = tuple(structs.replace(one, paused=one.list_id == paused) for one in vendor.makeas)
        settings = structs.replace(SMALL, vendors=(structs.replace(vendor, makeas=rows),))

        (told,) = await Crew(house, settings=settings).run(ANN, limit_s=60.0)
        assert (told.outcome, told.failed) == ("failed", {"1": "http-500"})


@virtual
async def test_what_an_account_does_not_keep_is_in_the_log_for_no_pod_watches_a_command() -> None:
    crew, asked = Crew(), Asked(email="a@example.com", before=None, lists=("10",), tags=())
    with Lines(as_json=True) as lines:
        for user in (ANN, BO, CAT, DAN):
            crew.kept.learn(user, asked, None, hides_left=False, now=0.0)
        said = lines.json()

    assert [(one["event"], one["level"], one["upstream"], one["cause"], one["cure"]) for one in said] == [
        ("writes not kept", "warning", A, "lists", CURE)
    ]
