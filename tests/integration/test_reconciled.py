"""The result of a reconcile in the dead-letter topic of a real Kafka: pods show it, and it is no letter to anybody."""

import json
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest_asyncio
from anyio import to_thread

from consumer.commands.reconcile.published import publish
from consumer.core.letters.reconciled import Reconciled
from consumer.sandbox.brokers.broker import Broker
from consumer.sandbox.town import town
from consumer.settings.load import load
from tests.integration.harness import Pod, Stage, staged, until

AT_MS = int(time.time() * 1000) - 60_000


@pytest_asyncio.fixture
async def stage(kafka: Broker, topic: str, tmp_path: Path) -> AsyncIterator[Stage]:
    async with town(tmp_path, readers=10) as here, staged(here, kafka, topic, tmp_path) as made:
        yield made


async def left(pod: Pod) -> Reconciled:
    """Leave a result for the first list of the pod's settings."""
    settings = await to_thread.run_sync(load, pod.config, os.environ)
    account = settings.accounts[0]
    one = Reconciled(
        vendor=account.vendor, account=account.id, list=account.lists[0], at_ms=AT_MS, ended="agreed", readers=10, repaired=2, left=1
    )
    await publish(settings, [one])
    return one


async def test_pods_show_it_and_nobody_takes_it_for_a_letter(stage: Stage) -> None:
    pod = await stage.pod().start()
    one = await left(pod)

    async def shown() -> bool:
        status = await pod.status()
        return status is not None and any(row.reconciled is not None for row in status.lists)

    await until(shown, what=lambda: f"the result is shown; {pod.said()}", within_s=30)
    status = await pod.status()
    assert status is not None
    (row,) = [row for row in status.lists if row.reconciled is not None]
    assert row.reconciled is not None
    assert ((row.vendor, row.account, row.list), row.reconciled.at, row.reconciled.left) == (one.key, AT_MS / 1000, 1)
    assert (status.dead_letters.open, status.dead_letters.unreadable, status.ready) == (0, 0, True)
    said = await stage.command("dead-letters", "list", "--output", "json")
    assert json.loads(said.out) == []
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{pod.port}/metrics") as answer:
        text = await answer.text()
    assert f'sesamy_makeas_reconcile_left{{account="{one.account}",list="{one.list}",vendor="{one.vendor}"}} 1.0' in text
