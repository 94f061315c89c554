"""Places at the accounts after a long fetch, and before a second try: nobody writes without one, and no two runs wait for each other's."""

from typing import Final

import anyio
import pytest

from consumer.core.errors import Denied, Retryable
from consumer.core.gates.gate import Gate
from consumer.core.gates.window import Said
from consumer.core.model import AccountId, Result, UserKey, Verdict
from consumer.resync.makeas import WriteOutcome
from consumer.resync.sharing.rider import Rider
from tests.clock import virtual
from tests.fakes.desk import ANN, DONE, A, B, Desk
from tests.fakes.upstreams import Make
from tests.unit.resync.test_pages import LONG, TOO_OLD, small_share

BO: Final = UserKey("v1", "bo")


def one_place_each(desk: Desk) -> dict[AccountId, Gate]:
    gates = {account: Gate(rate_per_s=10, burst=40, run_calls=4, places=1, tries=5) for account in (A, B)}
    desk.gates.accounts = gates
    return gates


async def entered(desk: Desk, user: UserKey, *accounts: AccountId) -> object:
    """Make a run as the workers do."""
    desk.gates.enter(user, accounts, now=anyio.current_time())
    try:
        return await desk.run(*accounts, user=user)
    finally:
        desk.gates.leave(user, accounts, now=anyio.current_time())


@pytest.mark.parametrize("after_s", [25.0, 25.03, 25.05, 25.13])
def test_two_long_fetches_never_wait_for_each_others_place(after_s: float) -> None:
    """Whichever of them looks first once a place is free."""

    @virtual
    async def probe() -> None:
        desk, brought = small_share(pages=4), list[object]()
        gates = one_place_each(desk)

        async def run(user: UserKey, at_s: float) -> None:
            await anyio.sleep(at_s)
            brought.append(await entered(desk, user, A, B))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run, LONG[0], 0.0)
            tasks.start_soon(run, LONG[1], 0.07)
            await anyio.sleep(5)
            for gate in gates.values():
                gate.enter(ANN, now=anyio.current_time())
            await anyio.sleep(after_s)
            for gate in gates.values():
                gate.leave(ANN, now=anyio.current_time())
                await anyio.sleep(0.1)
        assert brought == [{A: DONE, B: DONE}] * 2

    probe()


class Aside(Make):
    """An account where a first try leaves its place to others, and fails after five seconds."""

    def __init__(self) -> None:
        super().__init__()
        self.at_once = self.most_at_once = 0

    async def write(self, *args: object, rider: Rider, **given: object) -> WriteOutcome:
        if rider.user == ANN and not self.riders:
            self.riders.append(rider)
            rider.step_aside()
            await anyio.sleep(5)
            raise Retryable("503", code="http-503")
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            return await super().write(*args, rider=rider, **given)  # type: ignore[arg-type]
        finally:
            self.at_once -= 1


@virtual
async def test_a_second_try_waits_for_a_place_where_the_first_has_left_its_own() -> None:
    make = Aside()
    desk = Desk(vendor=Gate(rate_per_s=100, burst=100, run_calls=3), make_a=make)
    one_place_each(desk)
    make.takes_s = 3.0
    brought = list[object]()
    async with anyio.create_task_group() as tasks:

        async def other() -> None:
            await anyio.sleep(2)
            brought.append(await entered(desk, BO, A))

        tasks.start_soon(other)
        brought.append(await entered(desk, ANN, A))
    assert brought == [{A: DONE}] * 2
    assert make.most_at_once == 1


@virtual
async def test_no_permit_is_waited_for_that_comes_once_the_snapshot_is_too_old() -> None:
    desk = small_share(pages=4)
    gates = one_place_each(desk)
    async with anyio.create_task_group() as tasks:

        async def say() -> None:
            await anyio.sleep(5)
            gates[A].pace.window.note(Said(limit=100, remaining=2, reset=1e9, ends_in_s=100), in_flight=0, now=anyio.current_time())

        tasks.start_soon(say)
        assert await entered(desk, LONG[0], A, B) == {A: TOO_OLD, B: DONE}
    assert anyio.current_time() < 20


@virtual
async def test_no_place_is_waited_for_at_a_gate_that_is_shut() -> None:
    desk = small_share(pages=4)
    gates = one_place_each(desk)
    async with anyio.create_task_group() as tasks:

        async def refuse() -> None:
            await anyio.sleep(5)
            gates[A].enter(ANN, now=anyio.current_time())
            gates[A].failed(ANN, Denied("401", code="http-401"), now=anyio.current_time())

        tasks.start_soon(refuse)
        assert await entered(desk, LONG[0], A, B) == {A: Result(Verdict.HELD, "gate", tried=False), B: DONE}
    assert anyio.current_time() < 20
