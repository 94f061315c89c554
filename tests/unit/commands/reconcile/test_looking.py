"""Drift of every kind is found exactly, whatever the lists of either side are like; what they don't tell is said."""

from pathlib import Path
from typing import Any, Final

import pytest

from consumer.commands.reconcile.plan import Asked
from consumer.sandbox.stand_ins.sesamy_lists import Lists, Resource
from consumer.sandbox.town import PLACES, VENDORS

from .looks import EACH, NAMING, agreeing, expected, look, refused, sown_in, writes


async def test_a_town_that_agrees_is_said_to_agree(tmp_path: Path) -> None:
    async with agreeing(tmp_path) as here:
        seen = await look(here)
        assert (seen.status, seen.report.ended, seen.told, seen.unsaid) == (0, "agreed", set(), ())
        assert seen.report.readers == {vendor: len(here.writable(vendor)) for vendor in VENDORS}
        assert writes(here) == 0


async def test_drift_of_every_kind_is_found_and_nothing_else(tmp_path: Path) -> None:
    async with agreeing(tmp_path, readers=120) as here:
        sown = sown_in(here, EACH | {"list": 12})
        seen = await look(here)
        assert seen.told == expected(sown)
        assert {kind for kind, *_ in seen.told} == {"missing", "field", "tags", "list", "moved", "doubled", "stranger"}
        assert (seen.status, seen.report.ended, seen.unsaid) == (1, "dry-run", ())
        assert seen.report.to_repair == len({told[1:3] for told in seen.told if told[0] in {"missing", "field", "tags", "list"}})
        assert writes(here) == 0


CALM: Final[dict[str, dict[str, Any]]] = {
    "page-cap-10": {"page_cap": 10},
    "page-cap-25": {"page_cap": 25},
    "page-cap-50": {"page_cap": 50},
    "no-totals": {"totals": False},
    "no-totals-cap-25": {"totals": False, "page_cap": 25},
    "total-too-small": {"total_off": -30, "page_cap": 25},
}


@pytest.mark.parametrize("switches", CALM.values(), ids=CALM)
async def test_whatever_sesamys_pages_are_like_all_drift_is_found(tmp_path: Path, switches: dict[str, Any]) -> None:
    async with agreeing(tmp_path, readers=120, lists=Lists(naming=NAMING, **switches)) as here:
        sown = sown_in(here)
        seen = await look(here)
        assert (seen.told, seen.unsaid) == (expected(sown), ())


@pytest.mark.parametrize("resource", ["contracts", "entitlements"])
async def test_rows_without_their_user_leave_tags_uncompared_which_is_said_and_deep_finds_them(tmp_path: Path, resource: Resource) -> None:
    async with agreeing(tmp_path, lists=Lists(naming=NAMING - {resource})) as here:
        sown = sown_in(here)
        seen, deep = await look(here), await look(here, asked=Asked(deep=True))
        assert seen.told == {one for one in expected(sown) if one[0] != "tags"}
        assert [f"tags of {vendor}: its {resource} do not say whose they are" in " ".join(seen.unsaid) for vendor in VENDORS] == [
            True,
            True,
        ]
        assert (deep.told, deep.unsaid) == (expected(sown), ())
        assert here.sesamy.calls[VENDORS[0], resource] >= len(here.writable(VENDORS[0]))


@pytest.mark.parametrize("status", [400, 403, 404, 405])
@pytest.mark.parametrize("resource", ["contracts", "entitlements"])
async def test_a_list_of_rows_that_is_refused_is_said_and_asked_for_singly_by_deep(tmp_path: Path, resource: Resource, status: int) -> None:
    async with agreeing(tmp_path, readers=40, lists=Lists(naming=NAMING, refuses={resource: status})) as here:
        sown = sown_in(here, {"missing": 2, "tags": 2, "field": 2})
        seen, deep = await look(here), await look(here, asked=Asked(deep=True))
        assert seen.told == {one for one in expected(sown) if one[0] != "tags"}
        assert all(f"tags of {vendor}: its {resource} can't be listed (http-{status})" in " ".join(seen.unsaid) for vendor in VENDORS)
        assert (deep.told, deep.unsaid) == (expected(sown), ())


@pytest.mark.parametrize("status", [400, 403, 404, 405])
async def test_where_users_cant_be_listed_those_that_make_knows_are_looked_at_singly(tmp_path: Path, status: int) -> None:
    async with agreeing(tmp_path, readers=40, lists=Lists(naming=NAMING, refuses={"users": status})) as here:
        sown = sown_in(here, {"tags": 2, "field": 2, "stranger": 2})
        seen = await look(here)
        assert seen.told == expected(sown)
        assert all(
            f"readers of {vendor} that Make.as does not know: users: users: status {status}" in " ".join(seen.unsaid) for vendor in VENDORS
        )


@pytest.mark.parametrize("status", [400, 403, 404, 405])
async def test_where_a_list_of_contacts_is_refused_its_readers_are_looked_at_singly(tmp_path: Path, status: int) -> None:
    async with agreeing(tmp_path, readers=40) as here:
        sown = sown_in(here, {"missing": 2, "tags": 2, "field": 2})
        here.account(PLACES[2]).reads.refuses = status
        seen = await look(here)
        assert seen.told == expected(sown)
        assert any(one.startswith(f"contacts of account {PLACES[2].account}: list ") for one in seen.unsaid)


async def test_where_neither_side_lists_anybody_it_ends(tmp_path: Path) -> None:
    async with agreeing(tmp_path, readers=20, lists=Lists(naming=NAMING, refuses={"users": 403})) as here:
        here.account(PLACES[2]).reads.refuses = 403
        error = await refused(here)
        assert (error.status, "sesamy:kystavisen" in str(error), f"account {PLACES[2].account}" in str(error)) == (69, True, True)


READS: Final[dict[str, dict[str, Any]]] = {
    "tags-as-objects": {"row_tags": "objects"},
    "no-lists-in-rows": {"row_lists": False},
    "no-count": {"count": "absent"},
    "count-too-small": {"count": 1},
    "page-of-40": {"page_cap": 40},
    "rows-come-again": {"page_cap": 40, "repeats": 2},
}


@pytest.mark.parametrize("switches", READS.values(), ids=READS)
async def test_whatever_the_rows_of_make_are_like_all_drift_is_found(tmp_path: Path, switches: dict[str, Any]) -> None:
    async with agreeing(tmp_path) as here:
        for place in PLACES:
            for name, value in switches.items():
                setattr(here.account(place).reads, name, value)
        sown = sown_in(here)
        seen = await look(here)
        assert (seen.told, seen.unsaid) == (expected(sown), ())
