"""What pods say in their metrics and on their status page, as a scene asks for it."""

import re
from collections.abc import Callable

import anyio

from consumer.pod.status.tree import GateStatus, ListStatus
from tests.faults.scene import Scene
from tests.history.operations import Parked


async def counted(scene: Scene, name: str, **labels: str) -> float:
    """Return the sum of a counter over all pods and all series with these labels."""
    total = 0.0
    for pod in scene.alive:
        for line in (await pod.metrics()).splitlines():
            found = re.fullmatch(rf"sesamy_makeas_{name}_total(?:{{(.*)}})? (\S+)", line)
            if found is not None and all(f'{label}="{value}"' in (found[1] or "") for label, value in labels.items()):
                total += float(found[2])
    return total


async def failed(scene: Scene, upstream: str) -> set[str]:
    """Return the codes of all requests to an upstream so far, but for successes."""
    codes = set()
    for pod in scene.alive:
        for line in (await pod.metrics()).splitlines():
            if line.startswith("sesamy_makeas_upstream_requests_total{") and f'upstream="{upstream}"' in line and not line.endswith(" 0.0"):
                labels = dict(re.findall(r'(\w+)="([^"]*)"', line))
                # A contact that is new is no failure.
                codes |= {labels["code"]} - {"200", "cancelled", *(["404"] if labels["op"] == "contact" else [])}
    return codes


async def gates(scene: Scene, upstream: str) -> list[GateStatus]:
    """Return what each pod says of an upstream's gate."""
    said = [await pod.status() for pod in scene.alive]
    return [one for status in said if status is not None for one in status.upstreams if one.name == upstream]


async def lists(scene: Scene, list_id: str) -> list[ListStatus]:
    """Return what each pod says of a list."""
    said = [await pod.status() for pod in scene.alive]
    return [one for status in said if status is not None for one in status.lists if one.list == list_id]


async def shut(scene: Scene, upstream: str, cause: str, *, within_s: float = 30.0) -> None:
    """Wait until a pod says that an upstream is shut for this cause."""
    await once(scene, upstream, lambda one: one.cause == cause, within_s=within_s)


async def once(scene: Scene, upstream: str, holds: Callable[[GateStatus], bool], *, within_s: float = 30.0) -> None:
    """Wait until a pod says so of an upstream's gate."""
    with anyio.fail_after(within_s):
        while not any(holds(one) for one in await gates(scene, upstream)):
            await anyio.sleep(0.1)


async def open_everywhere(scene: Scene, *, but: str = "") -> None:
    """Make sure that no pod says of any upstream, but for one, that it is shut."""
    for pod in scene.alive:
        status = await pod.status()
        assert status is not None
        assert {one.name: one.cause for one in status.upstreams if one.name != but and one.cause} == {}


async def parked(scene: Scene) -> list[Parked]:
    """Return all letters of users so far."""
    return [op for op in await scene.history() if isinstance(op, Parked)]
