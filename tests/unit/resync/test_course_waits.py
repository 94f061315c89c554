"""What a run waits for, and what it no longer waits for once we stop."""

import anyio

from consumer.core.errors import Retryable
from consumer.core.model import Result, Verdict
from tests.clock import virtual
from tests.fakes.desk import ANN, CUT, DONE, A, B, Desk
from tests.fakes.upstreams import WHOLE


@virtual
async def test_a_user_that_has_begun_to_be_written_waits_for_the_permits_that_it_needs() -> None:
    desk = Desk(calls={A: 2})

    assert await desk.run(A, stop_s=0.25) == {A: DONE}
    assert desk.make[A].written == WHOLE


@virtual
async def test_who_waits_having_begun_goes_on_waiting() -> None:
    desk = Desk(calls={A: 2})

    assert await desk.run(A, stop_s=1.0) == {A: DONE}
    assert anyio.current_time() > 2.0


@virtual
async def test_who_must_wait_and_has_not_begun_is_cut_and_it_is_no_failure() -> None:
    desk = Desk(calls={A: 1})

    assert await desk.run(A, stop_s=0.05) == {A: CUT}
    assert desk.make[A].written == []
    assert (desk.outcomes, desk.half_written, desk.resync.tally.failures) == ({"cut_off": 1}, 0, {})


@virtual
async def test_who_waits_and_has_not_begun_is_cut_at_once_and_gives_the_permit_back() -> None:
    desk = Desk(calls={A: 1})

    assert await desk.run(A, stop_s=1.0) == {A: CUT}
    assert desk.gates.accounts[A].pace.reserve(1, now=2.2) == 0


@virtual
async def test_who_must_wait_for_a_page_is_cut() -> None:
    desk = Desk()
    desk.sesamy.pages = 3

    assert await desk.run(stop_s=0.05) == CUT
    assert desk.outcomes == {"cut_off": 1}


@virtual
async def test_an_account_that_waits_is_waited_for_where_another_was_written() -> None:
    desk = Desk(calls={B: 1})

    assert await desk.run(stop_s=1.0) == {A: DONE, B: DONE}
    assert desk.make[B].written == WHOLE


@virtual
async def test_a_run_that_one_account_cuts_is_begun_at_no_other() -> None:
    desk = Desk(calls={B: 1})
    desk.gates.accounts[B].pace.reserve(1, now=0.0)

    assert await desk.run(stop_s=0.15) == {A: CUT, B: CUT}
    assert desk.make[A].written == desk.make[B].written == []


@virtual
async def test_nobody_waits_for_a_shut_gate_though_it_has_begun() -> None:
    desk = Desk()
    desk.gates.accounts[B].failed(ANN, Retryable("429", code="http-429", retry_after_s=5.0), now=0.0)

    assert await desk.run(stop_s=0.05) == {A: DONE, B: Result(Verdict.HELD, "gate", tried=False)}


@virtual
async def test_the_second_try_of_who_has_not_begun_is_not_made_and_the_first_is_no_failure() -> None:
    desk = Desk()
    desk.make[A].fails = [Retryable("500", code="http-500")]

    assert await desk.run(A, stop_s=0.05) == {A: CUT}
    assert (desk.outcomes, desk.resync.tally.failures) == ({"cut_off": 1}, {})
