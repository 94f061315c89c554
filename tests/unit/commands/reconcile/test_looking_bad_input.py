"""What can't be believed ends a reconcile with an error that names the upstream, before anything is written."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from msgspec import structs

from consumer.commands.reconcile.plan import Asked, Options
from consumer.commands.reconcile.work import reconcile
from consumer.core.drift.sound import MaxChanges
from consumer.core.errors import Fatal
from consumer.sandbox.stand_ins.faults import Fault
from consumer.sandbox.stand_ins.sesamy_lists import RESOURCES, Lists, Resource
from consumer.sandbox.town import PLACES, VENDORS, Town

from .looks import NAMING, Hears, agreeing, expected, look, refused, settings_of, sown_in, writes

pytestmark = pytest.mark.usefixtures("impatient")
VENDOR, PLACE = VENDORS[1], PLACES[2]
"""Which has one account."""


def _sesamy(kind: Any, op: str = "all-users", **more: Any) -> Callable[[Town], None]:
    return lambda here: void(here.sesamy.faults.add(Fault(kind=kind, upstream=VENDOR, op=op, **more)))


def _makeas(kind: Any, op: str = "leavers", **more: Any) -> Callable[[Town], None]:
    return lambda here: void(here.makeas.faults.add(Fault(kind=kind, upstream=PLACE.account, op=op, **more)))


def void(_: object) -> None:
    """Return nothing."""


def _lists(**switches: Any) -> Callable[[Town], None]:
    def switch(here: Town) -> None:
        here.sesamy.lists = Lists(naming=NAMING, page_cap=25, **switches)

    return switch


def _reads(**switches: Any) -> Callable[[Town], None]:
    def switch(here: Town) -> None:
        for name, value in switches.items():
            setattr(here.account(PLACE).reads, name, value)

    return switch


def _no_users(here: Town) -> None:
    here.sesamy.users[VENDOR].clear()


def _no_contacts(here: Town) -> None:
    here.account(PLACE).contacts.clear()


AT_SESAMY: Final = {
    "half-a-page": _sesamy("half-json"),
    "html": _sesamy("html"),
    "another-shape": _sesamy("shape"),
    "cut": _sesamy("cut"),
    "500": _sesamy("status", status=500),
    "half-a-page-of-contracts": _sesamy("half-json", "all-contracts"),
    "html-for-entitlements": _sesamy("html", "all-entitlements"),
    "a-page-for-ever": _lists(stuck=frozenset({"users"})),
    "contracts-for-ever": _lists(stuck=frozenset({"contracts"})),
    "a-page-that-comes-empty": _lists(hollow={"users": 60}),
    "a-total-of-more": _lists(total_off=60),
    "nobody": _no_users,
}
AT_MAKE: Final = {
    "half-a-page": _makeas("half-json"),
    "html": _makeas("html"),
    "another-shape": _makeas("shape"),
    "cut": _makeas("cut"),
    "500": _makeas("status", status=500),
    "a-page-for-ever": _reads(ignores=frozenset({"page"}), page_cap=40),
    "a-page-that-comes-empty": _reads(page_cap=40, empty_page=2),
    "a-count-of-more": _reads(count=500),
    "nobody": _no_contacts,
}


@pytest.mark.parametrize("breaks", AT_SESAMY.values(), ids=AT_SESAMY)
async def test_what_sesamy_can_not_mean_ends_it(tmp_path: Path, breaks: Callable[[Town], None]) -> None:
    async with agreeing(tmp_path, readers=120) as here:
        breaks(here)
        error = await refused(here, dry_run=True)
        assert (error.status, str(error).startswith("sesamy:"), "nothing was written" in str(error)) == (69, True, True)


@pytest.mark.parametrize("breaks", AT_MAKE.values(), ids=AT_MAKE)
async def test_what_make_can_not_mean_ends_it(tmp_path: Path, breaks: Callable[[Town], None]) -> None:
    async with agreeing(tmp_path, readers=120) as here:
        breaks(here)
        error = await refused(here)
        assert (error.status, f"account {PLACE.account}" in str(error), "nothing was written" in str(error)) == (69, True, True)


async def test_a_secret_that_is_refused_from_the_start_ends_it(tmp_path: Path) -> None:
    async with agreeing(tmp_path, readers=20) as here:
        here.rotate_key(f"sesamy:{VENDOR}")
        error = await refused(here)
        assert (error.status, f"sesamy:{VENDOR}" in str(error)) == (77, True)


async def test_a_key_that_is_refused_from_the_start_ends_it(tmp_path: Path) -> None:
    async with agreeing(tmp_path, readers=20) as here:
        here.rotate_key(PLACE.account)
        error = await refused(here)
        assert (error.status, f"account {PLACE.account}" in str(error)) == (77, True)


@pytest.mark.parametrize("resource", RESOURCES)
async def test_a_key_that_is_refused_in_the_middle_ends_it(tmp_path: Path, resource: Resource) -> None:
    async with agreeing(tmp_path, readers=120, lists=Lists(naming=NAMING, page_cap=25)) as here:

        def refuse(body: Any) -> object:
            if here.sesamy.calls[VENDOR, f"all-{resource}"] > 1:
                here.rotate_key(f"sesamy:{VENDOR}")
            return body

        here.sesamy.odd[f"all-{resource}"] = refuse
        error = await refused(here)
        assert (error.status, f"sesamy:{VENDOR}" in str(error)) == (77, True)


async def test_where_all_are_missing_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def permitted(*_: object, **__: object) -> None:
        """Have every right."""

    monkeypatch.setattr("consumer.commands.reconcile.work.rights.require", permitted)
    async with agreeing(tmp_path, readers=120) as here:
        for place in PLACES:
            for email in list(here.account(place).contacts):
                here.account(place).remove(email)
            here.account(place).contact("somebody@example.com", lists=list(place.lists))
        hears = Hears()
        seen = await look(here, hears=hears, dry_run=False, max_changes=MaxChanges())
        assert (seen.status, seen.report.ended, hears.asked, writes(here)) == (1, "too-many", [], 0)
        assert hears.over == [{one: 20 for place in PLACES for one in place.lists}]
        assert len(seen.told) == sum(len(here.writable(place.vendor)) for place in PLACES)


@pytest.mark.parametrize("resource", RESOURCES)
@pytest.mark.parametrize("shift", [3, -3])
async def test_rows_that_move_before_each_page_are_found_all_the_same_or_it_ends(tmp_path: Path, resource: Resource, shift: int) -> None:
    """Every page moves; whoever reads such a list either has all of it, or says that it has not."""
    async with agreeing(tmp_path, readers=120, lists=Lists(naming=NAMING, page_cap=25)) as here:
        sown = sown_in(here)
        here.sesamy.lists.shift, here.sesamy.lists.shifts = shift, None if resource == "users" else 4
        try:
            seen = await look(here)
        except (Fatal, BaseExceptionGroup) as caught:
            error: BaseException = caught
            while isinstance(error, BaseExceptionGroup):
                error = error.exceptions[0]
            assert isinstance(error, Fatal)
            assert (error.status, str(error).startswith("sesamy:"), error.code in {"moves", "half"}) == (69, True, True)
        else:
            assert seen.told == expected(sown)
        assert writes(here) == 0


@pytest.mark.parametrize("shifts", [1, 2, 5])
async def test_rows_that_move_a_few_times_to_the_head_hide_nobody(tmp_path: Path, shifts: int) -> None:
    async with agreeing(tmp_path, readers=120, lists=Lists(naming=NAMING, page_cap=25, shift=3, shifts=shifts)) as here:
        sown = sown_in(here)
        assert (await look(here)).told == expected(sown)


async def test_a_status_filter_that_is_ignored_hides_nothing_but_who_left(tmp_path: Path) -> None:
    async with agreeing(tmp_path, readers=60) as here:
        sown = sown_in(here)
        for place in PLACES:
            here.account(place).reads.ignores = frozenset({"status"})
        seen = await look(here)
        assert seen.told == expected(sown)
        off = [one for one in seen.report.findings if one.kind == "list"]
        assert ({one.repairs for one in off}, {one.why for one in off}) == ({False}, {"who left the list can't be read"})


@pytest.mark.parametrize("resource", RESOURCES)
async def test_rows_without_an_id_are_said_and_where_they_are_many_it_ends(tmp_path: Path, resource: Resource) -> None:
    async with agreeing(tmp_path, readers=120, lists=Lists(naming=NAMING, without_id=frozenset({resource}))) as here:
        seen = await look(here)
        for vendor in VENDORS:
            assert any(f" rows of the {resource} of {vendor}: they have no id, or can't be read" in one for one in seen.unsaid)
        assert {one.kind for one in seen.report.findings} <= {"stranger", "tags"}
        here.sesamy.lists.page_cap = 5
        error = await refused(here)
        assert (error.status, str(error).startswith("sesamy:"), "rows have no id, or can't be read" in str(error)) == (69, True, True)


@pytest.mark.parametrize("status", ["active", "unsubscribed"])
async def test_a_key_of_make_that_is_refused_in_the_middle_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: str) -> None:
    async with agreeing(tmp_path, readers=120) as here:
        here.account(PLACE).reads.page_cap = 40
        around, seen = here.makeas.faults.around, list[str]()

        async def refuse(request: Any, upstream: str, op: str, user: str, handle: Any) -> Any:
            if (upstream, op) == (PLACE.account, "leavers"):
                seen.append(request.query["status"])
                if seen.count(status) > (status == "active"):
                    here.rotate_key(PLACE.account)
            return await around(request, upstream, op, user, handle)

        monkeypatch.setattr(here.makeas.faults, "around", refuse)
        error = await refused(here)
        assert (seen[-1], error.status, f"account {PLACE.account}" in str(error)) == (status, 77, True)


async def test_two_vendors_on_one_account_are_no_strangers_to_each_other(tmp_path: Path) -> None:
    """Both write to the lists of one account: all is compared, and where one alone is looked at, no stranger is told of there."""
    async with agreeing(tmp_path, readers=30) as here:
        first, shared = PLACES[2], PLACES[1]
        for user in here.writable(first.vendor):
            contact, profile = (
                here.account(first).contacts[here.address(first.vendor, user)],
                here.sesamy.users[first.vendor][user]["profile"],
            )
            profile["email"] = f"second.{profile['email']}"
            own = {name: value for name, value in contact.items() if name not in {"id", "lists"}}
            here.account(shared).contact(**own | {"email": profile["email"], "lists": ["2001"]})
        settings = await settings_of(here)
        (makeas,) = [one for one in settings.vendors[0].makeas if one.list_id == "2001"]
        vendors = (settings.vendors[0], structs.replace(settings.vendors[1], makeas=(makeas,)))
        settings = structs.replace(settings, vendors=vendors)
        for asked, unsaid in ((Asked(), False), (Asked(vendors=(first.vendor,)), True)):
            hears = Hears()
            status = await reconcile(settings, Options(asked=asked, rate_share=1.0, dry_run=True), hears)
            (report,) = hears.reports
            assert (status, report.findings, report.unknown_ids) == (0, (), 0)
            assert any(one.startswith(f"strangers at {shared.account}") for one in report.not_compared) is unsaid
        assert writes(here) == 0


async def test_a_count_of_all_that_ever_came_is_no_half_list_but_said(tmp_path: Path) -> None:
    async with agreeing(tmp_path, readers=120) as here:
        account = here.account(PLACE)
        account.reads.count = "all"
        readers = [here.address(PLACE.vendor, user) for user in here.writable(PLACE.vendor)]
        for email in readers[:30]:
            account.contacts[email]["email_status"] = "unsubscribed"
        seen = await look(here)
        assert (seen.report.ended, seen.told) == ("agreed", set())
        assert [one for one in seen.unsaid if one.startswith(f"whether list {PLACE.lists[0]} gives all its active contacts")]


async def test_readers_that_left_do_not_hide_that_half_the_active_contacts_are_missing(tmp_path: Path) -> None:
    async with agreeing(tmp_path, readers=120) as here:
        account = here.account(PLACE)
        for number in range(300):
            account.contact(f"gone-{number}@example.com", lists=list(PLACE.lists), email_status="unsubscribed")
        account.reads.count = 200
        error = await refused(here)
        assert (error.status, error.code, f"list {PLACE.lists[0]}" in str(error)) == (69, "half", True)


@pytest.mark.parametrize("unlisted", [False, True])
async def test_one_address_at_two_vendors_is_written_for_neither_where_one_alone_can_be_looked_at(tmp_path: Path, unlisted: bool) -> None:
    """The contact of the other's reader is overwritten by nobody, whether its vendor is not asked for or its users can't be listed."""
    async with agreeing(tmp_path, readers=30) as here:
        settings = await settings_of(here)
        (makeas,) = [one for one in settings.vendors[0].makeas if one.list_id == "2001"]
        vendors = tuple(structs.replace(one, makeas=(makeas,)) for one in settings.vendors)
        first, second = VENDORS
        address = {here.address(first, user): user for user in here.writable(first)}
        account = here.account(PLACES[1])
        there = next(iter(address.keys() & {here.address(second, user) for user in here.writable(second)}))
        account.contacts[there]["external_id"] = next(one for one in here.writable(second) if here.address(second, one) == there)
        if unlisted:
            here.sesamy.faults.add(Fault(kind="status", status=403, upstream=second, op="all-users"))
        hears = Hears()
        asked = Asked() if unlisted else Asked(vendors=(first,))
        await reconcile(structs.replace(settings, vendors=vendors), Options(asked=asked, rate_share=1.0, dry_run=True), hears)
        (report,) = hears.reports
        found = [(one.kind, one.repairs) for one in report.findings if (one.vendor, one.user) == (first, address[there])]
        assert found == [("doubled", False)]


async def test_one_address_at_two_vendors_of_one_account_is_told_of_and_written_for_neither(tmp_path: Path) -> None:
    """Readers of both vendors of the town have the same addresses."""
    async with agreeing(tmp_path, readers=30) as here:
        settings = await settings_of(here)
        (makeas,) = [one for one in settings.vendors[0].makeas if one.list_id == "2001"]
        vendors = tuple(structs.replace(one, makeas=(makeas,)) for one in settings.vendors)
        both = {here.address(VENDORS[0], user) for user in here.writable(VENDORS[0])}
        both &= {here.address(VENDORS[1], user) for user in here.writable(VENDORS[1])}
        hears = Hears()
        await reconcile(structs.replace(settings, vendors=vendors), Options(asked=Asked(), rate_share=1.0, dry_run=True), hears)
        (report,) = hears.reports
        users = {(vendor, user) for vendor in VENDORS for user in here.writable(vendor) if here.address(vendor, user) in both}
        doubled = [one for one in report.findings if (one.vendor, one.user) in users]
        assert both
        assert ({(one.vendor, one.user) for one in doubled}, {(one.kind, one.repairs) for one in doubled}) == (users, {("doubled", False)})
