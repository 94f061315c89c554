"""Readers that no contact is seen of, where Make.as hides those that opted out: a resync is promised only where it mends."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from msgspec import structs

from consumer.commands.reconcile.plan import Asked, Options
from consumer.commands.reconcile.work import reconcile
from consumer.sandbox.stand_ins.makeas_account import Account
from consumer.sandbox.town import PLACES, Town

from .looks import Hears, Seen, agreeing, expected, settings_of, sown_in, told

PLACE: Final = PLACES[2]


async def look(here: Town, **more: Any) -> Seen:
    """Reconcile, dry, with all accounts hiding those that opted out, and the switch that says so."""
    for account in here.makeas.accounts.values():
        account.ways.opted_out = "hidden"
    settings, hears = await settings_of(here), Hears()
    settings = structs.replace(settings, makeas=structs.replace(settings.makeas, opted_out="hidden"))
    return Seen(await reconcile(settings, Options(asked=Asked(), rate_share=1.0, dry_run=True, **more), hears), hears)


async def test_where_registers_tell_a_reader_without_a_contact_is_missing(tmp_path: Path) -> None:
    async with agreeing(tmp_path) as here:
        sown = sown_in(here, {"missing": 6})
        seen = await look(here)

    assert seen.told == expected(sown)
    assert all(one.repairs for one in seen.report.findings)
    assert (seen.report.to_repair, seen.unsaid) == (len({one[:2] for one in sown["missing"]}), ())


def _silent(account: Account) -> None:
    account.reads.row_status = ""


def _refusing(account: Account) -> None:
    account.reads.refuses = 403


def _of_nobody(account: Account) -> None:
    for email in [one["email"] for one in account.contacts.values() if one["email_status"] != "active"]:
        account.remove(email)
    account.left.clear()


@pytest.mark.parametrize("spoil", [_silent, _refusing, _of_nobody])
async def test_where_they_do_not_no_resync_is_promised_and_the_cure_is_told(tmp_path: Path, spoil: Callable[[Account], None]) -> None:
    async with agreeing(tmp_path) as here:
        spoil(here.account(PLACE))
        gone = {user for user in here.writable(PLACE.vendor) if here.address(PLACE.vendor, user) not in here.account(PLACE).contacts}
        sown = sown_in(here, {"missing": 6})
        seen = await look(here)

    gone |= {user for _, user, account in sown["missing"] if account == PLACE.account}
    if spoil is not _of_nobody:  # Those that are there and hidden are not told apart; else they were deleted.
        hidden = here.account(PLACE).contacts.values()
        left = {one["email"].lower() for one in hidden if one["email_status"] != "active"} if spoil is _refusing else set()
        gone |= {user for user in here.writable(PLACE.vendor) if here.address(PLACE.vendor, user) in left}
    unseen = [one for one in seen.report.findings if one.account == PLACE.account]
    assert gone
    assert told(unseen) == {("unseen", PLACE.vendor, user, PLACE.account) for user in gone}
    assert not any(one.repairs for one in unseen)
    assert told(set(seen.report.findings) - {*unseen}) == {one for one in expected(sown) if one[3] != PLACE.account}
    assert seen.report.to_repair == len({one[:2] for one in sown["missing"] if one[2] != PLACE.account})
    assert (seen.status, seen.report.left) == (1, len(gone))
    (said,) = [one for one in seen.unsaid if "shows no contact of" in one]
    assert said.startswith(f"{len(gone)} readers that account {PLACE.account}")
    assert "by status" in said
