"""How a reconcile ends: what is asked first, and that nothing is written where it is not wanted or not allowed."""

import signal
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest

from consumer.commands.batch import Batch
from consumer.commands.reconcile import work
from consumer.commands.reconcile.plan import Asked
from consumer.commands.reconcile.retire import Retired
from consumer.core.drift.sound import MaxChanges
from consumer.core.errors import Exit, Fatal
from consumer.core.letters.reconciled import Reconciled
from consumer.core.model import UserKey
from consumer.core.users.settling import Settling
from consumer.pod.reader.compare import UserDiff
from consumer.sandbox.stand_ins.faults import Fault
from consumer.sandbox.stand_ins.sesamy_lists import Lists
from consumer.sandbox.town import PLACES, VENDORS, Town

from .looks import NAMING, Hears, agreeing, expected, look, refused, sown_in, writes


@pytest.fixture(autouse=True)
def permitted(monkeypatch: pytest.MonkeyPatch) -> None:
    async def require(*_: object, **__: object) -> None:
        """Have every right."""

    monkeypatch.setattr("consumer.commands.reconcile.work.rights.require", require)


async def test_what_is_declined_is_not_written(tmp_path: Path) -> None:
    async with agreeing(tmp_path) as here:
        sown_in(here, {"missing": 2})
        hears = Hears(may_run=False)
        seen = await look(here, hears=hears, dry_run=False)
        assert (seen.status, seen.report.ended, hears.asked, writes(here)) == (1, "declined", [(2, 0)], 0)
        assert (seen.report.to_repair, seen.report.left) == (2, 2)


async def test_more_than_max_changes_ends_it_before_it_asks(tmp_path: Path) -> None:
    async with agreeing(tmp_path) as here:
        sown_in(here, {"missing": 4})
        seen = await look(here, dry_run=False, max_changes=MaxChanges(number=0))
        assert (seen.status, seen.report.ended, seen.hears.asked, writes(here)) == (1, "too-many", [], 0)
        assert (seen.report.to_repair, seen.report.left) == (4, 4)
        dry = await look(here, max_changes=MaxChanges(number=0))
        assert (dry.status, dry.report.ended, dry.hears.over) == (1, "dry-run", seen.hears.over)


async def test_what_no_resync_mends_remains(tmp_path: Path) -> None:
    async with agreeing(tmp_path) as here:
        sown_in(here, {"doubled": 1})
        seen = await look(here, dry_run=False)
        assert (seen.status, seen.report.ended, seen.hears.asked, writes(here)) == (1, "differs", [], 0)


async def test_where_nothing_is_left_to_look_at_it_says_so(tmp_path: Path) -> None:
    async with agreeing(tmp_path) as here:
        error = await refused(here, asked=Asked(lists=("none",)))
        assert (type(error), error.status, error.code) == (Fatal, Exit.USAGE, "scope")


class Quiet:
    """A topic without events, read to its end."""

    def __init__(self, _: object, settling: Settling) -> None:
        self._settling = settling

    async def run(self) -> None:
        while True:
            if users := self._settling.to_ask():
                self._settling.end_is(users, {0: 0})
            self._settling.read(0, 0)
            await anyio.sleep(0.01)

    async def ready(self) -> None:
        """Follow at once."""


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing happen on the topic while it repairs."""
    monkeypatch.setattr(work, "Batch", partial(Batch, tail=Quiet))


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> list[Reconciled]:
    """What is left in the dead-letter topic."""
    found: list[Reconciled] = []

    async def publish(_: object, some: tuple[Reconciled, ...]) -> None:
        found.extend(some)

    monkeypatch.setattr(work, "publish", publish)
    return found


@pytest.mark.usefixtures("quiet")
async def test_what_differs_is_repaired_and_then_all_agrees(tmp_path: Path, published: list[Reconciled]) -> None:
    async with agreeing(tmp_path) as here:
        sown = sown_in(here, {"missing": 3, "field": 2, "tags": 2, "list": 2, "stranger": 1})
        seen = await look(here, dry_run=False, publish=True, max_changes=MaxChanges(number=20))
        assert (seen.status, seen.report.ended, seen.hears.asked) == (0, "agreed", [(9, 0)])
        assert (seen.report.to_repair, seen.report.repaired, seen.report.left, seen.report.failures) == (9, 9, 0, ())
        assert seen.told == expected(sown)
        assert {place.account: here.wrong(place) for place in PLACES} == {place.account: {} for place in PLACES}
        repaired = {user for kind, those in sown.items() if kind != "stranger" for _, user, _ in those}
        assert {user for _, user in here.sesamy.fetched} == repaired
        assert {(one.account, one.list, one.ended, one.left) for one in published} == {
            (place.account, one, "agreed", 0) for place in PLACES for one in place.lists
        }
        assert sum(one.repaired for one in published) >= len(repaired)


QUICK = "[debounce]\nquiet_s = 0.5\nmax_wait_s = 0.5"


@pytest.mark.usefixtures("quiet")
async def test_what_makeas_takes_and_does_not_keep_is_a_difference_that_remains(tmp_path: Path, published: list[Reconciled]) -> None:
    async with agreeing(tmp_path) as here:
        sown = sown_in(here, {"tags": 1, "missing": 1})
        ((vendor, user, account),) = sown["tags"]
        here.makeas.accounts[account].drops.add("tags")
        seen = await look(here, dry_run=False, publish=True, tables=QUICK)
        report = seen.report
        assert (seen.status, report.ended, report.to_repair, report.repaired, report.left) == (1, "differs", 2, 2, 1)
        assert (report.looked_again, report.not_looked_again) == (2, 0)
        assert [(one.kind, one.vendor, one.user, one.account) for one in report.still] == [("tags", vendor, user, account)]
        assert {(one.account, one.left) for one in published} == {(place.account, int(place.account == account)) for place in PLACES}


@pytest.mark.usefixtures("quiet")
async def test_where_a_reader_fails_it_remains_and_is_said(tmp_path: Path, published: list[Reconciled]) -> None:
    async with agreeing(tmp_path) as here:
        sown = sown_in(here, {"missing": 1})
        ((vendor, user, account),) = sown["missing"]
        here.makeas.faults.add(Fault(kind="status", upstream=account, op="upsert", status=422))
        seen = await look(here, dry_run=False, publish=True)
        assert (seen.status, seen.report.ended, seen.report.repaired, seen.report.left) == (1, "differs", 0, 1)
        assert [(one.vendor, one.user, one.failed) for one in seen.report.failures] == [(vendor, user, {account: "http-422"})]
        assert {(one.account, one.left) for one in published} == {(place.account, int(place.account == account)) for place in PLACES}


async def test_a_result_is_published_where_nothing_was_to_repair_and_only_where_that_is_wanted(
    tmp_path: Path, published: list[Reconciled]
) -> None:
    async with agreeing(tmp_path) as here:
        await look(here, dry_run=False)
        assert published == []
        await look(here, dry_run=False, publish=True)
        assert len(published) == sum(len(place.lists) for place in PLACES)


class Stopped(Hears):
    """It hears that the run was stopped."""

    def __init__(self) -> None:
        super().__init__()
        self.cuts = 0

    def cut_off(self) -> None:
        self.cuts += 1


async def test_stopped_while_it_reads_it_says_so_writes_nothing_and_goes_on_later(tmp_path: Path, published: list[Reconciled]) -> None:
    async with agreeing(tmp_path, readers=120, lists=Lists(naming=NAMING, page_cap=25)) as here:
        sown = sown_in(here, {"missing": 2})

        def stop(body: Any) -> object:
            if here.sesamy.calls.total() > 8:
                here.sesamy.odd.clear()
                signal.raise_signal(signal.SIGTERM)
            return body

        here.sesamy.odd["all-users"] = stop
        hears, state = Stopped(), tmp_path / "reconcile.state"
        seen = await look(here, hears=hears, dry_run=False, publish=True, state=state)
        assert (seen.status, hears.cuts, hears.reports, hears.asked, published, writes(here)) == (75, 1, [], [], [], 0)
        assert state.exists()
        pages = here.sesamy.calls.total()
        again = await look(here, state=state)
        assert again.told == expected(sown)
        whole = here.sesamy.calls.total() - pages
        here.sesamy.calls.clear()
        await look(here)
        assert whole < here.sesamy.calls.total()


class Waits(Stopped):
    """It is asked, and gives no answer; then comes a signal."""

    async def may_run(self, readers: int, retired: int) -> bool:
        await super().may_run(readers, retired)
        signal.raise_signal(signal.SIGTERM)
        await anyio.sleep_forever()
        raise AssertionError


async def test_a_signal_ends_it_while_the_question_stands(tmp_path: Path) -> None:
    async with agreeing(tmp_path) as here:
        sown_in(here, {"missing": 1})
        hears = Waits()
        with anyio.fail_after(20):
            seen = await look(here, hears=hears, dry_run=False)
        assert (seen.status, hears.cuts, hears.asked, writes(here)) == (75, 1, [(1, 0)], 0)


@pytest.mark.usefixtures("quiet")
async def test_a_reader_whose_repair_was_cut_off_is_resynced_though_it_agrees_now(tmp_path: Path) -> None:
    """Its contact may be there, and its subscriptions, which Make.as does not give back, not yet."""
    async with agreeing(tmp_path) as here:
        sown = sown_in(here, {"missing": 1})
        ((_, user, account),) = sown["missing"]
        state = tmp_path / "reconcile.state"

        here.makeas.accounts[account].subscriptions.clear()
        fault = here.makeas.faults.add(Fault(kind="hang", upstream=account, op="subscriptions"))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_once_written, here, account)
            seen = await look(here, dry_run=False, state=state)
            tasks.cancel_scope.cancel()
        assert seen.status == 75
        here.makeas.faults.remove(fault)
        assert here.makeas.accounts[account].subscriptions == {}
        again = await look(here, dry_run=False, state=state)
        assert (again.status, again.report.to_repair, again.report.repaired, again.told) == (0, 1, 1, set())
        assert {one.partition("-c")[0] for one in here.makeas.accounts[account].subscriptions} == {user}
        assert not state.exists()


@pytest.mark.usefixtures("quiet")
async def test_a_reader_that_failed_midway_stays_in_the_state_and_is_resynced_by_the_same_command(tmp_path: Path) -> None:
    async with agreeing(tmp_path) as here:
        sown = sown_in(here, {"missing": 1})
        ((_, user, account),) = sown["missing"]
        state = tmp_path / "reconcile.state"
        here.makeas.accounts[account].subscriptions.clear()
        fault = here.makeas.faults.add(Fault(kind="status", upstream=account, op="subscriptions", status=422))
        seen = await look(here, dry_run=False, state=state)
        assert (seen.status, seen.report.ended, len(seen.report.failures), state.exists()) == (1, "differs", 1, True)
        here.makeas.faults.remove(fault)
        none_may_change = await look(here, dry_run=False, state=state, max_changes=MaxChanges(number=0))
        assert (none_may_change.report.ended, none_may_change.report.left) == ("too-many", 1)
        again = await look(here, dry_run=False, state=state)
        assert (again.status, again.report.to_repair, again.report.repaired) == (0, 1, 1)
        assert {one.partition("-c")[0] for one in here.makeas.accounts[account].subscriptions} == {user}
        assert not state.exists()


@pytest.mark.usefixtures("quiet")
async def test_where_no_repaired_reader_can_be_looked_at_again_they_are_not_said_to_agree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def compared(_: object, user: UserKey) -> UserDiff:
        return UserDiff(vendor=user.vendor, user=user.user, outcome="failed", reason="timeout")

    monkeypatch.setattr("consumer.commands.reconcile.again.compared", compared)
    async with agreeing(tmp_path) as here:
        sown_in(here, {"tags": 1})
        seen = await look(here, dry_run=False)
        assert (seen.status, seen.report.ended, seen.report.left, seen.report.not_looked_again) == (1, "differs", 1, 1)


async def _once_written(here: Town, account: str) -> None:
    """Send a signal once a subscription is under way."""
    while not here.makeas.calls[account, "subscriptions"]:
        await anyio.sleep(0.01)
    signal.raise_signal(signal.SIGTERM)


@pytest.mark.usefixtures("quiet")
async def test_a_reader_that_may_have_moved_back_while_its_tags_were_taken_is_resynced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with agreeing(tmp_path) as here:
        user = here.writable(VENDORS[0])[0]
        sown_in(here, {"moved": 1})

        async def retire(*_: object) -> Retired:
            return Retired(done=1, to_repair=[UserKey(VENDORS[0], user)])

        monkeypatch.setattr(work, "retire", retire)
        seen = await look(here, dry_run=False, retire_moved=True, max_changes=MaxChanges(number=9))
        assert here.sesamy.fetched[VENDORS[0], user] == 1
        assert (seen.status, seen.report.ended, seen.report.to_repair, seen.report.left) == (0, "agreed", 2, 0)


async def test_contacts_that_are_to_lose_their_tags_count_as_changes(tmp_path: Path) -> None:
    async with agreeing(tmp_path) as here:
        sown_in(here, {"moved": 1})
        one, hears = MaxChanges(number=1), Hears(may_run=False)
        seen = await look(here, dry_run=False, retire_moved=True, max_changes=one)
        assert (seen.status, seen.report.ended, seen.hears.asked, writes(here)) == (1, "too-many", [], 0)
        await look(here, hears=hears, dry_run=False, max_changes=one)
        assert hears.asked == [(1, 0)]
