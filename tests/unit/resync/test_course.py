"""How far a run may go: the lease, the age of what was fetched, and the waits that a stop cuts."""

from typing import Final

import anyio

from consumer.core.model import Result, UserKey, Verdict
from tests.clock import virtual
from tests.fakes.desk import CUT, DONE, A, B, Desk, run_while_the_gate_shuts
from tests.fakes.upstreams import WHOLE

GATE: Final = Result(Verdict.HELD, "gate", tried=False)
LEASE: Final = Result(Verdict.HELD, "lease", tried=False)
TOO_OLD: Final = Result(Verdict.RETRY, "snapshot-old")


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


@virtual
async def test_who_waits_for_a_permit_before_a_gate_that_shuts_meanwhile_does_not_call() -> None:
    desk = Desk(calls={A: 1})
    assert await run_while_the_gate_shuts(desk) == {A: GATE}
    assert (desk.make[A].reads, desk.make[A].written) == (1, [])


@virtual
async def test_who_has_not_begun_waits_for_nothing_once_we_stop() -> None:
    desk = Desk()
    assert await desk.run(A, begins_in_s=9.0, stop_s=1.0) == CUT
    assert (anyio.current_time(), desk.sesamy.asked) == (1, [])


@virtual
async def test_a_wait_that_is_cut_ends_at_once() -> None:
    desk = Desk(calls={A: 1})
    assert await desk.run(A, stop_s=1.0) == {A: CUT}
    assert anyio.current_time() == 1


@virtual
async def test_a_run_that_is_cut_between_a_permit_and_its_write_does_not_write() -> None:
    desk = Desk(calls={B: 1})
    desk.gates.accounts[B].pace.reserve(1, now=0.0)
    desk.make[A].hesitates_s = 0.1
    assert await desk.run(stop_s=0.25) == {A: CUT, B: CUT}
    assert (desk.make[A].reads, desk.make[A].written) == (1, [])
