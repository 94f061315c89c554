"""Events of types that are none of the eight, on a real Kafka: seen, made good when asked, or resynced as any other."""

import json
import shlex
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from consumer.sandbox.brokers.broker import Broker
from consumer.sandbox.publishers import event
from consumer.sandbox.stand_ins.faults import Fault
from consumer.sandbox.town import PLACES, VENDORS, town
from tests.integration.harness import Stage, staged, until

DELETED = "userVendor.1#deleted"


@pytest_asyncio.fixture
async def stage(kafka: Broker, topic: str, tmp_path: Path) -> AsyncIterator[Stage]:
    async with town(tmp_path, readers=20) as here, staged(here, kafka, topic, tmp_path) as made:
        yield made


async def test_what_a_pod_passed_over_is_shown_and_made_good_by_the_command_beside_it(stage: Stage) -> None:
    """Another version of one of the eight is no other type."""
    pod = await stage.pod().start()
    users = stage.town.writable(VENDORS[0])
    await stage.send(event(VENDORS[0], user, DELETED) for user in users[:6])
    await stage.send(event(VENDORS[0], user, "contract.2#update") for user in users[6:])

    async def seen() -> bool:
        status = await pod.status()
        return status is not None and [(one.type, one.events) for one in status.unknown_types] == [(DELETED, 6)]

    await until(seen, what=pod.said, within_s=30)
    await until(lambda: _agrees(stage, users[6:]), what=pod.said, within_s=30)
    assert stage.town.sesamy.fetched.keys() == {(VENDORS[0], user) for user in users[6:]}
    status = await pod.status()
    assert status is not None
    (passed_over,) = status.unknown_types

    _, *words = shlex.split(passed_over.replay)
    without = await stage.command(*(word for word in words if word != "--unknown-types"), "--dry-run")
    assert f"6 events of type {DELETED}, which is none of the eight, are passed over: --unknown-types takes them" in without.out
    said = await stage.command(*words, "--yes")
    assert (said.status, f"{len(users)} synced" in said.out) == (0, True), said
    assert await _agrees(stage, users)


async def test_where_the_settings_say_so_they_are_resynced_parked_and_healed_as_any_other(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAFKA_UNKNOWN_TYPES", "resync")
    pod = await stage.pod().start()
    users = stage.town.writable(VENDORS[0])
    email = stage.town.address(VENDORS[0], users[0])
    stage.town.makeas.faults.add(Fault(kind="status", upstream=PLACES[0].account, user=email, status=422))

    await stage.send(event(VENDORS[0], user, DELETED) for user in users)

    (letter,) = await stage.letters(1)
    assert json.loads(letter["value"]) == {"eventType": DELETED, "vendorId": VENDORS[0], "userId": users[0]}
    await stage.idle(pod)
    assert await _agrees(stage, users[1:])
    status = await pod.status()
    assert status is not None
    assert [(one.type, one.events, one.replay) for one in status.unknown_types] == [(DELETED, len(users), "")]

    checked = await stage.command("check", "--online", "--output", "json")
    (rate,) = (one["what"] for one in json.loads(checked.out) if one["path"] == "kafka.unknown_types" and "a minute" in one["what"])
    assert rate.startswith(f"{len(users) / 5:.1f} of {len(users) / 5:.1f} events a minute are of unknown type"), rate

    stage.town.makeas.faults.clear()
    assert (await stage.command("dead-letters", "requeue", "--all", "--yes")).status == 0
    await until(lambda: _agrees(stage, users), what=pod.said, within_s=30)


async def _agrees(stage: Stage, users: list[str]) -> bool:
    return not any(stage.town.wrong(place, set(users)) for place in PLACES[:2])
