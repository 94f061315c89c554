"""Registers of one account on a virtual clock, with lists as a test says they are."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, cast

import anyio

from consumer.core.errors import ConsumerError
from consumer.core.gates.gate import Gate
from consumer.core.mapping.consent import Consent, Row, Standing
from consumer.core.model import AccountId
from consumer.resync.registers.account_registers import Source
from consumer.resync.registers.list_rows import ListRows, Page
from consumer.resync.registers.registers import Registers
from tests.clock import new_loop

A = AccountId("1001")
ANN, BO = "ann@example.com", "bo@example.com"
DAY_S = 86_400.0
STALE_S = 900.0
"""What was read longer ago is read again before the next write."""


def gone(number: int, email: str, says: Standing = Standing.LEFT, *, updated_at: float | None = None) -> Row:
    return Row(number, email, says, updated_at)


class Rows:
    """One account's lists: the rows of each question, and every question with its time."""

    def __init__(self) -> None:
        self.rows: dict[str, list[Row]] = {}
        """Status -> rows, told whole and, where they changed, as changes."""
        self.error: ConsumerError | Exception | None = None
        self.says_time = True
        self.asked: list[tuple[float, str, str, int, float | None]] = []

    async def page(self, list_id: str, status: str, *, page: int, updated_after: float | None = None) -> Page:
        now = anyio.current_time()
        self.asked.append((now, list_id, status, page, updated_after))
        if self.error is not None:
            raise self.error
        rows = self.rows.get(status, []) if page == 1 else []
        # The server's clock is an hour ahead of the loop's.
        return Page(tuple(rows), now + 3600 if self.says_time else None)


class There:
    """Registers of one account, on a virtual clock."""

    def __init__(self, *, lists: tuple[str, ...] = ("1",), rate_per_s: float = 5.0, tries: int | None = 8, look_s: float = 0.25) -> None:
        self.rows = Rows()
        self.gate = Gate(rate_per_s=rate_per_s, burst=10, run_calls=4, tries=tries)
        self.consent = Consent(lists, salt=b"salt")
        self.expired = self.rung = 0
        self.due: list[tuple[str, AccountId]] = []
        self.registers = Registers({A: Source(self.consent, cast(ListRows, self.rows), self.gate, self._expire)}, look_s=look_s)

    def _expire(self) -> None:
        self.expired += 1

    def _ring(self) -> None:
        self.rung += 1

    @property
    def register(self) -> Any:
        return self.consent.registers["1"]

    @property
    def ready(self) -> bool:
        return self.registers.ready(A, anyio.current_time())

    def live(self, story: Callable[["There"], Coroutine[Any, Any, None]]) -> None:
        async def life() -> None:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self.registers.run, lambda: self.due, self._ring)
                await story(self)
                tasks.cancel_scope.cancel()

        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(life())
