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
