"""Contacts at addresses that their readers have left lose our tags and nothing else, if they still are what they were."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from consumer.commands.reconcile.retire import Retired, retire
from consumer.core.drift.contacts import Finding
from consumer.resync.clients import Upstreams, upstreams
from consumer.sandbox.stand_ins.faults import Fault
from consumer.sandbox.town import Town
from consumer.telemetry.metrics import Metrics

from .looks import agreeing, look, settings_of, sown_in


@asynccontextmanager
async def left(folder: Path, count: int = 2) -> AsyncIterator[tuple[Town, Upstreams, list[Finding]]]:
    """Serve a town in which so many readers have left an address, which a look has found."""
    async with agreeing(folder, readers=40) as here:
        sown_in(here, {"moved": count})
        seen = await look(here)
        settings = await settings_of(here)
        async with upstreams(settings, Metrics(settings)) as up:
            yield here, up, [one for one in seen.report.findings if one.kind == "moved"]


def row(here: Town, one: Finding) -> dict[str, Any]:
    found = here.makeas.accounts[one.account].by_id(one.contact)
    assert found is not None
    return found


async def test_tags_of_ours_go_and_nothing_else(tmp_path: Path) -> None:
    async with left(tmp_path) as (here, up, moved):
        for one in moved:
            row(here, one)["tags"].append("their own")
        before = {one.contact: dict(row(here, one)) for one in moved}
        assert all(any(tag.startswith("sesamy_") for tag in old["tags"]) for old in before.values())
        assert await retire(up, moved) == Retired(done=2)
        for one in moved:
            old = before[one.contact]
            kept = [tag for tag in old["tags"] if not tag.startswith("sesamy_")]
            assert kept
            assert row(here, one) | {"date_updated": ""} == old | {"tags": kept, "date_updated": ""}


async def test_what_is_the_readers_own_again_is_kept_as_it_is(tmp_path: Path) -> None:
    """Of three, one is at its reader's address again, one has another external id, one's reader is gone from Sesamy."""
    async with left(tmp_path, 3) as (here, up, moved):
        back, other, gone = moved
        here.sesamy.users[back.vendor][back.user]["profile"]["email"] = row(here, back)["email"].upper()
        row(here, other)["external_id"] = "another"
        del here.sesamy.users[gone.vendor][gone.user]
        before = [dict(row(here, one)) for one in moved]
        assert await retire(up, moved) == Retired(kept=3)
        assert [row(here, one) for one in moved] == before


@pytest.mark.parametrize(("side", "op"), [("sesamy", "user"), ("makeas", "by_id"), ("makeas", "update")])
async def test_what_fails_is_counted_and_the_others_are_retired(tmp_path: Path, side: str, op: str) -> None:
    async with left(tmp_path) as (here, up, moved):
        faults = here.sesamy.faults if side == "sesamy" else here.makeas.faults
        fault = faults.add(Fault(kind="status", op=op, status=500, times=1))
        found = await retire(up, moved)
        assert (found, fault.times) == (Retired(done=1, failed=1), 0)
        first, second = (sum(tag.startswith("sesamy_") for tag in row(here, one)["tags"]) for one in moved)
        assert (first > 0, second) == (True, 0)
