"""A pod works, or says that it does not and ends."""

from typing import Any

import anyio
import pytest

from consumer.pod.status.report import Report
from consumer.resync.clients import Upstreams, gates
from consumer.telemetry.fences import PartEnded
from tests.fakes.service import is_live, service
from tests.simulation.settings import SETTINGS
from tests.unit.telemetry.test_fences import cancelled_by_itself


async def returns() -> None:
    """End by itself."""


@pytest.mark.parametrize("end", [returns, cancelled_by_itself])
@pytest.mark.parametrize("part", ["writer", "follower", "commits"])
async def test_a_part_that_ends_by_itself_ends_the_pod_with_an_error(part: str, end: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody goes on without it, and until the end the pod says that it is not alive."""
    pod = service()
    assert is_live(pod)
    monkeypatch.setattr(getattr(pod, part), "run", end)

    with pytest.raises(ExceptionGroup) as raised:
        await pod.live()

    assert raised.group_contains(PartEnded)
    assert not is_live(pod)


async def test_being_stopped_is_no_end_by_itself() -> None:
    pod = service()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(pod.live)
        await anyio.sleep(0.1)
        assert is_live(pod)
        tasks.cancel_scope.cancel()
    assert is_live(pod)


@pytest.mark.parametrize("dry_run", [False, True])
async def test_a_dry_run_follows_no_letters_since_they_are_the_real_pods(dry_run: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    pod = service(Upstreams({}, gates(SETTINGS), dry_run=dry_run))
    began = []

    async def follows() -> None:
        began.append(1)
        await anyio.sleep_forever()

    monkeypatch.setattr(pod.follower, "run", follows)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(pod.live)
        await anyio.sleep(0.1)
        status = Report(pod, started_at=0.0).status()
        tasks.cancel_scope.cancel()

    assert (bool(began), status.dry_run, status.dead_letters.readable) == (not dry_run, dry_run, True)
