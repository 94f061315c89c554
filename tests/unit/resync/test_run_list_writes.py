"""Whole runs where one list of an account refuses everybody: against the stand-in, and on a virtual clock."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any, Final

import anyio
import pytest
from msgspec import structs

from consumer.core.errors import Denied, Refused, Retryable
from consumer.core.gates.gates import Gates
from consumer.core.model import AccountId, Job, Result, UserKey, Verdict
from consumer.resync.clients import Target, Vendor, gates, upstreams
from consumer.resync.run import Resync
from consumer.resync.waits import Waits
from consumer.sandbox.stand_ins import makeas as stand_in
from consumer.sandbox.stand_ins.server import serving
from consumer.settings.account import Account
from consumer.settings.secret import Secret
from consumer.telemetry.metrics import Metrics
from tests.clock import virtual
from tests.fakes.upstreams import Make, Sesamy, address
from tests.unit.resync.test_makeas import settings_of
from tests.unit.resync.test_makeas_consent import read

A: Final = AccountId("1001")
B: Final = AccountId("2001")
ACCOUNT: Final = Account(id=A, vendor="v", user_id="1001", api_key=Secret("text", "k"), lists=("11", "12"))
DONE: Final = Result(Verdict.DONE)
LEFT: Final = Result(Verdict.DONE, kept_off=("11", "12"))
HELD: Final = Result(Verdict.REFUSED, "held", lists={"12": "held"})


class Desk:
    """A resync to one account."""

    def __init__(self, target: Target, gates: Gates, metrics: Metrics, *beside: Target) -> None:
        sesamy: Any = Sesamy()
        sesamy.takes_s = 0.0
        self.sesamy = sesamy
        self.gates, self.metrics = gates, metrics
        targets = {one.account.id: one for one in (target, *beside)}
        self.accounts = tuple(targets)
        self.resync = Resync(
            {"v": Vendor(sesamy, targets)}, gates, lease_left_s=lambda: 10.0, waits=Waits(), uniform=lambda: 0.0, metrics=metrics
        )

    async def run(self, user: str) -> Result:
        job = Job(user=UserKey("v", user), accounts=self.accounts, started_at=0.0, since_ms=dict.fromkeys(self.accounts, 0))
        return (await self.resync.run(job))[1][A]

    @property
    def gate(self) -> str:
        return self.gates.accounts[A].state(now=anyio.current_time()).state

    def outcomes(self, outcome: str) -> float | None:
        return self.metrics.registry.get_sample_value("sesamy_makeas_resyncs_total", {"vendor": "v", "outcome": outcome})


@asynccontextmanager
async def desk(made: stand_in.MakeAs, *, heals: bool = True, paused: Collection[str] = ()) -> AsyncIterator[Desk]:
    async with serving(made.app()) as url:
        settings = settings_of(url, "11", "12")
        vendor = settings.vendors[0]
        rows = tuple(structs.replace(row, paused=row.list_id in paused) for row in vendor.makeas)
        settings = structs.replace(settings, vendors=(structs.replace(vendor, makeas=rows),))
        settings = structs.replace(settings, makeas=structs.replace(settings.makeas, requests_per_second=1000.0, burst=1000))
        metrics = Metrics(settings)
        async with upstreams(settings, metrics, heals=heals) as up:
            await read(up)
            yield Desk(up.vendors["v"].targets[A], up.gates, metrics)


# ---- Against the stand-in ----


@pytest.mark.parametrize("status", [403, 404, 422])
async def test_a_list_that_refuses_everybody_is_left_out_and_its_sibling_has_all(status: int) -> None:
    """The first four are told what it said; for the rest the list is held, and no call is made for it."""
    made = stand_in.MakeAs()
    there = made.add_account("1001", key="k", lists={"11", "12"})
    there.refuses["12"] = status
    async with desk(made) as one:
        results = [await one.run(f"u{number}") for number in range(20)]
        gate = one.gate

    assert results == [Result(Verdict.REFUSED, f"http-{status}", lists={"12": f"http-{status}"})] * 4 + [HELD] * 16
    assert [there.contacts[address(f"u{number}")]["lists"] for number in range(20)] == [["11"]] * 20
    assert (gate, made.calls["1001", "upsert"]) == ("open", 5 * 3 + 15)
    assert (one.outcomes("partial"), one.outcomes("failed")) == (20, 0)
    assert one.resync.tally.written.keys() == {(A, "11", "v")}
    assert [(failure.code, failure.count) for failure in one.resync.tally.failures.values()] == [(f"http-{status}", 5)]


async def test_who_has_left_is_owed_nothing_of_a_list_that_is_left_out() -> None:
    made = stand_in.MakeAs()
    there = made.add_account("1001", key="k", lists={"11", "12"})
    there.refuses["12"] = 404
    there.contact(address("left"), email_status="unsubscribed")
    async with desk(made) as one:
        for number in range(5):
            await one.run(f"u{number}")
        result = await one.run("left")

    assert (result, there.contacts[address("left")]["lists"], there.violations) == (LEFT, [], [])


async def test_a_process_that_parks_nobody_leaves_no_list_out() -> None:
    """Its report says of each user what each list said."""
    made = stand_in.MakeAs()
    made.add_account("1001", key="k", lists={"11", "12"}).refuses["12"] = 404
    async with desk(made, heals=False) as one:
        results = [await one.run(f"u{number}") for number in range(10)]

    assert results == [Result(Verdict.REFUSED, "http-404", lists={"12": "http-404"})] * 10


@pytest.mark.parametrize("status", [404, 422])
async def test_what_all_lists_refuse_is_the_users_and_leaves_none_out(status: int) -> None:
    made = stand_in.MakeAs()
    made.add_account("1001", key="k", lists={"11", "12"}).refuses.update({"11": status, "12": status})
    async with desk(made) as one:
        results = [await one.run(f"u{number}") for number in range(4)]
        states = {one.gates.lists.state(A, list_id, now=anyio.current_time()).door for list_id in ("11", "12")}

    assert (results, states) == ([Result(Verdict.REFUSED, f"http-{status}", said="Refused")] * 4, {"open"})


@pytest.mark.parametrize("heals", [True, False])
async def test_a_paused_list_is_written_by_no_run_and_owed_by_each_and_its_sibling_has_all(heals: bool) -> None:
    """One that left is owed nothing there: it would not be put on it anyway."""
    made = stand_in.MakeAs()
    there = made.add_account("1001", key="k", lists={"11", "12"})
    there.contact(address("left"), email_status="unsubscribed")
    async with desk(made, heals=heals, paused=["12"]) as one:
        results = [await one.run(f"u{number}") for number in range(10)]
        left = await one.run("left")

    assert (results, left) == ([HELD] * 10, LEFT)
    assert [there.contacts[address(f"u{number}")]["lists"] for number in range(10)] == [["11"]] * 10


@pytest.mark.parametrize("status", [404, 422])
async def test_what_the_only_list_refuses_beside_a_paused_one_is_that_lists_and_leaves_it_out_not_the_account(status: int) -> None:
    """Each list has a letter of its own: what is owed to the paused one heals, whatever becomes of the other."""
    made = stand_in.MakeAs()
    there = made.add_account("1001", key="k", lists={"11", "12"})
    there.refuses["11"] = status
    async with desk(made, paused=["12"]) as one:
        results = [await one.run(f"u{number}") for number in range(10)]
        gate, door = one.gate, one.gates.lists.state(A, "11", now=anyio.current_time())

    code = f"http-{status}"
    assert results[:4] == [Result(Verdict.REFUSED, code, lists={"11": code, "12": "held"})] * 4
    assert [(result.verdict, result.code, result.lists) for result in results[4:]] == [
        (Verdict.REFUSED, "held", {"11": "held", "12": "held"})
    ] * 6
    assert (gate, door.door, door.code, there.contacts) == ("open", "left-out", code, {})
    assert [(failure.code, failure.count) for failure in one.resync.tally.failures.values()] == [(code, 5)]
    assert (one.outcomes("failed"), one.outcomes("held"), one.outcomes("partial")) == (5, 5, 0)


async def test_a_403_of_the_only_list_beside_a_paused_one_may_be_the_keys_and_is_for_the_gate_to_judge() -> None:
    made = stand_in.MakeAs()
    made.add_account("1001", key="k", lists={"11", "12"}).refuses["11"] = 403
    async with desk(made, paused=["12"]) as one:
        results = [await one.run(f"u{number}") for number in range(10)]
        gate = one.gate

    assert (gate, results[-1]) == ("closed", Result(Verdict.HELD, "gate", tried=False))


@virtual
async def test_a_list_that_was_left_out_beside_a_paused_one_is_written_once_it_takes_a_probe() -> None:
    make = Make(*ACCOUNT.lists)
    one = table(make, structs.replace(ACCOUNT, paused=frozenset({"12"})))
    one.gates.lists.pause(A, ["12"], now=0.0)
    make.refuses["11"] = "http-404"
    for number in range(5):
        await one.run(f"u{number}")
    await anyio.sleep(1)
    assert (await one.run("early")).lists == {"11": "held", "12": "held"}
    make.refuses.clear()
    await anyio.sleep(5)

    assert await one.run("probe") == await one.run("next") == HELD
    assert make.asked == [("11",)] * 7


@virtual
async def test_nothing_is_asked_for_whose_lists_are_all_paused_and_that_proves_nothing_of_the_account() -> None:
    """Another vendor uses the credential: its gate opens by its own users alone."""
    make = Make(*ACCOUNT.lists)
    one = table(make, structs.replace(ACCOUNT, paused=frozenset(ACCOUNT.lists)))
    one.gates.lists.pause(A, ACCOUNT.lists, now=0.0)
    for number in range(5):
        one.gates.accounts[A].failed(UserKey("w", str(number)), Refused("no", code="http-422"), now=anyio.current_time())
    before = one.gate
    result = await one.run("ann")

    assert result == Result(Verdict.REFUSED, "held", tried=False, lists={"11": "held", "12": "held"})
    assert (one.outcomes("held"), one.outcomes("partial")) == (1, 0)
    assert (make.asked, before, one.gate) == ([], "closed", "closed")


@virtual
async def test_a_run_that_asks_nothing_of_an_account_ends_no_row_of_failures_there() -> None:
    """Else an account that is out stays open, as often as a user of paused lists comes by."""
    make = Make(*ACCOUNT.lists)
    one = table(make, structs.replace(ACCOUNT, paused=frozenset(ACCOUNT.lists)), beside=True)
    one.gates.lists.pause(A, ACCOUNT.lists, now=0.0)
    gate, error = one.gates.accounts[A], Refused("no", code="http-422")
    for number in range(4):
        gate.failed(UserKey("w", str(number)), error, now=anyio.current_time())
    await one.run("ann")
    assert one.gate == "open"
    gate.failed(UserKey("w", "fifth"), error, now=anyio.current_time())

    assert (make.asked, one.gate, one.outcomes("partial")) == ([], "closed", 1)


@virtual
async def test_a_run_that_asks_nothing_of_an_account_is_no_probe_that_opens_it() -> None:
    make = Make(*ACCOUNT.lists)
    one = table(make, structs.replace(ACCOUNT, paused=frozenset(ACCOUNT.lists)), beside=True)
    one.gates.lists.pause(A, ACCOUNT.lists, now=0.0)
    gate = one.gates.accounts[A]
    gate.failed(UserKey("w", "bo"), Denied("no", code="http-401"), now=anyio.current_time())
    await anyio.sleep(5)
    gate.enter(UserKey("v", "ann"), now=anyio.current_time())
    await one.run("ann")
    gate.leave(UserKey("v", "ann"), now=anyio.current_time())

    assert (make.asked, one.gate, gate.refuses_key) == ([], "closed", True)


@virtual
async def test_where_no_list_is_open_to_a_run_sesamy_is_not_asked_and_its_gate_learns_nothing() -> None:
    make = Make(*ACCOUNT.lists)
    one = table(make, structs.replace(ACCOUNT, paused=frozenset(ACCOUNT.lists)))
    one.gates.lists.pause(A, ["11"], now=0.0)
    await one.run("ann")
    assert (one.sesamy.asked, make.asked) == ([UserKey("v", "ann")], [("12",)])

    one.gates.lists.pause(A, ["12"], now=0.0)
    gate, error = one.gates.vendors["v"], Retryable("no", code="timeout")
    for number in range(4):
        gate.failed(UserKey("v", str(number)), error, now=anyio.current_time())
    await one.run("bo")
    gate.failed(UserKey("v", "fifth"), error, now=anyio.current_time())

    assert (one.sesamy.asked, gate.state(now=anyio.current_time()).state) == ([UserKey("v", "ann")], "closed")


@virtual
async def test_what_fails_at_the_whole_account_leaves_what_a_paused_list_is_owed_held() -> None:
    """Each has its letter: one that needs a person, and one that heals once the pause goes."""
    make = Make(*ACCOUNT.lists)
    one = table(make, structs.replace(ACCOUNT, paused=frozenset({"12"})))
    one.gates.lists.pause(A, ["12"], now=0.0)
    make.fails = [Refused("no", code="http-422")]
    result = await one.run("ann")

    assert result == Result(Verdict.REFUSED, "http-422", lists={"11": "http-422", "12": "held"})
    assert (one.outcomes("failed"), one.outcomes("partial")) == (1, 0)


# ---- On a virtual clock ----


def table(make: Make, account: Account = ACCOUNT, *, beside: bool = False) -> Desk:
    """Give a desk; `beside`: with another account that takes everybody."""
    settings = settings_of("http://nowhere.invalid", "11", "12")
    made = gates(settings, heals=True)
    others: list[Any] = []
    if beside:
        made = Gates(made.vendors, {**made.accounts, B: gates(settings).accounts[A]}, made.lists)
        others = [Target(structs.replace(ACCOUNT, id=B, user_id=B, lists=("21",)), Make("21"))]  # type: ignore[arg-type]
    return Desk(Target(account, make), made, Metrics(settings), *others)  # type: ignore[arg-type]


async def without_a_list() -> tuple[Make, Desk]:
    """Give a desk where five readers have shown that one list refuses everybody, just before it is tried again."""
    make = Make(*ACCOUNT.lists)
    one = table(make)
    make.refuses["12"] = "http-404"
    for number in range(5):
        await one.run(f"u{number}")
    await anyio.sleep(5)
    return make, one


@virtual
async def test_a_probe_is_made_by_the_next_user_and_its_success_has_all_lists_written() -> None:
    make, one = await without_a_list()
    assert await one.run("probe") == HELD
    assert await one.run("next") == HELD
    await anyio.sleep(10)
    make.refuses.clear()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(one.run, "first")
        await anyio.sleep(0.01)
        assert await one.run("beside") == HELD

    assert await one.run("last") == DONE
    assert make.asked[5:] == [("11", "12"), ("11",), ("11", "12"), ("11",), ("11", "12")]


@virtual
async def test_a_probe_that_is_cut_off_keeps_nobody_from_being_the_next() -> None:
    make, one = await without_a_list()
    with anyio.move_on_after(0.05):
        await one.run("cut")
    make.refuses.clear()

    assert await one.run("next") == DONE


@virtual
async def test_whom_one_list_refuses_while_another_is_left_out_is_told_each_by_its_own_code() -> None:
    """The one is that user's, and waits for a human; the other heals."""
    account = structs.replace(ACCOUNT, lists=("11", "12", "13"))
    make = Make(*account.lists)
    one = table(make, account)
    make.refuses["13"] = "http-404"
    for number in range(5):
        await one.run(f"u{number}")
    make.refuses["12"] = "http-422"

    assert await one.run("both") == Result(Verdict.REFUSED, "http-422", lists={"12": "http-422", "13": "held"})


# ---- What is as it is to be ----


async def test_a_contact_that_is_as_it_is_to_be_is_written_once_and_counted_and_its_lists_are_fresh() -> None:
    made = stand_in.MakeAs()
    made.add_account("1001", key="k", lists={"11", "12"})
    async with desk(made) as one:
        results = [await one.run("u") for _ in range(3)]
        spared = one.metrics.registry.get_sample_value("sesamy_makeas_writes_spared_total", {"account": "1001"})

    assert results == [DONE] * 3
    # The first is looked back at.
    assert (made.calls["1001", "upsert"], made.calls["1001", "contact"], spared) == (1, 4, 2)
    assert one.resync.tally.written.keys() == {(A, "11", "v"), (A, "12", "v")}


async def test_a_probe_is_written_though_nothing_changed_for_only_that_shows_that_writes_are_taken() -> None:
    made = stand_in.MakeAs()
    there = made.add_account("1001", key="k", lists={"11", "12"})
    async with desk(made) as one:
        await one.run("first")
        there.refuses["12"] = 404
        for number in range(5):
            await one.run(f"u{number}")
        there.refuses.clear()
        await anyio.sleep(5.1)
        before = made.calls["1001", "upsert"]
        result = await one.run("first")

    assert (result, made.calls["1001", "upsert"]) == (DONE, before + 1)
    assert one.gates.lists.state(A, "12", now=0).door == "open"
