"""The ids of an account's tags: found in the catalogue, made where they are missing, and never twice."""

from collections.abc import Sequence

import anyio
import pytest

from consumer.core.errors import Retryable
from consumer.resync.ways.tag_ids import Tag, TagIds
from tests.clock import virtual


class Catalogue:
    """A server's catalogue of tags."""

    def __init__(self, *titles: str, cap: int = 1000) -> None:
        self.tags, self.cap = [Tag(number, title) for number, title in enumerate(titles, 1)], cap
        self.asked, self.made, self.permits = list[int](), list[str](), 0
        self.repeats = False
        self.ids = TagIds(self.page)

    async def page(self, page: int) -> Sequence[Tag]:
        self.asked.append(page)
        await anyio.sleep(0.001)
        start = 0 if self.repeats else (page - 1) * self.cap
        return self.tags[start : start + self.cap]

    async def create(self, title: str) -> Tag:
        self.made.append(title)
        await anyio.sleep(0.001)
        self.tags.append(Tag(100 + len(self.made), title))
        return self.tags[-1]

    async def permit(self) -> None:
        self.permits += 1

    async def of(self, *titles: str, **known: int) -> list[int | str]:
        return await self.ids.of(titles, known, permit=self.permit, create=self.create)


async def test_ids_come_from_the_contact_then_the_catalogue_and_what_is_missing_is_made() -> None:
    there = Catalogue("vip", "sesamy_a", "sesamy_b", cap=2)
    assert await there.of("quiz", "sesamy_a", "sesamy_c", "vip", quiz=77) == [77, 2, 101, 1]
    assert (there.made, there.asked) == (["sesamy_c"], [1, 2])
    assert there.permits == 3, "each call is paid for"
    # All of ours are known now, and those that were asked for.
    assert await there.of("sesamy_b", "sesamy_c") == [3, 101]
    assert there.asked == [1, 2]


async def test_what_a_contact_shows_itself_costs_no_call() -> None:
    there = Catalogue("vip")
    assert await there.of("vip", vip=1) == [1]
    assert await there.of() == []
    assert (there.asked, there.permits) == ([], 0)


async def test_a_title_that_several_miss_at_once_is_made_once() -> None:
    there = Catalogue()
    got = list[list[int | str]]()

    async def ask() -> None:
        got.append(await there.of("sesamy_a"))

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(ask)
    assert (got, there.made) == ([[101]] * 5, ["sesamy_a"])


async def test_titles_are_told_apart_by_their_case() -> None:
    there = Catalogue("Sesamy_A")
    assert await there.of("sesamy_a") == [101]


@virtual
async def test_the_catalogue_is_read_again_after_an_hour() -> None:
    there = Catalogue("sesamy_a")
    assert await there.of("sesamy_a") == [1]
    there.tags = [Tag(9, "sesamy_a")]
    assert await there.of("sesamy_a") == [1]
    await anyio.sleep(3600)
    assert await there.of("sesamy_a") == [9]


async def test_where_the_end_can_not_be_seen_nothing_is_made() -> None:
    there = Catalogue("sesamy_a", "sesamy_b", "sesamy_c", cap=2)
    there.repeats = True
    assert await there.of("sesamy_a") == [1]
    with pytest.raises(Retryable):
        await there.of("sesamy_c")
    assert there.made == []
