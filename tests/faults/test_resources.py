"""What a process has little of: files, memory, a place for its logs; and a clock that jumps."""

import os
import resource
import time
from email.utils import formatdate
from pathlib import Path

import anyio
import pytest

from consumer.sandbox.stand_ins.faults import Fault
from consumer.sandbox.town import PLACES
from tests.faults.matrix import play, row
from tests.faults.scene import Scene, ScenePod
from tests.integration.harness import until

_FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)


@row(
    "F33",
    "the clock jumps",
    "libfaketime under two pods: an hour back, then two ahead; meanwhile 429 with a date for Retry-After, 2 s ahead of the server's clock",
)
async def test_the_clock_jumps(scene: Scene, tmp_path: Path) -> None:
    """Whatever waits goes by another clock; a date in an answer is as far away as it is from the answer's own."""
    if _FAKETIME is None:
        pytest.skip("libfaketime is not installed; cure: apt-get install libfaketime")
    scene.logs_tell = False  # Their times jump, too.
    jump = tmp_path / "jump"
    _write(jump, "+0")
    scene.environ |= {
        "LD_PRELOAD": str(_FAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(jump),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    scene.converge_s = 30.0  # Nobody is to wait for an hour that is none.

    async def trouble() -> None:
        faults, account = scene.town.makeas.faults, PLACES[1].account
        for offset, seconds in (("-1h", -3600), ("+2h", 7200)):
            _write(jump, offset)
            seen = faults.seen
            asks = faults.add(
                Fault(kind="status", upstream=account, status=429, retry_after=formatdate(time.time() + 2, usegmt=True), times=3)
            )

            async def asked(least: int = seen + 1) -> bool:
                return faults.seen >= least

            await until(asked, what=lambda: str([pod.said() for pod in scene.alive]), within_s=30)
            for pod in scene.alive:
                await _is_off_by(pod, seconds)
            await anyio.sleep(2)
            faults.remove(asks)
            for pod in scene.alive:
                status = await pod.status()
                assert status is not None
                assert status.live
                assert max(gate.next_try_s for gate in status.upstreams) < 60
        _write(jump, "+0")

    await play(scene, "F33", trouble)


async def _is_off_by(pod: ScenePod, seconds: float) -> None:
    status = await pod.status()
    assert status is not None
    assert status.at - time.time() == pytest.approx(seconds, abs=30), "its clock has not jumped"


def _write(path: Path, text: str) -> None:
    """Change a file at once: a pod reads it whenever it asks for the time."""
    new = path.with_suffix(".new")
    new.write_text(text, encoding="ascii")
    new.replace(path)


@row(
    "F35",
    "files, memory and the place for logs run out",
    "RLIMIT_NOFILE, RLIMIT_AS of running pods at what they have; stderr a full disk, a pipe that breaks, closed; who ends is started anew",
)
async def test_resources_run_out(scene: Scene) -> None:
    """A pod ends with a status that is not 0, or goes on; it is started anew where it ended, and nothing is lost."""

    scene.may_end = True
    scene.logs_tell = False  # To some of them there is no place for logs.

    async def trouble() -> None:
        without_files, without_memory = scene.alive[:2]
        await _take_files(scene, without_files)
        await _take_memory(scene, without_memory)
        for pod in scene.alive[-3:]:
            assert await pod.is_live(), "a pod without a place for its logs goes on"

    for _ in range(2):
        await scene.pod().start()
    for redirection in ("2>/dev/full", "2> >(head -c 100 >/dev/null)", ">&- 2>&-"):
        await _redirected(scene, redirection).start()
    await play(scene, "F35", trouble, pods=0)
    for pod in scene.alive[-3:]:
        assert await pod.stop() == 0
        assert pod.said() == ""


def _redirected(scene: Scene, redirection: str) -> ScenePod:
    pod = scene.pod()
    assert isinstance(pod, ScenePod)
    pod.command = ["bash", "-c", f'exec "$@" {redirection}', "bash", *pod.command]
    return pod


async def _take_files(scene: Scene, pod: ScenePod) -> None:
    """Let no file or connection be opened, while the ones that there are break; then give them back."""
    pid = pod.process.pid
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, before[1]))  # No number is free below it, whatever is closed.
    cut = scene.town.makeas.faults.add(Fault(kind="cut"))
    place = pod.log.stat().st_size

    async def is_met() -> bool:
        return not pod.lives or ":connect" in pod.log.read_text(encoding="utf-8")[place:]

    await until(is_met, what=lambda: pod.log.read_text(encoding="utf-8")[place:], within_s=30)
    await anyio.sleep(2)
    scene.town.makeas.faults.remove(cut)
    await _give_back(pod, resource.RLIMIT_NOFILE, before)
    await _replace_if_ended(scene, pod)


async def _take_memory(scene: Scene, pod: ScenePod) -> None:
    """Let no more memory be mapped, and let it need some."""
    pid = pod.process.pid
    before = resource.prlimit(pid, resource.RLIMIT_AS)
    resource.prlimit(pid, resource.RLIMIT_AS, (_address_space(pid), before[1]))
    huge = scene.town.makeas.faults.add(Fault(kind="huge", upstream=PLACES[2].account))

    async def is_met() -> bool:
        return not pod.lives or "MemoryError" in pod.log.read_text(encoding="utf-8")

    await until(is_met, what=pod.said, within_s=30)
    await anyio.sleep(2)
    scene.town.makeas.faults.remove(huge)
    await _give_back(pod, resource.RLIMIT_AS, before)
    await _replace_if_ended(scene, pod)


async def _give_back(pod: ScenePod, what: int, before: tuple[int, int]) -> None:
    """Lift a limit, unless the pod has ended of it, be it this moment."""
    if not pod.lives:
        return
    try:
        resource.prlimit(pod.process.pid, what, before)
    except ProcessLookupError:  # It is being buried: nothing has waited for it yet.
        await pod.ended()


def _address_space(pid: int) -> int:
    """Return how much a process has mapped (bytes)."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[0])
    return pages * os.sysconf("SC_PAGE_SIZE")


async def _replace_if_ended(scene: Scene, pod: ScenePod) -> None:
    """Do what Kubernetes does."""
    if not pod.lives:
        assert await pod.ended() != 0
        await scene.pod().start(ready=False)
