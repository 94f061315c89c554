"""A contact that is read by its id, and the retiring of one at an address that its reader has left."""

import pytest

from consumer.core.errors import Refused
from tests.raising import raising
from tests.unit.resync.test_makeas import ANN, account, permit

OLD = "old@example.com"


async def test_a_contact_is_read_by_its_id_and_one_that_is_gone_is_refused() -> None:
    async with account() as (client, there, _):
        row = there.contact(ANN, external_id="email|ann")
        assert (await client.by_id(row["id"], permit=permit)).email == ANN
        there.remove(ANN)
        with raising(Refused, "http-404"):
            await client.by_id(row["id"], permit=permit)


async def test_a_contact_that_its_reader_has_left_loses_our_tags_and_nothing_else() -> None:
    async with account() as (client, there, made):
        row = there.contact(OLD, external_id="email|ann", firstname="Ann", lists=["1"], tags=["Quiz 2024", "sesamy_tag_vip"])
        before = dict(row)
        assert await client.retire(str(row["id"]), "email|ann", not_at=ANN, permit=permit)
        assert {**before, "tags": ["Quiz 2024"], "date_updated": row["date_updated"]} == row
        assert await client.retire(str(row["id"]), "email|ann", not_at=ANN, permit=permit)
        assert made.calls["1001", "update"] == 1, "what has none of our tags is not written"
        assert there.violations == []


@pytest.mark.parametrize(("user", "not_at"), [("email|bob", ANN), ("email|ann", OLD), ("email|ann", "OLD@example.com")])
async def test_a_contact_that_is_another_or_at_its_readers_address_is_left_as_it_is(user: str, not_at: str) -> None:
    async with account() as (client, there, made):
        row = there.contact(OLD, external_id="email|ann", tags=["sesamy_tag_vip"])
        assert not await client.retire(str(row["id"]), user, not_at=not_at, permit=permit)
        assert (row["tags"], made.calls["1001", "update"]) == (["sesamy_tag_vip"], 0)
