"""A pod between the topic and the upstreams: what it does where its consumer is lost, its partitions go, or it is stopped."""

from collections.abc import Collection
from typing import Any

import anyio
import pytest
from aiokafka.errors import KafkaError

from tests.clock import virtual
from tests.simulation.storm import happen
from tests.simulation.topic import Member
from tests.unit.pod.test_membership import READERS, Steps, taken_up, town, until

# ---- A consumer that is lost ----


@virtual
async def test_once_the_lease_is_over_no_run_goes_on_nor_begins() -> None:
    async with town() as here:
        here.world.trouble["sesamy:v1"] = "hang"
        happen(here.world, READERS[0])
        await until(lambda: here.is_running)
        here.members[0].cut = True
        await until(lambda: here.service.lease_left_s() <= 0)
        await anyio.sleep(1.1)
        assert not here.is_running
        before = here.runs()
        await anyio.sleep(5)

        assert (here.runs(), here.is_running) == (before, False)


@virtual
async def test_no_run_begins_before_a_commit_has_proved_that_the_partitions_are_ours() -> None:
    async with town(lives=False) as here:
        monkeypatch = pytest.MonkeyPatch()

        async def refuses(_: Member, __: object) -> None:
            raise KafkaError("no")

        monkeypatch.setattr(Member, "commit_offsets", refuses)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(here.service.live)
            await until(lambda: here.service.membership.state == "consuming")
            happen(here.world, READERS[0])
            await anyio.sleep(15)
            assert len(here.service.backlog.schedule) == 1
            assert (here.runs(), here.is_running) == (0, False)
            tasks.cancel_scope.cancel()
        monkeypatch.undo()


# ---- A rebalance, and the end ----


@virtual
async def test_without_a_partition_nothing_is_known_of_any_gate() -> None:
    """Nobody of ours would be the probe of one that is shut."""
    async with town(lives=False) as here:
        Steps(here)
        forgotten: list[bool] = []
        gates: Any = here.service.up.gates
        gates.forget = lambda: forgotten.append(True)
        await taken_up(here, 3)
        here.service.backlog.ledger.begin(0, 0)
        await taken_up(here, 3)

        assert forgotten == [True]


@virtual
async def test_letters_are_taken_up_only_while_it_consumes() -> None:
    async with town(lives=False) as here:
        Steps(here)
        backlog, offered = here.service.backlog, list[list[int]]()

        def offer(owned: Collection[int], *, of_topic: int, now: float) -> bool:
            offered.append([*owned])
            return of_topic < now

        backlog.healing.offer = offer  # type: ignore[method-assign]
        backlog.begin(1, 0)
        backlog.offer_letters(now=0.0)
        await taken_up(here, 3)
        backlog.offer_letters(now=0.0)
        await here.service.membership.drain()
        backlog.offer_letters(now=0.0)

        assert offered == [[], [1], []]
