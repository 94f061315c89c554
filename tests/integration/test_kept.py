"""Settings that are not as a server is, where the server takes all the same and says nothing: the pod sees it, over HTTP."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import anyio.to_thread
import pytest
from msgspec import structs

from consumer.core.answers.snapshot import Contract, Item
from consumer.core.mapping.kept import APART_S
from consumer.core.model import AccountId, Job, UserKey, Verdict
from consumer.resync.clients import Upstreams, upstreams
from consumer.resync.run import Resync
from consumer.resync.waits import Waits
from consumer.sandbox.stand_ins import makeas as stand_in
from consumer.sandbox.stand_ins.makeas_reads import Reads
from consumer.sandbox.stand_ins.makeas_ways import Ways
from consumer.sandbox.stand_ins.server import serving
from consumer.telemetry.metrics import Metrics
from tests.fakes.upstreams import Sesamy, address
from tests.integration.test_switches import WAYS
from tests.unit.resync.test_makeas import settings_of
from tests.unit.resync.test_makeas_consent import read

A: Final = AccountId("1001")
LISTS: Final = ("11", "12")
OTHERS: Final = ["Quiz", "sesamy_old"]


class Here:
    """One account over HTTP, and readers whose contacts are written in turn."""

    def __init__(self, up: Upstreams, made: stand_in.MakeAs, metrics: Metrics) -> None:
        self.kept, self._made, self.stepped_aside = up.kept[A], made, 0
        up.gates.made_room = self._step_aside
        sesamy: Any = Sesamy()
        sesamy.takes_s = 0.0
        sesamy.contracts_of = lambda user: (Contract(id=f"c {user.user}", status="ACTIVE", items=[Item(sku="s", name="n")]),)
        self._resync = Resync(
            {"v": structs.replace(up.vendors["v"], sesamy=sesamy)},
            up.gates,
            lease_left_s=lambda: 10.0,
            waits=Waits(),
            uniform=lambda: 0.0,
            metrics=metrics,
        )

    def _step_aside(self) -> None:
        self.stepped_aside += 1

    @property
    def asked(self) -> int:
        return self._made.calls["1001", "contact"]

    async def write(self, *users: str) -> None:
        for user in users:
            job = Job(user=UserKey("v", user), accounts=(A,), started_at=0.0, since_ms={A: 0})
            _, accounts = await self._resync.run(job)
            assert accounts[A].verdict is Verdict.DONE, "the server takes it all"


@asynccontextmanager
async def here(
    switches: Mapping[str, Any], ways: Mapping[str, Any], *, known: Mapping[str, str], reads: Reads | None = None, apart_s: float = 0.0
) -> AsyncIterator[tuple[Here, stand_in.Account]]:
    """Serve an account; `known`: readers that have a contact, with its status; each other one is new."""
    made = stand_in.MakeAs()
    there = made.add_account("1001", key="k", lists=set(LISTS))
    there.ways, there.reads = Ways(**ways), reads or Reads()
    for user, status in known.items():
        # Hidden, it is on the lists that it left, which tell of it; shown, it is on none.
        on = list(LISTS) if status != "active" and there.ways.opted_out == "hidden" else []
        there.contact(address(user), tags=list(OTHERS), email_status=status, lists=on)
    there.catalogue.add(OTHERS)
    async with serving(made.app()) as url:
        settings = settings_of(url, *LISTS)
        makeas = structs.replace(settings.makeas, requests_per_second=1000.0, burst=1000, **switches)
        settings = structs.replace(settings, makeas=makeas)
        metrics = Metrics(settings)
        async with upstreams(settings, metrics) as up:
            await read(up)
            up.kept[A].apart_s = apart_s
            yield Here(up, made, metrics), there


def _named(ways: Any) -> str:
    return "+".join(map(str, ways.values())) if ways else "as assumed"


WRONG: Final[tuple[tuple[dict[str, Any], dict[str, Any], set[str]], ...]] = (
    ({}, {"list_parameter": "subscriber_list_id"}, {"lists"}),
    ({"list_parameter": "subscriber_list_id"}, {}, {"lists"}),
    ({}, {"tags": "ids"}, {"tags", "others_tags"}),
    ({}, {"list_parameter": "subscriber_list_id", "tags": "ids"}, {"lists", "tags", "others_tags"}),
)


@pytest.mark.parametrize(("switches", "ways", "not_kept"), WRONG)
async def test_with_the_wrong_switch_what_is_not_kept_is_known_after_three_readers(
    switches: dict[str, Any], ways: dict[str, Any], not_kept: set[str]
) -> None:
    """Their contacts are there, with tags of others and a stale one of ours."""
    async with here(switches, ways, known={f"u{number}": "active" for number in range(3)}) as (pod, there):
        await pod.write("u0", "u1")
        assert pod.kept.not_kept() == ()
        await pod.write("u2")
        assert {*pod.kept.not_kept()} == not_kept

        there.ways = Ways(**switches)
        there.contact(address("known"), tags=list(OTHERS))
        await pod.write("known")
        assert pod.kept.not_kept() == (), "the first that is kept ends it"


@pytest.mark.parametrize("ways", WAYS, ids=_named)
@pytest.mark.parametrize("reads", [Reads(), Reads(contact_lists=False, contact_tags="objects")], ids=["lists", "no lists"])
async def test_with_the_right_switch_nothing_is_ever_said(ways: dict[str, Any], reads: Reads) -> None:
    """Not either of those that opted out, be they shown or hidden, nor where rows are shared, as they are here."""
    switches = dict(ways)
    known = {"u0": "active", "u1": "unsubscribed", "u2": "bounce", "u3": "unsubscribed", "u4": "unsubscribed"}
    async with here(switches, ways, known=known, reads=reads) as (pod, there):
        told = list[object]()
        pod.kept.told = told.append
        await pod.write(*known, *(f"new{number}" for number in range(4)), *known)

        assert (told, pod.kept.not_kept(), there.violations) == ([], (), [])
        assert pod.asked > 14, "else nothing was looked at"


async def test_a_server_that_does_not_heed_how_tags_are_written_is_known_by_the_stale_ones_that_stay() -> None:
    async with here({}, {}, known={f"u{number}": "active" for number in range(3)}) as (pod, there):
        there.always = "merge"
        await pod.write("u0", "u1", "u2")
        assert pod.kept.not_kept() == ("tags",)


async def test_a_server_that_always_replaces_keeps_all_for_the_tags_of_others_go_along() -> None:
    async with here({}, {}, known={f"u{number}": "active" for number in range(3)}) as (pod, there):
        there.always = "replace"
        await pod.write("u0", "u1", "u2", "new")
        assert pod.kept.not_kept() == ()


async def test_a_thousand_readers_take_one_call_more() -> None:
    async with here({}, {}, known={}, apart_s=APART_S) as (pod, _):
        await pod.write(*(f"u{number}" for number in range(1000)))
        assert pod.asked == 1001


async def test_a_reader_that_is_looked_back_at_keeps_its_place_till_then() -> None:
    """Its look is a call of its own: else more are in flight than the settings say."""
    async with here({}, {}, known={}, apart_s=APART_S) as (pod, _):
        await pod.write("looked-at")
        assert (pod.asked, pod.stepped_aside) == (2, 0)
        await pod.write("next")
        assert (pod.asked, pod.stepped_aside) == (3, 1)


async def test_a_dry_run_looks_at_nothing(tmp_path: Path) -> None:
    settings = await anyio.to_thread.run_sync(settings_of, str(tmp_path), *LISTS)
    async with upstreams(settings, Metrics(settings), dry_run=True) as up:
        assert up.kept == {}
