"""Readers that are looked at singly: what can't be asked is no finding, and where nobody can be asked it ends."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest

from consumer.commands.reconcile.one_by_one import OneByOne
from consumer.core.drift.findings import Findings
from consumer.core.errors import Exit, Fatal
from consumer.core.model import AccountId
from consumer.resync.clients import upstreams
from consumer.sandbox.stand_ins.faults import Fault
from consumer.sandbox.town import PLACES, Town
from consumer.telemetry.metrics import Metrics

from .looks import agreeing, expected, settings_of, sown_in, told, writes

PLACE: Final = PLACES[2]
VENDOR, ACCOUNT = PLACE.vendor, AccountId(PLACE.account)


@asynccontextmanager
async def looking(folder: Path, *, readers: int = 40) -> AsyncIterator[tuple[Town, OneByOne, Findings]]:
    async with agreeing(folder, readers=readers) as here:
        settings, findings = await settings_of(here), Findings()
        async with upstreams(settings, Metrics(settings)) as up:
            yield here, OneByOne(up, findings), findings
        assert writes(here) == 0


async def test_what_differs_at_the_accounts_that_are_asked_for_is_found(tmp_path: Path) -> None:
    async with looking(tmp_path) as (here, one_by_one, findings):
        sown = sown_in(here, {"missing": 3, "field": 3, "tags": 3, "list": 3})
        for vendor in {place.vendor for place in PLACES}:
            accounts = [AccountId(place.account) for place in PLACES if place.vendor == vendor and place.account != "1002"]
            await one_by_one.look(vendor, dict.fromkeys(here.writable(vendor), ()), accounts=accounts)
        # A reader's own address is asked for, so that a contact on no list at all is seen.
        wanted = {(kind, vendor, user, account) for kind, those in sown.items() for vendor, user, account in those}
        assert told(findings.all) == {one for one in wanted if one[3] != "1002"}
        assert {one[0] for one in told(findings.all)} == {"missing", "field", "tags", "list"}
        assert {one.lists for one in findings.all if one.kind == "missing"} <= {place.lists for place in PLACES}


async def test_an_id_that_sesamy_does_not_know_is_a_stranger_where_it_is_and_nowhere_else(tmp_path: Path) -> None:
    async with looking(tmp_path) as (_, one_by_one, findings):
        await one_by_one.look(VENDOR, {"nobody": (ACCOUNT,), "no one": ()}, accounts=(ACCOUNT,))
        assert told(findings.all) == {("stranger", "", "nobody", ACCOUNT)}
        assert findings.to_repair == {}


async def test_readers_that_can_not_be_asked_are_no_findings(tmp_path: Path) -> None:
    async with looking(tmp_path) as (here, one_by_one, findings):
        sown = sown_in(here, {"missing": 2})
        users = here.writable(VENDOR)
        for user in users[:19]:
            here.sesamy.faults.add(Fault(kind="status", upstream=VENDOR, op="user", user=user))
        await one_by_one.look(VENDOR, dict.fromkeys(users, ()), accounts=(ACCOUNT,))
        assert findings.unasked == 19
        assert told(findings.all) == {one for one in expected(sown) if one[3] == ACCOUNT and one[2] not in users[:19]}


@pytest.mark.parametrize("side", ["sesamy", "makeas"])
async def test_where_twenty_in_a_row_can_not_be_asked_it_ends(tmp_path: Path, side: str) -> None:
    async with looking(tmp_path) as (here, one_by_one, findings):
        upstream, op, faults = (VENDOR, "user", here.sesamy.faults) if side == "sesamy" else (PLACE.account, "contact", here.makeas.faults)
        faults.add(Fault(kind="status", upstream=upstream, op=op))
        with pytest.raises(Fatal) as caught:
            await one_by_one.look(VENDOR, dict.fromkeys(here.writable(VENDOR), ()), accounts=(ACCOUNT,))
        assert (caught.value.status, caught.value.code, findings.all) == (Exit.UNAVAILABLE, "http-500", [])
        assert str(caught.value) == f"{VENDOR}: 20 readers in a row can't be asked: http-500"
        assert findings.unasked == 20


async def test_where_our_key_is_refused_that_is_no_outage(tmp_path: Path) -> None:
    async with looking(tmp_path) as (here, one_by_one, _):
        here.makeas.faults.add(Fault(kind="status", upstream=PLACE.account, status=401))
        with pytest.raises(Fatal) as caught:
            await one_by_one.look(VENDOR, dict.fromkeys(here.writable(VENDOR), ()), accounts=(ACCOUNT,))
        assert (caught.value.status, caught.value.code) == (Exit.NO_PERMISSION, "http-401")


@pytest.mark.parametrize(("several", "kinds"), [((), {"field"}), ((ACCOUNT,), {"doubled"})])
async def test_another_id_at_its_address_may_be_another_vendors_readers_where_several_write(
    tmp_path: Path, several: tuple[AccountId, ...], kinds: set[str]
) -> None:
    async with agreeing(tmp_path, readers=40) as here:
        sown = sown_in(here, {"missing": 0})
        assert not any(sown.values())
        user = here.writable(VENDOR)[0]
        contact = next(one for one in here.makeas.accounts[ACCOUNT].contacts.values() if one["external_id"] == user)
        contact["external_id"] = "of-another"
        settings, findings = await settings_of(here), Findings()
        async with upstreams(settings, Metrics(settings)) as up:
            await OneByOne(up, findings, several=several).look(VENDOR, {user: ()}, accounts=(ACCOUNT,))
        assert {one.kind for one in findings.all} == kinds
        assert (len(findings.to_repair) == 0) is (several != ())
