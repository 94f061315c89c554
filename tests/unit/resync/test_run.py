"""Each promise of a run, by example: real gates, stand-ins that take their time, a virtual clock."""

from typing import Final

import anyio
import pytest

from consumer.core.answers.snapshot import Snapshot
from consumer.core.errors import Denied, Forbidden, Refused, Retryable, Torn
from consumer.core.model import Job, Result, UserKey, Verdict
from tests.clock import virtual
from tests.fakes.desk import ANN, DONE, A, B, Desk
from tests.fakes.upstreams import WHOLE

# ---- While we stop ----


@virtual
async def test_who_is_fetched_is_written_where_nothing_must_be_waited_for() -> None:
    desk = Desk()

    assert await desk.run(stop_s=0.05) == {A: DONE, B: DONE}
    assert desk.make[A].written == desk.make[B].written == WHOLE
    assert (desk.outcomes, desk.half_written) == ({"synced": 1}, 0)


# ---- What nobody expected ----

UNEXPECTED: Final = (OverflowError("a"), RecursionError("b"), AssertionError("c"), KeyError("d"), ExceptionGroup("e", [IndexError("f")]))
BUG: Final = Result(Verdict.RETRY, "bug")


@virtual
async def test_what_nobody_expected_of_a_fetch_fails_the_user_there() -> None:
    for error in UNEXPECTED:
        desk = Desk()
        desk.sesamy.fails = [error]
        assert await desk.run() == BUG
        assert (desk.bugs, desk.outcomes, [*desk.resync.tally.failures]) == ({"sesamy": 1}, {"failed": 1}, [("sesamy:v1", "bug")])


@virtual
async def test_what_nobody_expected_of_mapping_is_a_failed_fetch() -> None:
    desk = Desk()
    desk.sesamy.contracts_of = lambda _: (None,)  # type: ignore[assignment, return-value]

    assert await desk.run() == BUG
    assert desk.bugs == {"sesamy": 1}


@virtual
async def test_what_nobody_expected_of_a_write_fails_the_user_at_that_account_alone() -> None:
    for error in UNEXPECTED:
        desk = Desk()
        desk.make[A].fails = [error]
        assert await desk.run() == {A: BUG, B: DONE}
        assert (desk.bugs, desk.outcomes) == ({"makeas": 1}, {"partial": 1})
        assert desk.make[A].written == [], "it is not tried again at once: it would be the same"


@virtual
async def test_what_hits_all_users_shuts_the_gate_and_counts_against_nobody() -> None:
    desk = Desk()
    for number in range(5):
        desk.make[A].fails = [KeyError("x")]
        brought = await desk.run(A, user=UserKey("v1", f"u{number}"))
        assert brought == {A: BUG if number < 4 else Result(Verdict.HELD, "bug")}
    assert desk.gates.accounts[A].closed(now=anyio.current_time())


@virtual
async def test_who_needed_no_write_does_not_hide_that_writes_fail_for_all_others() -> None:
    """A key that may read and not write, say: the others would be parked one by one."""
    desk = Desk()
    desk.make[A].spares = {f"spared{number}" for number in range(3)}
    for number in range(3):
        desk.make[A].fails_for[f"u{number}"] = [Forbidden("403", code="http-403")]
        brought = await desk.run(A, user=UserKey("v1", f"u{number}"))
        assert brought == {A: Result(Verdict.RETRY if number < 2 else Verdict.HELD, "http-403")}
        assert await desk.run(A, user=UserKey("v1", f"spared{number}")) == {
            A: DONE if number < 2 else Result(Verdict.HELD, "gate", tried=False)
        }
    assert desk.gates.accounts[A].refuses_key


@virtual
async def test_of_several_at_once_the_one_that_matters_most_counts() -> None:
    desk = Desk()
    for other, verdict in ((Denied("401", code="http-401"), Verdict.HELD), (Refused("422", code="http-422"), Verdict.REFUSED)):
        desk.make[A].fails = [ExceptionGroup("both", [KeyError("x"), other])]
        assert await desk.run(A) == {A: Result(verdict, other.code)}
        desk.gates.accounts[A].forget()
    desk.make[A].fails = [ExceptionGroup("both", [Retryable("500", code="http-500"), KeyError("x")])]
    assert await desk.run(A) == {A: BUG}


@virtual
async def test_a_change_of_our_own_state_that_fails_ends_the_pod() -> None:
    desk = Desk()

    def torn(user: UserKey, *, now: float) -> float:
        raise ZeroDivisionError(user, now)

    desk.gates.accounts[A].pay = torn  # type: ignore[method-assign]
    with pytest.raises(ExceptionGroup) as caught:
        await desk.run()
    assert caught.group_contains(Torn)


# ---- What was fetched of whom is not believed ----


@virtual
async def test_what_was_fetched_of_a_vendor_that_is_stopped_is_written_no_further() -> None:
    """Between two writes as before the first; it stays owed, and is no failure of anybody's."""
    desk = Desk()
    async with anyio.create_task_group() as tasks:

        async def stop() -> None:
            await anyio.sleep(0.25)  # Fetched, and looked up.
            desk.gates.vendors["v1"].stop("filter", now=anyio.current_time())

        tasks.start_soon(stop)
        results = await desk.run(A)
    assert (results, desk.make[A].written) == ({A: Result(Verdict.HELD, "gate", tried=False)}, ["upsert"])


@virtual
async def test_what_was_asked_for_while_a_vendor_was_stopped_is_not_written_after_that() -> None:
    desk = Desk()
    gate = desk.gates.vendors["v1"]
    async with anyio.create_task_group() as tasks:

        async def stop_for_a_moment() -> None:
            await anyio.sleep(0.02)  # It has been asked.
            gate.stop("filter", now=anyio.current_time())
            await anyio.sleep(0.03)  # It has not answered yet.
            gate.release("filter", now=anyio.current_time())

        tasks.start_soon(stop_for_a_moment)
        assert await desk.run(A) == {A: Result(Verdict.HELD, "gate", tried=False)}
    assert desk.make[A].written == []
    assert await desk.run(A) == {A: DONE}


@virtual
async def test_who_is_to_heed_what_was_fetched_is_awaited_before_anything_is_written() -> None:
    async def heed(job: Job, snapshot: Snapshot) -> None:
        assert (job.user, snapshot.user) == (ANN, ANN)
        await anyio.sleep(1)
        desk.gates.vendors["v1"].stop("filter", now=anyio.current_time())

    desk = Desk(heed=heed)
    assert await desk.run(A) == {A: Result(Verdict.HELD, "gate", tried=False)}
    assert desk.make[A].written == []
