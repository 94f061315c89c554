"""The registers of all accounts: which account is ready, and which waits for another."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, cast

import anyio

from consumer.core.errors import Denied, Retryable
from consumer.core.model import AccountId, UserKey
from consumer.resync.registers.account_registers import Source
from consumer.resync.registers.list_rows import ListRows
from consumer.resync.registers.registers import Registers
from tests.clock import new_loop
from tests.fakes.registers import ANN, A, There, gone

B = AccountId("1002")


class Pair:
    """Two accounts of one vendor."""

    def __init__(self) -> None:
        self.one, self.other = There(), There()
        sources = {
            account: Source(there.consent, cast(ListRows, there.rows), there.gate, lambda: None)
            for account, there in ((A, self.one), (B, self.other))
        }
        self.registers = Registers(sources, vendors=[(A, B)])

    def ready(self) -> tuple[bool, bool]:
        now = anyio.current_time()
        return self.registers.ready(A, now), self.registers.ready(B, now)

    def live(self, story: Callable[["Pair"], Coroutine[Any, Any, None]]) -> None:
        async def life() -> None:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self.registers.run, lambda: [("v", A), ("v", B)], lambda: None)
                await story(self)
                tasks.cancel_scope.cancel()

        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(life())


def test_the_accounts_of_a_vendor_wait_a_little_for_each_other_so_that_nobody_is_fetched_for_each() -> None:
    async def story(pair: Pair) -> None:
        pair.other.rows.rows = {"unsubscribed": [gone(1, ANN)]}
        seen = set()
        for _ in range(100):
            seen.add(pair.ready())
            await anyio.sleep(0.05)
        assert seen == {(False, False), (True, True)}

    Pair().live(story)


def test_an_account_that_cant_be_read_holds_its_sibling_no_longer_than_that() -> None:
    async def story(pair: Pair) -> None:
        pair.other.rows.error = Retryable("later", code="http-500")
        await anyio.sleep(5)
        assert pair.ready() == (False, False)
        for _ in range(600):
            await anyio.sleep(1)
            assert anyio.current_time() < 10.5 or pair.ready() == (True, False)

    Pair().live(story)


def test_an_account_behind_a_shut_gate_holds_no_sibling() -> None:
    async def story(pair: Pair) -> None:
        pair.other.gate.failed(UserKey("v", "u"), Denied("no", code="http-401"), now=anyio.current_time())
        await anyio.sleep(3)
        assert pair.ready() == (True, False)

    Pair().live(story)


def test_an_account_that_is_not_known_is_ready() -> None:
    assert Registers().ready(A, 0.0)


# ---- Read once, outside a pod ----


def test_an_account_is_read_when_it_is_asked_for_though_nothing_is_due() -> None:
    async def story(pair: Pair) -> None:
        pair.one.rows.rows = {"unsubscribed": [gone(1, ANN)]}
        await pair.registers.read(A)
        assert pair.one.consent.ready(now=anyio.current_time())
        assert pair.one.consent.registers["1"].find(ANN) == 1
        assert not pair.other.consent.ready(now=anyio.current_time())

    pair = Pair()
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(story(pair))


def test_one_that_does_not_answer_is_waited_for_a_little_and_the_next_time_not_at_all() -> None:
    async def story(pair: Pair) -> None:
        pair.one.rows.error = Retryable("later", code="http-500")
        took = []
        for _ in range(2):
            began = anyio.current_time()
            await pair.registers.read(A)
            took.append(anyio.current_time() - began)
        assert 10 <= took[0] < 12
        assert took[1] == 0
        assert not pair.registers.late(A, anyio.current_time() + 1e6), "nobody waits, so that nobody is to be parked"
        began = anyio.current_time()
        await pair.registers.read(B, within_s=0.01)
        assert anyio.current_time() - began < 0.1
        await pair.registers.read(AccountId("unknown"))

    pair = Pair()
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(story(pair))
