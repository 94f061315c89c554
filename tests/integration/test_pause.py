"""A list that is paused, on a real Kafka: nothing is written to it, its siblings go on, and it has all once the pause is gone."""

from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest
import pytest_asyncio

from consumer.pod.status.tree import Status
from consumer.sandbox.brokers.broker import Broker
from consumer.sandbox.publishers import event
from consumer.sandbox.town import PLACES, town
from tests.integration.harness import Pod, Stage, staged

NUMBERS = "[workers]\nbackoff_s = 0.2\nbackoff_max_s = 1.0\nhold_s = 2.0\n"
OTHERS = [place.account for place in PLACES[1:]]


@pytest_asyncio.fixture
async def stage(kafka: Broker, topic: str, tmp_path: Path) -> AsyncIterator[Stage]:
    async with town(tmp_path, readers=20) as here, staged(here, kafka, topic, tmp_path) as made:
        yield made


def pause(pod: Pod, *lists: str, on: bool) -> None:
    """Pause lists in a pod's settings, or take that back."""
    text = pod.config.read_text(encoding="utf-8")
    for one in lists:
        plain, paused = f'listId = "{one}" }}', f'listId = "{one}", paused = true }}'
        text = text.replace(plain, paused) if on else text.replace(paused, plain)
    pod.config.write_text(text, encoding="utf-8")


@pytest.mark.parametrize("lists", [("1467",), ("1466", "1467")], ids=["one-of-an-account", "all-of-an-account"])
async def test_a_paused_list_has_nothing_and_all_of_it_once_the_pause_is_gone(stage: Stage, lists: tuple[str, ...]) -> None:
    """No new event comes: what was owed is known from the letters."""
    account = stage.town.account(PLACES[0])
    before = {email: set(row["lists"]) for email, row in account.contacts.items()}
    pod = stage.pod(more=NUMBERS)
    pause(pod, *lists, on=True)
    await pod.start()
    await stage.touch_all()
    await stage.agree(accounts=OTHERS)
    await stage.idle(pod)
    await anyio.sleep(1.0)  # Nothing heals meanwhile.

    on_them = {email: set(row["lists"]) & set(lists) for email, row in account.contacts.items()}
    assert {email: found for email, found in on_them.items() if found - before.get(email, set())} == {}
    open_ones = {"1466", "1467"} - set(lists)
    assert bool(stage.town.makeas.calls[PLACES[0].account, "upsert"]) == bool(open_ones)
    status = await pod.status()
    assert status is not None
    shown = {one.list: (one.door, one.door_code, one.paused) for one in status.lists}
    assert {one for one, of in shown.items() if of == ("left-out", "paused", True)} == set(lists)
    assert {of for one, of in shown.items() if one not in lists} == {("open", "", False)}
    assert [one.name for one in status.upstreams if one.cause == "paused"] == [PLACES[0].account] * (not open_ones)
    assert await pod.stop() == 0

    pause(pod, *lists, on=False)
    await pod.start()
    await stage.agree()


async def test_what_is_owed_to_a_paused_list_heals_though_its_sibling_refused_meanwhile(stage: Stage) -> None:
    """The sibling's refusals have letters of their own, which an operator asks for; the paused list's need nobody."""
    account, vendor = stage.town.account(PLACES[0]), PLACES[0].vendor
    pod = stage.pod(more=NUMBERS)
    pause(pod, "1467", on=True)
    await pod.start()
    await stage.touch_all()
    await stage.agree(accounts=OTHERS)
    await stage.idle(pod)
    account.refuses["1466"] = 422
    changed = stage.town.writable(vendor)[:3]
    for one in changed:  # What is so already is not written, and so refused by nobody.
        stage.town.sesamy.users[vendor][one]["profile"]["lastName"] = "Annerledes"
    await stage.send(event(vendor, one, "contract.1#update") for one in changed)
    with anyio.fail_after(30):
        while ((await told(pod)).dead_letters.need_person or 0) < 3:
            await anyio.sleep(0.2)
    await stage.idle(pod)
    shown = {one.name: one.state for one in (await told(pod)).upstreams}
    assert shown[PLACES[0].account] == "open"
    assert await pod.stop() == 0

    account.refuses.clear()
    pause(pod, "1467", on=False)
    await pod.start()
    await stage.agree()


async def told(pod: Pod) -> Status:
    status = await pod.status()
    assert status is not None
    return status
