"""What the committer promises: only watermarks are committed, often enough, and only a member's success proves anything."""

import time
from collections.abc import Mapping
from math import inf
from typing import Final

import anyio
import pytest
from aiokafka.errors import (
    CommitFailedError,
    IllegalGenerationError,
    IllegalStateError,
    KafkaError,
    RebalanceInProgressError,
    RequestTimedOutError,
    UnknownMemberIdError,
)

from consumer.core.lease import Lease
from consumer.core.ledger import Ledger
from consumer.kafka.commits import Commits, boot_clock
from consumer.telemetry.metrics import Metrics
from tests.clock import virtual
from tests.simulation.settings import SETTINGS

BOOTED_S: Final = 1000.0
"""How far the lease's clock is ahead of the loop's."""


class Broker:
    """Takes what it is sent, after a while; or fails."""

    def __init__(self) -> None:
        self.generation = 7
        self.sent: list[dict[int, int]] = []
        self.sent_at: list[float] = []
        self.takes_s = 0.0
        self.fails: KafkaError | None = None

    async def commit_offsets(self, offsets: Mapping[int, int]) -> None:
        self.sent.append(dict(offsets))
        self.sent_at.append(anyio.current_time())
        await anyio.sleep(self.takes_s)
        if self.fails is not None:
            raise self.fails


class Desk:
    """A committer of two partitions, a member in generation 7; the lease has 30 s."""

    def __init__(self, *, session_timeout_s: float = 30.0) -> None:
        self.ledger, self.lease, self.broker = Ledger(), Lease(30.0), Broker()
        self.ledger.begin(0, 5)
        self.ledger.begin(1, 8)
        self.losses = 0
        self.metrics = Metrics(SETTINGS)
        self.commits = Commits(
            self.ledger,
            self.lease,
            session_timeout_s=session_timeout_s,
            on_loss=self._lost,
            clock=self._clock,
            metrics=self.metrics,
        )

        self.commits.member = self.broker

    def _lost(self) -> None:
        assert self.left_s == -inf, "who is told of the loss must not find a lease"
        self.losses += 1

    @staticmethod
    def _clock() -> float:
        return anyio.current_time() + BOOTED_S

    @property
    def left_s(self) -> float:
        return self.lease.left_s(now=self._clock())

    @property
    def results(self) -> dict[str, int]:
        counted = {result: self._counted(result) for result in ("ok", "failed", "refused")}
        return {result: number for result, number in counted.items() if number}

    def _counted(self, result: str) -> int:
        return int(self.metrics.registry.get_sample_value("sesamy_makeas_commits_total", {"result": result}) or 0)

    async def run_for(self, seconds: float) -> None:
        with anyio.move_on_after(seconds):
            await self.commits.run()


def refused(cause: type[KafkaError]) -> CommitFailedError:
    """Return what the client raises where a broker refuses a commit."""
    error = CommitFailedError("refused")
    error.__cause__ = cause()
    return error


# ---- What is committed ----


@virtual
async def test_nothing_but_watermarks_is_committed() -> None:
    desk = Desk()
    for offset in (5, 6):
        desk.ledger.open(0, offset, since_ms=0)
    desk.ledger.read(0, 7)
    desk.ledger.close(0, 6)

    assert await desk.commits.commit(limit_s=1)
    assert desk.broker.sent == [{0: 5, 1: 8}]
    assert (desk.commits.committed, desk.results) == ({0: 5, 1: 8}, {"ok": 1})


@virtual
async def test_with_no_partition_nothing_is_sent_and_nothing_proved() -> None:
    desk = Desk()
    for partition in (0, 1):
        desk.ledger.end(partition)
    await desk.run_for(6)

    assert (desk.broker.sent, desk.left_s, desk.results) == ([], -inf, {})
    assert desk.commits.tried_at == 5, "it is at work all the same"


@virtual
async def test_what_went_meanwhile_is_not_kept_as_committed() -> None:
    """Else a later owner's partition, come back to us, would be taken for untouched."""
    desk = Desk()
    desk.broker.takes_s = 1.0
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: desk.commits.commit(limit_s=5))
        await anyio.sleep(0.5)
        desk.ledger.end(1)

    assert (desk.broker.sent, desk.commits.committed) == ([{0: 5, 1: 8}], {0: 5})


@virtual
async def test_what_failed_is_not_kept_as_committed() -> None:
    desk = Desk()
    for desk.broker.fails in (RequestTimedOutError(), IllegalStateError(), refused(RebalanceInProgressError)):
        assert not await desk.commits.commit(limit_s=1)
    assert (len(desk.broker.sent), desk.commits.committed) == (3, {})


# ---- How often ----


@pytest.mark.parametrize(("session_timeout_s", "at"), [(6.0, [2.0, 4.0, 6.0]), (9.0, [3.0, 6.0, 9.0]), (60.0, [5.0, 10.0, 15.0])])
def test_every_third_of_a_session_and_every_5_s_a_commit_is_sent_though_nothing_moved(session_timeout_s: float, at: list[float]) -> None:
    @virtual
    async def run() -> None:
        desk = Desk(session_timeout_s=session_timeout_s)
        await desk.run_for(at[-1] + 0.5)
        assert (desk.broker.sent_at, desk.broker.sent) == (at, [{0: 5, 1: 8}] * 3)

    run()


@virtual
async def test_one_that_fails_or_has_no_answer_is_not_the_last() -> None:
    desk = Desk(session_timeout_s=9.0)
    desk.broker.fails, desk.broker.takes_s = RequestTimedOutError(), 1.0
    await desk.run_for(4.5)
    assert (desk.broker.sent_at, desk.results) == ([3.0], {"failed": 1})

    desk.broker.takes_s = inf
    desk.broker.sent_at.clear()
    began = anyio.current_time()
    await desk.run_for(12.5)
    assert [at - began for at in desk.broker.sent_at] == [3.0, 9.0], "it was waited for 6 s"
    assert desk.results == {"failed": 2}


@virtual
async def test_a_slow_answer_makes_the_next_commit_no_later() -> None:
    desk = Desk(session_timeout_s=9.0)
    desk.broker.takes_s = 2.0
    await desk.run_for(10.5)

    assert desk.broker.sent_at == [3.0, 6.0, 9.0]


@virtual
async def test_a_commit_has_a_time_limit() -> None:
    desk = Desk()
    desk.broker.takes_s = inf
    with anyio.fail_after(60):
        assert not await desk.commits.commit(limit_s=4)
    assert (anyio.current_time(), desk.results, desk.left_s, desk.losses) == (4, {"failed": 1}, -inf, 0)


# ---- What it proves ----


@virtual
async def test_a_success_prolongs_the_lease_from_its_sending_not_from_its_answer() -> None:
    desk = Desk()
    await anyio.sleep(10)
    desk.broker.takes_s = 4.0
    assert await desk.commits.commit(limit_s=5)

    assert (anyio.current_time(), desk.left_s) == (14, 26)


@pytest.mark.parametrize("generation", [-1, 0])
def test_a_commit_without_a_generation_proves_nothing(generation: int) -> None:
    """A broker takes such a one from anybody, where the group is empty."""

    @virtual
    async def run() -> None:
        desk = Desk()
        desk.broker.generation = generation
        assert not await desk.commits.commit(limit_s=1)
        assert (desk.left_s, desk.results, desk.commits.committed) == (-inf, {"ok": 1}, {0: 5, 1: 8})

    run()


@pytest.mark.parametrize("later", [-1, 0, 8])
def test_a_generation_that_changed_meanwhile_proves_nothing(later: int) -> None:
    @virtual
    async def run() -> None:
        desk = Desk()
        desk.broker.takes_s = 1.0
        proved = list[bool]()

        async def commit() -> None:
            proved.append(await desk.commits.commit(limit_s=5))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(commit)
            await anyio.sleep(0.5)
            desk.broker.generation = later
        assert (proved, desk.left_s, desk.results) == ([False], -inf, {"ok": 1})

    run()


@pytest.mark.parametrize("cause", [UnknownMemberIdError, IllegalGenerationError])
def test_a_refusal_for_membership_ends_the_lease_at_once_and_is_told(cause: type[KafkaError]) -> None:
    @virtual
    async def run() -> None:
        desk = Desk()
        assert await desk.commits.commit(limit_s=1)
        assert desk.left_s == 30
        desk.broker.fails = refused(cause)
        assert not await desk.commits.commit(limit_s=1)
        assert (desk.left_s, desk.losses, desk.results) == (-inf, 1, {"ok": 1, "refused": 1})

    run()


@virtual
async def test_a_success_that_was_sent_before_the_loss_does_not_undo_it() -> None:
    desk = Desk()
    desk.broker.takes_s = 2.0
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: desk.commits.commit(limit_s=5))
        await anyio.sleep(1)
        desk.broker.takes_s, desk.broker.fails = 0.0, refused(UnknownMemberIdError)
        await desk.commits.commit(limit_s=1)
        desk.broker.fails = None
    assert (desk.left_s, desk.results) == (-inf, {"ok": 1, "refused": 1})

    assert await desk.commits.commit(limit_s=1)
    assert desk.left_s == 30


@pytest.mark.parametrize(
    ("error", "result"),
    [(refused(RebalanceInProgressError), "refused"), (IllegalStateError(), "refused"), (RequestTimedOutError(), "failed")],
    ids=["rebalance", "assignment-changed", "no-answer"],
)
def test_any_other_failure_neither_proves_nor_ends_anything(error: KafkaError, result: str) -> None:
    @virtual
    async def run() -> None:
        desk = Desk()
        assert await desk.commits.commit(limit_s=1)
        await anyio.sleep(12)
        desk.broker.fails = error
        assert not await desk.commits.commit(limit_s=1)
        assert (desk.left_s, desk.losses, desk.results) == (18, 0, {"ok": 1, result: 1})

    run()


def test_the_clock_runs_while_the_machine_is_suspended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is such a clock: else a pod that wakes up after an hour would find its lease as it left it."""
    asked = list[int]()

    def now(clock: int) -> float:
        asked.append(clock)
        return 42.0

    monkeypatch.setattr(time, "clock_gettime", now)
    assert (boot_clock(), asked) == (42.0, [getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)])
