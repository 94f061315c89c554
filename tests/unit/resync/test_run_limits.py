"""When a run may not write, what a failure counts as, and whom it touches: each promise by example."""

from collections.abc import Awaitable, Callable
from typing import Final

import anyio
import pytest

from consumer.core.errors import Denied, Forbidden, Refused, Retryable
from consumer.core.model import AccountId, Result, UserKey, Verdict
from tests.clock import virtual
from tests.unit.resync.test_run import CUT, DONE, WHOLE, A, B, Desk

LEASE: Final = Result(Verdict.HELD, "lease", tried=False)
GATE: Final = Result(Verdict.HELD, "gate", tried=False)
TOO_OLD: Final = Result(Verdict.RETRY, "snapshot-old")


def server_error() -> Retryable:
    return Retryable("500", code="http-500")


async def beside(run: Awaitable[object], at_s: float, happens: Callable[[], object]) -> None:
    """Let something happen so long after a run began."""
    async with anyio.create_task_group() as tasks:

        async def happen() -> None:
            await anyio.sleep(at_s)
            happens()

        tasks.start_soon(happen)
        await run


# ---- The lease ----


@virtual
async def test_no_write_starts_without_a_lease_and_it_is_no_failure() -> None:
    for left_s in (0.0, -1.0):
        desk = Desk()
        desk.lease_s = left_s
        assert await desk.run() == {A: LEASE, B: LEASE}
        assert (desk.make[A].reads, desk.make[A].written, desk.make[B].written) == (1, [], [])
        assert (desk.resync.tally.failures, desk.half_written) == ({}, 0)


@virtual
async def test_a_lease_that_ends_between_two_writes_ends_the_run_there() -> None:
    desk = Desk()
    async with anyio.create_task_group() as tasks:

        async def lose() -> None:
            await anyio.sleep(0.25)  # Within the first write.
            desk.lease_s = 0.0

        tasks.start_soon(lose)
        assert await desk.run(A) == {A: LEASE}
    assert desk.make[A].written == ["upsert"]


@virtual
async def test_a_write_is_told_to_last_no_longer_than_the_lease() -> None:
    desk = Desk()
    desk.lease_s = 7.5
    assert await desk.run(A) == {A: DONE}
    assert desk.make[A].limits_s == [7.5, 7.5]


# ---- The snapshot's age ----


@virtual
async def test_a_snapshot_is_not_written_any_more_when_it_is_older_than_30_s() -> None:
    """Each step of the write takes so long; the second write would begin after two of them."""
    for takes_s, written in ((14.9, WHOLE), (15.0, ["upsert"]), (29.8, ["upsert"]), (30.0, [])):
        desk = Desk()
        desk.make[A].takes_s = takes_s
        assert await desk.run(A) == {A: DONE if written == WHOLE else TOO_OLD}
        assert (desk.make[A].written, desk.make[A].reads) == (written, 1), "there is no second try of what is too old"


@virtual
async def test_the_age_counts_from_the_beginning_of_the_fetch() -> None:
    desk = Desk()
    desk.sesamy.takes_s, desk.make[A].takes_s = 25.0, 6.0
    assert await desk.run(A) == {A: TOO_OLD}
    assert desk.make[A].written == []


@virtual
async def test_the_wait_before_the_fetch_makes_no_snapshot_old() -> None:
    desk = Desk()
    desk.make[A].takes_s = 10.0
    assert await desk.run(A, begins_in_s=25.0) == {A: DONE}
    assert anyio.current_time() > 55


@virtual
async def test_a_fetch_that_takes_longer_than_that_is_given_up() -> None:
    desk = Desk()
    desk.sesamy.takes_s = 29.0
    assert await desk.run(A) == {A: DONE}
    desk.sesamy.takes_s, began = 31.0, anyio.current_time()
    assert await desk.run(A) == TOO_OLD
    assert anyio.current_time() == began + 30


@virtual
async def test_what_took_too_long_says_nothing_against_an_upstream() -> None:
    """It waited for permits of ours, or for the other one."""
    desk = Desk()
    desk.sesamy.takes_s, desk.make[A].takes_s = 25.0, 6.0
    for number in range(7):
        assert await desk.run(A, user=UserKey("v1", f"late{number}")) == {A: TOO_OLD}
    desk.sesamy.takes_s = 31.0
    for number in range(7):
        assert await desk.run(A, user=UserKey("v1", f"later{number}")) == TOO_OLD
    assert not any(gate.closed(now=anyio.current_time()) for gate in (desk.gates.vendors["v1"], desk.gates.accounts[A]))


# ---- What Sesamy says ----


@virtual
async def test_whom_sesamy_does_not_know_is_absent_and_not_skipped() -> None:
    """The event may be ahead of the API: who is absent is looked up again, who is skipped is not."""
    desk = Desk()
    desk.sesamy.knows = False
    assert await desk.run() == Result(Verdict.ABSENT, "absent")
    assert (desk.outcomes, desk.make[A].reads) == ({"skipped_absent": 1}, 0)


@virtual
async def test_where_nobody_is_known_the_absence_is_not_believed() -> None:
    desk = Desk()
    desk.sesamy.knows = False
    brought = [await desk.run(user=UserKey("v1", f"u{number}")) for number in range(20)]
    assert brought == [Result(Verdict.ABSENT, "absent")] * 19 + [Result(Verdict.HELD, "absent")]


@virtual
async def test_who_has_no_address_and_who_is_a_guest_is_skipped() -> None:
    desk = Desk()
    desk.sesamy.email = None
    assert await desk.run() == Result(Verdict.SKIPPED, "no-email")
    assert desk.sesamy.asked == 1
    assert await desk.run(user=UserKey("v1", "guest|1")) == Result(Verdict.SKIPPED, "guest", tried=False)
    assert (desk.sesamy.asked, desk.make[A].reads) == (1, 0)


# ---- One account's failure ----


@virtual
async def test_one_accounts_failure_touches_no_other() -> None:
    desk = Desk()
    desk.make[A].fails = [Refused("422", code="http-422")]
    assert await desk.run() == {A: Result(Verdict.REFUSED, "http-422"), B: DONE}
    assert (desk.make[A].written, desk.make[B].written) == ([], WHOLE)
    assert [*desk.resync.tally.failures] == [(A, "http-422")]


@virtual
async def test_a_transient_failure_is_tried_once_more_in_the_run_and_once_only() -> None:
    desk = Desk()
    desk.make[A].fails = [server_error()]
    assert await desk.run(A) == {A: DONE}
    assert (desk.make[A].reads, desk.resync.tally.failures) == (2, {})
    desk.make[A].fails = [server_error() for _ in range(3)]
    assert await desk.run(A) == {A: Result(Verdict.RETRY, "http-500")}
    assert desk.make[A].reads == 4


@virtual
async def test_where_the_upstream_asks_to_wait_there_is_no_second_try_in_the_run() -> None:
    for error, brought in (
        (Retryable("429", code="http-429", retry_after_s=5.0), Result(Verdict.RETRY, "http-429")),
        (Retryable("409", code="http-409", delay_s=3.0), Result(Verdict.RETRY, "http-409", delay_s=3.0)),
    ):
        desk = Desk()
        desk.make[A].fails = [error]
        assert await desk.run(A) == {A: brought}
        assert desk.make[A].reads == 1


@virtual
async def test_a_failure_at_a_shut_gate_burns_no_attempt_and_has_no_second_try() -> None:
    """Somebody else has found the upstream out meanwhile."""
    desk = Desk()
    desk.make[A].takes_s = 2.0
    desk.make[A].fails = [server_error()]
    brought = list[object]()

    async def run() -> None:
        brought.append(await desk.run(A))

    def shut() -> None:
        desk.gates.accounts[A].failed(UserKey("v1", "bo"), Denied("401", code="http-401"), now=anyio.current_time())

    await beside(run(), 1.0, shut)
    assert (brought, desk.make[A].reads) == ([{A: Result(Verdict.HELD, "http-500")}], 1)


@virtual
async def test_who_waits_for_a_permit_before_a_gate_that_shuts_meanwhile_does_not_call() -> None:
    desk = Desk(calls={A: 1})
    brought = list[object]()

    async def run() -> None:
        brought.append(await desk.run(A))

    def shut() -> None:
        desk.gates.accounts[A].failed(UserKey("v1", "bo"), Denied("401", code="http-401"), now=anyio.current_time())

    await beside(run(), 1.0, shut)
    assert (brought, desk.make[A].reads, desk.make[A].written) == ([{A: GATE}], 1, [])


@virtual
async def test_a_success_ends_the_row_of_failures_at_each_upstream() -> None:
    """Four users in a row fail and one does not, again and again: no gate shuts."""
    desk = Desk()
    for number in range(10):
        desk.make[A].fails = [] if number % 5 == 4 else [Refused("422", code="http-422")]
        await desk.run(A, user=UserKey("v1", f"u{number}"))
        assert not desk.gates.accounts[A].closed(now=anyio.current_time())
    desk.make[A].fails = []
    for number in range(10):
        desk.sesamy.fails = [] if number % 5 == 4 else [Refused("422", code="http-422")]
        await desk.run(A, user=UserKey("v1", f"w{number}"))
        assert not desk.gates.vendors["v1"].closed(now=anyio.current_time())


@virtual
async def test_nobody_is_fetched_before_a_shut_gate() -> None:
    desk = Desk()
    desk.gates.vendors["v1"].failed(UserKey("v1", "bo"), Denied("401", code="http-401"), now=0.0)
    assert await desk.run() == GATE
    assert (desk.sesamy.asked, desk.resync.tally.failures) == (0, {})


@virtual
async def test_the_three_calls_of_a_fetch_are_paid_for_before_it() -> None:
    """One permit was there, one comes each 2 s: three paid leave two owed, and the next waits for the third."""
    desk = Desk()
    desk.sesamy.fails = [Refused("422", code="http-422")]
    assert await desk.run() == Result(Verdict.REFUSED, "http-422")
    assert desk.gates.vendors["v1"].reserve(now=anyio.current_time()) == pytest.approx(6 - anyio.current_time())


@virtual
async def test_a_key_that_is_refused_is_read_again() -> None:
    desk = Desk()
    desk.make[A].fails = [Refused("422", code="http-422")]
    await desk.run(A)
    assert desk.keys[A].expired == 0
    desk.make[A].fails = [Denied("401", code="http-401")]
    assert await desk.run() == {A: Result(Verdict.HELD, "http-401"), B: DONE}
    assert (desk.keys[A].expired, desk.keys[B].expired) == (1, 0)


@virtual
async def test_a_token_of_sesamy_is_fetched_anew_where_three_users_are_forbidden() -> None:
    desk = Desk()
    for number in range(3):
        desk.sesamy.fails = [Forbidden("403", code="http-403")]
        assert desk.sesamy.renewed == 0
        assert isinstance(await desk.run(A, user=UserKey("v1", f"u{number}")), Result)
    assert desk.sesamy.renewed == 1


# ---- While we stop ----


@virtual
async def test_who_has_not_begun_waits_for_nothing_once_we_stop() -> None:
    desk = Desk()
    assert await desk.run(A, begins_in_s=9.0, stop_s=1.0) == CUT
    assert (anyio.current_time(), desk.sesamy.asked) == (1, 0)


@virtual
async def test_a_wait_that_is_cut_ends_at_once() -> None:
    desk = Desk(calls={A: 1})
    assert await desk.run(A, stop_s=1.0) == {A: CUT}
    assert anyio.current_time() == 1


@virtual
async def test_a_run_that_is_cut_between_a_permit_and_its_write_does_not_write() -> None:
    desk = Desk(calls={B: 1})
    desk.gates.accounts[B].reserve(now=0.0)
    desk.make[A].hesitates_s = 0.1
    assert await desk.run(stop_s=0.25) == {A: CUT, B: CUT}
    assert (desk.make[A].reads, desk.make[A].written) == (1, [])


# ---- What is shown ----


@virtual
async def test_the_last_write_is_noted_of_what_was_written_alone() -> None:
    desk = Desk()
    desk.make[A].fails = [Refused("422", code="http-422")]
    await desk.run()
    assert [*desk.resync.tally.written] == [(B, "20", "v1")]


@virtual
async def test_so_many_kinds_of_failure_are_remembered_and_the_newest_counts_on() -> None:
    desk = Desk()
    for number in [*range(60), 59]:
        desk.gates.accounts[A].forget()
        desk.make[A].fails = [Refused("no", code=f"code-{number}")]
        await desk.run(A)
    assert [code for _, code in desk.resync.tally.failures] == [f"code-{number}" for number in range(10, 60)]
    assert desk.resync.tally.failures[AccountId("1"), "code-59"].count == 2
