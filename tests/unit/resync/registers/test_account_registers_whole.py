"""How a register is read as a whole, page by page: what is read when, and what becomes of a reading that goes wrong half-way."""

from typing import cast

import anyio
import pytest

from consumer.core.errors import ConsumerError, Refused, Retryable
from consumer.resync.registers.account_registers import Source
from consumer.resync.registers.list_rows import ListRows, Page
from consumer.resync.registers.registers import Registers
from tests.fakes.registers import ANN, BO, A, Rows, There, gone

CY = "cy@example.com"


class Pages(Rows):
    """A list in pages, each of which takes a while."""

    def __init__(self) -> None:
        super().__init__()
        self.pages: dict[str, list[list[tuple[int, str]]]] = {}
        self.takes_s = 0.0
        self.knows_pages = True
        self.failures: dict[tuple[str, int], ConsumerError] = {}
        """Status and page -> what its next question ends in."""

    async def page(self, list_id: str, status: str, *, page: int, updated_after: float | None = None) -> Page:
        self.asked.append((anyio.current_time(), list_id, status, page, updated_after))
        await anyio.sleep(self.takes_s)
        error = self.failures.pop((status, page), None)
        if error is not None:
            raise error
        there = self.pages.get(status, []) if updated_after is None else []
        at = page if self.knows_pages else 1
        rows = there[at - 1] if at <= len(there) else []
        return Page(tuple(gone(number, email) for number, email in rows), anyio.current_time() + 3600)


def paged(pages: Pages, *, look_s: float = 1.0) -> There:
    there = There()
    there.rows = pages
    there.registers = Registers({A: Source(there.consent, cast(ListRows, pages), there.gate, there._expire)}, look_s=look_s)
    there.due = [("v", A)]
    return there


def test_every_page_of_who_unsubscribed_and_of_who_bounced_is_read() -> None:
    pages = Pages()
    pages.pages = {"unsubscribed": [[(1, ANN), (2, "x@example.com")], [(3, BO), (4, "y@example.com")]], "bounce": [[(5, CY)]]}

    async def story(there: There) -> None:
        await anyio.sleep(30)
        assert [there.register.find(one) for one in (ANN, BO, CY)] == [1, 3, 5]
        asked = [(status, page) for _, _, status, page, _ in pages.asked]
        assert asked == [("unsubscribed", 1), ("unsubscribed", 2), ("unsubscribed", 3), ("bounce", 1), ("bounce", 2)]

    paged(pages).live(story)


def test_a_register_is_as_old_as_the_beginning_of_its_reading() -> None:
    """Who left while it was read may be on a page that was read before."""
    pages = Pages()
    pages.takes_s = 100.0
    pages.pages = {"unsubscribed": [[(1, ANN)]]}

    async def story(there: There) -> None:
        await anyio.sleep(500)
        assert there.register.state == "whole"
        began = pages.asked[0][0]
        assert began <= 2.0
        assert there.register.read_at == pytest.approx(began, abs=2.0)
        assert there.consent.ready(now=began + 890)
        assert not there.consent.ready(now=began + 905)

    paged(pages).live(story)


def test_where_the_second_page_is_the_first_once_more_the_register_is_none_and_who_is_in_it_is_believed() -> None:
    pages = Pages()
    pages.knows_pages = False
    pages.pages = {"unsubscribed": [[(1, ANN), (2, BO)]]}

    async def story(there: There) -> None:
        await anyio.sleep(30)
        assert (there.register.state, there.register.code) == ("none", "paging")
        assert (there.register.find(ANN), there.register.find(BO), there.ready) == (1, 2, True)

    paged(pages).live(story)


def test_a_page_that_fails_in_passing_is_asked_for_again_and_none_is_left_out() -> None:
    pages = Pages()
    pages.pages = {"unsubscribed": [[(1, ANN), (2, "x@example.com")], [(3, BO)]], "bounce": [[(4, CY)]]}
    pages.failures = {("unsubscribed", 2): Retryable("later", code="http-500"), ("bounce", 1): Retryable("cut", code="cut")}

    async def story(there: There) -> None:
        await anyio.sleep(60)
        assert (pages.failures, there.register.state) == ({}, "whole")
        assert [there.register.find(one) for one in (ANN, BO, CY)] == [1, 3, 4]
        asked = [(status, page) for _, _, status, page, after in pages.asked if after is None]
        assert asked[:4] == [("unsubscribed", 1), ("unsubscribed", 2), ("unsubscribed", 2), ("bounce", 1)]

    paged(pages).live(story)


def test_a_reading_that_is_refused_half_way_keeps_who_was_known_and_is_no_register() -> None:
    pages = Pages()
    pages.pages = {"unsubscribed": [[(1, ANN)]], "bounce": [[(2, BO)]]}

    async def story(there: There) -> None:
        await anyio.sleep(30)
        assert there.register.state == "whole"
        pages.pages = {"unsubscribed": [[(3, CY)]]}
        pages.failures = {("bounce", 1): Refused("no", code="http-403")}
        # The changes are refused first, so the whole is read instead.
        pages.failures["unsubscribed", 1] = Refused("no", code="http-400")
        await anyio.sleep(1200)
        assert (pages.failures, there.register.state, there.register.code) == ({}, "none", "http-403")
        assert (there.register.find(ANN), there.register.find(BO)) == (1, 2)

    paged(pages, look_s=5.0).live(story)


def test_while_the_whole_is_read_anew_who_was_known_stays_known() -> None:
    pages = Pages()
    pages.pages = {"unsubscribed": [[(1, ANN)]]}

    async def story(there: There) -> None:
        await anyio.sleep(30)
        pages.pages, pages.takes_s = {"unsubscribed": [[(2, BO)]]}, 50.0
        before = len(pages.asked)
        while not any(after is None for *_, after in pages.asked[before:]):
            await anyio.sleep(20)
        assert (there.register.find(ANN), there.register.find(BO)) == (1, None)
        await anyio.sleep(400)
        assert (there.register.find(ANN), there.register.find(BO)) == (None, 2)

    paged(pages, look_s=20.0).live(story)
