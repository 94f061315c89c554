"""Pods that are killed, stopped, suspended."""

import anyio

from tests.faults.matrix import play, row
from tests.faults.scene import Scene


@row("F11", "a pod is killed", "SIGKILL of one of two pods, three times, another started each time")
async def test_a_pod_is_killed(scene: Scene) -> None:
    async def trouble() -> None:
        for _ in range(3):
            await anyio.sleep(scene.chance.uniform(0.5, 1.5))
            await scene.alive[0].kill()
            await scene.pod().start(ready=False)

    await play(scene, "F11", trouble)
