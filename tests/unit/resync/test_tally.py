"""What is counted and kept of the runs."""

import pytest

from consumer.core.errors import Refused
from consumer.core.model import AccountId, Result, Verdict
from consumer.resync.tally import served
from tests.clock import virtual
from tests.fakes.desk import DONE, A, B, Desk


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


@virtual
async def test_what_the_remote_said_is_kept_with_the_failure_and_the_debt_until_it_says_something_else() -> None:
    desk = Desk()
    told = []
    for said in ("no such field", "", "not now"):
        desk.make[A].fails = [Refused("422", code="http-422", said=said)]
        told.append((await desk.run(A), desk.resync.tally.failures[A, "http-422"].said))

    assert [kept for _, kept in told] == ["no such field", "no such field", "not now"]
    assert [results[A].said for results, _ in told if isinstance(results, dict)] == ["no such field", "", "not now"]


@virtual
async def test_a_run_that_is_cut_off_is_counted_and_so_is_that_it_had_begun_to_write() -> None:
    desk = Desk()

    assert await desk.run(cancel_s=0.05) is None
    assert (desk.outcomes, desk.half_written) == ({"cut_off": 1}, 0)
    assert await desk.run(cancel_s=0.25) is None
    assert (desk.outcomes, desk.half_written) == ({"cut_off": 2}, 1)


@pytest.mark.parametrize(
    ("result", "lists"),
    [
        (DONE, ("11", "12")),
        (Result(Verdict.REFUSED, "held", lists={"12": "held"}), ("11",)),
        (Result(Verdict.REFUSED, "http-422"), ()),
        (Result(Verdict.HELD), ()),
        (Result(Verdict.RETRY, "http-500"), ()),
    ],
)
def test_fresh_is_who_has_had_all_of_a_run(result: Result, lists: tuple[str, ...]) -> None:
    assert served(("11", "12"), result) == lists
