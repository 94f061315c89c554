"""The contacts that left lately, asked for anew: what the registers learn, and when the question is no answer."""

from collections.abc import Sequence
from typing import Any

import anyio
import pytest

from consumer.core.errors import Refused, Retryable
from consumer.core.mapping.consent import Consent, Row, Standing
from consumer.resync.registers.account_registers import OVERLAP_S
from consumer.resync.registers.lately import Lately
from consumer.resync.registers.list_rows import Page

ANN, BO = "ann@example.com", "bo@example.com"
SINCE = 1_700_000_000.0


class Rows:
    """A server's rows of those that left."""

    def __init__(self, *pages: Sequence[Row]) -> None:
        self.pages, self.asked, self.fails = pages, list[tuple[str, str, int, float | None]](), Exception()
        self.gate = anyio.Event()
        self.gate.set()

    async def page(self, list_id: str, status: str, *, page: int, updated_after: float | None = None) -> Page:
        self.asked.append((list_id, status, page, updated_after))
        await self.gate.wait()
        if isinstance(self.fails, Refused | Retryable):
            raise self.fails
        rows = self.pages[page - 1] if status == "unsubscribed" and page <= len(self.pages) else ()
        return Page(tuple(rows), None)


def lately(rows: Rows, *lists: str, since: float | None = SINCE) -> tuple[Lately, Consent]:
    consent = Consent(lists or ("1",), salt=b"s", hides_left=True)
    for one in consent.registers.values():
        one.begin()
        one.complete(read_at=0.0)
        one.since = since
    there: Any = rows
    return Lately(there, consent), consent


def left(number: int, email: str = ANN) -> Row:
    return Row(number, email, Standing.LEFT)


async def permit() -> None:
    """Let everything through."""


async def test_each_list_is_asked_for_both_ways_of_leaving_since_the_register_was_read() -> None:
    rows = Rows([left(1)], [left(2, BO)])
    asking, consent = lately(rows, "1", "2")
    assert await asking.known(permit=permit)
    after = SINCE - OVERLAP_S
    pages = [("unsubscribed", 1), ("unsubscribed", 2), ("unsubscribed", 3), ("bounce", 1)]
    assert rows.asked == [(one, status, page, after) for one in ("1", "2") for status, page in pages]
    assert [one.find(email) for one in consent.registers.values() for email in (ANN, BO)] == [1, 2, 1, 2]


async def test_those_that_wait_meanwhile_share_the_next_question() -> None:
    rows, said = Rows(), list[bool]()
    asking, _ = lately(rows)
    rows.gate = anyio.Event()

    async def ask() -> None:
        said.append(await asking.known(permit=permit))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        await anyio.sleep(0.01)
        for _ in range(5):
            tasks.start_soon(ask)
        await anyio.sleep(0.01)
        rows.gate.set()
    assert said == [True] * 6
    assert len(rows.asked) == 4, "one question for the first, and one for all that came after it was asked"


@pytest.mark.parametrize("case", ["refused", "no time of the server's", "the same page again", "very many"])
async def test_what_can_not_be_asked_is_not_known(case: str) -> None:
    rows = Rows(*([[left(1)], [left(1)]] if case == "the same page again" else [[left(one)] for one in range(1, 12)]))
    asking, _ = lately(rows, since=None if case == "no time of the server's" else SINCE)
    if case == "refused":
        rows.fails = Refused("no", code="http-403")
    assert not await asking.known(permit=permit)
    if case == "very many":
        assert len(rows.asked) == 10


async def test_a_failure_in_passing_is_the_callers_and_the_next_asks_anew() -> None:
    rows = Rows()
    asking, _ = lately(rows)
    rows.fails = Retryable("later", code="timeout")
    with pytest.raises(Retryable):
        await asking.known(permit=permit)
    rows.fails = Exception()
    assert await asking.known(permit=permit)
