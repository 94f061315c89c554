"""Contacts at addresses that their readers have left lose our tags and nothing else, if they still are what they were."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from consumer.commands.reconcile.retire import Retired, retire
from consumer.core.drift.contacts import Finding
from consumer.core.model import UserKey
from consumer.resync.clients import Upstreams, upstreams
from consumer.sandbox.stand_ins.faults import Fault, Faults, Kind
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
        assert (found.done, found.failed, found.kept, fault.times) == (1, 1, 0, 0)
        first, second = (sum(tag.startswith("sesamy_") for tag in row(here, one)["tags"]) for one in moved)
        assert (first > 0, second) == (True, 0)


class Moving(Faults):
    """Lets something happen at one operation of a stand-in, before it is answered or behind it."""

    def __init__(self, op: str, happens: Callable[[], object], *, behind: bool = False) -> None:
        super().__init__()
        self._op, self._happens, self._behind = op, happens, behind

    async def around(
        self, request: web.Request, upstream: str, op: str, user: str, handle: Callable[[], Awaitable[web.Response]]
    ) -> web.StreamResponse:
        if op == self._op and not self._behind:
            self._happens()
        answer = await super().around(request, upstream, op, user, handle)
        if op == self._op and self._behind:
            self._happens()
        return answer


def moves_back(here: Town, one: Finding) -> Callable[[], None]:
    """Let a reader be at its old address again."""
    email = row(here, one)["email"]

    def happens() -> None:
        here.sesamy.users[one.vendor][one.user]["profile"]["email"] = email

    return happens


def has_tags(here: Town, one: Finding) -> bool:
    return any(tag.startswith("sesamy_") for tag in row(here, one)["tags"])


@pytest.mark.parametrize("op", ["by_id", "update"])
async def test_a_reader_that_moves_back_before_its_tags_are_taken_is_to_be_repaired(tmp_path: Path, op: str) -> None:
    """What a pod wrote for it there in between is lost, and no event follows."""
    async with left(tmp_path) as (here, up, moved):
        here.makeas.faults = Moving(op, moves_back(here, moved[0]))
        found = await retire(up, moved)
        assert found == Retired(done=2, to_repair=[UserKey(moved[0].vendor, moved[0].user)])
        assert not has_tags(here, moved[0])


@pytest.mark.parametrize("kind", ["cut-after", "hang"])
async def test_tags_that_may_be_taken_are_looked_after_as_if_they_were(tmp_path: Path, kind: Kind) -> None:
    """The answer to the write is lost, and whether it was done with it."""
    async with left(tmp_path, 1) as (here, up, (one,)):
        here.makeas.faults = Moving("update", moves_back(here, one))
        here.makeas.faults.add(Fault(kind=kind, op="update"))
        found = await retire(up, [one])
        assert found == Retired(failed=1, to_repair=[UserKey(one.vendor, one.user)])
        assert has_tags(here, one) is (kind == "hang")


async def test_a_reader_that_can_not_be_asked_for_once_its_tags_are_taken_is_to_be_repaired(tmp_path: Path) -> None:
    async with left(tmp_path, 1) as (here, up, (one,)):
        here.makeas.faults = Moving("update", lambda: here.sesamy.faults.active.append(Fault(kind="status", op="user")), behind=True)
        found = await retire(up, [one])
        assert found == Retired(done=1, to_repair=[UserKey(one.vendor, one.user)])


async def test_a_reader_that_is_gone_or_stays_needs_no_repair(tmp_path: Path) -> None:
    async with left(tmp_path) as (here, up, moved):
        gone = moved[0]
        here.makeas.faults = Moving("update", lambda: here.sesamy.users[gone.vendor].pop(gone.user, None))
        assert await retire(up, moved) == Retired(done=2)
        assert not any(has_tags(here, one) for one in moved)
