"""A first load on a real Kafka: new readers are written from what was read in bulk, but for those of whom an event comes."""

import json
import random
from pathlib import Path

import anyio

from consumer.commands.reconcile.again import MOST as LOOKED_AGAIN
from consumer.sandbox.brokers.broker import Broker
from consumer.sandbox.publishers import happen
from consumer.sandbox.stand_ins.faults import Fault
from consumer.sandbox.stand_ins.sesamy_lists import RESOURCES, Lists
from consumer.sandbox.town import PLACES, VENDORS, town
from tests.integration.harness import Stage, staged

READERS = 150


async def _load(stage: Stage, folder: Path) -> tuple[int, dict[str, object]]:
    report = folder / "report.json"
    said = await stage.command("reconcile", "--from-bulk", "--yes", "--rate-share", "1", "--max-changes", "100%", "--report", str(report))
    assert said.status in {0, 1}, said
    return said.status, json.loads(report.read_text())


def _wrong(stage: Stage) -> list[str]:
    return [user for place in PLACES for user in stage.town.wrong(place)]


async def test_new_readers_are_written_without_a_fetch_of_each(kafka: Broker, topic: str, tmp_path: Path) -> None:
    """Some are there already, some left: those are fetched, and nobody is put back."""
    async with town(tmp_path, readers=READERS) as here, staged(here, kafka, topic, tmp_path) as stage:
        here.sesamy.lists = Lists(naming=frozenset(RESOURCES))
        there = {user for vendor in VENDORS for user in here.writable(vendor) if _is_anywhere(stage, vendor, user)}
        new = sum(len(here.writable(vendor)) for vendor in VENDORS) - len(there)

        status, report = await _load(stage, tmp_path)

        assert (status, report["ended"], report["from_bulk"]) == (0, "agreed", new)
        assert len({user for _, user in here.sesamy.fetched} - there) <= LOOKED_AGAIN
        assert _wrong(stage) == []
        assert here.violations() == []


async def test_a_reader_with_an_event_is_fetched_and_no_newer_write_of_a_pod_is_lost(kafka: Broker, topic: str, tmp_path: Path) -> None:
    async with town(tmp_path, readers=READERS) as here, staged(here, kafka, topic, tmp_path) as stage:
        here.sesamy.lists = Lists(naming=frozenset(RESOURCES))
        vendor, chance = VENDORS[0], random.Random(4)
        hot = [user for user in here.writable(vendor) if not _is_anywhere(stage, vendor, user)][:8]
        pod = await stage.pod().start()
        here.makeas.faults.add(Fault(kind="delay", op="contact", delay_s=0.05))

        async def happens() -> None:
            while True:
                await stage.send(happen(here.sesamy, vendor, chance.choice(hot), chance))
                await anyio.sleep(0.1)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(happens)
            _, report = await _load(stage, tmp_path)
            tasks.cancel_scope.cancel()
        await stage.agree()
        await stage.idle(pod)

        assert report["from_bulk"]
        assert _wrong(stage) == []
        assert here.violations() == []


async def test_lists_that_do_not_tell_whose_rows_they_have_load_nobody_in_bulk(kafka: Broker, topic: str, tmp_path: Path) -> None:
    async with town(tmp_path, readers=30) as here, staged(here, kafka, topic, tmp_path) as stage:
        status, report = await _load(stage, tmp_path)

        assert (status, report["from_bulk"]) == (0, 0)
        assert any("fetched singly" in one for one in report["not_compared"])  # type: ignore[attr-defined]
        assert {user for _, user in here.sesamy.fetched} >= {user for vendor in VENDORS for user in here.writable(vendor)}


def _is_anywhere(stage: Stage, vendor: str, user: str) -> bool:
    email = stage.town.address(vendor, user)
    return any(email in stage.town.account(place).contacts for place in PLACES if place.vendor == vendor)
