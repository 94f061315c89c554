"""What the tests of a reconcile have in common: a town on loopback, who is told of it, and what it may not have done."""

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest
from anyio import to_thread
from msgspec import Struct

from consumer.commands.reconcile.looking import Looked
from consumer.commands.reconcile.plan import Asked, Options, Scope
from consumer.commands.reconcile.report import Report
from consumer.commands.reconcile.work import reconcile
from consumer.commands.replay.plan import Load
from consumer.core.drift.contacts import Finding
from consumer.core.errors import Fatal
from consumer.sandbox.sown import KINDS, Kind, Sown, settle, sow
from consumer.sandbox.stand_ins.sesamy import Sesamy
from consumer.sandbox.stand_ins.sesamy_lists import Lists, Resource
from consumer.sandbox.town import PLACES, Town, town
from consumer.settings.load import load
from consumer.settings.model import Settings

EACH: Final[dict[Kind, int]] = dict.fromkeys(KINDS, 4)
NAMING: Final[frozenset[Resource]] = frozenset({"contracts", "entitlements"})
"""Of whose rows each names its user: then all can be compared."""
_WRITES: Final = ("upsert", "update", "products", "subscriptions")
_ONE_LIST: Final = {place.account for place in PLACES if len(place.lists) == 1}

Told = set[tuple[str, str, str, str]]
"""Kind, vendor, user, account; a stranger has no vendor."""


class Hears:
    """Who is told of a reconcile, and lets it run, or not."""

    def __init__(self, *, may_run: bool = True) -> None:
        self._may_run = may_run
        self.scopes: list[Scope] = []
        self.plans: list[tuple[Load, ...]] = []
        self.looked: list[Looked] = []
        self.over: list[dict[str, int]] = []
        self.asked: list[tuple[int, int]] = []
        self.reports: list[Report] = []

    def begins(self, scope: Scope) -> None:
        self.scopes.append(scope)

    def costs(self, plans: tuple[Load, ...]) -> None:
        self.plans.append(plans)

    def reading(self, done: int, of: int, *, left_s: float) -> None:
        assert 0 <= done <= of
        assert left_s >= 0

    def found(self, looked: Looked) -> None:
        self.looked.append(looked)

    def too_many(self, over: Mapping[str, int], changes: Mapping[str, int]) -> None:
        assert over.keys() <= changes.keys()
        self.over.append(dict(over))

    async def may_run(self, readers: int, retired: int) -> bool:
        self.asked.append((readers, retired))
        return self._may_run

    def repairing(self, done: int, of: int) -> None:
        assert 0 <= done <= of

    def repair_costs(self, loads: object) -> None:
        pass

    def looking_again(self, done: int, of: int) -> None:
        assert 0 <= done < of

    def cut_off(self) -> None:
        pass

    def ended(self, report: Report) -> None:
        self.reports.append(report)


class Seen(Struct, frozen=True):
    """How a reconcile ended."""

    status: int
    hears: Hears

    @property
    def report(self) -> Report:
        (report,) = self.hears.reports
        return report

    @property
    def told(self) -> Told:
        return told(self.report.findings)

    @property
    def unsaid(self) -> tuple[str, ...]:
        """What was not compared, but for what never can be."""
        return tuple(one for one in self.report.not_compared if "does not give them back" not in one)


@asynccontextmanager
async def agreeing(folder: Path, *, readers: int = 60, lists: Lists | None = None, sesamy: Sesamy | None = None) -> AsyncIterator[Town]:
    """Serve a town that agrees; `lists`: None: each row names its user."""
    async with town(folder, readers=readers, sesamy=sesamy) as here:
        settle(here)
        here.sesamy.lists = Lists(naming=NAMING) if lists is None else lists
        yield here


def sown_in(here: Town, counts: Mapping[Kind, int] = EACH, *, seed: int = 3) -> Sown:
    return sow(here, Random(seed), counts)


def expected(sown: Sown) -> Told:
    """Return what is to be told of what was sown: a contact that is on no list at all is in no list's rows, and so it is missing."""
    found = Told()
    for kind, those in sown.items():
        for vendor, user, account in those:
            kinds = {
                "moved": ("missing", "moved"),
                "unlinked": ("field",),
                "list": ("missing",) if account in _ONE_LIST else ("list",),
            }.get(kind, (kind,))
            found |= {(one, "" if one == "stranger" else vendor, user, account) for one in kinds}
    return found


def told(findings: Collection[Finding]) -> Told:
    there = [(one.kind, one.vendor, one.user, one.account) for one in findings]
    assert len(there) == len(set(there))
    return set(there)


async def settings_of(here: Town, more: str = "") -> Settings:
    path = here.folder / "consumer.toml"
    path.write_text(here.settings(bootstrap="127.0.0.1:1", admin_port=1, more=more))
    return await to_thread.run_sync(load, path, {})


async def look(here: Town, *, hears: Hears | None = None, asked: Asked | None = None, tables: str = "", **more: Any) -> Seen:
    """Reconcile, dry unless it is said otherwise, as quickly as the stand-ins answer; `tables`: further settings."""
    hears = hears or Hears()
    options = Options(**{"asked": asked or Asked(), "rate_share": 1.0, "dry_run": True, **more})
    return Seen(await reconcile(await settings_of(here, tables), options, hears), hears)


async def refused(here: Town, **more: Any) -> Fatal:
    """Reconcile, and return the error with which it ended; nothing may have been written."""
    with pytest.raises((Fatal, BaseExceptionGroup)) as caught:
        await look(here, **more)
    error: BaseException = caught.value
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, Fatal)
    assert writes(here) == 0
    return error


def writes(here: Town) -> int:
    """Return how many calls could have changed anything at Make.as."""
    return sum(here.makeas.calls[account, op] for account in here.makeas.accounts for op in _WRITES)
