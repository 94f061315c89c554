"""A key that Sesamy or Make.as refuses: each command that meets it ends with 77, for no wait mends it."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio

from consumer.sandbox.brokers.broker import Broker
from consumer.sandbox.stand_ins.faults import Fault
from consumer.sandbox.town import PLACES, VENDORS, town
from tests.integration.harness import Stage, staged

VENDOR: Final = VENDORS[0]
_HELD_FOR_1_S: Final = "[workers]\nhold_s = 1\n"


@pytest_asyncio.fixture
async def stage(kafka: Broker, topic: str, tmp_path: Path) -> AsyncIterator[Stage]:
    async with town(tmp_path, readers=30) as here, staged(here, kafka, topic, tmp_path) as made:
        yield made


@pytest.mark.parametrize("side", ["token", "sesamy", "makeas"])
@pytest.mark.parametrize("args", [("diff",), ("sync",), ("check", "--online"), ("explain", "--online")], ids=" ".join)
async def test_a_refused_key_is_77(stage: Stage, args: tuple[str, ...], side: str) -> None:
    user, sesamy = stage.town.writable(VENDOR)[0], stage.town.sesamy.faults
    if side == "makeas":
        stage.town.makeas.faults.add(Fault(kind="status", upstream=PLACES[0].account, status=401))
    for op in {"token": ("token",), "sesamy": ("user", "contracts", "entitlements"), "makeas": ()}[side]:
        sesamy.add(Fault(kind="status", op=op, status=401))
    named = () if args[0] == "check" else (VENDOR, user)

    # With its own 15 minutes, once: two more tries are enough.
    said = await stage.command(*args, *named, more=_HELD_FOR_1_S if args[0] == "sync" and side != "token" else "")

    assert said.status == 77, said
