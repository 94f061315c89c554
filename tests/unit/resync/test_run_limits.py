"""What a failure of a run counts as, and whom it touches: each promise by example."""

from typing import Final

import anyio
import pytest

from consumer.core.answers.snapshot import Profile, Snapshot
from consumer.core.errors import Denied, Forbidden, Refused, Retryable
from consumer.core.model import Result, UserKey, Verdict
from tests.clock import virtual
from tests.fakes.desk import ANN, DONE, A, B, Desk, run_while_the_gate_shuts
from tests.fakes.upstreams import WHOLE

GATE: Final = Result(Verdict.HELD, "gate", tried=False)


def server_error() -> Retryable:
    return Retryable("500", code="http-500")


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
    desk.sesamy.emails[ANN] = None
    assert await desk.run() == Result(Verdict.SKIPPED, "no-email")
    assert desk.sesamy.asked == [ANN]
    assert await desk.run(user=UserKey("v1", "guest|1")) == Result(Verdict.SKIPPED, "guest", tried=False)
    assert (desk.sesamy.asked, desk.make[A].reads) == ([ANN], 0)


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
    assert await run_while_the_gate_shuts(desk) == {A: Result(Verdict.HELD, "http-500")}
    assert desk.make[A].reads == 1


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
    assert (desk.sesamy.asked, desk.resync.tally.failures) == ([], {})


@virtual
async def test_the_three_calls_of_a_fetch_are_paid_for_before_it() -> None:
    """One permit was there, one comes each 2 s: three paid leave two owed, and the next waits for the third."""
    desk = Desk()
    desk.sesamy.fails = [Refused("422", code="http-422")]
    assert await desk.run() == Result(Verdict.REFUSED, "http-422")
    assert desk.gates.vendors["v1"].pace.reserve(1, now=anyio.current_time()) == pytest.approx(6 - anyio.current_time())


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


# ---- What was read in bulk ----


def read_in_bulk(user: UserKey) -> Snapshot | None:
    return (
        Snapshot(user=user, profile=Profile(user_id="ann", email="ann@example.com"), contracts=(), entitlements=()) if user == ANN else None
    )


@virtual
async def test_a_user_that_was_read_in_bulk_is_written_without_a_fetch() -> None:
    desk = Desk(bulk=read_in_bulk)
    assert await desk.run() == {A: DONE, B: DONE}
    assert (desk.sesamy.asked, desk.make[A].written) == ([], WHOLE)
    assert await desk.run(user=UserKey("v1", "bo")) == {A: DONE, B: DONE}
    assert desk.sesamy.asked == [UserKey("v1", "bo")]
    assert desk.make[A].only_new == [True, False]


@virtual
async def test_a_user_that_was_read_in_bulk_costs_no_permit_of_sesamys_and_does_not_vouch_for_it() -> None:
    desk = Desk(bulk=read_in_bulk)
    gate = desk.gates.vendors["v1"]
    for number in range(4):
        gate.failed(UserKey("v1", f"u{number}"), server_error(), now=anyio.current_time())
    began = anyio.current_time()
    assert await desk.run() == {A: DONE, B: DONE}
    assert gate.pay(ANN, now=began) == 0.0
    gate.failed(UserKey("v1", "u4"), server_error(), now=anyio.current_time())
    assert gate.closed(now=anyio.current_time())


@virtual
async def test_a_probe_of_an_account_is_written_whatever_its_contact_shows() -> None:
    """That a key reads says nothing of whether it writes."""
    desk = Desk()
    await desk.run(A)
    await run_while_the_gate_shuts(desk)
    gate = desk.gates.accounts[A]
    assert gate.closed(now=anyio.current_time())
    await anyio.sleep(60)
    gate.enter(ANN, now=anyio.current_time(), permits=1)
    await desk.run(A)

    assert desk.make[A].always[0] is False
    assert desk.make[A].always[-1] is True
    assert not gate.closed(now=anyio.current_time())
    await desk.run(A)
    assert desk.make[A].always[-1] is False
